import type { Way as NodeWay } from '../../ts/dataplane/ebpf/surroundings.js';
import { defaultPolicy, type Policy } from '../../ts/model/policy.js';
import type { VipKey } from '../../ts/model/service.js';
import type { PacketBuilder } from './packet.js';

/** Of the test plane, for full NAT. */
export const natPorts = { first: 61_440, last: 65_535 } as const;

export type Hook = 'xdp' | 'tc';

/**
 * Where a packet is seen: `in` comes from a client (or from a backend on the client's own interface), `out` is on its way
 * to one. tc has a program for each, xdp one for both.
 */
export type Way = 'in' | 'out';

/** Backends with their weights: `{ '10.0.0.1:8080': 1 }`. */
export type Backends = Readonly<Record<string, number>>;

/** What must come out. Fields not named are as in the packet that went in, checksums are right for what came out. */
export type Expectation =
  | { readonly kind: 'untouched' }
  | {
      readonly kind: 'rewritten';
      /** `address:port`; as it was when absent; `another port` of the address it was, or of the VIP where turned, one of the node's ports. */
      readonly src?: string;
      /** One of these; or the backend that the case was given last (`same`), or any but that one (`another`). */
      readonly dst?: readonly string[] | 'same' | 'another';
      /** Back out of the interface it came from. */
      readonly turned: boolean;
    }
  /** To one of these, from the node's own address, to the next hop: full NAT. `source`: from a port of its own, or as before. */
  | {
      readonly kind: 'sent';
      readonly dst: readonly string[] | 'same' | 'another';
      readonly source: 'new' | 'same' | 'any';
    }
  /** Exactly this packet but for its hop limit, to the next hop: an error with full NAT. */
  | { readonly kind: 'sentError'; readonly packet: PacketSource }
  /** From the VIP to the client, both changed; on to the network stack. */
  | { readonly kind: 'sentBack'; readonly src: string; readonly dst: string }
  /** The whole packet in an outer header to one of these addresses, to the next hop; or left to the network stack. */
  | { readonly kind: 'tunnelled'; readonly to: readonly string[]; readonly left: boolean }
  /** The whole packet, one hop older, to the next hop. */
  | { readonly kind: 'directed' }
  | { readonly kind: 'dropped' }
  /** Told to its sender: at most so many bytes fit. */
  | { readonly kind: 'tooBig'; readonly fits: number }
  /** Exactly this packet. `turned` says where it goes; its link addresses are those of the packet sent, or exchanged. */
  | { readonly kind: 'becomes'; readonly packet: PacketSource; readonly turned: boolean }
  /** A RST or a port unreachable, whichever the protocol asks for, back out of the interface. */
  | { readonly kind: 'refused' };

/** A packet, or packets that depend on the backend the case was given last, and on what that one takes for the client. */
export type PacketSource = PacketBuilder | ((chosen: string, source: string) => PacketBuilder);

/** What a case has come to see: both as `address:port`. */
export interface Seen {
  readonly chosen?: string | undefined;
  readonly source?: string | undefined;
}

export type Action =
  | { readonly kind: 'packet'; readonly way: Way; readonly packet: PacketSource; readonly expect: Expectation }
  /** The packet in fragments of `size` bytes; what comes out of each must make up what is expected of the whole. */
  | {
      readonly kind: 'fragments';
      readonly way: Way;
      readonly packet: PacketSource;
      readonly size: number;
      readonly id: number;
      /** In which order they come; unless said the first first. The ones that are left out get lost. */
      readonly order?: readonly number[];
      readonly expect: Expectation;
    }
  | {
      readonly kind: 'set';
      readonly vip: VipKey;
      readonly backends: Backends | ((chosen: string) => Backends);
      readonly policy?: Policy;
    }
  | { readonly kind: 'remove'; readonly vip: VipKey }
  /** `beside` a plane that carries a flow between these ends, `address:port` each. */
  | { readonly kind: 'engage'; readonly beside?: { readonly client: string; readonly vip: VipKey } }
  | { readonly kind: 'disengage' };

/** One piece of behaviour: what is programmed, and what then happens to which packets. Runs at every hook it names. */
export interface Case {
  readonly name: string;
  /** Both unless said. */
  readonly hooks?: readonly Hook[];
  readonly pools?: readonly string[];
  readonly vips?: Readonly<Record<VipKey, Backends>>;
  /** Of those VIPs that have one. */
  readonly policies?: Readonly<Record<VipKey, Policy>>;
  /** Ways from the node by address; where there is none a backend is behind a router that is known. */
  readonly ways?: Readonly<Record<string, Partial<NodeWay>>>;
  readonly actions: readonly Action[];
  /** By how much verdict counts grow over the case; the ones not named must not grow, `not_ours` apart. */
  readonly verdicts?: Readonly<Record<string, number>>;
}

export function send(packet: PacketSource, expect: Expectation): Action {
  return { kind: 'packet', way: 'in', packet, expect };
}

export function answer(packet: PacketSource, expect: Expectation): Action {
  return { kind: 'packet', way: 'out', packet, expect };
}

export function set(
  vip: VipKey,
  backends: Backends | ((chosen: string) => Backends),
  policy: Policy = defaultPolicy,
): Action {
  return { kind: 'set', vip, backends, policy };
}

export const untouched: Expectation = { kind: 'untouched' };
export const refused: Expectation = { kind: 'refused' };
export const directed: Expectation = { kind: 'directed' };
export const dropped: Expectation = { kind: 'dropped' };

export function tunnelled(to: readonly string[]): Expectation {
  return { kind: 'tunnelled', to, left: false };
}

export function tooBig(fits: number): Expectation {
  return { kind: 'tooBig', fits };
}

/** To one of these backends, on to the network stack. */
export function forwarded(dst: readonly string[] | 'same' | 'another'): Expectation {
  return { kind: 'rewritten', dst, turned: false };
}

/** From the VIP, to where it went. */
export function repliedFrom(vip: string): Expectation {
  return { kind: 'rewritten', src: vip, turned: false };
}

/** To one of these backends, from an address and a port of the node. */
export function sent(dst: readonly string[] | 'same' | 'another', source: 'new' | 'same' | 'any' = 'new'): Expectation {
  return { kind: 'sent', dst, source };
}

export function sentBack(vip: string, client: string): Expectation {
  return { kind: 'sentBack', src: vip, dst: client };
}

export function hairpinned(src: string, dst: string): Expectation {
  return { kind: 'rewritten', src, dst: [dst], turned: true };
}

export function becomes(packet: PacketSource): Expectation {
  return { kind: 'becomes', packet, turned: false };
}

export function turnsInto(packet: PacketSource): Expectation {
  return { kind: 'becomes', packet, turned: true };
}
