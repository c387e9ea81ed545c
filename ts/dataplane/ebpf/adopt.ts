import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Btf } from '../../libbpf/btf.js';
import { codecFor, describeDifference } from '../../libbpf/codec.js';
import { BpfMap } from '../../libbpf/map.js';
import { BpfObject } from '../../libbpf/object.js';
import type { Prefix } from '../../model/address.js';
import { faultOf, VipdError } from '../../util/errors.js';
import { bpfObject } from '../../util/paths.js';
import { type Conversion, conversionOf, meaningDifference } from './convert.js';
import { type Layout, layoutOf, type MapLayout, readLayouts } from './layouts.js';
import type { Settings } from './lb.gen.js';
import { poolsOf } from './records.js';

/** A map that is pinned, and what another version has laid out otherwise in it. */
export interface Adopted {
  readonly map: BpfMap;
  /** In words; absent where the layout is ours. */
  readonly difference?: string;
  readonly conversion?: Conversion;
  /** Of the version that made it, where it is known. */
  readonly layout: MapLayout | undefined;
}

/** A map that is pinned in `pins`; undefined when there is none. @throws VipdError PIN_INCOMPATIBLE */
export function adoptMap(pins: string, name: string, ours: Btf, layouts: readonly Layout[]): Adopted | undefined {
  const path = join(pins, name);
  if (!existsSync(path)) return undefined;
  const map = BpfMap.openPinned(path);
  try {
    return adopted(map, name, ours, layouts);
  } catch (error) {
    map.close();
    throw incompatible(path, faultOf(error, path).cause);
  }
}

/** The pools as the maps pinned below `directory` hold them; no program is loaded for it. @throws VipdError PIN_INCOMPATIBLE */
export function pinnedPools(directory: string): readonly Prefix[] {
  const object = BpfObject.open(readFileSync(bpfObject('tc_lb')), 'tc_lb');
  const btf = Btf.parse(object.btf, 'tc_lb');
  object.close();
  const pins = join(directory, 'maps');
  const held = adoptMap(pins, 'settings', btf, readLayouts(pins));
  if (held === undefined) return [];
  const bytes = held.map.get(Buffer.alloc(4));
  held.map.close();
  if (bytes === undefined) return [];
  const settings = held.conversion?.value(bytes) ?? bytes;
  return poolsOf(codecFor<Settings>(btf, btf.struct('settings'), 'settings').decode(settings));
}

/** @throws Error when what it holds cannot be understood */
function adopted(map: BpfMap, name: string, ours: Btf, layouts: readonly Layout[]): Adopted {
  const types = ours.mapTypes().get(name) ?? {};
  const layout = layoutOf(map, name, layouts);
  const difference = (['key', 'value'] as const)
    .map((part) => partDifference(map, part, { btf: ours, types }, layout))
    .find((one) => one !== undefined);
  if (difference === undefined) return { map, layout };
  const meaning = layout === undefined ? difference : meaningDifference(layout.btf);
  if (layout === undefined || meaning !== undefined) throw new Error(meaning);
  return { map, layout, difference, conversion: conversionOf(name, layout, { btf: ours, types }) };
}

/** By field where its layout is known, else by size. */
function partDifference(
  map: BpfMap,
  part: 'key' | 'value',
  { btf, types }: MapLayout,
  theirs: MapLayout | undefined,
): string | undefined {
  const type = types[part];
  if (type === undefined) return undefined;
  const there = theirs?.types[part];
  if (theirs !== undefined && there !== undefined) {
    const difference = describeDifference(theirs.btf, there, btf, type);
    if (difference !== undefined) return `${part}: ${difference}`;
  }
  const size = part === 'key' ? map.info.keySize : map.info.valueSize;
  return size === btf.sizeOf(type) ? undefined : `${part}: ${size} bytes there, ${btf.sizeOf(type)} here`;
}

function incompatible(path: string, cause: string): VipdError {
  return new VipdError({
    code: 'PIN_INCOMPATIBLE',
    object: `pinned map ${path}`,
    cause: `has the layout of another version: ${cause}`,
    hint: 'forwarding goes on as it is; start the version that made it, or remove it with `vipctl teardown`',
  });
}
