import { type AddressRange, parseRange } from '../allocate/range.js';
import type { PortRange } from '../dataplane/ebpf/nat-ports.js';
import {
  canonicalAddress,
  type Endpoint,
  type Family,
  type Prefix,
  parseEndpoint,
  parsePrefix,
} from '../model/address.js';
import { parseDuration } from '../model/duration.js';
import { preview } from '../model/problem.js';
import { parseZkUrl } from '../sources/mesos/masters.js';
import { VipdError } from '../util/errors.js';

/** One option of the daemon: its key in the file, its flag, how its value is read and what it is when nobody says. */
export interface Field<T> {
  readonly flag: string;
  /** Of the flag, for the help; a flag of a list may be given several times. */
  readonly argument: string;
  readonly list: boolean;
  readonly help: string;
  readonly fallback: T;
  /** From what the file or the flag says. @throws VipdError */
  read(value: unknown): T;
}

type Description<T> = Omit<Field<T>, 'read' | 'list' | 'argument'>;

export function path(field: Description<string>): Field<string> {
  return { ...field, argument: 'path', list: false, read: absolutePath };
}

export function optionalPath(field: Description<string | undefined>): Field<string | undefined> {
  return { ...field, argument: 'path', list: false, read: absolutePath };
}

export function optionalText(field: Description<string | undefined>): Field<string | undefined> {
  return { ...field, argument: 'text', list: false, read: text };
}

/** Each from the root, and not more than so many. */
export function fewPaths(most: number, field: Description<readonly string[]>): Field<readonly string[]> {
  const read = (value: unknown) => {
    const all = listOf(absolutePath)(value);
    if (all.length <= most) return all;
    throw wrong(value, `must not be more than ${most}`);
  };
  return { ...field, argument: 'path', list: true, read };
}

export function paths(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'path', list: true, read: listOf(text) };
}

/** Names of interfaces; `*` stands for any characters. */
export function patterns(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'pattern', list: true, read: listOf(interfacePattern) };
}

export function prefixes(field: Description<readonly Prefix[]>): Field<readonly Prefix[]> {
  return { ...field, argument: 'prefix', list: true, read: listOf((value) => parsePrefix(text(value))) };
}

/** Addresses of the given family. */
export function range(family: Family, field: Description<AddressRange | undefined>): Field<AddressRange | undefined> {
  const read = (value: unknown) => {
    const found = parseRange(text(value));
    if (found.family === family) return found;
    throw wrong(value, `must be IPv${family} addresses`);
  };
  return { ...field, argument: 'prefix', list: false, read };
}

/** FIRST-LAST. */
export function portRange(field: Description<PortRange>): Field<PortRange> {
  const read = (value: unknown) => {
    const [first = 0, last = 0] = /^(\d{1,5})-(\d{1,5})$/.exec(text(value))?.slice(1).map(Number) ?? [];
    if (first >= 1024 && first <= last && last <= 65_535) return { first, last };
    throw wrong(value, 'must be FIRST-LAST, ports from 1024 to 65535');
  };
  return { ...field, argument: 'first-last', list: false, read };
}

/** HOST:PORT, where the host may be a name. */
export function places(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'host:port', list: true, read: listOf(place) };
}

/** `nats://HOST:PORT`, or `tls:` where the servers must show certificates; the port may be left out. */
export function natsServers(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'url', list: true, read: listOf(natsServer) };
}

function natsServer(value: unknown): string {
  const url = text(value);
  if (/^(?:nats|tls):\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?$/.test(url)) return url;
  throw wrong(value, 'must be nats://HOST:PORT or tls://HOST:PORT, without user and password');
}

export function addressList(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'address', list: true, read: listOf((value) => canonicalAddress(text(value))) };
}

export function names(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'name', list: true, read: listOf(text) };
}

export function optionalName(field: Description<string | undefined>): Field<string | undefined> {
  const read = (value: unknown) => {
    if (typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value)) return value;
    throw wrong(value, 'must be 1 to 64 letters, digits, ".", "_" or "-"');
  };
  return { ...field, argument: 'name', list: false, read };
}

/** An endpoint that is always there. */
export function listener(field: Description<Endpoint>): Field<Endpoint> {
  return { ...field, argument: 'address:port', list: false, read: (value) => parseEndpoint(text(value)) };
}

