import dnsPacket, { type DecodedPacket, type Packet } from 'dns-packet';
import { Counts } from '../../../ts/dns/counts.js';
import { Group } from '../../../ts/dns/group.js';
import { type NameKey, nameKey } from '../../../ts/dns/name.js';
import { address } from '../../../ts/dns/record.js';
import { Recursor } from '../../../ts/dns/recursor.js';
import { largestAnswer, Resolver } from '../../../ts/dns/resolver.js';
import { type Order, Responder } from '../../../ts/dns/responder.js';
import type { Transport } from '../../../ts/dns/udp.js';
import { Zones, type ZonesOptions } from '../../../ts/dns/zones.js';
import type { Endpoint } from '../../../ts/model/address.js';
import { parsePrefix } from '../../../ts/model/address.js';

export const zonesOptions: ZonesOptions = {
  suffix: 'thisdcos.directory',
  ttl: 5,
  pools: [parsePrefix('11.0.0.0/8'), parsePrefix('fd01:c::/64')],
  servers: ['198.51.100.1', 'fd01:d::c633:6401'],
  clusterId: 'yq4e9xhi',
  zones: [],
  records: [],
  forwarded: [],
  tasks: { mesosTtl: 60, parity: false },
};

export interface Asking {
  readonly type?: string;
  readonly udp?: boolean;
  /** EDNS size; absent: no EDNS. */
  readonly size?: number;
  /** The DO bit; there must be a size. */
  readonly dnssec?: boolean;
  readonly id?: number;
  readonly flags?: number;
}

export interface Answered extends DecodedPacket {
  readonly bytes: Buffer;
  readonly rcode: string;
}

/** The resolver without sockets: bytes in, bytes out. */
export class Ours {
  readonly zones: Zones;
  readonly counts = new Counts();
  readonly recursor: Recursor;
  readonly group: Group;
  now = 0;
  readonly #resolver: Resolver;
  readonly #groups: ReadonlyMap<string, Group>;
  readonly #into = Buffer.alloc(largestAnswer, 0xee);

  constructor(
    options: Partial<ZonesOptions> = {},
    upstreams: readonly Endpoint[] = [],
    over: { order?: Order; serveStale?: boolean; maxQuestions?: number; cacheBytes?: number } = {},
    forward: readonly (readonly [NameKey, readonly Endpoint[]])[] = [],
  ) {
    this.zones = new Zones({ ...zonesOptions, ...options });
    this.group = new Group('default', this.counts);
    this.group.set(upstreams);
    const { serveStale = true, maxQuestions = 1000, order = 'fixed', cacheBytes: bytes = 1 << 20 } = over;
    const limits = { bytes, staleMs: 86_400_000, serveStale, maxQuestions, maxWaiting: 10_000 };
    const others = forward.map(([suffix, servers]) => {
      const group = new Group(suffix, this.counts);
      group.set(servers);
      return [suffix, group] as const;
    });
    this.#groups = new Map([['default', this.group], ...others]);
    const modules = { groups: this.#groups, now: () => this.now };
    this.recursor = new Recursor(limits, modules);
    const responder = new Responder(
      { order, udpCeiling: 1232, recursion: () => upstreams.length > 0 },
      this.zones.routing,
    );
    this.#resolver = new Resolver({ udpCeiling: 1232 }, { responder, recursor: this.recursor, observer: this.counts });
  }

  /** Resolves to nothing when there will be no answer. */
  raw(request: Buffer, udp = true): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const into = Buffer.alloc(largestAnswer, 0xee);
      let deferred = false;
      const defer: Transport['defer'] = () => {
        deferred = true;
        return (answer) => resolve(Buffer.from(answer));
      };
      const length = this.#resolver.handle(request, request.length, into, { udp, defer });
      if (length > 0) resolve(Buffer.from(into.subarray(0, length)));
      else if (!deferred) resolve(undefined);
    });
  }

  /** The same for what is answered at once. */
  atOnce(request: Buffer, udp: boolean): Buffer | undefined {
    const defer = () => () => {};
    const length = this.#resolver.handle(request, request.length, this.#into, { udp, defer });
    return length === 0 ? undefined : this.#into.subarray(0, length);
  }

  /** A name with so many addresses. */
  fill(name: string, count: number): void {
    const data = (i: number) => address(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    this.zones.vips.set(
      name,
      Array.from({ length: count }, (_, i) => ({ name: nameKey(name), data: data(i) })),
    );
  }

  async ask(name: string, asking: Asking = {}): Promise<Answered> {
    const bytes = await this.raw(query(name, asking), asking.udp ?? true);
    if (bytes === undefined) throw new Error('there is no answer');
    return decoded(bytes);
  }

  close(): void {
    for (const group of this.#groups.values()) group.close();
  }
}

export function query(name: string, { type = 'A', size, dnssec, id = 4711, flags = 0x0100 }: Asking): Buffer {
  const edns = { type: 'OPT', name: '.', udpPayloadSize: size, flags: dnssec ? 0x8000 : 0, options: [] };
  const questions = [{ type, name, class: 'IN' }];
  return dnsPacket.encode({
    type: 'query',
    id,
    flags,
    questions,
    additionals: size === undefined ? [] : [edns],
  } as unknown as Packet);
}

export function decoded(bytes: Buffer): Answered {
  const packet = dnsPacket.decode(bytes) as DecodedPacket & { rcode: string };
  return { ...packet, bytes, rcode: packet.rcode };
}

/** `web.mesos A 10.0.0.1` for each record of a section, without OPT. */
export function texts(records: DecodedPacket['answers']): string[] {
  return (records ?? []).flatMap((record) =>
    record.type === 'OPT' ? [] : [`${record.name} ${record.type} ${dataText(record)}`],
  );
}

function dataText(record: NonNullable<DecodedPacket['answers']>[number]): string {
  const { data } = record as { data: unknown };
  if (record.type === 'SRV') return `${record.data.port} ${record.data.target}`;
  if (record.type === 'SOA') return record.data.mname;
  return String(data);
}
