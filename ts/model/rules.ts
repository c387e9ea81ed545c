import ipaddr from 'ipaddr.js';
import { VipdError } from '../util/errors.js';
import { checkedPort, type Endpoint, familyOf, formatEndpoint, type Protocol, parseEndpoint } from './address.js';
import { parseDuration } from './duration.js';
import { compareBackends } from './forwarding.js';
import { splitVipName, vipFqdn, vipName } from './name.js';
import { type Path, type Problem, preview, problemOf } from './problem.js';
import type { HealthJson, LongServiceJson } from './schema.js';
import {
  type BackendDefinition,
  backendKey,
  type Frontend,
  type HealthCheck,
  isNamed,
  MAX_BACKENDS_PER_VIP,
  type NamedFrontend,
} from './service.js';

/** Collects what is wrong in one service and remembers where, so that a rule never reads what is not of its form. */
export class Findings {
  readonly problems: Problem[];

  constructor(shape: readonly Problem[]) {
    this.problems = [...shape];
  }

  add(path: Path, code: string, cause: string, hint?: string): undefined {
    this.problems.push({ path, code, cause, ...(hint === undefined ? {} : { hint }) });
  }

  /** Whether the value there, or what contains it, has had a problem before. */
  spoiled(path: Path): boolean {
    return this.problems.some(
      (problem) => !problem.atKey && problem.path.length > 0 && problem.path.every((step, i) => step === path[i]),
    );
  }

  /** The outcome of `read`, or undefined and a problem at `path` when it throws. */
  attempt<T>(path: Path, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.problems.push(problemOf(error, path));
      return undefined;
    }
  }
}

const DEFAULTS = { intervalMs: 2000, timeoutMs: 1000, rise: 1, fall: 2 };

/** Ranges no client connects to through a VIP: a packet to them is never forwarded, or means another host everywhere. */
export const NO_VIP = new Set(['unspecified', 'multicast', 'broadcast', 'loopback']);
const NO_BACKEND = new Set(['unspecified', 'multicast', 'broadcast']);

export function readFrontend(json: LongServiceJson, findings: Findings): Frontend | NamedFrontend | undefined {
  if (typeof json.vip !== 'string' || findings.spoiled(['vip'])) return undefined;
  const protocol: Protocol = json.protocol === 'udp' ? 'udp' : 'tcp';
  const parts = splitVipName(json.vip);
  if (parts) return findings.attempt(['vip'], () => ({ ...namedEndpoint(parts, json.vip), protocol }));
  const endpoint = findings.attempt(['vip'], () => usableEndpoint(json.vip, NO_VIP, 'VIP'));
  return endpoint && { ...endpoint, protocol };
}

/** Longest name of the DNS as text (RFC 1035 §3.1 without the root's dot). */
const FQDN_MAX = 253;

/** @throws VipdError NAME_INVALID | PORT_INVALID */
export function namedEndpoint(
  { label, framework, port }: { label: string; framework: string; port: number },
  object: string,
): Omit<NamedFrontend, 'protocol'> {
  const name = vipName(label, framework);
  const refuse = (cause: string, hint?: string): never => {
    throw new VipdError({ code: 'NAME_INVALID', object, cause, ...(hint === undefined ? {} : { hint }) });
  };
  if (name.label === '') refuse(`the name ${preview(label)} has no letter or digit`);
  if (name.framework === '') refuse(`the framework ${preview(framework)} has no letter or digit`);
  if (vipFqdn(name).length > FQDN_MAX) refuse(`it is longer than ${FQDN_MAX} characters in the DNS`, 'shorten it');
  return { name, port: checkedPort(port, object) };
}

