import type { BpfMap } from '../../../ts/libbpf/map.js';
import type { TestPlane } from '../../bpf/plane.js';
import { flowEntry, flowHash, flowPlace, setOfWord } from '../flow-hash.js';
import type { FlowRecord } from './flow-record.js';
import type { Tally } from './fuzzer.js';
import type { Scene } from './scene.js';

/** Verdict counters that name a treatment; they count every packet so treated. */
const COUNTED = ['forwarded', 'echoed', 'error_translated', 'tunnelled', 'arrived'] as const;
/**
 * Treatments some of whose frames count as another besides: of a fragment or an error that was dropped its bytes do not say whether
 * full NAT was about to forward it, and what came by a tunnel is treated once more.
 */
const UNKNOWN: Partial<Record<(typeof COUNTED)[number], readonly string[]>> = {
  forwarded: ['dropped fragment', 'arrived'],
  error_translated: ['arrived', 'dropped error'],
};
/** These two as well; but which of them a later fragment was that came back to its sender, its bytes do not say. */
const TURNED = ['replied', 'hairpinned'] as const;

/** What the programs remember of the frames of an epoch: exactly the flows that were forwarded, and right counts. */
export class StateCheck {
  readonly #words: BigUint64Array;
  #before: Readonly<Record<string, bigint>> = {};

  private constructor(
    readonly plane: TestPlane,
    readonly scene: Scene,
    readonly flows: BpfMap,
    readonly seed: bigint,
    /** Names of backends by VIP and id, as the kernel has them. */
    readonly ids: ReadonlyMap<number, string>,
  ) {
    this.#words = new BigUint64Array((flows.info.maxEntries * flows.valueStride) / 8);
  }

  static async open(plane: TestPlane, scene: Scene): Promise<StateCheck> {
    const ids = new Map<number, string>();
    for (const { key } of scene.vips) {
      const held = (await plane.inspect(key)) as { backends: { id: number; endpoint: string }[] };
      for (const { id, endpoint } of held.backends) ids.set(id, `${key} ${endpoint}`);
    }
    return new StateCheck(plane, scene, plane.openMap('flows'), plane.settings().flow_seed, ids);
  }

  async begin(): Promise<void> {
    this.#before = await this.plane.verdicts();
  }

  close(): void {
    this.flows.close();
  }

  async problem(record: FlowRecord, tally: Tally): Promise<string | undefined> {
    const after = await this.plane.verdicts();
    const grown = (name: string) => Number(after[name]! - (this.#before[name] ?? 0n));
    for (const name of COUNTED) {
      const seen = tally.get(name) ?? 0;
      const unknown = (UNKNOWN[name] ?? []).reduce((sum, other) => sum + (tally.get(other) ?? 0), 0);
      if (grown(name) < seen || grown(name) > seen + unknown)
        return `${seen} frames were ${name}, ${grown(name)} are counted`;
    }
    const turned = TURNED.map((name) => grown(name) - (tally.get(name) ?? 0));
    const fragments = tally.get('turned fragment') ?? 0;
    const arrived = tally.get('arrived') ?? 0;
    const surplus = turned[0]! + turned[1]! - fragments;
    if (turned.some((more) => more < 0) || surplus < 0 || surplus > arrived) {
      return `${fragments} fragments were turned; ${turned.join(' and ')} more are counted as ${TURNED.join(' and ')}`;
    }
    const room = grown('evicted') + grown('overflowed') === 0;
    return this.#tableProblem(record, room);
  }

  /** @param room whether every flow found a place, so that none may be missing */
  #tableProblem(record: FlowRecord, room: boolean): string | undefined {
    const { places: expected, ended } = this.#expected(record);
    this.flows.readArray(0, new Uint8Array(this.#words.buffer));
    for (const [index, word] of this.#words.entries()) {
      const entry = flowEntry(word);
      if (entry === undefined) continue;
      const place = `${setOfWord(index)} ${entry.tag}`;
      const backend = this.ids.get(entry.backend);
      if (backend === undefined || expected.get(place) !== backend) return `an entry for ${backend} from no flow`;
      expected.delete(place);
    }
    const missing = [...expected.keys()].filter((place) => !ended.has(place)).length;
    return room && missing > 0 ? `${missing} flows left no entry` : undefined;
  }

  /** What the table should hold: the backend's name by set and tag; and what it need not: what has ended, or may be tracked exactly. */
  #expected(record: FlowRecord): { places: Map<string, string>; ended: ReadonlySet<string> } {
    const places = new Map<string, string>();
    const ended = new Set<string>();
    for (const { vip: index, client, clientPort, backend, ended: over } of record.lasting()) {
      const vip = this.scene.vips[index]!;
      if (vip.mode === 'exact' || vip.mode === 'full-nat') continue;
      const key = { protocol: vip.protocol, client, clientPort, vip: vip.address, vipPort: vip.port };
      const { set, tag } = flowPlace(flowHash(key, this.seed), this.flows.info.maxEntries);
      places.set(`${set} ${tag}`, `${vip.key} ${vip.backends.get(backend)}`);
      if (over || vip.portsChange) ended.add(`${set} ${tag}`);
    }
    return { places, ended };
  }
}
