import ipaddr from 'ipaddr.js';
import { NativeError } from '../native/errors.js';
import { attribute, type Message, numberIn, parseAttributes } from './message.js';
import { withSocket } from './socket.js';

/** How the kernel would send a packet of this node to an address. */
export interface Path {
  /** To this node itself. */
  readonly local: boolean;
  readonly ifindex: number;
  /** Canonical text; absent where the destination is on the link. */
  readonly gateway?: string;
  /** The address it would send from; absent where there is none. */
  readonly source?: string;
  /** Bytes, if the route says. */
  readonly mtu?: number;
}

// linux/rtnetlink.h
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const rtmsg = { size: 12, family: 0, bits: 1, type: 7 };
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const AF_INET = 2;
const AF_INET6 = 10;

/** @returns undefined where no route leads there. @throws NativeError */
export function pathTo(address: string): Path | undefined {
  try {
    const answer = withSocket((socket) => socket.ask(`route to ${address}`, RTM_GETROUTE, pathRequest(address)));
    return answer.filter(({ type }) => type === RTM_NEWROUTE).flatMap((message) => pathIn(message) ?? [])[0];
  } catch (error) {
    if (error instanceof NativeError && NO_ROUTE.has(error.errnoName)) return undefined;
    throw error;
  }
}

/** What the kernel answers for unreachable, prohibited and blackholed destinations, and for none. */
const NO_ROUTE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL', 'ENETDOWN', 'EADDRNOTAVAIL']);

/** Pure. */
export function pathRequest(address: string): Buffer {
  const bytes = ipaddr.parse(address).toByteArray();
  const header = Buffer.alloc(rtmsg.size);
  header[rtmsg.family] = bytes.length === 4 ? AF_INET : AF_INET6;
  header[rtmsg.bits] = bytes.length * 8;
  return Buffer.concat([header, attribute(RTA_DST, Uint8Array.from(bytes))]);
}

/** Pure: reads an RTM_NEWROUTE message; undefined for routes that lead nowhere. */
export function pathIn({ payload }: Message): Path | undefined {
  const attributes = parseAttributes(payload, rtmsg.size);
  const type = payload[rtmsg.type];
  const ifindex = numberIn(attributes, RTA_OIF);
  if (ifindex === undefined || (type !== RTN_UNICAST && type !== RTN_LOCAL)) return undefined;
  // RTA_VIA is a gateway of the other family, behind the number of that family.
  const gateway = textOf(attributes.get(RTA_GATEWAY)) ?? textOf(attributes.get(RTA_VIA)?.subarray(2));
  const source = textOf(attributes.get(RTA_PREFSRC));
  const mtu = numberIn(parseAttributes(attributes.get(RTA_METRICS) ?? Buffer.alloc(0)), RTAX_MTU);
  return {
    local: type === RTN_LOCAL,
    ifindex,
    ...(gateway === undefined ? {} : { gateway }),
    ...(source === undefined ? {} : { source }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

function textOf(bytes: Buffer | undefined): string | undefined {
  return bytes === undefined ? undefined : ipaddr.fromByteArray([...bytes]).toString();
}
