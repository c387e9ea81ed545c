import { addressBytes, addressFromBytes } from '../../model/address.js';
import type { ForwardingMode, Policy } from '../../model/policy.js';
import type { HeldVip } from './held.js';
import { ForwardMode, type Hop } from './lb.gen.js';
import type { Way } from './surroundings.js';

const MODES: Readonly<Record<ForwardingMode, ForwardMode>> = {
  nat: ForwardMode.FORWARD_NAT,
  'full-nat': ForwardMode.FORWARD_FULL_NAT,
  tunnel: ForwardMode.FORWARD_TUNNEL,
  direct: ForwardMode.FORWARD_DIRECT,
};

/** The fields of a policy that the records of a VIP hold. */
export type ForwardingPolicy = Pick<Policy, 'forwarding' | 'exact' | 'clampMss'>;

export function modeNumber(policy: Policy | undefined): ForwardMode {
  return MODES[policy?.forwarding ?? 'nat'];
}

export function modeName(mode: number): ForwardingMode {
  const found = Object.entries(MODES).find(([, number]) => number === mode);
  return (found?.[0] ?? 'nat') as ForwardingMode;
}

/** What a VIP's record says of how its packets get to backends. */
export function carriageIn(record: { forwarding: number; exact: number; clamp_mss: number }): ForwardingPolicy {
  return {
    ...(record.forwarding === ForwardMode.FORWARD_NAT ? {} : { forwarding: modeName(record.forwarding) }),
    ...(record.exact === 0 ? {} : { exact: true }),
    ...(record.clamp_mss === 0 ? {} : { clampMss: record.clamp_mss }),
  };
}

/** Whether its flows are tracked by all of their ends. */
export function isExact({ exact, forwarding }: Policy): boolean {
  return exact === true || forwarding === 'full-nat';
}

/** Whether whole packets may be sent to the VIP's backends, in an outer header or by their MAC address. */
export function isCarried({ policy }: Pick<HeldVip, 'policy'>): boolean {
  return policy.forwarding === 'tunnel' || policy.forwarding === 'direct';
}

/**
 * How packets go to a backend from this node. What is on this node, or answers through it, is rewritten; behind a router
 * there is no MAC address to send to, and while one is not known a tunnel finds the way as well.
 */
export function modeTo(policy: Policy | undefined, way: Way | undefined): ForwardMode {
  const asked = modeNumber(policy);
  if (asked === ForwardMode.FORWARD_NAT || way?.local === true) return ForwardMode.FORWARD_NAT;
  if (asked !== ForwardMode.FORWARD_DIRECT) return asked;
  return way?.onLink === true && way.macs !== undefined ? asked : ForwardMode.FORWARD_TUNNEL;
}

const NOBODY = { bytes: new Uint8Array(16) };
const NO_MAC = new Uint8Array(6);
const RESERVED = [0, 0, 0];

export const noHop: Hop = {
  source: NOBODY,
  gateway: NOBODY,
  ifindex: 0,
  mtu: 0,
  resolved: 0,
  redirectable: 0,
  mac: NO_MAC,
  source_mac: NO_MAC,
  reserved: RESERVED,
};

/** @param source in place of what the node sends from */
export function hopRecord(way: Way | undefined, source = way?.source): Hop {
  if (way === undefined || way.local || source === undefined) return noHop;
  return {
    source: { bytes: addressBytes(source) },
    gateway: { bytes: addressBytes(way.gateway) },
    ifindex: way.ifindex,
    mtu: way.mtu,
    resolved: way.macs === undefined ? 0 : 1,
    redirectable: way.redirectable ? 1 : 0,
    mac: way.macs === undefined ? NO_MAC : way.macs.gateway,
    source_mac: way.macs === undefined ? NO_MAC : way.macs.own,
    reserved: RESERVED,
  };
}

/** A hop for people; empty for a backend that needs none, or to which no route leads. */
export function hopText(hop: Hop): Record<string, unknown> {
  if (hop.ifindex === 0) return {};
  return {
    nextHop: addressFromBytes(hop.gateway.bytes),
    mac: hop.resolved === 0 ? 'unknown' : macText(hop.mac),
    interface: hop.ifindex,
    mtu: hop.mtu,
  };
}

function macText(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