export function endpoint(field: Description<Endpoint | undefined>): Field<Endpoint | undefined> {
  return { ...field, argument: 'address:port', list: false, read: (value) => parseEndpoint(text(value)) };
}

/** Of HTTP or HTTPS, without path, query or credentials; without the slash at the end. */
export function url(field: Description<string | undefined>): Field<string | undefined> {
  return { ...field, argument: 'url', list: false, read: httpOrigin };
}

/** Each like {@link url}. */
export function origins(field: Description<readonly string[]>): Field<readonly string[]> {
  return { ...field, argument: 'url', list: true, read: listOf(httpOrigin) };
}

/** Each like {@link url}, or one that says where ZooKeeper knows who there is. */
export function urls(field: Description<readonly string[]>): Field<readonly string[]> {
  const read = (value: unknown) => (text(value).startsWith('zk://') ? zkUrl(text(value)) : httpOrigin(value));
  return { ...field, argument: 'url', list: true, read: listOf(read) };
}

function zkUrl(url: string): string {
  parseZkUrl(url);
  return url;
}

/** In milliseconds. */
export function duration(field: Description<number>): Field<number> {
  return { ...field, argument: 'duration', list: false, read: (value) => parseDuration(text(value)) };
}

/** In milliseconds; 0 is none. */
export function delay(field: Description<number>): Field<number> {
  const read = (value: unknown) => (/^0(ms|s|m|h)?$/.test(String(value)) ? 0 : parseDuration(text(value)));
  return { ...field, argument: 'duration', list: false, read };
}

export function integer(minimum: number, maximum: number, field: Description<number>): Field<number> {
  const read = (value: unknown) => {
    const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= minimum && number <= maximum) return number;
    throw wrong(value, `must be a whole number from ${minimum} to ${maximum}`);
  };
  return { ...field, argument: 'n', list: false, read };
}

export function yesOrNo(field: Description<boolean>): Field<boolean> {
  const read = (value: unknown) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    throw wrong(value, 'must be true or false');
  };
  return { ...field, argument: 'true|false', list: false, read };
}

export function oneOf<const T extends string>(choices: readonly T[], field: Description<NoInfer<T>>): Field<T> {
  const read = (value: unknown) => {
    const choice = choices.find((one) => one === value);
    if (choice !== undefined) return choice;
    throw wrong(value, `must be one of ${choices.join(', ')}`);
  };
  return { ...field, argument: choices.join('|'), list: false, read };
}

export function listOf<T>(read: (value: unknown) => T): (value: unknown) => readonly T[] {
  return (value) => {
    if (Array.isArray(value)) return value.map(read);
    throw wrong(value, 'must be a list', 'write [] for none');
  };
}

function httpOrigin(value: unknown): string {
  const parsed = URL.canParse(text(value)) ? new URL(text(value)) : undefined;
  const plain = parsed && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.pathname === '/';
  if (plain && parsed.search === '' && parsed.hash === '') return parsed.origin;
  throw wrong(value, 'must be http:// or https:// with a host, and a port if it is not the usual one');
}

function place(value: unknown): string {
  if (typeof value === 'string' && /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(value)) return value;
  throw wrong(value, 'must be HOST:PORT', 'write 10.0.0.1:61420, [fd00::1]:61420 or node1.example:61420');
}

export function text(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw wrong(value, 'must be text');
}

function absolutePath(value: unknown): string {
  if (typeof value === 'string' && value.startsWith('/')) return value;
  throw wrong(value, 'must be a path that begins with /');
}

/** The kernel's own rule for names (dev_valid_name), and `*`. */
function interfacePattern(value: unknown): string {
  if (typeof value === 'string' && /^[^\s/:]{1,15}$/.test(value)) return value;
  throw wrong(value, 'must be the name of an interface, at most 15 characters', '* stands for any characters: veth*');
}

export function wrong(value: unknown, must: string, hint?: string): VipdError {
  const cause = `${must}, not ${preview(value)}`;
  return new VipdError({ code: 'VALUE_INVALID', object: 'option', cause, ...(hint === undefined ? {} : { hint }) });
}
