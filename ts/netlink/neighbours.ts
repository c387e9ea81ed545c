import ipaddr from 'ipaddr.js';
import { attribute, type Message, parseAttributes, u16, u32, u32Bytes } from './message.js';
import { withSocket } from './socket.js';

/** Who is known by which MAC address on a link. */
export interface Neighbour {
  readonly ifindex: number;
  /** Canonical text. */
  readonly address: string;
  /** Six bytes; absent while it is not known, or known to be unreachable. */
  readonly mac?: Uint8Array;
  /** Confirmed of late, or for good: needs no look-up. */
  readonly fresh: boolean;
}

// linux/rtnetlink.h, linux/neighbour.h
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const ndmsg = { size: 12, family: 0, ifindex: 4, state: 8, flags: 10 };
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_INCOMPLETE = 0x01;
const NUD_REACHABLE = 0x02;
const NUD_FAILED = 0x20;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NTF_USE = 0x01;
const AF_INET = 2;
const AF_INET6 = 10;

/** The neighbours of all links, both families. @throws NativeError */
export function neighbours(): Neighbour[] {
  return withSocket((socket) => socket.dump('neighbours', RTM_GETNEIGH, Buffer.alloc(ndmsg.size)))
    .filter((message) => message.type === RTM_NEWNEIGH)
    .flatMap((message) => neighbourIn(message) ?? []);
}

/** Has the kernel find out, or confirm, as if it had something to send there. @throws NativeError */
export function lookUp(ifindex: number, address: string): void {
  withSocket((socket) => socket.ensure(`neighbour ${address}`, RTM_NEWNEIGH, lookUpRequest(ifindex, address)));
}

/** Pure. */
export function lookUpRequest(ifindex: number, address: string): Buffer {
  const bytes = ipaddr.parse(address).toByteArray();
  const header = Buffer.alloc(ndmsg.size);
  header[ndmsg.family] = bytes.length === 4 ? AF_INET : AF_INET6;
  header.set(u32Bytes(ifindex), ndmsg.ifindex);
  header[ndmsg.flags] = NTF_USE;
  return Buffer.concat([header, attribute(NDA_DST, Uint8Array.from(bytes))]);
}

/** Pure: reads an RTM_NEWNEIGH message; undefined for other families, such as the MAC table of a bridge. */
export function neighbourIn({ payload }: Message): Neighbour | undefined {
  const family = payload[ndmsg.family];
  const attributes = parseAttributes(payload, ndmsg.size);
  const bytes = attributes.get(NDA_DST);
  if (bytes === undefined || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const state = u16(payload, ndmsg.state);
  const mac = attributes.get(NDA_LLADDR);
  const known = mac?.length === 6 && state !== 0 && (state & (NUD_INCOMPLETE | NUD_FAILED)) === 0;
  return {
    ifindex: u32(payload, ndmsg.ifindex),
    address: ipaddr.fromByteArray([...bytes]).toString(),
    fresh: known && (state & (NUD_REACHABLE | NUD_NOARP | NUD_PERMANENT)) !== 0,
    ...(known ? { mac: Uint8Array.from(mac) } : {}),
  };
}
