import type { Protocol } from '../../model/address.js';
import { isProblem, isVipKey, type LabelContext, type LabelProblem, readVipLabel } from '../../model/label.js';
import type { TaskPort } from '../../model/task.js';
import type { DiscoveryPort, NetworkInfo, Resource, TaskMessage } from './wire.js';

interface Label {
  readonly key: string;
  readonly value: string;
}

/** A label that had to do with VIPs and makes none. */
export interface BadLabel extends Label, LabelProblem {}

export interface PortTable {
  readonly ports: readonly TaskPort[];
  readonly bad: readonly BadLabel[];
}

/** Where and for whom the ports are read. */
export interface PortContext extends Omit<LabelContext, 'port'> {
  /** Of the newest status. */
  readonly networks: readonly NetworkInfo[];
  /** The task shares the addresses of its agent: a host port is then the task's own. */
  readonly hostNetwork: boolean;
}

interface Entry {
  readonly name?: string;
  readonly protocol: Protocol;
  readonly port?: number;
  readonly hostPort?: number;
  readonly vips: readonly string[];
}

/**
 * The ports of a task from its three descriptions, later ones winning: mappings of its network, legacy labels of the
 * task, discovery information. Two entries are one when they have the protocol and one of the two ports in common.
 */
export function portTable(task: TaskMessage, context: PortContext): PortTable {
  const bad: BadLabel[] = [];
  const notes = { context, bad };
  const found = [mappedPorts(task, context.networks), legacyPorts(task, notes), discoveryPorts(task, notes)];
  const merged = found.reduce(merge, []);
  const ports = context.hostNetwork ? collapsed(merged) : merged;
  return { ports: ports.map((entry) => ({ ...entry, name: entry.name ?? 'default' })), bad };
}

/** What a reader of labels knows, and where it leaves what is wrong. */
interface Notes {
  readonly context: PortContext;
  readonly bad: BadLabel[];
}

/** There are no more ports; whoever lists more repeats itself, and would fill the memory with it. */
const MAX_PORTS = 65_535;

/** Host ports the task was given, in the order of its resources: RANGES with both ends, SCALAR one port. */
export function resourcePorts(resources: readonly Resource[] = []): readonly number[] {
  const spans = resources
    .filter(({ name }) => name === 'ports')
    .flatMap(({ scalar, ranges }) => {
      return ranges?.range ?? (scalar === undefined ? [] : [{ begin: scalar.value, end: scalar.value }]);
    });
  const ports: number[] = [];
  for (const { begin, end } of spans.filter(isSpan)) {
    for (let port = begin; port <= end && ports.length < MAX_PORTS; port += 1) ports.push(port);
  }
  return ports;
}

