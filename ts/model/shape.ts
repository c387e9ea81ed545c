import { nearest } from './nearest.js';
import { LocalitySchema, OutlierSchema } from './policy-schema.js';
import { type Path, type Problem, pathText, preview } from './problem.js';
import { BackendSchema, HealthSchema, LongServiceSchema } from './schema.js';
import { Compile, Settings, type Validator } from './typebox.js';

/** What a field must be, for people; by its name, because no two fields of one name differ in meaning. */
const FIELDS: Readonly<Record<string, { code: string; must: string; hint?: string }>> = {
  name: { code: 'NAME_INVALID', must: 'must be text of 1 to 253 letters, digits, ".", "_" or "-"' },
  vip: { code: 'ADDRESS_INVALID', must: 'must be text', hint: 'write 11.0.0.80:80 or, quoted, "[fd01:c::80]:80"' },
  address: { code: 'ADDRESS_INVALID', must: 'must be text', hint: 'write 10.0.0.1:80 or, quoted, "[fd00::1]:80"' },
  protocol: { code: 'PROTOCOL_INVALID', must: 'must be tcp or udp' },
  backends: { code: 'BACKENDS_INVALID', must: 'must be a list', hint: 'write [] for a service without backends' },
  weight: { code: 'WEIGHT_INVALID', must: 'must be a whole number from 0 to 256', hint: '0 drains the backend' },
  health: { code: 'HEALTH_INVALID', must: 'must be a map', hint: 'write { type: tcp }' },
  type: { code: 'HEALTH_INVALID', must: 'must be tcp, http or command' },
  interval: { code: 'DURATION_INVALID', must: 'must be a duration', hint: 'write 500ms, 2s or 1m' },
  timeout: { code: 'DURATION_INVALID', must: 'must be a duration', hint: 'write 500ms, 2s or 1m' },
  rise: { code: 'HEALTH_INVALID', must: 'must be a whole number from 1 to 100' },
  fall: { code: 'HEALTH_INVALID', must: 'must be a whole number from 1 to 100' },
  path: { code: 'HEALTH_INVALID', must: 'must begin with / and have neither spaces nor control characters' },
  host: { code: 'HEALTH_INVALID', must: 'must be a host name without spaces' },
  port: { code: 'PORT_INVALID', must: 'must be a whole number from 1 to 65535' },
  command: {
    code: 'HEALTH_INVALID',
    must: 'must be a list of texts, the program first',
    hint: 'write [/usr/bin/check, -q]',
  },
  zone: { code: 'ZONE_INVALID', must: 'must be text of 1 to 63 letters, digits, ".", "_" or "-"' },
  schedule: {
    code: 'SCHEDULE_INVALID',
    must: 'must be maglev, random, round-robin, least-connections or latency',
  },
  affinity: { code: 'DURATION_INVALID', must: 'must be a duration', hint: 'write 30m' },
  locality: { code: 'LOCALITY_INVALID', must: 'must be a map', hint: 'write { prefer: zone, spillover: 50 }' },
  prefer: { code: 'LOCALITY_INVALID', must: 'must be node or zone' },
  spillover: { code: 'LOCALITY_INVALID', must: 'must be a whole number from 0 to 100' },
  outlier: { code: 'OUTLIER_INVALID', must: 'must be a map', hint: 'write { consecutive: 5 }, or {} for the defaults' },
  consecutive: { code: 'OUTLIER_INVALID', must: 'must be a whole number from 1 to 1000000' },
  failurePercent: { code: 'OUTLIER_INVALID', must: 'must be a whole number from 1 to 100' },
  minimumConnects: { code: 'OUTLIER_INVALID', must: 'must be a whole number from 1 to 1000000' },
  window: { code: 'DURATION_INVALID', must: 'must be a duration', hint: 'write 30s' },
  ejection: { code: 'DURATION_INVALID', must: 'must be a duration', hint: 'write 30s' },
  maxEjection: { code: 'DURATION_INVALID', must: 'must be a duration', hint: 'write 10m' },
  maxEjectedPercent: { code: 'OUTLIER_INVALID', must: 'must be a whole number from 0 to 100' },
  allow: { code: 'SOURCES_INVALID', must: 'must be a list of prefixes', hint: 'write [10.0.0.0/8]' },
  deny: { code: 'SOURCES_INVALID', must: 'must be a list of prefixes', hint: 'write [10.0.0.0/8]' },
  connectionRate: { code: 'RATE_INVALID', must: 'must be a whole number from 1 to 1000000' },
};

