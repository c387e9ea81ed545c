import type { AllocateOptions } from '../allocate/allocate.js';
import { type AddressRange, firstRange, requirePool } from '../allocate/range.js';
import { defaultSocket } from '../api/unix.js';
import { defaultFullNat } from '../dataplane/ebpf/nat-ports.js';
import { type Family, parsePrefix } from '../model/address.js';
import { type PlacedDocument, parsePlaced, placed } from '../model/document.js';
import { modes } from '../model/mode.js';
import { type Problem, preview, problemFault, problemOf } from '../model/problem.js';
import { unknownKey } from '../model/shape.js';
import type { Fault } from '../util/errors.js';
import { dnsFields } from './dns-fields.js';
import {
  addressList,
  delay,
  duration,
  endpoint,
  type Field,
  fewPaths,
  integer,
  listener,
  names,
  natsServers,
  oneOf,
  optionalName,
  optionalPath,
  optionalText,
  origins,
  path,
  paths,
  patterns,
  places,
  portRange,
  prefixes,
  range,
  url,
  urls,
  yesOrNo,
} from './fields.js';

export const defaultConfig = '/etc/vipd/vipd.yaml';

/** Every option once: the configuration file, the flags, the help and the type are made from it. */
export const fields = {
  services: paths({ flag: 'services', help: 'files or directories of services', fallback: [] }),
  stateDir: path({ flag: 'state-dir', help: 'what is set through the API is kept here', fallback: '/var/lib/vipd' }),
  socket: path({ flag: 'socket', help: 'unix socket of the API', fallback: defaultSocket }),
  bpffs: path({ flag: 'bpffs', help: 'directory in a bpffs for what stays pinned', fallback: '/sys/fs/bpf/vipd' }),
  mode: oneOf(modes, {
    flag: 'mode',
    help: 'data plane; auto is ebpf where the kernel can, else ipvs',
    fallback: 'auto',
  }),
  drainTime: delay({
    flag: 'drain-time',
    help: 'how long a data plane that was exchanged goes on with its connections',
    fallback: 300_000,
  }),
  cgroup: optionalPath({
    flag: 'cgroup',
    help: 'attach the sock hook here, else at the cgroup-v2 root',
    fallback: undefined,
  }),
  'sock.datagrams': oneOf(['auto', 'on', 'off'], {
    flag: 'sock-datagrams',
    help: 'take datagrams of unconnected UDP sockets too; auto: while there is a VIP of UDP',
    fallback: 'auto',
  }),
  'sock.optOut': fewPaths(16, {
    flag: 'sock-opt-out',
    help: 'leave processes of this cgroup to the hooks for packets',
    fallback: [],
  }),
  'interfaces.tc': patterns({ flag: 'tc', help: 'attach the tc hook to these interfaces', fallback: [] }),
  'interfaces.xdp': patterns({ flag: 'xdp', help: 'attach the xdp hook to these interfaces', fallback: [] }),
  'interfaces.xdpMode': oneOf(['auto', 'native', 'generic'], {
    flag: 'xdp-mode',
    help: 'how to attach the xdp hook',
    fallback: 'auto',
  }),
  'interfaces.redirect': oneOf(['auto', 'on', 'off'], {
    flag: 'redirect',
    help: 'hand packets from workload to workload past the network stack; auto: unless a firewall filters there',
    fallback: 'auto',
  }),
  'interfaces.redirectRemote': oneOf(['auto', 'on', 'off'], {
    flag: 'redirect-remote',
    help: 'where these go past it, packets of workloads to backends elsewhere too; auto: unless a firewall or NAT is there',
    fallback: 'auto',
  }),
  pools: prefixes({
    flag: 'pool',
    help: 'prefixes whose every address belongs to vipd',
    fallback: ['11.0.0.0/8', 'fd01:c::/64'].map(parsePrefix),
  }),
  'names.v4': range(4, {
    flag: 'names-v4',
    help: 'addresses of named VIPs, else the first IPv4 pool',
    fallback: undefined,
  }),
  'names.v6': range(6, {
    flag: 'names-v6',
    help: 'addresses of named VIPs, else the first IPv6 pool',
    fallback: undefined,
  }),
  'names.legacy': yesOrNo({
    flag: 'names-legacy',
    help: 'give named VIPs the IPv4 addresses DC/OS 1.11 and older gave them',
    fallback: false,
  }),
  'cluster.keyFile': path({
    flag: 'cluster-key',
    help: 'key of the cluster; with such a file this node is part of it',
    fallback: '/etc/vipd/cluster.key',
  }),
  'cluster.seeds': places({ flag: 'cluster-seed', help: 'where some other nodes can be met', fallback: [] }),
  'cluster.listen': listener({
    flag: 'cluster-listen',
    help: 'talk to other nodes on this address and port',
    fallback: { address: '0.0.0.0', port: 61_420 },
  }),
  'cluster.address': addressList({
    flag: 'cluster-address',
    help: "this node's own address, else the one that leads to the seeds",
    fallback: [],
  }),
  'cluster.name': optionalName({
    flag: 'cluster-name',
    help: 'name of this node, else its host name',
    fallback: undefined,
  }),
  'cluster.allow': names({
    flag: 'cluster-allow',
    help: 'id of a node that may take part, else all with the key',
    fallback: [],
  }),
  'cluster.nats': natsServers({
    flag: 'cluster-nats',
    help: 'server of NATS with JetStream that carries the cluster, instead of talk between the nodes',
    fallback: [],
  }),
  'cluster.natsCredentials': optionalPath({
    flag: 'cluster-nats-credentials',
    help: 'credentials file for these servers',
    fallback: undefined,
  }),
  'cluster.lease': duration({
    flag: 'cluster-lease',
    help: 'a node that is silent for longer is stale',
    fallback: 60_000,
  }),
  'cluster.forget': duration({
    flag: 'cluster-forget',
    help: 'a node that is gone for longer is forgotten',
    fallback: 86_400_000,
  }),
  tunnelSources: prefixes({
    flag: 'tunnel-source',
    help: 'outer sources of tunnels vary inside this prefix, one a family; else the address of the node',
    fallback: [],
  }),
  'fullNat.ports': portRange({
    flag: 'full-nat-ports',
    help: 'of this node, for forwarding: full-nat; none that its sockets may be given (ip_local_port_range)',
    fallback: defaultFullNat.ports,
  }),
  'fullNat.sources': addressList({
    flag: 'full-nat-source',
    help: 'address of this node for forwarding: full-nat, one a family; else what it sends from to the backend',
    fallback: [],
  }),
  'limits.vips': integer(1, 1 << 20, { flag: 'max-vips', help: 'room for VIPs', fallback: 8_192 }),
  'limits.backends': integer(1, (1 << 20) - 1, { flag: 'max-backends', help: 'room for backends', fallback: 32_768 }),
  'limits.flows': integer(1_024, 1 << 26, {
    flag: 'max-flows',
    help: 'room for tracked connections',
    fallback: 1 << 20,
  }),
  'limits.exactFlows': integer(64, 1 << 22, {
    flag: 'max-exact-flows',
    help: 'room for connections of services with exact or full-nat',
    fallback: 65_536,
  }),
  'mesos.agent.url': url({
    flag: 'mesos-agent',
    help: 'the Mesos agent of this node: its tasks with VIP labels become backends',
    fallback: undefined,
  }),
  'mesos.agent.interval': duration({ flag: 'mesos-agent-interval', help: 'ask the agent this often', fallback: 2_000 }),
  'mesos.master.urls': urls({
    flag: 'mesos-master',
    help: 'masters of Mesos, or where ZooKeeper knows them: zk://HOST:PORT,…/mesos',
    fallback: [],
  }),
  'mesos.master.encoding': oneOf(['json', 'protobuf'], {
    flag: 'mesos-master-encoding',
    help: "of the master's event stream",
    fallback: 'json',
  }),
  'mesos.master.vips': oneOf(['auto', 'yes', 'no'], {
    flag: 'mesos-master-vips',
    help: 'make VIPs of the labels of all tasks of the cluster; auto does unless the agent of this node is asked',
    fallback: 'auto',
  }),
  'marathon.urls': origins({
    flag: 'marathon',
    help: 'Marathon, where Mesos itself cannot be asked; the first that answers is read',
    fallback: [],
  }),
  'marathon.vips': oneOf(['auto', 'yes', 'no'], {
    flag: 'marathon-vips',
    help: 'make VIPs of the labels of all apps; auto does unless the agent of this node is asked',
    fallback: 'auto',
  }),
  'labels.ipv6': yesOrNo({
    flag: 'labels-ipv6',
    help: 'let IPv6 addresses of tasks be backends of VIPs that labels ask for',
    fallback: true,
  }),
  'access.secret': optionalPath({
    flag: 'access-secret',
    help: 'file with user:password, or a DC/OS service account, for Mesos and Marathon',
    fallback: undefined,
  }),
  'access.ca': optionalPath({
    flag: 'access-ca',
    help: 'file with certificates of authorities, PEM, to trust there instead of the system',
    fallback: undefined,
  }),
  zone: optionalText({
    flag: 'zone',
    help: 'of this node, for services that prefer what is near',
    fallback: undefined,
  }),
  reconcileInterval: duration({
    flag: 'reconcile-interval',
    help: 'read the kernel back this often',
    fallback: 10_000,
  }),
  sourceWait: duration({
    flag: 'source-wait',
    help: 'wait so long for sources before anything is removed',
    fallback: 10_000,
  }),
  healthConcurrency: integer(1, 4_096, { flag: 'health-concurrency', help: 'health checks at a time', fallback: 64 }),
  pendingChecks: oneOf(['not-ready', 'ready'], {
    flag: 'pending-checks',
    help: 'what backends and tasks of Mesos count as until their health check has said something',
    fallback: 'not-ready',
  }),
  sever: yesOrNo({
    flag: 'sever',
    help: 'end connected sockets of a backend that is removed or down, so that their owners connect anew',
    fallback: true,
  }),
  severDelay: delay({ flag: 'sever-delay', help: 'but leave them so long', fallback: 0 }),
  passiveHealth: yesOrNo({
    flag: 'passive-health',
    help: 'count how connections of sockets to backends begin, and how long that takes',
    fallback: true,
  }),
  sampleConnections: integer(0, 1 << 30, {
    flag: 'sample-connections',
    help: 'report every nth new connection as an event, 0 for none',
    fallback: 100,
  }),
  apiCommandChecks: oneOf(['refuse', 'allow'], {
    flag: 'api-command-checks',
    help: 'health checks by command in services that are set through the API',
    fallback: 'refuse',
  }),
  ...dnsFields,
  listen: endpoint({ flag: 'listen', help: 'serve /metrics on this TCP address as well', fallback: undefined }),
  logLevel: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace'], {
    flag: 'log-level',
    help: 'least severe messages to log',
    fallback: 'info',
  }),
};

