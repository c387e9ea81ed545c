import ipaddr from 'ipaddr.js';
import { NativeError } from '../native/errors.js';
import { type Attributes, attribute, type Message, nested, parseAttributes } from './message.js';
import { isAbsent, NETLINK_NETFILTER, nfgenmsg } from './netfilter.js';
import { NetlinkSocket } from './socket.js';

/** A connection as the kernel's connection tracking has it. */
export interface Tracked {
  readonly protocol: 'tcp' | 'udp';
  /** What its first packet had. */
  readonly original: Ends;
  /** What an answer has before it is changed back: differs from `original` turned round where there is NAT. */
  readonly reply: Ends;
  /** TCP: both sides have ended it, or one has reset it. */
  readonly over: boolean;
  /** Attributes that name it to the kernel. */
  readonly name: Buffer;
  /** `AF_INET` or `AF_INET6`. */
  readonly family: number;
}

export interface Ends {
  readonly source: End;
  readonly destination: End;
}

export interface End {
  readonly address: string;
  readonly port: number;
}

// linux/netfilter/nfnetlink_conntrack.h, linux/netfilter/nf_conntrack_tcp.h
const IPCTNL_MSG_CT_NEW = (1 << 8) | 0;
const IPCTNL_MSG_CT_GET = (1 << 8) | 1;
const IPCTNL_MSG_CT_DELETE = (1 << 8) | 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_PROTOINFO = 4;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const TCP_CONNTRACK_TIME_WAIT = 7;
const TCP_CONNTRACK_CLOSE = 8;
/** CTA_IP_V4_SRC and _DST, CTA_IP_V6_SRC and _DST, by nfgen_family. */
const ADDRESSES: Readonly<Record<number, readonly [source: number, destination: number]>> = { 2: [1, 2], 10: [3, 4] };
const PROTOCOLS: Readonly<Record<number, Tracked['protocol']>> = { 6: 'tcp', 17: 'udp' };

/** All TCP connections and UDP flows of this namespace's first zone; none where the kernel tells of none. @throws NativeError EPERM */
export async function tracked(): Promise<Iterable<Tracked>> {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    return trackedIn(await socket.dumpAside('tracked connections', IPCTNL_MSG_CT_GET, Buffer.alloc(nfgenmsg.size)));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  } finally {
    socket.close();
  }
}

/** Has the kernel forget connections; one that is gone already is no fault. @throws NativeError EPERM */
export function forget(connections: Iterable<Tracked>): void {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    for (const { family, name } of connections) {
      const header = Buffer.alloc(nfgenmsg.size);
      header[nfgenmsg.family] = family;
      try {
        socket.change('tracked connection', IPCTNL_MSG_CT_DELETE, Buffer.concat([header, name]));
      } catch (error) {
        if (!(error instanceof NativeError && error.errnoName === 'ENOENT')) throw error;
      }
    }
  } finally {
    socket.close();
  }
}

function* trackedIn(messages: Iterable<Message>): Generator<Tracked> {
  for (const message of messages) {
    const one = trackedOf(message);
    if (one !== undefined) yield one;
  }
}

/** Pure: reads an IPCTNL_MSG_CT_NEW message; undefined for other protocols and zones. */
export function trackedOf({ type, payload }: Message): Tracked | undefined {
  if (type !== IPCTNL_MSG_CT_NEW) return undefined;
  const attributes = parseAttributes(payload, nfgenmsg.size);
  const family = payload[nfgenmsg.family]!;
  const [tuple, answer] = [attributes.get(CTA_TUPLE_ORIG), attributes.get(CTA_TUPLE_REPLY)];
  const protocol = PROTOCOLS[protocolOf(tuple)];
  const [original, reply] = [endsOf(tuple, family), endsOf(answer, family)];
  if (!tuple || !protocol || !original || !reply || attributes.has(CTA_ZONE)) return undefined;
  const id = attributes.get(CTA_ID); // or another connection that has begun meanwhile would be meant
  const name = Buffer.concat([nested(CTA_TUPLE_ORIG, tuple), ...(id ? [attribute(CTA_ID, id)] : [])]);
  return { protocol, original, reply, over: isOver(attributes), name, family };
}

function protocolOf(tuple: Buffer | undefined): number {
  return within(tuple, CTA_TUPLE_PROTO).get(CTA_PROTO_NUM)?.[0] ?? 0;
}

function endsOf(tuple: Buffer | undefined, family: number): Ends | undefined {
  const [addresses, protocol] = [within(tuple, CTA_TUPLE_IP), within(tuple, CTA_TUPLE_PROTO)];
  const [source = 0, destination = 0] = ADDRESSES[family] ?? [];
  const from = endOf(addresses.get(source), protocol.get(CTA_PROTO_SRC_PORT));
  const to = endOf(addresses.get(destination), protocol.get(CTA_PROTO_DST_PORT));
  return from && to && { source: from, destination: to };
}

function endOf(address: Buffer | undefined, port: Buffer | undefined): End | undefined {
  if ((address?.length !== 4 && address?.length !== 16) || port?.length !== 2) return undefined;
  return { address: ipaddr.fromByteArray([...address]).toString(), port: port.readUInt16BE() };
}

function isOver(attributes: Attributes): boolean {
  const tcp = within(attributes.get(CTA_PROTOINFO), CTA_PROTOINFO_TCP);
  const state = tcp.get(CTA_PROTOINFO_TCP_STATE)?.[0];
  return state === TCP_CONNTRACK_TIME_WAIT || state === TCP_CONNTRACK_CLOSE;
}

/** The attributes in a nested one. */
function within(outer: Buffer | undefined, type: number): Attributes {
  return parseAttributes((outer && parseAttributes(outer).get(type)) ?? Buffer.alloc(0));
}
