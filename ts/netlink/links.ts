import { type Message, numberIn, parseAttributes, textIn, u32 } from './message.js';
import { NetlinkSocket, withSocket } from './socket.js';

/** A network interface of the namespace this process is in. */
export interface NetworkLink {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, `vxlan` …; `loopback`; `device` for what has no kind, such as a physical interface. */
  readonly kind: string;
  /** Whether its frames begin with an Ethernet header. */
  readonly ethernet: boolean;
  /** Set up by the administrator; says nothing about the carrier. */
  readonly up: boolean;
  /** Index of the bridge or bond it is a port of. */
  readonly master?: number;
  /** Index of the other end (veth) or of the device below (vlan); may be one of another namespace. */
  readonly peerIndex?: number;
  /** Whether the other end or the device below is in another network namespace. */
  readonly peerElsewhere?: true;
  /** Bytes. */
  readonly mtu: number;
  /** Six bytes on Ethernet. */
  readonly mac?: Uint8Array;
  readonly xdp?: { readonly mode: 'native' | 'generic' | 'hardware' | 'several'; readonly progId: number };
}

export interface LinkChange {
  readonly kind: 'added' | 'removed';
  readonly link: NetworkLink;
}

// linux/rtnetlink.h, linux/if_link.h, linux/if.h
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTNLGRP_LINK = 1;
const ifinfomsg = { size: 16, type: 2, index: 4, flags: 8 };
/** linux/if_arp.h */
const ARPHRD_ETHER = 1;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_LINK_NETNSID = 37;
const IFLA_XDP = 43;
const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_PROG_ID = 4;
const xdpModes = [undefined, 'native', 'generic', 'hardware', 'several'] as const;

/** All interfaces. @throws NativeError */
export function links(): NetworkLink[] {
  return withSocket((socket) => socket.dump('interfaces', RTM_GETLINK, Buffer.alloc(ifinfomsg.size)))
    .filter((message) => message.type === RTM_NEWLINK)
    .map(linkIn);
}

/**
 * Calls the listener for every interface that comes or goes until the returned function is called; keeps the process
 * alive meanwhile. A renamed interface goes and comes.
 */
export function watchLinks(listener: (changes: readonly LinkChange[]) => void): () => void {
  const socket = new NetlinkSocket();
  let known: readonly NetworkLink[] = [];
  socket.listen('interfaces', RTNLGRP_LINK, () => {
    const before = known;
    known = links();
    const changes = changesBetween(before, known);
    if (changes.length > 0) listener(changes);
  });
  known = links(); // after joining the group, so that nothing falls between
  return () => socket.close();
}

/** Pure: what is gone and what is new, by index and name. */
export function changesBetween(before: readonly NetworkLink[], after: readonly NetworkLink[]): LinkChange[] {
  const identity = (link: NetworkLink) => `${link.index} ${link.name}`;
  const missing = (from: readonly NetworkLink[], others: readonly NetworkLink[]) => {
    const present = new Set(others.map(identity));
    return from.filter((link) => !present.has(identity(link)));
  };
  return [
    ...missing(before, after).map((link) => ({ kind: 'removed', link }) as const),
    ...missing(after, before).map((link) => ({ kind: 'added', link }) as const),
  ];
}

/** Pure: reads an RTM_NEWLINK message. */
export function linkIn({ payload }: Message): NetworkLink {
  const index = u32(payload, ifinfomsg.index);
  const flags = u32(payload, ifinfomsg.flags);
  const attributes = parseAttributes(payload, ifinfomsg.size);
  const info = parseAttributes(attributes.get(IFLA_LINKINFO) ?? Buffer.alloc(0));
  const master = numberIn(attributes, IFLA_MASTER);
  const peerIndex = numberIn(attributes, IFLA_LINK);
  const xdp = xdpIn(attributes.get(IFLA_XDP));
  const mac = attributes.get(IFLA_ADDRESS);
  return {
    index,
    name: textIn(attributes, IFLA_IFNAME) ?? '',
    kind: textIn(info, IFLA_INFO_KIND) ?? (flags & IFF_LOOPBACK ? 'loopback' : 'device'),
    ethernet: payload.readUInt16LE(ifinfomsg.type) === ARPHRD_ETHER,
    up: (flags & IFF_UP) !== 0,
    mtu: numberIn(attributes, IFLA_MTU) ?? 0,
    ...(attributes.has(IFLA_LINK_NETNSID) ? { peerElsewhere: true as const } : {}),
    ...(mac?.length === 6 ? { mac: Uint8Array.from(mac) } : {}),
    ...(master === undefined ? {} : { master }),
    ...(peerIndex === undefined || peerIndex === index ? {} : { peerIndex }),
    ...(xdp === undefined ? {} : { xdp }),
  };
}

function xdpIn(nested: Buffer | undefined): NetworkLink['xdp'] {
  const attributes = parseAttributes(nested ?? Buffer.alloc(0));
  const mode = xdpModes[attributes.get(IFLA_XDP_ATTACHED)?.[0] ?? 0];
  const progId = numberIn(attributes, IFLA_XDP_PROG_ID);
  return mode === undefined ? undefined : { mode, progId: progId ?? 0 };
}
