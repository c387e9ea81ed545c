import ipaddr from 'ipaddr.js';
import {
  type Attributes,
  attribute,
  nested,
  numberIn,
  parseAttributes,
  textIn,
  u16,
  u16Bytes,
  u32,
  u32Bytes,
  u64,
} from '../../netlink/message.js';

// What IPVS says and hears over generic netlink (linux/ip_vs.h), pure. Ports are in network order, all else in the
// host's; addresses are 16 bytes, of which IPv4 uses the first four.

export const family = { name: 'IPVS', version: 1 } as const;

export const command = {
  newService: 1,
  setService: 2,
  delService: 3,
  getService: 4,
  newDestination: 5,
  setDestination: 6,
  delDestination: 7,
  getDestination: 8,
  setConfig: 12,
  getConfig: 13,
} as const;

const ATTR_SERVICE = 1;
const ATTR_DESTINATION = 2;
const config = { tcp: 4, tcpFin: 5, udp: 6 } as const;
const service = {
  family: 1,
  protocol: 2,
  address: 3,
  port: 4,
  fwmark: 5,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
  stats: 12,
} as const;
const destination = {
  address: 1,
  port: 2,
  method: 3,
  weight: 4,
  upper: 5,
  lower: 6,
  active: 7,
  inactive: 8,
  family: 11,
  stats: 12,
} as const;
const stats = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 } as const;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO = { tcp: 6, udp: 17 } as const;

/** IP_VS_SVC_F_*. What the scheduler bits mean is the scheduler's; of mh and sh the first falls back, the second adds the port. */
export const flag = {
  persistent: 1,
  hashed: 2,
  onePacket: 4,
  scheduler1: 8,
  scheduler2: 0x10,
  scheduler3: 0x20,
} as const;

/** IP_VS_CONN_F_*, how packets get to a destination. */
export const method = { masquerade: 0, local: 1, tunnel: 2, route: 3, bypass: 4 } as const;
const METHOD_MASK = 7;

/** Who a service is for. */
export interface ServiceAddress {
  readonly protocol: 'tcp' | 'udp';
  /** Canonical text. */
  readonly address: string;
  readonly port: number;
}

export interface ServiceSettings {
  readonly scheduler: string;
  /** {@link flag} */
  readonly flags: number;
  /** Of persistence, seconds. */
  readonly timeout: number;
}

export interface Totals {
  readonly connections: bigint;
  /** Both directions. */
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly packetsIn: bigint;
}

export interface Service extends ServiceAddress, ServiceSettings {
  readonly totals: Totals;
}

export interface DestinationSettings {
  /** Canonical text; may be of the other family with tunnels. */
  readonly address: string;
  readonly port: number;
  /** {@link method} */
  readonly method: number;
  readonly weight: number;
}

export interface Destination extends DestinationSettings {
  readonly active: number;
  readonly inactive: number;
  readonly totals: Totals;
}

/** How long a connection is kept without a packet, seconds. */
export interface Timeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** Names a service, for commands about it or its destinations. */
export function serviceNamed(of: ServiceAddress): Buffer {
  return nested(ATTR_SERVICE, ...identity(of));
}

/** All of a service, to make or change it. */
export function serviceBytes(of: ServiceAddress, { scheduler, flags, timeout }: ServiceSettings): Buffer {
  const every = 0xffffffff;
  return nested(
    ATTR_SERVICE,
    ...identity(of),
    attribute(service.scheduler, Buffer.from(`${scheduler}\0`)),
    attribute(service.flags, Buffer.concat([u32Bytes(flags), u32Bytes(every)])),
    attribute(service.timeout, u32Bytes(timeout)),
    // Persistence by single address: a mask in network order for IPv4, a length in host order for IPv6.
    attribute(service.netmask, of.address.includes(':') ? u32Bytes(128) : Buffer.alloc(4, 0xff)),
  );
}

/** A destination with all it is, to make or change it. */
export function destinationBytes(of: DestinationSettings): Buffer {
  return nested(
    ATTR_DESTINATION,
    ...place(of),
    attribute(destination.method, u32Bytes(of.method)),
    attribute(destination.weight, u32Bytes(of.weight)),
    attribute(destination.upper, u32Bytes(0)),
    attribute(destination.lower, u32Bytes(0)),
  );
}

