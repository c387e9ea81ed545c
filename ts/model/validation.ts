import { type Fault, VipdError } from '../util/errors.js';
import { formatEndpoint } from './address.js';
import { type Candidate, candidate, settle } from './conflicts.js';
import { type PlacedDocument, parsePlaced, placed } from './document.js';
import { formatDuration } from './duration.js';
import { checkOnePort, policyToJson, readPolicy } from './policy-rules.js';
import { type Path, type Problem, preview, problemFault } from './problem.js';
import { checkPairs, Findings, readBackends, readFrontend, readHealth } from './rules.js';
import type { HealthJson, LongServiceJson } from './schema.js';
import { type BackendDefinition, type DeclaredService, formatFrontend, type HealthCheck } from './service.js';
import { shapeOf, unknownKey } from './shape.js';
import { readVipMap, vipMapOf } from './vipmap.js';

/** Bounds the work one file can ask for: aliases let a short text stand for very many backends. */
const MAX_BACKENDS_PER_FILE = 1_000_000;

/** What a services file says. Structurally a source's report. */
export interface ParsedServices {
  readonly services: readonly DeclaredService[];
  /** Every fault with `file:line:column` as its object. */
  readonly faults: readonly Fault[];
  /** The text as a whole could not be understood, so it says nothing about any service. */
  readonly keepLast?: boolean;
  /** Names of services that are in the file and were not accepted: known, but not gone. */
  readonly rejected: readonly string[];
}

/** The canonical JSON of a service: every default written out, backends sorted. */
export type ServiceJson = LongServiceJson;

/**
 * One service from JSON, as files and the API write it. @throws VipdError with the code of the first problem; its cause
 * names that problem and says how many more there are
 */
export function validateService(json: unknown, object: string): DeclaredService {
  const result = readService(json);
  if (result.definition) return result.definition;
  const [first, ...more] = result.problems;
  const fault = problemFault(first!, object, '');
  const cause = more.length === 0 ? fault.cause : `${fault.cause} (and ${more.length} more problems)`;
  throw new VipdError({ ...fault, cause });
}

export function serviceToJson(definition: DeclaredService): ServiceJson {
  const { name, frontend, backends, health, policy } = definition;
  return {
    name,
    vip: formatFrontend(frontend),
    protocol: frontend.protocol,
    backends: backends.map(backendToJson),
    ...(health ? { health: healthToJson(health) } : {}),
    ...policyToJson(policy),
  };
}

function backendToJson({ address, port, weight, zone }: BackendDefinition): ServiceJson['backends'][number] {
  return { address: formatEndpoint({ address, port }), weight, ...(zone === undefined ? {} : { zone }) };
}

function healthToJson({ kind, intervalMs, timeoutMs, command, ...rest }: HealthCheck): HealthJson {
  const times = { interval: formatDuration(intervalMs), timeout: formatDuration(timeoutMs) };
  return { type: kind, ...times, ...rest, ...(command ? { command: [...command] } : {}) };
}

/** Reads a services file, YAML or JSON. An empty text is an empty set. Never throws: what is wrong is in `faults`. */
export function parseServices(text: string, fileName: string): ParsedServices {
  const document = parsePlaced(text, fileName);
  if (document.faults.length > 0) return unusable(document.faults);
  const top = readTop(document);
  if (!top.records) return unusable(top.faults);
  const { accepted, rejected, faults } = readRecords(document, top.records);
  return { services: accepted, rejected, faults: [...top.faults, ...faults] };
}

function unusable(faults: readonly Fault[]): ParsedServices {
  return { services: [], rejected: [], faults, keepLast: true };
}

interface Top {
  /** undefined when the text does not say which services there are. */
  readonly records: readonly unknown[] | undefined;
  readonly faults: readonly Fault[];
}

