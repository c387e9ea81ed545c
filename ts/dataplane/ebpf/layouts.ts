import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { Btf, type MapTypes } from '../../libbpf/btf.js';
import { BpfMap } from '../../libbpf/map.js';
import { indexBytes } from './mirror.js';

/**
 * The layout that maps were made with, kept in a map of its own beside them: the kernel shows it only to those who may look
 * at everything (CAP_SYS_ADMIN), and a later version has to know it to carry over what is in them.
 */
export interface Layout {
  readonly btf: Btf;
  /** The kernel's ids of the maps that have it. */
  readonly ids: ReadonlySet<number>;
}

/** A map's types, and the BTF that tells what they are. */
export interface MapLayout {
  readonly btf: Btf;
  readonly types: MapTypes;
}

/** Bytes before what is kept: their number. */
const HEADER = 4;

/** Where `layout` or what is to replace it is pinned. */
const NAMES = ['layout', 'next_layout'];

/** Entries `layout` must have to hold this BTF. @param entryBytes of one of its entries */
export function layoutEntries(btf: Uint8Array, entryBytes: number): number {
  // Some more, for the ids: a few hundred bytes.
  return Math.ceil((HEADER + deflateSync(btf).length + 2048) / entryBytes);
}

export function writeLayout(map: BpfMap, btf: Uint8Array, ids: readonly number[]): void {
  const kept = deflateSync(Buffer.concat([Buffer.from(`${JSON.stringify(ids)}\n`), btf]));
  const { maxEntries } = map.info;
  const bytes = Buffer.alloc(maxEntries * map.valueStride);
  bytes.writeUInt32LE(kept.length);
  kept.copy(bytes, HEADER);
  map.setBatch(indexBytes(Array.from({ length: maxEntries }, (_, i) => i)), bytes, maxEntries);
}

/** What is kept below this directory; what cannot be read there tells nothing. */
export function readLayouts(pins: string): Layout[] {
  return NAMES.flatMap((name) => {
    const path = join(pins, name);
    if (!existsSync(path)) return [];
    const map = BpfMap.openPinned(path);
    try {
      return [layoutIn(map)];
    } catch {
      return [];
    } finally {
      map.close();
    }
  });
}

function layoutIn(map: BpfMap): Layout {
  const bytes = Buffer.alloc(map.info.maxEntries * map.valueStride);
  map.readArray(0, bytes);
  const kept = inflateSync(bytes.subarray(HEADER, HEADER + bytes.readUInt32LE()));
  const end = kept.indexOf('\n');
  const ids = JSON.parse(kept.toString('utf8', 0, end)) as number[];
  return { btf: Btf.parse(kept.subarray(end + 1), 'layout of pinned maps'), ids: new Set(ids) };
}

/** The layout of a pinned map: as it was kept, else as the kernel tells; undefined where neither does. */
export function layoutOf(map: BpfMap, name: string, layouts: readonly Layout[]): MapLayout | undefined {
  const kept = layouts.find(({ ids }) => ids.has(map.info.id));
  const types = kept?.btf.mapTypes().get(name);
  if (kept !== undefined && types !== undefined) return { btf: kept.btf, types };
  const bytes = readable(() => map.btf());
  if (bytes === undefined) return undefined;
  const { keyTypeId, valueTypeId } = map.info;
  const known = { ...(keyTypeId !== 0 && { key: keyTypeId }), ...(valueTypeId !== 0 && { value: valueTypeId }) };
  return { btf: Btf.parse(bytes, 'pinned map'), types: known };
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
