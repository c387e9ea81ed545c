import type { Codec } from '../../libbpf/codec.js';
import type { BpfMap } from '../../libbpf/map.js';
import type { Connects, ConnectsByVip } from '../../model/connects.js';
import type { BackendKey, VipKey } from '../../model/service.js';
import type { Image } from './image.js';
import { type Connects as ConnectsRecord, LbSize } from './lb.gen.js';

/** Ids read by one system call. */
const SLICE = 512;
const NS_PER_SECOND = 1e9;

const BOUNDS = Array.from({ length: LbSize.CONNECT_BUCKETS - 1 }, (_, i) => {
  return 2 ** (LbSize.CONNECT_BUCKET_SHIFT + i) / 1e6;
});

/**
 * How connections to backends began. Records nobody has written to are left out. @param wanted VIPs to read; all when absent
 */
export function readConnects(
  image: Image,
  map: BpfMap,
  codec: Codec<ConnectsRecord>,
  wanted?: ReadonlySet<VipKey>,
): ConnectsByVip {
  const record = wanted === undefined ? wholeMap(map, image.backendOf.length) : oneByOne(map);
  const found = new Map<VipKey, ReadonlyMap<BackendKey, Connects>>();
  const blank = Buffer.alloc(map.valueStride);
  for (const key of wanted ?? image.vips.keys()) {
    const backends = new Map<BackendKey, Connects>();
    for (const { id, key: backend } of image.vips.get(key)?.backends.values() ?? []) {
      const bytes = record(id);
      if (!blank.equals(bytes)) backends.set(backend, connectsIn(codec.decode(bytes)));
    }
    if (backends.size > 0) found.set(key, backends);
  }
  return found;
}

function oneByOne(map: BpfMap): (id: number) => Buffer {
  const bytes = Buffer.alloc(map.valueStride);
  return (id) => {
    map.readArray(id, bytes);
    return bytes;
  };
}

function wholeMap(map: BpfMap, ids: number): (id: number) => Buffer {
  const stride = map.valueStride;
  const bytes = Buffer.alloc(ids * stride);
  for (let first = 0; first < ids; first += SLICE) {
    map.readArray(first, bytes.subarray(first * stride, Math.min(ids, first + SLICE) * stride));
  }
  return (id) => bytes.subarray(id * stride, (id + 1) * stride);
}

/** Pure. */
export function connectsIn({ timed_out, latency, recent: _forChoosing, bucket, ...record }: ConnectsRecord): Connects {
  return {
    ...record,
    timedOut: timed_out,
    latency: { bounds: BOUNDS, counts: bucket, sum: Number(latency) / NS_PER_SECOND },
  };
}
