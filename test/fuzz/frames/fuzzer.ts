import { type BpfProgram, FrameBatch } from '../../../ts/libbpf/program.js';
import { openPlane, type TestPlane } from '../../bpf/plane.js';
import { program, setup } from '../../bpf/run.js';
import { Random } from '../random.js';
import { corpusFor, SMALL } from './corpus.js';
import { FlowRecord } from './flow-record.js';
import { Headers } from './headers.js';
import { type Draft, Mutator } from './mutate.js';
import { Scene, sourcePorts } from './scene.js';
import type { Setting } from './setting.js';
import { isUntouched, type Program, programs, type Sighting, verdictOf } from './sighting.js';
import { StateCheck } from './state-check.js';
import { neglect, treatments } from './treatments.js';

/** Frames a system call; frames of each kind between two looks at the state. */
const BATCH = 256;
const SMALL_FRAMES = 256 * BATCH;
const LARGE_FRAMES = BATCH;
/** Refusals may be longer than what they refuse; the rest is for what mutations add. */
const SMALL_STRIDE = SMALL + 256;
const LARGE_STRIDE = 10_240;
/** The kernel makes no skb of more than a page for a test run. */
const TC_LONGEST = 3400;
const EINVAL = 22;
/** The kernel runs no program on less than an Ethernet header. */
const SHORTEST = 14;

/** Sparse enough that no set of the flow table fills up in one epoch. */
const LIMITS = { vips: 64, backends: 256, flows: 1 << 18 };

/** A frame that was not treated as it should be. */
export interface Finding {
  /** Of the epoch. */
  readonly seed: number;
  readonly problem: string;
  /** Absent when it shows in what is remembered after many frames. */
  readonly cause?: { readonly program: Program; readonly frame: Buffer };
}

/** How often each treatment was seen, and `untouched`. */
export type Tally = Map<string, number>;

/** Throws frames at the packet programs and holds each against what may have been done to it. */
export class FrameFuzzer {
  readonly tally: Tally = new Map();
  /** Frames run so far, by each program for itself. */
  runs = 0;
  readonly #batches = { small: new FrameBatch(BATCH, SMALL_STRIDE), large: new FrameBatch(BATCH, LARGE_STRIDE) };
  readonly #mutators: { readonly small: Mutator; readonly large: Mutator };
  readonly #sizes = new Int32Array(BATCH);
  readonly #headers: readonly Headers[] = Array.from({ length: BATCH }, () => new Headers());

  private constructor(
    readonly plane: TestPlane,
    readonly setting: Setting,
    readonly state: StateCheck,
    readonly handles: ReadonlyMap<Program, BpfProgram>,
  ) {
    const { small, large } = corpusFor(setting.scene);
    this.#mutators = { small: new Mutator(small, setting.scene), large: new Mutator(large, setting.scene) };
  }

  static async open(): Promise<FrameFuzzer> {
    const scene = new Scene();
    const record = new FlowRecord();
    const plane = await openPlane(LIMITS, undefined, sourcePorts);
    try {
      plane.surroundings.place(scene.ways);
      await program(
        plane,
        setup({ name: '', pools: scene.pools, vips: scene.declared, policies: scene.policies, actions: [] }),
      );
      const handles = new Map(programs.map((name) => [name, plane.openProgram(name)]));
      return new FrameFuzzer(plane, { scene, record }, await StateCheck.open(plane, scene), handles);
    } catch (error) {
      await plane.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.state.close();
    for (const handle of this.handles.values()) handle.close();
    await this.plane.close();
  }

  /** Some 200,000 runs over an empty flow table, a function of the seed; ends with the first finding. */
  async epoch(seed: number): Promise<Finding | undefined> {
    const random = new Random(seed);
    await this.#begin();
    for (let frames = 0; frames < SMALL_FRAMES; frames += BATCH) {
      const finding = this.#round('small', random, seed);
      if (finding !== undefined) return finding;
    }
    for (let frames = 0; frames < LARGE_FRAMES; frames += BATCH) {
      const finding = this.#round('large', random, seed);
      if (finding !== undefined) return finding;
    }
    const problem = await this.state.problem(this.setting.record, this.tally);
    return problem === undefined ? undefined : { seed, problem };
  }

  /** What is wrong with the treatment of one frame by a program that has seen no other. */
  async alone(program: Program, frame: Buffer): Promise<string | undefined> {
    if (frame.length < SHORTEST) return undefined;
    await this.#begin();
    const batch = this.#batches.large;
    frame.copy(batch.frames);
    this.#headers[0]!.read(frame, frame.length);
    this.#sizes[0] = frame.length;
    return this.#run(program, batch, 1)?.problem;
  }

  async #begin(): Promise<void> {
    this.plane.forgetFlows();
    this.setting.record.forget();
    this.tally.clear();
    await this.state.begin();
  }