const SERVICE_KEYS = Object.keys(LongServiceSchema.properties);
const BACKEND_KEYS = Object.keys(BackendSchema.properties);
const HEALTH_KEYS = Object.keys(HealthSchema.properties);
const LOCALITY_KEYS = Object.keys(LocalitySchema.properties);
const OUTLIER_KEYS = Object.keys(OutlierSchema.properties);

type SchemaError = ReturnType<Validator['Errors']>[number];

const service = Compile(LongServiceSchema);

export interface Shape {
  readonly problems: readonly Problem[];
  /** Whether `problems` are all there are; if not, nothing else of the value may be relied on. */
  readonly complete: boolean;
}

/** What of a service, its backends in the long form, has not the form the schema asks for. */
export function shapeOf(value: unknown): Shape {
  if (service.Check(value)) return { problems: [], complete: true };
  const errors = service.Errors(value);
  const found = new Map<string, Problem>();
  for (const problem of errors.flatMap((error) => translate(error, value))) {
    const place = pathText(problem.path);
    if (!found.has(place)) found.set(place, problem);
  }
  return { problems: [...found.values()], complete: errors.length < Settings.Get().maxErrors };
}

/** A key nobody knows, with the one that was probably meant. */
export function unknownKey(path: Path, known: readonly string[]): Problem {
  const key = String(path.at(-1));
  const meant = nearest(key, known);
  const hint = meant === undefined ? `known keys: ${known.join(', ')}` : `did you mean "${meant}"?`;
  return { path, atKey: true, code: 'KEY_UNKNOWN', cause: 'unknown key', hint };
}

function translate(error: SchemaError, root: unknown): Problem[] {
  const path = stepsOf(error.instancePath);
  switch (error.keyword) {
    case 'boolean': // a key with the schema false, which is how a closed map refuses it
      return [unknownKey(path, knownKeys(path.slice(0, -1)))];
    case 'additionalProperties':
      return error.params.additionalProperties.map((key) => unknownKey([...path, key], knownKeys(path)));
    case 'required':
      return error.params.requiredProperties.map((key) => missingKey(path, key));
    default:
      return [wrongValue(path, root)];
  }
}

function missingKey(path: Path, key: string): Problem {
  const hint = FIELDS[key]?.hint;
  return { path, code: 'KEY_MISSING', cause: `"${key}" is missing`, ...(hint === undefined ? {} : { hint }) };
}

function wrongValue(path: Path, root: unknown): Problem {
  const value = path.reduce<unknown>((at, step) => (at as Record<string | number, unknown>)[step], root);
  if (path.length === 0) return { path, code: 'SERVICE_INVALID', cause: `a service is a map, not ${preview(value)}` };
  const last = path.findLast((step) => typeof step === 'string') as string;
  if (last === 'backends' && path.length > 1) {
    const cause = `a backend is its address or a map, not ${preview(value)}`;
    return { path, code: 'BACKENDS_INVALID', cause, hint: 'write 10.0.0.1:80 or { address: 10.0.0.1:80, weight: 2 }' };
  }
  const { code, must, hint } = FIELDS[last] ?? { code: 'VALUE_INVALID', must: 'has a value of the wrong kind' };
  return { path, code, cause: `${must}, not ${preview(value)}`, ...(hint === undefined ? {} : { hint }) };
}

function knownKeys(path: Path): readonly string[] {
  if (path.length === 0) return SERVICE_KEYS;
  if (path[0] === 'health') return HEALTH_KEYS;
  if (path[0] === 'outlier') return OUTLIER_KEYS;
  return path[0] === 'locality' ? LOCALITY_KEYS : BACKEND_KEYS;
}

/** JSON pointer to steps; a service has no key of digits, so a number is an index. */
function stepsOf(pointer: string): Path {
  const parts = pointer.split('/').slice(1);
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')));
}
