import { addressBytes, familyOf, formatEndpoint, parseEndpoint, parsePrefix } from '../../../ts/model/address.js';
import type { Policy } from '../../../ts/model/policy.js';
import type { VipKey } from '../../../ts/model/service.js';
import type { Backends } from '../../bpf/case.js';
import { talks } from '../../bpf/cases/talk.js';
import { nextHopMac, nodeSources, ownMac } from '../../bpf/test-surroundings.js';

/** A VIP of the scene. Ends are codes, see {@link Scene.code}. */
export interface SceneVip {
  readonly key: VipKey;
  readonly index: number;
  readonly protocol: number;
  readonly address: Uint8Array;
  readonly port: number;
  readonly code: number;
  /** How its packets get to backends; with `exact` as with `nat`, and so on this node where they come by a tunnel. */
  readonly mode: 'nat' | 'exact' | 'full-nat' | 'tunnel' | 'direct' | 'arriving';
  /** Whether a connection may have one of the node's ports for its own: tracked exactly, be it for the sake of another VIP. */
  readonly portsChange: boolean;
  /** Every backend, and its name. */
  readonly backends: ReadonlyMap<number, string>;
  readonly backendAddresses: readonly Uint8Array[];
  /** Those that take new connections. */
  readonly active: ReadonlySet<number>;
}

interface Known {
  readonly bytes: Uint8Array;
  readonly number: number;
}

const OUTSIDE = { 4: '12.0.0.80', 6: 'fd12::80' } as const;
/** Ports of VIPs that are tracked by all ends. */
const EXACT_PORT = 84;
const FULL_NAT_PORT = 85;
/** Ports of VIPs whose backends get whole packets. */
const TUNNEL_PORT = 86;
const DIRECT_PORT = 87;
/** Of VIPs whose backend is on this node, the other end of a tunnel. */
const ARRIVING_PORT = 88;
const MODES: ReadonlyMap<number, SceneVip['mode']> = new Map([
  [EXACT_PORT, 'exact'],
  [FULL_NAT_PORT, 'full-nat'],
  [TUNNEL_PORT, 'tunnel'],
  [DIRECT_PORT, 'direct'],
  [ARRIVING_PORT, 'arriving'],
]);
/** Of the node, for full NAT: few, so that answers that are made up meet flows. */
export const sourcePorts = { first: 61_440, last: 61_440 + 255 } as const;
/** Of the way to every backend. */
export const linkMtu = 1500;
/** Of a frame to the next hop, and from this node: its first twelve bytes. */
export const linkAddresses = Buffer.from((nextHopMac + ownMac).replace(/:/g, ''), 'hex');

const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/**
 * VIPs of both families and protocols: served, sharing a backend, without backends, draining, tracked by all ends, with full NAT,
 * sending whole packets, and outside of all pools.
 */
function declarations(): Readonly<Record<VipKey, Backends>> {
  return Object.fromEntries(
    talks.flatMap((talk) => {
      const at = (port: number) => talk.key.replace(/80$/, `${port}`);
      const outside = `${talk.protocol}/${formatEndpoint({ address: OUTSIDE[talk.family], port: 80 })}`;
      return [
        [talk.key, { [talk.backend(1)]: 1, [talk.backend(2)]: 3, [talk.backend(3)]: 1 }],
        [at(81), { [talk.backend(1)]: 1 }],
        [at(82), {}],
        [at(83), { [talk.backend(4)]: 0 }],
        [at(EXACT_PORT), { [talk.backend(1)]: 1, [talk.backend(6)]: 1 }],
        [at(FULL_NAT_PORT), { [talk.backend(1)]: 1, [talk.backend(7)]: 1 }],
        [at(TUNNEL_PORT), { [talk.backend(8)]: 1, [talk.backend(4)]: 0 }],
        [at(DIRECT_PORT), { [talk.backend(9)]: 1 }],
        [at(ARRIVING_PORT), { [talk.backend(10)]: 1 }],
        [outside, { [talk.backend(2)]: 1, [talk.backend(5)]: 1 }],
      ] as const;
    }),
  );
}

/** What is programmed while frames are thrown at the programs, to be looked up by the bytes of a frame. */
export class Scene {
  readonly pools = [...new Set(talks.map(({ pool }) => pool))];
  readonly declared = declarations();
  readonly policies = Object.fromEntries(Object.keys(this.declared).flatMap((key) => policyEntry(key)));
  readonly vips: readonly SceneVip[];
  /** Backends that are on this node. */
  readonly ways = Object.fromEntries(
    talks.map((talk) => [parseEndpoint(talk.backend(10)).address, { local: true } as const]),
  );
  /** Every address that plays a part, clients included; a frame that names one gets further than one that does not. */
  readonly addresses: readonly Uint8Array[];
  readonly ports: readonly number[];
  /** Every backend once. */
  readonly backends: readonly { readonly address: Uint8Array; readonly port: number }[];
  readonly #known = new Map<number, Known[]>();
  readonly #vipOf = new Map<number, SceneVip>();
  readonly #users = new Map<number, SceneVip[]>();
  readonly #ours = new Set<number>();
  readonly #prefixes = this.pools.map(parsePrefix).map(({ address, bits }) => ({ bytes: shortBytes(address), bits }));

