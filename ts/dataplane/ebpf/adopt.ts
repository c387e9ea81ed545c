import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Btf } from '../../libbpf/btf.js';
import { codecFor, describeDifference } from '../../libbpf/codec.js';
import { BpfMap } from '../../libbpf/map.js';
import { BpfObject } from '../../libbpf/object.js';
import type { Prefix } from '../../model/address.js';
import { VipdError } from '../../util/errors.js';
import { bpfObject } from '../../util/paths.js';
import type { Settings } from './lb.gen.js';
import { poolsOf } from './records.js';

/** A map that is pinned in `pins`; undefined when there is none. @throws VipdError PIN_INCOMPATIBLE */
export function adoptMap(pins: string, name: string, ours: Btf): BpfMap | undefined {
  const path = join(pins, name);
  if (!existsSync(path)) return undefined;
  const map = BpfMap.openPinned(path);
  const difference = layoutDifference(map, name, ours);
  if (difference === undefined) return map;
  map.close();
  throw incompatible(path, difference);
}

/** The pools as the maps pinned below `directory` hold them; no program is loaded for it. @throws VipdError PIN_INCOMPATIBLE */
export function pinnedPools(directory: string): readonly Prefix[] {
  const object = BpfObject.open(readFileSync(bpfObject('tc_lb')), 'tc_lb');
  const btf = Btf.parse(object.btf, 'tc_lb');
  object.close();
  const map = adoptMap(join(directory, 'maps'), 'settings', btf);
  if (map === undefined) return [];
  const held = map.get(Buffer.alloc(4));
  map.close();
  return held === undefined ? [] : poolsOf(codecFor<Settings>(btf, btf.struct('settings'), 'settings').decode(held));
}

/** By field where the kernel lets us see its BTF (CAP_SYS_ADMIN), else by size. */
function layoutDifference(map: BpfMap, name: string, ours: Btf): string | undefined {
  const types = ours.mapTypes().get(name);
  for (const part of ['key', 'value'] as const) {
    const type = types?.[part];
    if (type === undefined) continue;
    const size = part === 'key' ? map.info.keySize : map.info.valueSize;
    const difference = fieldDifference(map, part, ours, type);
    if (difference !== undefined) return `${part}: ${difference}`;
    if (size !== ours.sizeOf(type)) return `${part}: ${size} bytes there, ${ours.sizeOf(type)} here`;
  }
  return undefined;
}

function fieldDifference(map: BpfMap, part: 'key' | 'value', ours: Btf, type: number): string | undefined {
  const bytes = readable(() => map.btf());
  const id = part === 'key' ? map.info.keyTypeId : map.info.valueTypeId;
  if (bytes === undefined || id === 0) return undefined;
  return describeDifference(Btf.parse(bytes, 'pinned map'), id, ours, type);
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function incompatible(path: string, cause: string): VipdError {
  return new VipdError({
    code: 'PIN_INCOMPATIBLE',
    object: `pinned map ${path}`,
    cause: `has the layout of another version: ${cause}`,
    hint: 'forwarding goes on as it is; start the version that made it, or remove it with `vipctl teardown`',
  });
}