function isSpan({ begin, end }: { begin: number; end: number }): boolean {
  return isPort(begin) && isPort(end) && begin <= end;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

function mappedPorts({ container }: TaskMessage, networks: readonly NetworkInfo[]): readonly Entry[] {
  const mappings = container?.type === 'DOCKER' ? container.docker?.port_mappings : ucrMappings(container, networks);
  return (mappings ?? []).flatMap(({ protocol = 'tcp', host_port, container_port }) => {
    const known = readProtocol(protocol);
    if (known === undefined || !isPort(container_port)) return [];
    return [{ protocol: known, port: container_port, ...(isPort(host_port) && { hostPort: host_port }), vips: [] }];
  });
}

/** A pod has no container of its own; what its network was given is in its status. */
function ucrMappings(container: TaskMessage['container'], networks: readonly NetworkInfo[]) {
  const infos = container?.network_infos ?? networks;
  return infos.flatMap(({ port_mappings }) => port_mappings ?? []);
}

function readProtocol(text: string): Protocol | undefined {
  const lower = text.toLowerCase();
  return lower === 'tcp' || lower === 'udp' ? lower : undefined;
}

function legacyPorts(task: TaskMessage, { context, bad }: Notes): readonly Entry[] {
  const given = resourcePorts(task.resources);
  return (task.labels?.labels ?? []).flatMap(({ key, value = '' }) => {
    const index = /^vip_port(.*)$/i.exec(key)?.[1];
    if (index === undefined) {
      if (isVipKey(key)) bad.push(misplaced(key, value));
      return [];
    }
    const read = readLegacy(index, value, given, context);
    if (!('code' in read)) return [read];
    bad.push({ key, value, ...read });
    return [];
  });
}

/** The commonest mistake with these labels: a task's own are not looked at. */
function misplaced(key: string, value: string): BadLabel {
  const reason = 'is a label of the task; VIP labels belong on a port: portDefinitions, portMappings or endpoints';
  return { key, value, code: 'LABEL_MISPLACED', reason };
}

function readLegacy(
  index: string,
  value: string,
  given: readonly number[],
  context: PortContext,
): Entry | LabelProblem {
  if (!/^\d{1,5}$/.test(index)) {
    return { code: 'LABEL_INDEX_INVALID', reason: `"${index}" is no index of a port; the first port is vip_port0` };
  }
  const [, scheme = '', vip = ''] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(value) ?? [];
  const protocol = readProtocol(scheme);
  const hostPort = given[Number(index)];
  const read = readVipLabel(vip, { ...context, port: hostPort });
  if (protocol === undefined) {
    const mended = `tcp://${isProblem(read) ? (read.mended ?? vip) : vip}`;
    return { code: 'LABEL_SCHEME', reason: 'begins with neither tcp:// nor udp://', mended };
  }
  if (hostPort === undefined) {
    return { code: 'LABEL_INDEX_RANGE', reason: `the task has ${given.length} ports, the first is vip_port0` };
  }
  if (!isProblem(read)) return { protocol, hostPort, vips: [vip] };
  return read.mended === undefined ? read : { ...read, mended: `${protocol}://${read.mended}` };
}

function discoveryPorts({ discovery }: TaskMessage, notes: Notes): readonly Entry[] {
  return (discovery?.ports?.ports ?? []).flatMap((port) => discoveryPort(port, notes));
}

function discoveryPort(port: DiscoveryPort, { context, bad }: Notes): readonly Entry[] {
  const labels = (port.labels?.labels ?? []).map(({ key, value = '' }) => ({ key, value }));
  const vips = labels.filter(({ key }) => isVipKey(key));
  bad.push(...labels.filter(({ key }) => /^vip/i.test(key) && !isVipKey(key)).map(wrongCase));
  const place = readPlace(port, labels);
  if ('code' in place) {
    bad.push(...vips.map((label) => ({ ...label, ...place })));
    return port.protocol ? [] : withoutProtocol(port, labels);
  }
  for (const label of vips) {
    const read = readVipLabel(label.value, { ...context, port: port.number });
    if (isProblem(read)) bad.push({ ...label, ...read });
  }
  const name = port.name === undefined || port.name === '' ? {} : { name: port.name };
  return [{ ...name, ...place, vips: united(vips.map(({ value }) => value)) }];
}

/** No VIP can be made of it, but Mesos-DNS gives it names under both protocols. */
function withoutProtocol(port: DiscoveryPort, labels: readonly Label[]): readonly Entry[] {
  const name = port.name ? { name: port.name } : {};
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const place = readPlace({ ...port, protocol }, labels);
    return 'code' in place ? [] : [{ ...name, ...place, vips: [] }];
  });
}

/** The protocol, and the number as a port of the task's own or of its agent; or why the port cannot be used. */
function readPlace(port: DiscoveryPort, labels: readonly Label[]): Omit<Entry, 'name' | 'vips'> | LabelProblem {
  const protocol = readProtocol(port.protocol ?? '');
  if (protocol === undefined) {
    return { code: 'LABEL_PROTOCOL', reason: `its port has the protocol "${port.protocol ?? ''}", not tcp or udp` };
  }
  const scopes = labels.filter(({ key }) => key === 'network-scope').map(({ value }) => value);
  const [scope = 'container', second] = scopes;
  if (second !== undefined || (scope !== 'host' && scope !== 'container')) {
    return {
      code: 'LABEL_SCOPE',
      reason: `its port has the network-scope ${scopes.join(' and ')}, not host or container`,
    };
  }
  if (!isPort(port.number)) return { code: 'LABEL_PORT_UNKNOWN', reason: `its port has the number ${port.number}` };
  return { protocol, ...(scope === 'host' ? { hostPort: port.number } : { port: port.number }) };
}

function wrongCase({ key, value }: Label): BadLabel {
  const mended = `VIP${key.slice(3)}=${value}`;
  return { key, value, code: 'LABEL_KEY', reason: 'its key must begin with VIP or vip, not a mixture', mended };
}

/** Entries of one description are never merged with each other. */
function merge(before: readonly Entry[], next: readonly Entry[]): readonly Entry[] {
  const united = before.map((one) => next.filter((other) => matches(one, other)).reduce(union, one));
  return [...united, ...next.filter((other) => !before.some((one) => matches(one, other)))];
}

function matches(a: Entry, b: Entry): boolean {
  const same = (x: number | undefined, y: number | undefined) => x !== undefined && x === y;
  return a.protocol === b.protocol && (same(a.port, b.port) || same(a.hostPort, b.hostPort));
}

function union(a: Entry, b: Entry): Entry {
  return { ...a, ...b, vips: united([...a.vips, ...b.vips]) };
}

function united(vips: readonly string[]): readonly string[] {
  return [...new Set(vips)].sort();
}

function collapsed(entries: readonly Entry[]): readonly Entry[] {
  const own = entries.map(({ hostPort, ...rest }) => (hostPort === undefined ? rest : { ...rest, port: hostPort }));
  const byPort = new Map<string, Entry>();
  for (const one of own) {
    const key = `${one.protocol}/${one.port}`;
    const other = byPort.get(key);
    byPort.set(key, other ? union(other, one) : one);
  }
  return [...byPort.values()];
}
