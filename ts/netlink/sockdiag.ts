import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';
import { NativeError } from '../native/errors.js';
import { attribute, type Message, u32, u32Bytes } from './message.js';
import { NETLINK_SOCK_DIAG, NetlinkSocket } from './socket.js';

/** Where a socket is connected to. */
export interface Destination {
  /** Canonical text. An IPv4 address means the sockets of either family that are connected to it. */
  readonly address: string;
  readonly port: number;
}

export interface SocketQuery {
  readonly protocol: 'tcp' | 'udp';
  /** Of the sockets, not of where they are connected to. */
  readonly family: 4 | 6;
  /** Only those connected to one of these; at most {@link DESTINATIONS_MAX}. Undefined asks for all. */
  readonly destinations?: readonly Destination[] | undefined;
}

/** A connected socket that some process holds. */
export interface ConnectedSocket {
  readonly protocol: 'tcp' | 'udp';
  readonly family: 4 | 6;
  /** struct inet_diag_sockid; its cookie makes it mean this one socket and no later one. */
  readonly id: Buffer;
}

/** Both ends of a connection. Addresses in network order, 16 bytes; IPv4 is mapped into ::ffff:0:0/96. */
export interface Ends {
  readonly local: Uint8Array;
  readonly localPort: number;
  readonly remote: Uint8Array;
  readonly remotePort: number;
  /** The interface the socket is bound to; 0 for none. */
  readonly ifindex: number;
}

/** The kernel tries them one after the other on every socket, so many of them cost more than an answer too long. */
export const DESTINATIONS_MAX = 32;

// linux/sock_diag.h, linux/inet_diag.h
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const sockid = { size: 48, sport: 0, dport: 2, src: 4, dst: 20, ifindex: 36 };
const request = { size: 56, family: 0, protocol: 1, states: 4, id: 8 };
const answer = { size: 72, family: 0, id: 4, inode: 68 };
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_JMP = 1;
const INET_DIAG_BC_D_COND = 8;
const hostcond = { size: 8, family: 0, prefix: 1, port: 4 };
const opSize = 4;
const IPPROTO = { tcp: 6, udp: 17 } as const;
const AF_INET = 2;
const AF_INET6 = 10;
// net/tcp_states.h. A connected UDP socket is "established"; states past these have nobody who waits for the peer.
const ESTABLISHED = 1;
const SYN_SENT = 2;
const FIN_WAIT1 = 4;
const FIN_WAIT2 = 5;
const CLOSE_WAIT = 8;
const states = [ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT].reduce(
  (mask, state) => mask | (1 << state),
  0,
);

/** Finds and destroys sockets of one network namespace. */
export class SocketDiag {
  readonly #socket: NetlinkSocket;

  /** @param namespace path of a network namespace, such as /proc/1/ns/net; without it the one this process is in */
  constructor(namespace?: string) {
    this.#socket = new NetlinkSocket(NETLINK_SOCK_DIAG, namespace);
  }

  /**
   * The answer, to be read by {@link socketIn}. The event loop goes on meanwhile, and sockets may come and go.
   * @throws NativeError ENOENT when the kernel lacks CONFIG_INET_DIAG or CONFIG_INET_UDP_DIAG
   */
  find(query: SocketQuery): Promise<Iterable<Message>> {
    return this.#socket.dumpAside(`${query.protocol} sockets`, SOCK_DIAG_BY_FAMILY, findRequest(query));
  }

