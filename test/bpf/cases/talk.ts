import { type Family, formatEndpoint, type Protocol, parseEndpoint } from '../../../ts/model/address.js';
import { type VipKey, vipKey } from '../../../ts/model/service.js';
import type { Backends } from '../case.js';
import { type PacketBuilder, packet } from '../packet.js';

const addresses = {
  4: { pool: '11.0.0.0/16', vip: '11.0.0.80', unserved: '11.0.3.3', client: '192.0.2.10', backend: '10.0.0.' },
  6: { pool: 'fd11::/64', vip: 'fd11::80', unserved: 'fd11::3:3', client: '2001:db8::10', backend: 'fd00::' },
} as const;

/** One family and one protocol: a client at port 40000, a VIP at port 80, backends at port 8080. */
export class Talk {
  readonly name: string;
  readonly pool: string;
  /** An address of the pool that no VIP has. */
  readonly unserved: string;
  readonly key: VipKey;
  /** The VIP as `address:port`. */
  readonly vip: string;
  readonly vipAddress: string;
  readonly clientAddress: string;

  constructor(
    readonly family: Family,
    readonly protocol: Protocol,
  ) {
    const { pool, vip, client, unserved } = addresses[family];
    this.name = `${protocol} over IPv${family}`;
    this.pool = pool;
    this.unserved = unserved;
    this.key = vipKey({ protocol, address: vip, port: 80 });
    this.vip = formatEndpoint({ address: vip, port: 80 });
    this.vipAddress = vip;
    this.clientAddress = client;
  }

  /** `address:port` of backend `n`, from 1. */
  backend(n: number, port = 8080): string {
    return formatEndpoint({ address: `${addresses[this.family].backend}${n}`, port });
  }

  /** The endpoints of the first `count` backends. */
  names(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.backend(i + 1));
  }

  /** The first `count` backends at weight 1. */
  backends(count: number): Backends {
    return Object.fromEntries(this.names(count).map((name) => [name, 1]));
  }

  /** From the client to the VIP. `flags` only matter to TCP. */
  ask(flags = 'S', options: { sport?: number; to?: string; from?: string; payload?: number } = {}): PacketBuilder {
    const from = options.from ?? formatEndpoint({ address: this.clientAddress, port: options.sport ?? 40000 });
    return this.between(packet().eth(), from, options.to ?? this.vip, flags, options.payload ?? 0);
  }

  /** From a backend to the client. */
  reply(from: string, flags = 'SA', options: { dport?: number; to?: string; payload?: number } = {}): PacketBuilder {
    const to = options.to ?? formatEndpoint({ address: this.clientAddress, port: options.dport ?? 40000 });
    return this.between(packet().eth(), from, to, flags, options.payload ?? 0);
  }

  /** On top of link headers: a packet from one endpoint to another. */
  between(link: PacketBuilder, from: string, to: string, flags: string, payload = 0): PacketBuilder {
    const [src, dst] = [parseEndpoint(from), parseEndpoint(to)];
    return this.transport(link.ip({ src: src.address, dst: dst.address }), src.port, dst.port, flags, payload);
  }

  /** On top of an IP header. */
  transport(ip: PacketBuilder, sport: number, dport: number, flags: string, payload = 0): PacketBuilder {
    const ack = flags.includes('A') ? 5000 : 0;
    const header = this.protocol === 'tcp' ? ip.tcp({ sport, dport, flags, ack }) : ip.udp({ sport, dport });
    return header.payload(payload);
  }
}

export const talks: readonly Talk[] = [new Talk(4, 'tcp'), new Talk(4, 'udp'), new Talk(6, 'tcp'), new Talk(6, 'udp')];

export const tcpTalks: readonly Talk[] = talks.filter((talk) => talk.protocol === 'tcp');
