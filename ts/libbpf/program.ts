import { addon, type NativeProgram, native } from '../native/binding.js';
import { about } from './errors.js';

/** How much longer than its input a packet may come back, unless the caller says. */
const growth = 256;

export interface ProgramInfo {
  readonly id: number;
  /** `enum bpf_prog_type` of linux/bpf.h. */
  readonly type: number;
  /** As the kernel keeps it: cut to 15 characters. */
  readonly name: string;
  /** Hash of the instructions, 16 hex digits. */
  readonly tag: string;
  /** After the verifier's rewriting; 0 without the privilege to see them. */
  readonly instructions: number;
  /** Bytes of machine code; 0 when the kernel interprets. */
  readonly jitedBytes: number;
}

export interface TestRunInput {
  /** The packet from its Ethernet header on. */
  readonly data: Uint8Array;
  /** The context struct (`xdp_md`, `__sk_buff`) as bytes, zero where the kernel does not take a value. */
  readonly ctx?: Uint8Array;
  /** Times to run on the same packet; 1 when absent. */
  readonly repeat?: number;
  /** Room for the packet that comes back, in bytes. */
  readonly dataOutSize?: number;
  /** Path of the network namespace to run in, the one of this process when absent. */
  readonly namespace?: string | undefined;
}

/**
 * Frames for {@link BpfProgram.testRunMany} and what becomes of them; room that is made once and used again. Frame `i`
 * begins at `i * stride`, and so does what it became.
 */
export class FrameBatch {
  readonly frames: Buffer;
  readonly results: Buffer;
  /** Three words a frame, as the addon reads and writes them: size, verdict, errno. */
  readonly words: Int32Array;

  /**
   * @param count frames, at most
   * @param stride bytes of the longest frame, coming out as well as going in
   */
  constructor(
    readonly count: number,
    readonly stride: number,
  ) {
    this.frames = Buffer.alloc(count * stride);
    this.results = Buffer.alloc(count * stride);
    this.words = new Int32Array(count * WORDS);
  }

  /** Before a run: length of frame `i`. After it: length of what it became. */
  size(i: number): number {
    return this.words[i * WORDS]!;
  }

  setSize(i: number, bytes: number): void {
    this.words[i * WORDS] = bytes;
  }

  /** What the program answered, as a signed number. */
  verdict(i: number): number {
    return this.words[i * WORDS + 1]!;
  }

  /** Why the kernel did not run the program on this frame, or 0: EINVAL for one too short, ENOSPC for one grown too long. */
  errno(i: number): number {
    return this.words[i * WORDS + 2]!;
  }
}

const WORDS = 3;

/** A loaded program. Owns a file descriptor, like BpfMap; methods throw BpfError. */
export class BpfProgram {
  readonly [native]: NativeProgram;
  readonly name: string;
  readonly #object: string;

  /** For the classes of this folder; others get programs from `LoadedObject` or `openPinned`. */
  constructor(handle: NativeProgram, name?: string) {
    this[native] = handle;
    this.name = name ?? handle.info().name;
    this.#object = `program ${this.name}`;
  }

  /** @throws BpfError ENOENT when nothing is pinned there, EINVAL when it is no program */
  static openPinned(path: string): BpfProgram {
    return new BpfProgram(about(`program ${path}`, () => addon().Program.openPinned(path)));
  }

  get closed(): boolean {
    return this[native].closed();
  }

  get info(): ProgramInfo {
    return about(this.#object, () => this[native].info());
  }

  /**
   * Runs the program on a packet (BPF_PROG_TEST_RUN); for XDP and tc, other types answer ENOTSUPP.
   * @returns the verdict, the packet as the program left it, and the mean duration of a run
   * @throws BpfError ENOSPC when the packet is longer than `dataOutSize`
   */
  testRun(input: TestRunInput): { retval: number; data: Buffer; durationNs: number } {
    const { data, ctx, repeat = 1, dataOutSize = data.byteLength + growth, namespace } = input;
    return about(this.#object, () => this[native].testRun(data, ctx, repeat, dataOutSize, namespace));
  }

  /**
   * Runs the program once on each of the first `count` frames of a batch, one after another, without a way back to
   * JavaScript between them. A frame that the kernel refuses is no exception: `errno` says so.
   */
  testRunMany(batch: FrameBatch, count = batch.count): void {
    const { frames, results, words, stride } = batch;
    const runs = new Uint8Array(words.buffer, words.byteOffset, count * WORDS * words.BYTES_PER_ELEMENT);
    about(this.#object, () => this[native].testRunMany(frames, stride, results, stride, runs));
  }

  /** @throws BpfError EEXIST */
  pin(path: string): void {
    about(`${this.#object} at ${path}`, () => this[native].pin(path));
  }

  close(): void {
    this[native].close();
  }
}