  /**
   * Ends it as if the connection had been aborted: its owner gets ECONNABORTED from the next call.
   * @returns false when it was gone already
   * @throws NativeError EOPNOTSUPP when the kernel was built without CONFIG_INET_DIAG_DESTROY
   */
  destroy(socket: ConnectedSocket): boolean {
    try {
      this.#socket.change(`${socket.protocol} socket`, SOCK_DESTROY, destroyRequest(socket));
      return true;
    } catch (error) {
      if (error instanceof NativeError && error.errnoName === 'ENOENT') return false;
      throw error;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** Pure: struct inet_diag_req_v2 and what narrows it down. */
export function findRequest({ protocol, family, destinations }: SocketQuery): Buffer {
  const request = header(protocol, family);
  if (destinations === undefined) return request;
  return Buffer.concat([request, attribute(INET_DIAG_REQ_BYTECODE, destinationFilter(destinations))]);
}

/** Pure. */
export function destroyRequest({ protocol, family, id }: ConnectedSocket): Buffer {
  const bytes = header(protocol, family);
  bytes.set(id, request.id);
  return bytes;
}

/** Pure: reads an inet_diag_msg; undefined for a socket that no process holds any more. */
export function socketIn({ payload }: Message, protocol: 'tcp' | 'udp'): ConnectedSocket | undefined {
  if (payload.length < answer.size || u32(payload, answer.inode) === 0) return undefined;
  const family = payload[answer.family] === AF_INET ? 4 : 6;
  return { protocol, family, id: payload.subarray(answer.id, answer.id + sockid.size) };
}

/** Pure. */
export function endsOf({ family, id }: Pick<ConnectedSocket, 'family' | 'id'>): Ends {
  return {
    local: sixteen(family, id, sockid.src),
    localPort: id.readUInt16BE(sockid.sport),
    remote: sixteen(family, id, sockid.dst),
    remotePort: id.readUInt16BE(sockid.dport),
    ifindex: u32(id, sockid.ifindex),
  };
}

function sixteen(family: 4 | 6, id: Buffer, at: number): Uint8Array {
  if (family === 6) return id.subarray(at, at + 16);
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...id.subarray(at, at + 4));
}

/**
 * Pure: the program for the kernel's filter machine (net/ipv4/inet_diag.c): "to the first or to the second or …". An
 * operation says how far to go on when it holds and when it does not; arriving exactly at the end takes the socket,
 * going past it does not. An empty list takes none.
 */
export function destinationFilter(destinations: readonly Destination[]): Buffer {
  const conditions = destinations.map(condition);
  let rest = conditions.reduce((sum, { length }) => sum + length, 0) + opSize * Math.max(0, conditions.length - 1);
  if (conditions.length === 0) return operation(INET_DIAG_BC_JMP, opSize, 2 * opSize);
  const parts = conditions.flatMap((bytes, i) => {
    const toNext = bytes.length + opSize;
    const here = Buffer.concat([operation(INET_DIAG_BC_D_COND, bytes.length, toNext), bytes.subarray(opSize)]);
    rest -= toNext;
    return i === conditions.length - 1 ? [here] : [here, operation(INET_DIAG_BC_JMP, opSize, rest + opSize)];
  });
  return Buffer.concat(parts);
}

/** Room for the operation, then struct inet_diag_hostcond. An IPv4 condition holds for mapped addresses as well. */
function condition({ address, port }: Destination): Buffer {
  const bytes = ipaddr.parse(address).toByteArray();
  const cond = Buffer.alloc(opSize + hostcond.size);
  cond[opSize + hostcond.family] = bytes.length === 4 ? AF_INET : AF_INET6;
  cond[opSize + hostcond.prefix] = bytes.length * 8;
  cond.set(u32Bytes(port), opSize + hostcond.port);
  return Buffer.concat([cond, Uint8Array.from(bytes)]);
}

/** struct inet_diag_bc_op */
function operation(code: number, yes: number, no: number): Buffer {
  const distance = endianness() === 'LE' ? [no & 0xff, no >>> 8] : [no >>> 8, no & 0xff];
  return Buffer.from([code, yes, ...distance]);
}

function header(protocol: 'tcp' | 'udp', family: 4 | 6): Buffer {
  const bytes = Buffer.alloc(request.size);
  bytes[request.family] = family === 4 ? AF_INET : AF_INET6;
  bytes[request.protocol] = IPPROTO[protocol];
  bytes.set(u32Bytes(states), request.states);
  return bytes;
}
