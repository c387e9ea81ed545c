import type { BpfMap } from '../../libbpf/map.js';
import type { BackendKey } from '../../model/service.js';
import type { Counters, VipCounters } from '../dataplane.js';
import type { Image } from './image.js';
import { Verdict } from './lb.gen.js';
import { indexBytes } from './mirror.js';

/** Ids read by one system call. */
const SLICE = 512;
/** Fields of struct counters, in their order. */
const FIELDS = 4;

/** Sums of the per-CPU counters of a contiguous range of ids. */
class Sums {
  readonly #sums: BigUint64Array;

  constructor(map: BpfMap, ids: number) {
    this.#sums = new BigUint64Array(ids * FIELDS);
    const slots = map.valueStride / 8;
    const words = new BigUint64Array(SLICE * slots);
    for (let first = 0; first < ids; first += SLICE) {
      const count = Math.min(SLICE, ids - first);
      map.readArray(first, new Uint8Array(words.buffer, 0, count * map.valueStride));
      for (let i = 0; i < count; i++) this.#add(first + i, words, i * slots, slots);
    }
  }

  of(id: number): Counters & { refused: bigint } {
    const [connections, packets, bytes, refused] = this.#sums.subarray(id * FIELDS, id * FIELDS + FIELDS);
    return { connections: connections!, packets: packets!, bytes: bytes!, refused: refused! };
  }

  #add(id: number, words: BigUint64Array, from: number, slots: number): void {
    for (let i = 0; i < slots; i++) {
      const word = words[from + i]!;
      if (word !== 0n) this.#sums[id * FIELDS + (i % FIELDS)]! += word;
    }
  }
}

export function readCounters(image: Image, vipMap: BpfMap, backendMap: BpfMap): VipCounters[] {
  if (image.vips.size === 0) return [];
  const vips = new Sums(vipMap, image.vipOf.length);
  const backends = new Sums(backendMap, Math.max(1, image.backendOf.length));
  return [...image.vips.values()].map((vip) => {
    const byKey = new Map<BackendKey, Counters>();
    for (const backend of vip.backends.values()) {
      const { refused: _, ...counters } = backends.of(backend.id);
      byKey.set(backend.key, counters);
    }
    return { key: vip.key, ...vips.of(vip.id), backends: byKey };
  });
}

/** Connections an id was given so far. */
export function connectionsOf(map: BpfMap, id: number): bigint {
  const bytes = new BigUint64Array(map.valueStride / 8);
  map.readArray(id, new Uint8Array(bytes.buffer));
  return bytes.reduce((sum, word, i) => (i % FIELDS === 0 ? sum + word : sum), 0n);
}

/** Counters of ids that have a new owner begin at 0. */
export function resetCounters(map: BpfMap, ids: readonly number[]): void {
  for (let at = 0; at < ids.length; at += SLICE) {
    const part = ids.slice(at, at + SLICE);
    map.setBatch(indexBytes(part), Buffer.alloc(part.length * map.valueStride), part.length);
  }
}

export function readVerdicts(map: BpfMap): Record<string, bigint> {
  const perVerdict = map.valueStride / 8;
  const words = new BigUint64Array(map.info.maxEntries * perVerdict);
  map.readArray(0, new Uint8Array(words.buffer));
  const counts: Record<string, bigint> = {};
  for (const [name, index] of Object.entries(Verdict)) {
    if (index === Verdict.VERDICTS) continue;
    const perCpu = words.subarray(index * perVerdict, (index + 1) * perVerdict);
    counts[name.replace('VERDICT_', '').toLowerCase()] = perCpu.reduce((sum, count) => sum + count, 0n);
  }
  return counts;
}
