import { type NameKey, nameKey } from '../dns/name.js';
import { parseRecord } from '../dns/static-records.js';
import { isZbase32 } from '../dns/zbase32.js';
import { shippedSuffix } from '../dns/zones.js';
import { canonicalAddress, type Endpoint, parseEndpoint } from '../model/address.js';
import { duration, type Field, integer, listOf, oneOf, text, wrong, yesOrNo } from './fields.js';

/** Servers of a suffix. */
export interface Forward {
  readonly suffix: NameKey;
  readonly servers: readonly Endpoint[];
}

const dnsPort = 53;
const endpoint = (address: string): Endpoint => ({ address, port: dnsPort });

/** The addresses that DC/OS had, so that what was configured for it goes on working. */
const shippedAddresses = ['198.51.100.1', '198.51.100.2', '198.51.100.3', 'fd01:d::c633:6401'];

/** The options of the resolver. */
export const dnsFields = {
  'dns.enabled': yesOrNo({ flag: 'dns', help: 'answer DNS on this node', fallback: false }),
  'dns.listen': list('address[:port]', serverEndpoint, {
    flag: 'dns-listen',
    help: 'where to answer; an address the machine has not got is put on a device of its own',
    fallback: shippedAddresses.map(endpoint),
  }),
  'dns.intercept': list('address[:port]', serverEndpoint, {
    flag: 'dns-intercept',
    help: 'an address of the node, one of each family, that answers for dns.listen where no route leads there',
    fallback: [],
  }),
  'dns.sockets': integer(0, 16, {
    flag: 'dns-sockets',
    help: 'UDP sockets of each address; several have a thread each; 0: two from four CPUs on, else one',
    fallback: 0,
  }),
  'dns.device': one('name', deviceName, {
    flag: 'dns-device',
    help: 'device for addresses of dns.listen',
    fallback: 'vipd-dns',
  }),
  'dns.suffix': one('name', domain, {
    flag: 'dns-suffix',
    help: 'what names of VIPs (l4lb.SUFFIX) and tasks (dcos.SUFFIX) end in',
    fallback: shippedSuffix,
  }),
  'dns.clusterId': one<string | undefined>('id', clusterId, {
    flag: 'dns-cluster-id',
    help: 'names below ID.dcos.directory are ours as well',
    fallback: undefined,
  }),
  'dns.tasks': one<boolean | 'auto'>('auto|true|false', autoYesOrNo, {
    flag: 'dns-tasks',
    help: 'answer names of tasks (dcos.SUFFIX, mesos, zk); auto does when masters of Mesos are followed',
    fallback: 'auto',
  }),
  'dns.upstreams': list('address[:port]', serverEndpoint, {
    flag: 'dns-upstream',
    help: 'resolvers for the rest of the world, else those of /etc/resolv.conf',
    fallback: [],
  }),
  'dns.forward': list('zone=server,…', forward, {
    flag: 'dns-forward',
    help: 'resolvers for names that end in this',
    fallback: [],
  }),
  'dns.zones': list('name', (value) => nameKey(text(value)), {
    flag: 'dns-zone',
    help: 'answer names that end in this from dns.records alone',
    fallback: [],
  }),
  'dns.records': list('record', (value) => parseRecord(text(value)), {
    flag: 'dns-record',
    help: "records of your own, as 'www.example.org A 192.0.2.1'",
    fallback: [],
  }),
  'dns.resolvConf': yesOrNo({
    flag: 'dns-resolv-conf',
    help: 'name this resolver in /etc/resolv.conf while the daemon runs',
    fallback: false,
  }),
  'dns.nodeAddresses': list('address', (value) => canonicalAddress(text(value)), {
    flag: 'dns-node-address',
    help: 'addresses of thisnode.SUFFIX, else those of the interface with the default route',
    fallback: [],
  }),
  'dns.publicAddresses': list('address', (value) => canonicalAddress(text(value)), {
    flag: 'dns-public-address',
    help: 'addresses of public.thisnode.SUFFIX',
    fallback: [],
  }),
  'dns.order': oneOf(['rotate', 'random', 'fixed'], {
    flag: 'dns-order',
    help: 'which address of several comes first',
    fallback: 'rotate',
  }),
  'dns.udpSize': integer(512, 4_096, { flag: 'dns-udp-size', help: 'bytes of an answer over UDP', fallback: 1_232 }),
  'dns.cacheMiB': integer(1, 65_536, { flag: 'dns-cache-mib', help: 'room for answers of others', fallback: 32 }),
  'dns.serveStale': yesOrNo({
    flag: 'dns-serve-stale',
    help: 'give answers up to a day out of date when nobody else answers',
    fallback: true,
  }),
  'dns.mesosTtl': duration({ flag: 'dns-mesos-ttl', help: 'TTL of the zone mesos', fallback: 60_000 }),
  'dns.mesosParity': yesOrNo({
    flag: 'dns-mesos-parity',
    help: 'answer the zone mesos as Mesos-DNS does, its peculiarities included',
    fallback: false,
  }),
};

type Description<T> = Omit<Field<T>, 'read' | 'list' | 'argument'>;

function one<T>(argument: string, read: (value: unknown) => T, field: Description<NoInfer<T>>): Field<T> {
  return { ...field, argument, list: false, read };
}

function list<T>(
  argument: string,
  read: (value: unknown) => T,
  field: Description<readonly NoInfer<T>[]>,
): Field<readonly T[]> {
  return { ...field, argument, list: true, read: listOf(read) };
}

function autoYesOrNo(value: unknown): boolean | 'auto' {
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  if (value === 'auto') return value;
  throw wrong(value, 'must be auto, true or false');
}

function serverEndpoint(value: unknown): Endpoint {
  const written = text(value);
  const bare = written.replace(/^\[([^\]]*)\]$/, '$1');
  return /^[^:]+:\d+$|\]:\d+$/.test(written) ? parseEndpoint(written) : endpoint(canonicalAddress(bare));
}

function forward(value: unknown): Forward {
  const [suffix, servers, ...more] = text(value).split('=');
  if (!suffix || !servers || more.length > 0) throw wrong(value, 'must be ZONE=SERVER', 'write consul=127.0.0.1:8600');
  return { suffix: nameKey(suffix), servers: servers.split(',').map(serverEndpoint) };
}

/** In lower case, without the dot at the end. */
function domain(value: unknown): string {
  const written = text(value).toLowerCase().replace(/\.$/, '');
  nameKey(written);
  return written;
}

function clusterId(value: unknown): string {
  const written = text(value).toLowerCase();
  if (isZbase32(written) && written.length <= 63) return written;
  throw wrong(value, 'must be in z-base-32');
}

/** Room for the `-p` of its other end. */
function deviceName(value: unknown): string {
  if (typeof value === 'string' && /^[^\s/:*]{1,13}$/.test(value) && value !== '.' && value !== '..') return value;
  throw wrong(value, 'must be the name of an interface, at most 13 characters');
}
