import { LbSize } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { shiftOf, ticksOf } from '../../../ts/dataplane/ebpf/ticks.js';
import type { BpfMap } from '../../../ts/libbpf/map.js';
import type { BpfProgram } from '../../../ts/libbpf/program.js';
import { parsePrefix } from '../../../ts/model/address.js';
import { type PacketBuilder, packet } from '../../bpf/packet.js';
import { openPlane, type TestPlane } from '../../bpf/plane.js';
import { program, upsert } from '../../bpf/run.js';
import { flowEntry, setOfWord } from '../flow-hash.js';
import { Headers } from '../frames/headers.js';
import { refusalProblem } from '../frames/refusal.js';
import { isUntouched, type Program, programs, type Sighting, verdictOf } from '../frames/sighting.js';
import { ControlModel } from './control-model.js';
import { exactProblem, exactText, heldExactly } from './exact-check.js';
import { ExactTable } from './exact-model.js';
import { FlowTable } from './flow-table.js';
import { type Move, moveText, type PacketMove } from './move.js';
import { PacketModel, type Prediction } from './packet-model.js';
import type { Stage } from './stage.js';

/** The next move, or nothing when the sequence is over. */
export type Moves = (model: PacketModel) => Move | undefined;

/** Same for every run, so that a seed gives the same sequence and the same choices of backends. */
const FLOW_SEED = 0x5eed_f10e_5eed_f10dn;
const CLIENT = '02:00:00:00:00:01';
const SELF = '02:00:00:00:00:02';

/** The kernel's programs and the model of them, which get the same moves and must agree. */
export class Differential {
  readonly #headers = new Headers();
  readonly #control: ControlModel;
  readonly #flows: FlowTable;
  readonly #exact = new ExactTable();
  readonly #words: BigUint64Array;

  private constructor(
    readonly plane: TestPlane,
    readonly stage: Stage,
    readonly handles: ReadonlyMap<Program, BpfProgram>,
    readonly ticks: BpfProgram,
    readonly flows: BpfMap,
    readonly overflow: BpfMap,
    /** How far ticks are shifted to give the age in flow entries. */
    readonly ageShift: number,
  ) {
    this.#control = new ControlModel(stage.limits.backends, (vip) => stage.policies?.[vip] !== undefined);
    this.#flows = new FlowTable(flows.info.maxEntries);
    this.#words = new BigUint64Array(flows.info.maxEntries * LbSize.FLOW_SET_WAYS);
  }

  static async open(stage: Stage): Promise<Differential> {
    const plane = await openPlane(stage.limits, FLOW_SEED);
    const handles = new Map(programs.map((name) => [name, plane.openProgram(name)]));
    const ageShift = shiftOf(plane.settings().hz * 16);
    return new Differential(
      plane,
      stage,
      handles,
      plane.openProgram('tc_ticks'),
      plane.openMap('flows'),
      plane.openMap('overflow_flows'),
      ageShift,
    );
  }

  async close(): Promise<void> {
    for (const handle of [...this.handles.values(), this.ticks, this.flows, this.overflow]) handle.close();
    await this.plane.close();
  }

  /** Plays a sequence from an empty plane on, until it ends or kernel and model disagree. @returns how they disagree */
  async play(moves: Moves): Promise<string | undefined> {
    await this.#clear();
    const age = this.#age();
    const problem = await this.#playAll(this.#model(), moves);
    // In the model no time passes; a sequence in which it did in the kernel proves nothing.
    return age === this.#age() ? problem : undefined;
  }

  #model(): PacketModel {
    return new PacketModel(this.#control, this.#flows, FLOW_SEED, this.#exact, this.stage.policies);
  }

