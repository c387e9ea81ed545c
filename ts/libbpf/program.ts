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
}

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
    const room = input.dataOutSize ?? input.data.byteLength + growth;
    return about(this.#object, () => this[native].testRun(input.data, input.ctx, input.repeat ?? 1, room));
  }

  /** @throws BpfError EEXIST */
  pin(path: string): void {
    about(`${this.#object} at ${path}`, () => this[native].pin(path));
  }

  close(): void {
    this[native].close();
  }
}
