import { type FileHandle, open } from 'node:fs/promises';
import ipaddr from 'ipaddr.js';
import { backendKey, type VipKey, vipKey } from '../../model/service.js';
import type { Flow } from '../dataplane.js';
import type { Timeouts } from './messages.js';

const path = '/proc/net/ip_vs_conn';
const PORTION = 1 << 16;

const closing = new Set(['FIN_WAIT', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK']);
const opening = new Set(['SYN_RECV', 'SYNACK', 'NONE']);
/**
 * A SYN that came from the backend only: the answer to one that IPVS has not seen. The connection is another plane's, from a
 * port that one of ours had before, and it is here only because answers pass IPVS on their way.
 */
const FOREIGN = 'SYN_SENT';

/** How long a connection is kept after its last packet by its state, seconds: linux/netfilter/ipvs/ip_vs_proto_tcp.c. */
const fixedLifetimes: Readonly<Record<string, number>> = {
  SYN_RECV: 60,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  SYNACK: 120,
};

/** What IPVS tracks now of these VIPs and is wanted, at most `limit`. Empty without IPVS. */
export async function connections(
  vips: ReadonlySet<VipKey>,
  timeouts: Timeouts,
  limit: number,
  wanted: (flow: Flow) => boolean = () => true,
): Promise<Flow[]> {
  const found: Flow[] = [];
  for await (const line of connectionLines()) {
    if (found.length >= limit) break;
    const flow = connectionIn(line, timeouts);
    if (flow !== undefined && vips.has(flow.vip) && wanted(flow)) found.push(flow);
  }
  return found;
}

/** There may be a million: no more is read than is asked for, and others run between two portions. */
async function* connectionLines(): AsyncGenerator<string> {
  const file = await opened();
  if (file === undefined) return;
  try {
    const portion = Buffer.alloc(PORTION);
    let rest = '';
    for (let length = -1; length !== 0; ) {
      length = (await file.read(portion, 0, PORTION)).bytesRead;
      const lines = (rest + portion.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    await file.close();
  }
}

async function opened(): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch {
    return undefined;
  }
}

/**
 * Pure: a line of /proc/net/ip_vs_conn: protocol, the ends in hexadecimal, state, seconds until it expires. Undefined for
 * the heading, for what has no port of a client, a template of persistence, and for what another plane carries.
 */
export function connectionIn(line: string, timeouts: Timeouts): Flow | undefined {
  const fields = line.trim().split(/\s+/);
  const [protocol = '', from = '', fromPort = '', to = '', toPort = '', at = '', atPort = '', state = '', left] =
    fields;
  const name = (['tcp', 'udp'] as const).find((one) => one === protocol.toLowerCase());
  const [client, vip, backend] = [endIn(from, fromPort), endIn(to, toPort), endIn(at, atPort)];
  if (name === undefined || state === FOREIGN || !client || !vip || !backend || client.port === 0) return undefined;
  return {
    vip: vipKey({ ...vip, protocol: name }),
    backend: backendKey(backend),
    state: closing.has(state) ? 'closing' : opening.has(state) ? 'new' : 'established',
    idleSeconds: Math.max(0, lifetime(name, state, timeouts) - Number(left)) || 0,
    client,
  };
}

/** Every packet starts the timer anew, so what is left of it tells when the last one came. */
function lifetime(protocol: 'tcp' | 'udp', state: string, { tcp, tcpFin, udp }: Timeouts): number {
  if (protocol === 'udp') return udp;
  if (state === 'FIN_WAIT') return tcpFin;
  return fixedLifetimes[state] ?? tcp;
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
