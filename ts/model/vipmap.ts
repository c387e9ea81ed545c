import { type Path, type Problem, preview, problemOf } from './problem.js';
import { namedEndpoint } from './rules.js';
import { VipNameSchema } from './schema.js';
import type { NamedFrontend } from './service.js';
import { unknownKey } from './shape.js';

type Map = Readonly<Record<string, unknown>>;

const KEYS = Object.keys(VipNameSchema.properties);
const FORM = 'write { name: web, framework: marathon, port: 80 }';

/** `vip` as a map, `{ name, framework, port }`; undefined when it is none, and then it is a text or nothing we know. */
export function vipMapOf(service: unknown): Map | undefined {
  const vip = (service as { vip?: unknown } | null | undefined)?.vip;
  return typeof vip === 'object' && vip !== null && !Array.isArray(vip) ? (vip as Map) : undefined;
}

/** The frontend such a map means, or what is wrong with it. */
export function readVipMap(
  map: Map,
  protocol: unknown,
): { frontend: NamedFrontend; problems: [] } | { frontend: undefined; problems: readonly Problem[] } {
  const refused = (problems: readonly Problem[]) => ({ frontend: undefined, problems });
  const unknown = Object.keys(map).filter((key) => !KEYS.includes(key));
  const problems = [...unknown.map((key) => unknownKey(['vip', key], KEYS)), ...KEYS.flatMap((key) => wrong(map, key))];
  if (problems.length > 0) return refused(problems);
  const { name: label, framework, port } = map as { name: string; framework: string; port: number };
  try {
    const endpoint = namedEndpoint({ label, framework, port }, 'vip');
    return { frontend: { ...endpoint, protocol: protocol === 'udp' ? 'udp' : 'tcp' }, problems: [] };
  } catch (error) {
    return refused([problemOf(error, ['vip'])]);
  }
}

function wrong(map: Map, key: string): readonly Problem[] {
  const path: Path = ['vip', key];
  const value = map[key];
  if (value === undefined) return [{ path, code: 'KEY_MISSING', cause: `"${key}" is missing`, hint: FORM }];
  const isPort = key === 'port';
  if (typeof value === (isPort ? 'number' : 'string')) return [];
  const cause = `must be ${isPort ? 'a whole number from 1 to 65535' : 'text'}, not ${preview(value)}`;
  return [{ path, code: isPort ? 'PORT_INVALID' : 'NAME_INVALID', cause, hint: FORM }];
}