  async #playAll(model: PacketModel, moves: Moves): Promise<string | undefined> {
    const before = await this.plane.verdicts();
    for (let move = moves(model); move !== undefined; move = moves(model)) {
      if (move.kind === 'packet') {
        const now =
          move.of === undefined ? move : { ...move, dst: model.sourceOf(move.of.client, move.of.frontend) ?? move.dst };
        const problem = this.#send(now, model.run(now));
        if (problem !== undefined) return `${moveText(move)}\n  ${problem}`;
      } else await this.#change(move);
    }
    return (
      this.#tableProblem() ??
      this.#exactProblem() ??
      this.#overflowProblem() ??
      countProblem(model.verdicts, before, await this.plane.verdicts())
    );
  }

  /** Back to nothing, by ordinary changes: which ids were used last is remembered on both sides. */
  async #clear(): Promise<void> {
    for (const vip of [...this.#control.vips.keys()]) await this.#change({ kind: 'remove', vip });
    await this.#change({ kind: 'pools', pools: [] });
    await this.#change({ kind: 'engage' });
    this.plane.forgetFlows();
    this.#flows.clear();
    this.#exact.clear();
  }

  async #change(move: Exclude<Move, PacketMove>): Promise<void> {
    switch (move.kind) {
      case 'set': {
        const step = upsert(move.vip, move.backends, this.stage.policies?.[move.vip]);
        await program(this.plane, [step]);
        if (step.kind === 'upsert') this.#control.upsert(step.vip);
        return;
      }
      case 'remove':
        await program(this.plane, [{ kind: 'remove', key: move.vip }]);
        return this.#control.remove(move.vip);
      case 'pools':
        await program(this.plane, [{ kind: 'pools', pools: move.pools.map(parsePrefix) }]);
        return this.#control.setPools(move.pools);
      default:
        await this.plane[move.kind]();
        this.#control.engaged = move.kind === 'engage';
    }
  }

  #send(move: PacketMove, predicted: Prediction): string | undefined {
    const sent = packetFor(move, move, false).build();
    const { retval, data } = this.handles.get(move.program)!.testRun({ data: sent });
    const verdict = verdictOf(move.program, retval | 0);
    if (verdict === undefined) return `answers ${retval | 0}`;
    this.#headers.read(sent, sent.length);
    const { program } = move;
    const sizes = { sentSize: sent.length, gotSize: data.length };
    const problem = this.#differs(move, predicted, {
      program,
      sent,
      headers: this.#headers,
      verdict,
      got: data,
      ...sizes,
    });
    return problem && `${problem}; predicted ${JSON.stringify(predicted)}, ${verdict} as ${data.toString('hex')}`;
  }

  #differs(move: PacketMove, predicted: Prediction, seen: Sighting): string | undefined {
    if (predicted.kind === 'untouched') return isUntouched(seen) ? undefined : 'is not untouched';
    if (predicted.kind === 'refused') return seen.verdict === 'turned' ? refusalProblem(seen) : 'is not refused';
    if (predicted.kind === 'exact') return exactProblem(this.#exact, predicted, seen);
    const { src, dst, turned } = predicted;
    if (seen.verdict !== (turned ? 'turned' : 'passed')) return 'goes the other way';
    const wanted = packetFor(move, { src, dst }, turned).build();
    return wanted.equals(seen.got) ? undefined : `is not ${wanted.toString('hex')}`;
  }

  /** Both tables hold what the model says, and nothing else. */
  #exactProblem(): string | undefined {
    const answers = this.plane.openMap('exact_answers');
    const { count } = answers.dump();
    answers.close();
    const wanted = [...this.#exact.flows.values()].map(exactText).sort();
    if (count !== wanted.length) return `${count} answers are tracked exactly, predicted ${wanted.length}`;
    const held = heldExactly(this.plane).sort();
    return held.join() === wanted.join() ? undefined : `exact flows ${held.join()}, predicted ${wanted.join()}`;
  }

  /** Entry by entry, ages apart. */
  #tableProblem(): string | undefined {
    this.flows.readArray(0, new Uint8Array(this.#words.buffer));
    for (const [index, word] of this.#words.entries()) {
      const held = JSON.stringify(flowEntry(word));
      const wanted = this.#flows.sets[setOfWord(index)]![index % LbSize.FLOW_SET_WAYS];
      if (held !== JSON.stringify(wanted)) return `flow ${index} is ${held}, predicted ${JSON.stringify(wanted)}`;
    }
    return undefined;
  }

  #overflowProblem(): string | undefined {
    const { keys, values, count } = this.overflow.dump();
    if (count !== this.#flows.overflow.size) return `${count} flows overflowed, predicted ${this.#flows.overflow.size}`;
    for (let at = 0; at < count * 8; at += 8) {
      const hash = keys.readBigUInt64LE(at);
      const held = JSON.stringify(flowEntry(values.readBigUInt64LE(at)));
      const wanted = JSON.stringify(this.#flows.overflow.get(hash));
      if (held !== wanted) return `overflowed flow ${hash.toString(16)} is ${held}, predicted ${wanted}`;
    }
    return undefined;
  }

  #age(): number {
    return ticksOf(this.ticks) >> this.ageShift;
  }
}

type Ends = Pick<PacketMove, 'src' | 'dst'>;

/** The packet of a move with these ends, its checksums computed from scratch. */
function packetFor({ protocol, flags }: PacketMove, { src, dst }: Ends, turned: boolean): PacketBuilder {
  const link = packet().eth(turned ? { src: SELF, dst: CLIENT } : { src: CLIENT, dst: SELF });
  const ip = link.ip({ src: src.address, dst: dst.address });
  const ports = { sport: src.port, dport: dst.port };
  const header = protocol === 'tcp' ? ip.tcp({ ...ports, flags, ack: 77 }) : ip.udp(ports);
  return header.payload(5);
}

type Counts = Readonly<Record<string, bigint>>;

/** Nobody reads the events here. */
const NOT_MODELLED = new Set(['event_lost', 'not_ours']);

function countProblem(predicted: ReadonlyMap<string, number>, before: Counts, after: Counts): string | undefined {
  for (const [name, count] of Object.entries(after)) {
    const grown = Number(count - (before[name] ?? 0n));
    const wanted = predicted.get(name) ?? 0;
    if (grown !== wanted && !NOT_MODELLED.has(name)) return `verdict ${name} grew by ${grown}, predicted ${wanted}`;
  }
  return undefined;
}