  constructor() {
    const ends = Object.entries(this.declared).flatMap(([key, backends]) => [endOf(key), ...Object.keys(backends)]);
    const clients = talks.flatMap(({ clientAddress, unserved, family }) => [
      clientAddress,
      unserved,
      nodeSources[family],
    ]);
    const texts = [...new Set([...ends.map((end) => parseEndpoint(end).address), ...clients])];
    this.addresses = texts.map(shortBytes);
    this.ports = [...new Set(ends.map((end) => parseEndpoint(end).port)), 40000];
    const backends = [...new Set(Object.values(this.declared).flatMap((one) => Object.keys(one)))];
    this.backends = backends.map(parseEndpoint).map(({ address, port }) => ({ address: shortBytes(address), port }));
    this.addresses.forEach((bytes, number) => {
      const tail = tailOf(bytes, 0, bytes.length);
      this.#known.set(tail, [...(this.#known.get(tail) ?? []), { bytes, number }]);
    });
    this.vips = Object.entries(this.declared).map(([key, backends], index) => this.#vip(key, backends, index));
  }

  /** The address at this place as a number, or −1 for one that plays no part. @param length 4 or 16 */
  addressAt(bytes: Uint8Array, at: number, length: number): number {
    for (const known of this.#known.get(tailOf(bytes, at, length)) ?? []) {
      if (known.bytes.length === length && known.bytes.every((byte, i) => bytes[at + i] === byte)) return known.number;
    }
    return -1;
  }

  /** An end of a packet as one number. @param address as {@link addressAt} gives it */
  code(address: number, port: number, protocol: number): number {
    return address < 0 ? -1 : (address * 256 + protocol) * 65536 + port;
  }

  vipOf(code: number): SceneVip | undefined {
    return this.#vipOf.get(code);
  }

  /** The VIPs that have this backend. */
  usersOf(code: number): readonly SceneVip[] {
    return this.#users.get(code) ?? [];
  }

  /** Whether every port of this address belongs to vipd. */
  isOurs(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#prefixes.some((prefix) => length === prefix.bytes.length && startsAlike(prefix, bytes, at))) return true;
    return this.#ours.has(this.addressAt(bytes, at, length));
  }

  #vip(key: VipKey, declared: Backends, index: number): SceneVip {
    const protocol = PROTOCOLS[key.split('/')[0] as 'tcp' | 'udp'];
    const code = (end: string) => {
      const { address, port } = parseEndpoint(end);
      const bytes = shortBytes(address);
      return this.code(this.addressAt(bytes, 0, bytes.length), port, protocol);
    };
    const { address, port } = parseEndpoint(endOf(key));
    const backends = new Map(Object.keys(declared).map((name) => [code(name), name]));
    const active = new Set(
      Object.keys(declared)
        .filter((name) => declared[name]! > 0)
        .map(code),
    );
    const own = code(endOf(key));
    const backendAddresses = Object.keys(declared).map((name) => shortBytes(parseEndpoint(name).address));
    const others = Object.entries(this.declared).filter(([other]) => ['exact', 'full-nat'].includes(modeOf(other)));
    const beside = others.some(([, theirs]) => Object.keys(declared).some((name) => name in theirs));
    const portsChange = modeOf(key) === 'exact' || (['nat', 'arriving'].includes(modeOf(key)) && beside);
    const vip = {
      portsChange,
      ...{ key, index, protocol, address: shortBytes(address), port, code: own, mode: modeOf(key) },
      ...{ backends, backendAddresses, active },
    };
    this.#vipOf.set(own, vip);
    for (const one of backends.keys()) this.#users.set(one, [...this.usersOf(one), vip]);
    this.#ours.add(this.addressAt(vip.address, 0, vip.address.length));
    return vip;
  }
}

function modeOf(key: VipKey): SceneVip['mode'] {
  return MODES.get(parseEndpoint(endOf(key)).port) ?? 'nat';
}

function policyEntry(key: VipKey): [VipKey, Policy][] {
  const mode = modeOf(key);
  if (mode === 'nat') return [];
  return [[key, mode === 'exact' ? { exact: true } : { forwarding: mode === 'arriving' ? 'tunnel' : mode }]];
}

const sources = Object.values(nodeSources).map(shortBytes);

/** Is it an address of the node, from which full NAT sends? */
export function isNodeSource(bytes: Uint8Array, at: number, length: number): boolean {
  return sources.some((source) => source.length === length && source.every((byte, i) => bytes[at + i] === byte));
}

function endOf(key: VipKey): string {
  return key.slice(key.indexOf('/') + 1);
}

/** 4 or 16 bytes. */
function shortBytes(address: string): Uint8Array {
  return familyOf(address) === 4 ? addressBytes(address).subarray(12) : addressBytes(address);
}

function tailOf(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length;
  return bytes[end - 4]! * 0x1000000 + ((bytes[end - 3]! << 16) | (bytes[end - 2]! << 8) | bytes[end - 1]!);
}

/** Prefixes of the scene end at whole bytes. */
function startsAlike(prefix: { bytes: Uint8Array; bits: number }, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < prefix.bits / 8; i++) if (prefix.bytes[i] !== bytes[at + i]) return false;
  return true;
}
