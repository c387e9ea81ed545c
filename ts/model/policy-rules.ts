import { formatPrefix, type Prefix, parseEndpoint, parsePrefix } from './address.js';
import { formatDuration, parseDuration } from './duration.js';
import type { OutlierPolicy, Policy } from './policy.js';
import type { LocalityJson, OutlierJson, PolicyJson } from './policy-schema.js';
import type { Findings } from './rules.js';
import type { LongServiceJson } from './schema.js';

const DEFAULT_SPILLOVER = 50;
const OUTLIER_DEFAULTS: OutlierPolicy = {
  consecutive: 5,
  failurePercent: 50,
  minimumConnects: 20,
  windowMs: 30_000,
  ejectionMs: 30_000,
  maxEjectionMs: 600_000,
  maxEjectedPercent: 50,
};

/** Undefined when the service says nothing of it, so that a definition without is as small as before. */
export function readPolicy(json: PolicyJson, findings: Findings): Policy | undefined {
  const { schedule, affinity, locality, allow, deny, connectionRate } = json;
  const { forwarding, exact, clampMss, outlier } = json;
  if (clampMss !== undefined && (json as LongServiceJson).protocol === 'udp') {
    findings.add(['clampMss'], 'POLICY_INVALID', 'UDP has no MSS', 'leave it out, or make the service tcp');
  }
  if (outlier !== undefined && (json as LongServiceJson).protocol === 'udp') {
    findings.add(['outlier'], 'POLICY_INVALID', 'UDP does not connect', 'leave it out; a health check sees UDP too');
  }
  const fresh = (...path: string[]) => !findings.spoiled(path);
  const policy: Policy = {
    ...(schedule !== undefined && schedule !== 'maglev' && { schedule }),
    ...(affinity !== undefined && fresh('affinity') && duration(affinity, findings)),
    ...(locality !== undefined && fresh('locality') && { locality: readLocality(locality) }),
    ...(outlier !== undefined && fresh('outlier') && { outlier: readOutlier(outlier, findings) }),
    ...(allow !== undefined && fresh('allow') && { allow: prefixes(allow, 'allow', findings) }),
    ...(deny !== undefined && fresh('deny') && { deny: prefixes(deny, 'deny', findings) }),
    ...(connectionRate !== undefined && { connectionRate }),
    ...(forwarding !== undefined && forwarding !== 'nat' && { forwarding }),
    ...(exact === true && { exact }),
    ...(clampMss !== undefined && { clampMss }),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

function duration(text: string, findings: Findings): Pick<Policy, 'affinityMs'> {
  const affinityMs = findings.attempt(['affinity'], () => parseDuration(text));
  return affinityMs === undefined ? {} : { affinityMs };
}

function readLocality({ prefer, spillover = DEFAULT_SPILLOVER }: LocalityJson) {
  return { prefer, spillover };
}

function readOutlier({ window, ejection, maxEjection, ...numbers }: OutlierJson, findings: Findings): OutlierPolicy {
  const time = (key: string, text: string | undefined, otherwise: number) =>
    text === undefined ? otherwise : (findings.attempt(['outlier', key], () => parseDuration(text)) ?? otherwise);
  const ejectionMs = time('ejection', ejection, OUTLIER_DEFAULTS.ejectionMs);
  return {
    ...OUTLIER_DEFAULTS,
    ...numbers,
    windowMs: time('window', window, OUTLIER_DEFAULTS.windowMs),
    ejectionMs,
    maxEjectionMs: Math.max(ejectionMs, time('maxEjection', maxEjection, OUTLIER_DEFAULTS.maxEjectionMs)),
  };
}

function outlierToJson({ windowMs, ejectionMs, maxEjectionMs, ...numbers }: OutlierPolicy): OutlierJson {
  const times = { window: windowMs, ejection: ejectionMs, maxEjection: maxEjectionMs };
  return {
    ...numbers,
    ...Object.fromEntries(Object.entries(times).map(([key, ms]) => [key, formatDuration(ms)])),
  };
}

/** Each once and sorted, so that the order in a file never matters. */
function prefixes(texts: readonly string[], key: string, findings: Findings): readonly Prefix[] {
  const read = texts.flatMap((text, i) => findings.attempt([key, i], () => parsePrefix(text)) ?? []);
  const unique = new Map(read.map((prefix) => [formatPrefix(prefix), prefix]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, prefix]) => prefix);
}

/** The inverse of {@link readPolicy}. */
export function policyToJson(policy: Policy | undefined): PolicyJson {
  const { schedule, affinityMs, locality, allow, deny, connectionRate } = policy ?? {};
  const { forwarding, exact, clampMss, outlier } = policy ?? {};
  return {
    ...(schedule !== undefined && { schedule: schedule as NonNullable<PolicyJson['schedule']> }),
    ...(affinityMs !== undefined && { affinity: formatDuration(affinityMs) }),
    ...(locality !== undefined && { locality: { ...locality } }),
    ...(outlier !== undefined && { outlier: outlierToJson(outlier) }),
    ...(allow !== undefined && { allow: allow.map(formatPrefix) }),
    ...(deny !== undefined && { deny: deny.map(formatPrefix) }),
    ...(connectionRate !== undefined && { connectionRate }),
    ...(forwarding !== undefined && { forwarding }),
    ...(exact !== undefined && { exact }),
    ...(clampMss !== undefined && { clampMss }),
  };
}

/** What a backend's node gets in a tunnel or by MAC address says to which address it goes, and nothing of a port. */
export function checkOnePort(json: LongServiceJson, findings: Findings): void {
  if (json.forwarding !== 'tunnel' && json.forwarding !== 'direct') return;
  const first = new Map<string, number>();
  json.backends.forEach((backend, i) => {
    if (findings.spoiled(['backends', i])) return;
    const { address } = parseEndpoint(backend.address);
    const earlier = first.get(address);
    if (earlier === undefined) {
      first.set(address, i);
      return;
    }
    const cause = `${address} is that of backends[${earlier}] too, and forwarding ${json.forwarding} cannot tell ports apart`;
    findings.add(['backends', i], 'BACKEND_PORTS', cause, 'give each server an address, or use nat');
  });
}