/** Sorted, so that the order in a file never matters. */
export function readBackends(json: LongServiceJson, findings: Findings): readonly BackendDefinition[] {
  if (!Array.isArray(json.backends)) return [];
  if (json.backends.length > MAX_BACKENDS_PER_VIP) {
    const cause = `${json.backends.length} backends, at most ${MAX_BACKENDS_PER_VIP} are allowed on one VIP`;
    findings.add(['backends'], 'BACKEND_LIMIT', cause, 'split the service over several VIPs');
    return [];
  }
  const backends = json.backends.map((backend, i) => {
    if (findings.spoiled(['backends', i])) return undefined;
    const endpoint = findings.attempt(['backends', i], () => usableEndpoint(backend.address, NO_BACKEND, 'backend'));
    // Not spread: an object made so takes three times the memory, and there are very many.
    const { weight = 1, zone } = backend;
    if (zone !== undefined) return endpoint && { address: endpoint.address, port: endpoint.port, weight, zone };
    return endpoint && { address: endpoint.address, port: endpoint.port, weight };
  });
  checkDuplicates(backends, findings);
  return backends.filter((backend) => backend !== undefined).sort(compareBackends);
}

/** What can only be said of the VIP and a backend together. */
export function checkPairs(json: LongServiceJson, frontend: Frontend | NamedFrontend, findings: Findings): void {
  if (isNamed(frontend)) return;
  const family = familyOf(frontend.address);
  json.backends.forEach((backend, i) => {
    if (findings.spoiled(['backends', i])) return;
    const endpoint = parseEndpoint(backend.address);
    const other = familyOf(endpoint.address);
    if (other !== family) {
      const cause = `${backend.address} is IPv${other}, its VIP is IPv${family}`;
      findings.add(['backends', i], 'FAMILY_MIXED', cause, 'define one service for each family');
    } else if (compareBackends(endpoint, frontend) === 0) {
      findings.add(['backends', i], 'BACKEND_LOOP', 'the backend is the VIP of its own service', LOOP_HINT);
    }
  });
}

export const LOOP_HINT = 'name the address and port on which the server itself listens';

export function readHealth(json: HealthJson, findings: Findings): HealthCheck | undefined {
  if (findings.problems.some((problem) => problem.path[0] === 'health')) return undefined;
  for (const key of ['path', 'host', 'port', 'command'] as const) {
    if (json[key] !== undefined && !OPTIONS_OF[json.type].includes(key)) {
      findings.add(['health', key], 'HEALTH_INVALID', `a check of type ${json.type} has no "${key}"`);
    }
  }
  if (json.type === 'command' && !json.command) {
    findings.add(['health'], 'HEALTH_INVALID', '"command" is missing', 'write command: [/usr/bin/check, -q]');
  }
  const intervalMs = readDuration(json.interval, 'interval', findings) ?? DEFAULTS.intervalMs;
  const timeoutMs = readDuration(json.timeout, 'timeout', findings) ?? DEFAULTS.timeoutMs;
  const { type: kind, rise = DEFAULTS.rise, fall = DEFAULTS.fall, path, host, port, command } = json;
  const options = Object.fromEntries(
    Object.entries({ path, host, port, command }).filter(([, value]) => value !== undefined),
  );
  return { kind, intervalMs, timeoutMs, rise, fall, ...options };
}

const OPTIONS_OF: Readonly<Record<HealthCheck['kind'], readonly string[]>> = {
  tcp: ['port'],
  http: ['path', 'host', 'port'],
  command: ['command'],
};

function readDuration(text: string | undefined, key: string, findings: Findings): number | undefined {
  return text === undefined ? undefined : findings.attempt(['health', key], () => parseDuration(text));
}

function usableEndpoint(text: string, refused: ReadonlySet<string>, role: string): Endpoint {
  const endpoint = parseEndpoint(text);
  const parsed = ipaddr.parse(endpoint.address);
  if (endpoint.address.includes('%'))
    throw unusable(text, `${text} has a zone, which means something on one host only`);
  const range = parsed.range();
  if (refused.has(range))
    throw unusable(text, `${formatEndpoint(endpoint)} is a ${range} address, no ${role} can have it`);
  return endpoint;
}

function unusable(object: string, cause: string): VipdError {
  return new VipdError({ code: 'ADDRESS_UNUSABLE', object, cause });
}

function checkDuplicates(backends: readonly (Endpoint | undefined)[], findings: Findings): void {
  const first = new Map<string, number>();
  backends.forEach((backend, i) => {
    if (!backend) return;
    const key = backendKey(backend);
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, i);
    else
      findings.add(['backends', i], 'BACKEND_DUPLICATE', `${key} is backends[${earlier}] already`, 'give it a weight');
  });
}
