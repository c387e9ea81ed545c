import ipaddr from 'ipaddr.js';
import { type Message, parseAttributes, u32 } from './message.js';
import { withSocket } from './socket.js';

/** An address of an interface of the namespace this process is in. */
export interface InterfaceAddress {
  readonly ifindex: number;
  /** Canonical text. */
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 4 | 6;
  /** `global`, `link`, `host`, … */
  readonly scope: string;
}

// linux/rtnetlink.h, linux/if_addr.h
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const ifaddrmsg = { size: 8, family: 0, prefixLength: 1, scope: 3, index: 4 };
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const AF_INET = 2;
const AF_INET6 = 10;
const scopes: Readonly<Record<number, string>> = { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' };

/** All IPv4 and IPv6 addresses. @throws NativeError */
export function addresses(): InterfaceAddress[] {
  return withSocket((socket) => socket.dump('addresses', RTM_GETADDR, Buffer.alloc(ifaddrmsg.size)))
    .filter((message) => message.type === RTM_NEWADDR)
    .flatMap((message) => addressIn(message) ?? []);
}

/** Pure: reads an RTM_NEWADDR message; undefined for other families. */
export function addressIn({ payload }: Message): InterfaceAddress | undefined {
  const family = payload[ifaddrmsg.family];
  const attributes = parseAttributes(payload, ifaddrmsg.size);
  // Between two ends of a point-to-point link IFA_ADDRESS is the other end's.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  if (bytes === undefined || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const scope = payload[ifaddrmsg.scope]!;
  return {
    ifindex: u32(payload, ifaddrmsg.index),
    address: ipaddr.fromByteArray([...bytes]).toString(),
    prefixLength: payload[ifaddrmsg.prefixLength]!,
    family: family === AF_INET ? 4 : 6,
    scope: scopes[scope] ?? String(scope),
  };
}
