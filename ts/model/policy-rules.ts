import { parseEndpoint } from './address.js';
import type { Policy } from './policy.js';
import type { PolicyJson } from './policy-schema.js';
import type { Findings } from './rules.js';
import type { LongServiceJson } from './schema.js';

/** Undefined when the service says nothing of it, so that a definition without is as small as before. */
export function readPolicy(json: PolicyJson, findings: Findings): Policy | undefined {
  const { forwarding, exact, clampMss } = json;
  if (clampMss !== undefined && (json as LongServiceJson).protocol === 'udp') {
    findings.add(['clampMss'], 'POLICY_INVALID', 'UDP has no MSS', 'leave it out, or make the service tcp');
  }
  const policy: Policy = {
    ...(forwarding !== undefined && forwarding !== 'nat' && { forwarding }),
    ...(exact === true && { exact }),
    ...(clampMss !== undefined && { clampMss }),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

/** The inverse of {@link readPolicy}. */
export function policyToJson(policy: Policy | undefined): PolicyJson {
  const { forwarding, exact, clampMss } = policy ?? {};
  return {
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
