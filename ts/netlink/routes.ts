import ipaddr from 'ipaddr.js';
import { NativeError } from '../native/errors.js';
import { attribute, type Message, numberIn, parseAttributes, u32Bytes } from './message.js';
import { withSocket } from './socket.js';

export interface RoutePrefix {
  /** Canonical text. */
  readonly address: string;
  readonly bits: number;
}

export interface Route {
  readonly destination: RoutePrefix;
  /** `unicast`, `local`, `unreachable`, … */
  readonly type: string;
  /** Lower wins; 0 when the kernel shows none. */
  readonly metric: number;
  readonly table: number;
  /** Who made it, see /etc/iproute2/rt_protos. */
  readonly protocol: number;
  /** Output interface, where there is exactly one. */
  readonly ifindex?: number;
  /** Whether packets go to another router first, or to one of several. */
  readonly viaRouter?: true;
}

export interface RouteFilter {
  readonly type?: string;
  readonly table?: number;
  readonly protocol?: number;
}

/** Marks the routes this program makes; unused in rt_protos, and the kernel only stores it. */
export const ownProtocol = 118;
export const mainTable = 254;
/** Of addresses that are the machine's own. */
export const localTable = 255;

// linux/rtnetlink.h
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const rtmsg = { size: 12, family: 0, bits: 1, table: 4, protocol: 5, scope: 6, type: 7 };
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;
const viaRouter = [RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA, RTA_NH_ID];
const RTN_LOCAL = 2;
const RTN_UNREACHABLE = 7;
const RT_SCOPE_HOST = 254;
/** Loopback is there in every network namespace. */
const loopbackIndex = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const types = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
] as const;

/**
 * Answers packets for the prefix with "host unreachable" where no better route takes them.
 * @param metric lower wins among routes of the same prefix; at least 1
 * @returns false when it was there already
 * @throws NativeError EEXIST when a route of another kind has the same prefix and metric
 */
export function addUnreachableRoute(prefix: RoutePrefix, metric: number, table = mainTable): boolean {
  const name = describe(prefix);
  try {
    withSocket((socket) => socket.create(name, RTM_NEWROUTE, unreachableRoute(prefix, metric, table)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST') && isThere(prefix, metric, table)) return false;
    throw error;
  }
}

/** Removes only what `addUnreachableRoute` made. @returns false when it was not there */
export function removeUnreachableRoute(prefix: RoutePrefix, metric: number, table = mainTable): boolean {
  const name = describe(prefix);
  try {
    withSocket((socket) => socket.change(name, RTM_DELROUTE, unreachableRoute(prefix, metric, table)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ESRCH') || hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Makes every address of the prefix the machine's own, on loopback. @returns false when it was so already */
export function addLocalRoute(prefix: RoutePrefix): boolean {
  try {
    withSocket((socket) => socket.create(describe(prefix, 'local'), RTM_NEWROUTE, localRoute(prefix)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Removes only what `addLocalRoute` made. @returns false when it was not there */
export function removeLocalRoute(prefix: RoutePrefix): boolean {
  try {
    withSocket((socket) => socket.change(describe(prefix, 'local'), RTM_DELROUTE, localRoute(prefix)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ESRCH') || hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** The routes of all tables and both families, those that match. @throws NativeError */
export function routes(filter: RouteFilter = {}): Route[] {
  const messages = withSocket((socket) => socket.dump('routes', RTM_GETROUTE, Buffer.alloc(rtmsg.size)));
  return messages
    .filter((message) => message.type === RTM_NEWROUTE)
    .flatMap((message) => routeIn(message) ?? [])
    .filter((route) => matches(route, filter));
}

/** Pure: reads an RTM_NEWROUTE message; undefined for other families. */
export function routeIn({ payload }: Message): Route | undefined {
  const family = payload[rtmsg.family];
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const attributes = parseAttributes(payload, rtmsg.size);
  const destination = attributes.get(RTA_DST) ?? Buffer.alloc(family === AF_INET ? 4 : 16);
  const type = payload[rtmsg.type]!;
  const ifindex = numberIn(attributes, RTA_OIF);
  return {
    destination: { address: ipaddr.fromByteArray([...destination]).toString(), bits: payload[rtmsg.bits]! },
    type: types[type] ?? String(type),
    metric: numberIn(attributes, RTA_PRIORITY) ?? 0,
    table: numberIn(attributes, RTA_TABLE) ?? payload[rtmsg.table]!,
    protocol: payload[rtmsg.protocol]!,
    ...(viaRouter.some((type) => attributes.has(type)) ? { viaRouter: true as const } : {}),
    ...(ifindex === undefined ? {} : { ifindex }),
  };
}

/** Pure: the request that makes or removes an unreachable route of ours. */
export function unreachableRoute(prefix: RoutePrefix, metric: number, table: number): Buffer {
  const destination = ipaddr.parse(prefix.address).toByteArray();
  const header = Buffer.alloc(rtmsg.size);
  header[rtmsg.family] = destination.length === 4 ? AF_INET : AF_INET6;
  header[rtmsg.bits] = prefix.bits;
  header[rtmsg.protocol] = ownProtocol;
  header[rtmsg.type] = RTN_UNREACHABLE;
  return Buffer.concat([
    header,
    attribute(RTA_DST, Uint8Array.from(destination)),
    attribute(RTA_PRIORITY, u32Bytes(metric)),
    attribute(RTA_TABLE, u32Bytes(table)),
  ]);
}

/** Pure: the request that makes or removes a local route of ours. */
export function localRoute(prefix: RoutePrefix): Buffer {
  const destination = ipaddr.parse(prefix.address).toByteArray();
  const header = Buffer.alloc(rtmsg.size);
  header[rtmsg.family] = destination.length === 4 ? AF_INET : AF_INET6;
  header[rtmsg.bits] = prefix.bits;
  header[rtmsg.table] = localTable;
  header[rtmsg.protocol] = ownProtocol;
  header[rtmsg.scope] = destination.length === 4 ? RT_SCOPE_HOST : 0;
  header[rtmsg.type] = RTN_LOCAL;
  return Buffer.concat([
    header,
    attribute(RTA_DST, Uint8Array.from(destination)),
    attribute(RTA_OIF, u32Bytes(loopbackIndex)),
    attribute(RTA_TABLE, u32Bytes(localTable)),
  ]);
}

function isThere(prefix: RoutePrefix, metric: number, table: number): boolean {
  return routes({ type: 'unreachable', table }).some(
    ({ destination, metric: found }) =>
      destination.address === prefix.address && destination.bits === prefix.bits && found === metric,
  );
}

function matches(route: Route, { type, table, protocol }: RouteFilter): boolean {
  return (
    (type === undefined || route.type === type) &&
    (table === undefined || route.table === table) &&
    (protocol === undefined || route.protocol === protocol)
  );
}

function hasErrno(error: unknown, name: string): boolean {
  return error instanceof NativeError && error.errnoName === name;
}

function describe({ address, bits }: RoutePrefix, type = 'unreachable'): string {
  return `${type} route ${address}/${bits}`;
}