/** Names a destination. */
export function destinationNamed(of: Pick<DestinationSettings, 'address' | 'port'>): Buffer {
  return nested(ATTR_DESTINATION, ...place(of));
}

export function timeoutBytes({ tcp, tcpFin, udp }: Timeouts): Buffer {
  const pairs = [
    [config.tcp, tcp],
    [config.tcpFin, tcpFin],
    [config.udp, udp],
  ] as const;
  return Buffer.concat(pairs.map(([type, seconds]) => attribute(type, u32Bytes(seconds))));
}

/** undefined for what is no service of an address, such as one of a firewall mark. */
export function serviceIn(attributes: Attributes): Service | undefined {
  const inner = parseAttributes(attributes.get(ATTR_SERVICE) ?? Buffer.alloc(0));
  const [ipFamily, protocol, port] = [inner.get(service.family), inner.get(service.protocol), inner.get(service.port)];
  const address = addressIn(inner.get(service.address), ipFamily && u16(ipFamily));
  const name = (['tcp', 'udp'] as const).find((one) => protocol !== undefined && u16(protocol) === IPPROTO[one]);
  if (address === undefined || port === undefined || name === undefined) return undefined;
  return {
    protocol: name,
    address,
    port: port.readUInt16BE(),
    scheduler: textIn(inner, service.scheduler) ?? '',
    // What the kernel adds by itself says nothing.
    flags: u32(inner.get(service.flags) ?? Buffer.alloc(8)) & ~flag.hashed,
    timeout: numberIn(inner, service.timeout) ?? 0,
    totals: totalsIn(inner.get(service.stats)),
  };
}

/** @param inet family of the service, which older kernels leave to be understood */
export function destinationIn(attributes: Attributes, inet: 4 | 6): Destination | undefined {
  const inner = parseAttributes(attributes.get(ATTR_DESTINATION) ?? Buffer.alloc(0));
  const named = inner.get(destination.family);
  const address = addressIn(inner.get(destination.address), named ? u16(named) : inet === 4 ? AF_INET : AF_INET6);
  const port = inner.get(destination.port);
  if (address === undefined || port === undefined) return undefined;
  return {
    address,
    port: port.readUInt16BE(),
    method: (numberIn(inner, destination.method) ?? 0) & METHOD_MASK,
    weight: numberIn(inner, destination.weight) ?? 0,
    active: numberIn(inner, destination.active) ?? 0,
    inactive: numberIn(inner, destination.inactive) ?? 0,
    totals: totalsIn(inner.get(destination.stats)),
  };
}

export function timeoutsIn(attributes: Attributes): Timeouts {
  const read = (type: number) => numberIn(attributes, type) ?? 0;
  return { tcp: read(config.tcp), tcpFin: read(config.tcpFin), udp: read(config.udp) };
}

function identity({ protocol, address, port }: ServiceAddress): Buffer[] {
  return [
    attribute(service.family, u16Bytes(familyNumber(address))),
    attribute(service.protocol, u16Bytes(IPPROTO[protocol])),
    attribute(service.address, addressBytes(address)),
    attribute(service.port, portBytes(port)),
  ];
}

function place({ address, port }: Pick<DestinationSettings, 'address' | 'port'>): Buffer[] {
  return [
    attribute(destination.family, u16Bytes(familyNumber(address))),
    attribute(destination.address, addressBytes(address)),
    attribute(destination.port, portBytes(port)),
  ];
}

function familyNumber(address: string): number {
  return address.includes(':') ? AF_INET6 : AF_INET;
}

function addressBytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.set(ipaddr.parse(address).toByteArray());
  return bytes;
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

function addressIn(bytes: Buffer | undefined, ipFamily: number | undefined): string | undefined {
  if (bytes === undefined || (ipFamily !== AF_INET && ipFamily !== AF_INET6)) return undefined;
  return ipaddr.fromByteArray([...bytes.subarray(0, ipFamily === AF_INET ? 4 : 16)]).toString();
}

function totalsIn(bytes: Buffer | undefined): Totals {
  const inner = parseAttributes(bytes ?? Buffer.alloc(0));
  const read = (type: number) => {
    const value = inner.get(type);
    return value?.length === 8 ? u64(value) : 0n;
  };
  return {
    connections: read(stats.connections),
    packets: read(stats.packetsIn) + read(stats.packetsOut),
    bytes: read(stats.bytesIn) + read(stats.bytesOut),
    packetsIn: read(stats.packetsIn),
  };
}