type Fields = typeof fields;
type Value<F> = F extends Field<infer T> ? T : never;

/** By the key in the configuration file, nested keys joined by a dot. */
export type DaemonOptions = { readonly [K in keyof Fields]: Value<Fields[K]> };

/** Values of flags by key, as the command line gives them. */
export type Flags = Readonly<Partial<Record<keyof Fields, string | readonly string[]>>>;

export interface ParsedOptions {
  readonly options: DaemonOptions;
  /** When there is one the options are not to be used. */
  readonly faults: readonly Fault[];
}

/** Options from the text of a configuration file, if there is one, overridden by flags, completed by defaults. Never throws. */
export function parseOptions(file: { name: string; text: string } | undefined, flags: Flags): ParsedOptions {
  const faults: Fault[] = [];
  const fromFile = file === undefined ? new Map<string, unknown>() : readFile(file.name, file.text, faults);
  const fromFlags = new Map(
    Object.entries(flags).map(([key, value]) => [key, readFlag(key as keyof Fields, value, faults)]),
  );
  const values = Object.entries(fields).map(([key, field]) => {
    return [key, fromFlags.get(key) ?? fromFile.get(key) ?? field.fallback];
  });
  const options = Object.fromEntries(values) as DaemonOptions;
  return { options, faults: faults.length > 0 ? faults : contradictions(options) };
}