  #round(kind: 'small' | 'large', random: Random, seed: number): Finding | undefined {
    const batch = this.#batches[kind];
    this.#fill(kind, random);
    for (const program of programs) {
      const found = this.#run(program, batch, BATCH);
      if (found === undefined) continue;
      const at = found.index * batch.stride;
      const frame = Buffer.from(batch.frames.subarray(at, at + this.#sizes[found.index]!));
      return { seed, problem: found.problem, cause: { program, frame } };
    }
    return undefined;
  }

  #fill(kind: 'small' | 'large', random: Random): void {
    const { frames, stride } = this.#batches[kind];
    for (let i = 0; i < BATCH; i++) {
      // Mutations stay within what all programs take back.
      const draft: Draft = { bytes: frames.subarray(i * stride, (i + 1) * stride - 128), size: 0 };
      this.#mutators[kind].make(draft, random);
      this.#sizes[i] = draft.size;
      this.#headers[i]!.read(draft.bytes, draft.size);
    }
  }

  #run(program: Program, batch: FrameBatch, count: number): { index: number; problem: string } | undefined {
    for (let i = 0; i < count; i++) batch.setSize(i, this.#sizes[i]!);
    this.handles.get(program)!.testRunMany(batch, count);
    for (let i = 0; i < count; i++) {
      const problem = this.#problem(program, batch, i);
      if (problem !== undefined) return { index: i, problem };
    }
    this.runs += count;
    return undefined;
  }

  #problem(program: Program, batch: FrameBatch, i: number): string | undefined {
    const at = i * batch.stride;
    const sent = batch.frames.subarray(at, at + batch.stride);
    const [sentSize, headers] = [this.#sizes[i]!, this.#headers[i]!];
    if (batch.errno(i) !== 0) {
      const expected = batch.errno(i) === EINVAL && program !== 'xdp_ingress' && !canBeSkb(sent, sentSize);
      return expected ? undefined : `the kernel did not run it: errno ${batch.errno(i)}`;
    }
    const verdict = verdictOf(program, batch.verdict(i));
    if (verdict === undefined) return `answers ${batch.verdict(i)}`;
    const got = batch.results.subarray(at, at + batch.stride);
    return this.#judge({ program, sent, sentSize, headers, verdict, got, gotSize: batch.size(i) });
  }

  #judge(seen: Sighting): string | undefined {
    const { program, verdict, sent, headers } = seen;
    if (isUntouched(seen)) {
      this.#count('untouched');
      return neglect(program, sent, headers, this.setting);
    }
    const reasons: string[] = [];
    for (const treatment of treatments) {
      if (treatment.verdict !== verdict || !treatment.programs.includes(program)) continue;
      const problem = treatment.problem(seen, this.setting);
      if (problem === undefined) {
        this.#count(treatment.name);
        return undefined;
      }
      reasons.push(`not ${treatment.name}: ${problem}`);
    }
    const got = seen.got.toString('hex', 0, seen.gotSize);
    return `${verdict} as ${got}; ${reasons.join('; ')}`;
  }

  #count(name: string): void {
    this.tally.set(name, (this.tally.get(name) ?? 0) + 1);
  }
}

/** Newer kernels make no skb of an IP frame that ends inside its IP header, and none of more than a page. */
function canBeSkb(bytes: Buffer, size: number): boolean {
  const header = { 2048: 20, 34525: 40 }[bytes.readUInt16BE(12)] ?? 0;
  return size >= SHORTEST + header && size <= TC_LONGEST;
}
