import ipaddr from 'ipaddr.js';
import { NativeError } from '../native/errors.js';
import { addresses } from './addresses.js';
import { links, type NetworkLink } from './links.js';
import { attribute, u32Bytes } from './message.js';
import { NetlinkSocket, withSocket } from './socket.js';

// linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/veth.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const ifinfomsg = { size: 16, index: 4, flags: 8, change: 12 };
const ifaddrmsg = { size: 8, family: 0, prefixLength: 1, flags: 2, scope: 3, index: 4 };
const IFF_UP = 0x1;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_AF_SPEC = 26;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/** Ours alone: nobody on a link could have the same address. */
const IFA_F_NODAD = 0x02;
const AF_INET = 2;
const AF_INET6 = 10;
const RTNLGRP_LINK = 1;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV6_IFADDR = 9;

/** Kinds of devices that carry addresses and nothing else, the better first. */
const kinds = ['dummy', 'veth'] as const;

/**
 * The device of this name, made if it is not there: a dummy where the kernel has those, else a veth whose other end is
 * `NAME-p` beside it. It is up.
 * @throws NativeError EPERM; EOPNOTSUPP where there is neither kind
 */
export function ensureDevice(name: string): NetworkLink {
  const there = linkNamed(name) ?? create(name);
  for (const one of [there, linkNamed(`${name}-p`)]) if (one !== undefined && !one.up) setUp(one);
  return there;
}

/** @returns false when it was not there */
export function removeDevice(name: string): boolean {
  const link = linkNamed(name);
  if (link === undefined) return false;
  withSocket((socket) => socket.change(`interface ${name}`, RTM_DELLINK, linkHeader(link.index)));
  return true;
}

/** Gives the interface this one address, without a network around it. @returns false when it has it already */
export function addAddress(ifindex: number, address: string): boolean {
  return unlessErrno('EEXIST', () =>
    withSocket((socket) => socket.create(`address ${address}`, RTM_NEWADDR, addressRequest(ifindex, address))),
  );
}

/** @returns false when it has not got it */
export function removeAddress(ifindex: number, address: string): boolean {
  return unlessErrno('EADDRNOTAVAIL', () =>
    withSocket((socket) => socket.change(`address ${address}`, RTM_DELADDR, addressRequest(ifindex, address))),
  );
}

/** The interface that has an address, if any does. */
export function holderOf(address: string): number | undefined {
  return addresses().find((one) => one.address === address)?.ifindex;
}

/** Calls the listener when interfaces or addresses have changed, until the returned function is called. */
export function watchAddresses(listener: () => void): () => void {
  const sockets = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR].map((group) => {
    const socket = new NetlinkSocket();
    socket.listen('addresses', group, listener);
    return socket;
  });
  return () => {
    for (const socket of sockets) socket.close();
  };
}

function linkNamed(name: string): NetworkLink | undefined {
  return links().find((link) => link.name === name);
}

function create(name: string): NetworkLink {
  let refusal: unknown;
  for (const kind of kinds) {
    try {
      withSocket((socket) => socket.create(`interface ${name}`, RTM_NEWLINK, deviceRequest(name, kind)));
      return linkNamed(name)!;
    } catch (error) {
      if (!isErrno(error, 'EOPNOTSUPP')) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

function setUp({ index, name }: NetworkLink): void {
  const request = Buffer.concat([linkHeader(index, IFF_UP), noLinkLocal()]);
  withSocket((socket) => socket.change(`interface ${name}`, RTM_NEWLINK, request));
}

/** Pure: what makes a device. */
export function deviceRequest(name: string, kind: (typeof kinds)[number]): Buffer {
  const peer = Buffer.concat([linkHeader(0), nameAttribute(`${name}-p`)]);
  const data = kind === 'veth' ? [attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer))] : [];
  const info = Buffer.concat([attribute(IFLA_INFO_KIND, Buffer.from(`${kind}\0`)), ...data]);
  return Buffer.concat([linkHeader(0), nameAttribute(name), attribute(IFLA_LINKINFO, info)]);
}

/** Pure: what gives or takes an address. */
export function addressRequest(ifindex: number, address: string): Buffer {
  const bytes = Uint8Array.from(ipaddr.parse(address).toByteArray());
  const header = Buffer.alloc(ifaddrmsg.size);
  header[ifaddrmsg.family] = bytes.length === 4 ? AF_INET : AF_INET6;
  header[ifaddrmsg.prefixLength] = bytes.length * 8;
  header[ifaddrmsg.flags] = IFA_F_NODAD;
  header.set(u32Bytes(ifindex), ifaddrmsg.index);
  return Buffer.concat([header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)]);
}

function linkHeader(index: number, flags = 0): Buffer {
  const header = Buffer.alloc(ifinfomsg.size);
  header.set(u32Bytes(index), ifinfomsg.index);
  header.set(u32Bytes(flags), ifinfomsg.flags);
  header.set(u32Bytes(flags), ifinfomsg.change);
  return header;
}

function nameAttribute(name: string): Buffer {
  return attribute(IFLA_IFNAME, Buffer.from(`${name}\0`));
}

/** No address but those it is given; the kernel takes this only of a device that is there already. */
function noLinkLocal(): Buffer {
  const mode = attribute(IFLA_INET6_ADDR_GEN_MODE, Uint8Array.of(IN6_ADDR_GEN_MODE_NONE));
  return attribute(IFLA_AF_SPEC, attribute(AF_INET6, mode));
}

function unlessErrno(name: string, change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if (isErrno(error, name)) return false;
    throw error;
  }
}

function isErrno(error: unknown, name: string): boolean {
  return error instanceof NativeError && error.errnoName === name;
}