export function namesIn(options: DaemonOptions): AllocateOptions {
  const range = (family: Family, given: AddressRange | undefined) => given ?? firstRange(family, options.pools);
  return {
    v4: range(4, options['names.v4']),
    v6: range(6, options['names.v6']),
    legacy: options['names.legacy'],
  };
}

/** Of options that are in order one by one. */
function contradictions(options: DaemonOptions): readonly Fault[] {
  return (['names.v4', 'names.v6'] as const).flatMap((key) => {
    const range = options[key];
    if (range === undefined) return [];
    try {
      requirePool(range, options.pools);
      return [];
    } catch (error) {
      return [problemFault(problemOf(error, []), `option ${key}`, '')];
    }
  });
}

function readFlag(key: keyof Fields, value: unknown, faults: Fault[]): unknown {
  try {
    return fields[key].read(value);
  } catch (error) {
    faults.push(problemFault(problemOf(error, []), `--${fields[key].flag}`, ''));
    return undefined;
  }
}

function readFile(name: string, text: string, faults: Fault[]): Map<string, unknown> {
  const document = parsePlaced(text, name);
  const values = new Map<string, unknown>();
  faults.push(...document.faults);
  for (const { path, value } of leaves(document, [], document.value ?? {}, faults)) {
    const key = path.join('.') as keyof Fields;
    try {
      values.set(key, fields[key].read(value));
    } catch (error) {
      faults.push(faultAt(document, problemOf(error, path)));
    }
  }
  return values;
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** The known options in a map of the file; groups are maps of their own. What is not known becomes a fault. */
function leaves(document: PlacedDocument, base: readonly string[], value: unknown, faults: Fault[]): Leaf[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.push(
      faultAt(document, { path: base, code: 'VALUE_INVALID', cause: `must be a map, not ${preview(value)}` }),
    );
    return [];
  }
  const known = knownKeys(base);
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = [...base, key];
    if (Object.hasOwn(fields, path.join('.'))) return [{ path, value: inner as unknown }];
    if (known.includes(key)) return leaves(document, path, inner, faults);
    faults.push(faultAt(document, unknownKey(path, known)));
    return [];
  });
}

function knownKeys(base: readonly string[]): readonly string[] {
  const prefix = base.map((step) => `${step}.`).join('');
  const below = Object.keys(fields).filter((key) => key.startsWith(prefix));
  return [...new Set(below.map((key) => key.slice(prefix.length).split('.')[0] ?? ''))];
}

function faultAt(document: PlacedDocument, problem: Problem): Fault {
  return problemFault(problem, placed(document, problem, []), '');
}
