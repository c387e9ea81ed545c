import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { backendKey, type VipKey, vipKey } from '../../model/service.js';
import type { Flow } from '../dataplane.js';

const closing = new Set(['FIN_WAIT', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK']);
const opening = new Set(['SYN_SENT', 'SYN_RECV', 'SYNACK', 'NONE']);

/** What IPVS tracks now of these VIPs, at most `limit`. Empty without IPVS. */
export function connections(vips: ReadonlySet<VipKey>, limit: number): Flow[] {
  const found: Flow[] = [];
  for (const line of connectionLines()) {
    if (found.length >= limit) break;
    const flow = connectionIn(line);
    if (flow !== undefined && vips.has(flow.vip)) found.push(flow);
  }
  return found;
}

function connectionLines(): string[] {
  try {
    return readFileSync('/proc/net/ip_vs_conn', 'utf8').split('\n').slice(1);
  } catch {
    return [];
  }
}

/**
 * Pure: a line of /proc/net/ip_vs_conn: protocol, the ends in hexadecimal, state, seconds until it expires. Undefined for
 * what has no port of a client: a template of persistence.
 */
export function connectionIn(line: string): Flow | undefined {
  const [protocol = '', from = '', fromPort = '', to = '', toPort = '', at = '', atPort = '', state = ''] = line
    .trim()
    .split(/\s+/);
  const name = (['tcp', 'udp'] as const).find((one) => one === protocol.toLowerCase());
  const [client, vip, backend] = [endIn(from, fromPort), endIn(to, toPort), endIn(at, atPort)];
  if (name === undefined || !client || !vip || !backend || client.port === 0) return undefined;
  return {
    vip: vipKey({ ...vip, protocol: name }),
    backend: backendKey(backend),
    state: closing.has(state) ? 'closing' : opening.has(state) ? 'new' : 'established',
    idleSeconds: 0,
    client,
  };
}

/** IPv4 is eight digits, IPv6 is written as usual. */
function endIn(address: string, port: string): { address: string; port: number } | undefined {
  const number = Number.parseInt(port, 16);
  if (Number.isNaN(number)) return undefined;
  if (/^[0-9A-F]{8}$/i.test(address)) {
    return { address: [...Buffer.from(address, 'hex')].join('.'), port: number };
  }
  const bare = address.replace(/^\[|\]$/g, '');
  return ipaddr.IPv6.isValid(bare) ? { address: ipaddr.parse(bare).toString(), port: number } : undefined;
}