function readTop(document: PlacedDocument): Top {
  const { value } = document;
  const fault = (problem: Problem): Fault => problemFault(problem, placed(document, problem, []), '');
  const refuse = (path: Path, cause: string, hint: string): Top => {
    return { records: undefined, faults: [fault({ path, code: 'FILE_SHAPE', cause, hint })] };
  };
  if (value === null || value === undefined) return { records: [], faults: [] };
  if (typeof value !== 'object' || Array.isArray(value)) {
    return refuse([], `a services file is a map, not ${preview(value)}`, 'begin it with "services:"');
  }
  const keys = Object.keys(value);
  const faults = keys.filter((key) => key !== 'services').map((key) => fault(unknownKey([key], ['services'])));
  const services: unknown = (value as { services?: unknown }).services ?? [];
  if (!Array.isArray(services))
    return refuse(['services'], `must be a list, not ${preview(services)}`, 'write "services: []"');
  return { records: faults.length > 0 && !keys.includes('services') ? undefined : services, faults };
}

interface PlacedService extends Candidate {
  readonly base: Path;
}

interface Records {
  readonly accepted: readonly DeclaredService[];
  readonly rejected: readonly string[];
  readonly faults: readonly Fault[];
}

function readRecords(document: PlacedDocument, records: readonly unknown[]): Records {
  const faults: Fault[] = [];
  const rejected = new Set<string>();
  const good: PlacedService[] = [];
  const reject = (problem: Problem, base: Path, name: string | undefined): void => {
    if (name !== undefined) rejected.add(name);
    const context = name === undefined ? `services[${base[1]}]` : `service ${name}`;
    faults.push(problemFault(problem, placed(document, problem, base), context));
  };
  let backends = 0;
  for (const [i, json] of records.entries()) {
    const base = ['services', i];
    backends += backendCount(json);
    const { definition, problems } = backends > MAX_BACKENDS_PER_FILE ? TOO_MANY : readService(json);
    if (definition)
      good.push(
        Object.assign(
          candidate(definition, () => document.place(base)),
          { base },
        ),
      );
    else for (const problem of problems) reject(problem, base, nameOf(json));
  }
  const { accepted, conflicts } = settle(good);
  for (const { loser, problem } of conflicts) reject(problem, loser.base, loser.definition.name);
  return { accepted: Array.from(accepted.values(), ({ definition }) => definition), rejected: [...rejected], faults };
}

type ServiceResult =
  | { readonly definition: DeclaredService; readonly problems: readonly [] }
  | { readonly definition: undefined; readonly problems: readonly Problem[] };

const TOO_MANY: ServiceResult = {
  definition: undefined,
  problems: [{ path: [], code: 'FILE_LIMIT', cause: `more than ${MAX_BACKENDS_PER_FILE} backends in one file` }],
};

function readService(value: unknown): ServiceResult {
  const map = vipMapOf(value);
  const json = longForm(map ? { ...(value as object), vip: '' } : value) as LongServiceJson;
  const named = map && readVipMap(map, json.protocol);
  const shape = shapeOf(json);
  const findings = new Findings([...(named?.problems ?? []), ...shape.problems]);
  const readable = shape.complete && typeof json === 'object' && json !== null && !Array.isArray(json);
  if (!readable) return { definition: undefined, problems: findings.problems };
  const frontend = named ? named.frontend : readFrontend(json, findings);
  const backends = readBackends(json, findings);
  if (frontend && backends.length > 0) checkPairs(json, frontend, findings);
  checkOnePort(json, findings);
  const health = json.health && readHealth(json.health, findings);
  const policy = readPolicy(json, findings);
  if (findings.problems.length > 0 || !frontend) return { definition: undefined, problems: findings.problems };
  const options = { ...(health && { health }), ...(policy && { policy }) };
  return { definition: { name: json.name, frontend, backends, ...options }, problems: [] };
}

/** `10.0.0.1:80` becomes `{ address: 10.0.0.1:80 }`; whatever has another form is left for the schema to refuse. */
function longForm(value: unknown): unknown {
  if (backendCount(value) === 0) return value;
  const service = value as { backends: readonly unknown[] };
  const long = (backend: unknown): unknown => (typeof backend === 'string' ? { address: backend } : backend);
  return { ...service, backends: service.backends.map(long) };
}

function backendCount(value: unknown): number {
  const backends = (value as { backends?: unknown } | null | undefined)?.backends;
  return Array.isArray(backends) ? backends.length : 0;
}

function nameOf(json: unknown): string | undefined {
  const name = (json as { name?: unknown } | null)?.name;
  return typeof name === 'string' && name !== '' ? name.slice(0, 253) : undefined;
}
