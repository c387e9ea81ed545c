import { createHash } from 'node:crypto';
import { canonicalAddress, type Protocol } from '../model/address.js';
import { dnsFragment, dnsLabel } from '../model/name.js';
import type { Agent, Framework, Task, TaskTable } from '../model/task.js';
import type { Entry } from './ledger.js';
import { LABEL_MAX, type NameKey, nameKey } from './name.js';
import { address, cname, type RecordData, srv } from './record.js';
import { addressesOf, isNamed, keyOf } from './task-records.js';
import { zbase32 } from './zbase32.js';
import type { Authority } from './zone.js';

// The record forms of Mesos-DNS. FW is the framework's name, its dots kept; D the zone; all names as text.

export interface MesosForms {
  /** `mesos` */
  readonly zone: string;
  /** With container addresses wherever a task has one, reachable or not, as Mesos-DNS does it by default. */
  readonly parity: boolean;
}

const both: readonly Protocol[] = ['tcp', 'udp'];

/** Who Mesos-DNS says is responsible. @param ttl of the zone, seconds, where its times are to be those of Mesos-DNS too */
export function mesosAuthority(zone: string, ttl: number | undefined): Authority {
  const names = { nameServer: nameKey(`ns1.${zone}`), mailbox: nameKey(`root.ns1.${zone}`) };
  return {
    ...names,
    ...(ttl === undefined ? { retry: 180, minimum: 1, soaTtl: 5 } : { retry: 600, minimum: ttl, soaTtl: ttl }),
  };
}

/** All records of one task; none unless it runs on an agent that is known. */
export function mesosTaskEntries(task: Task, agents: TaskTable['agents'], forms: MesosForms): Entry[] {
  const framework = dnsFragment(task.framework);
  if (!isNamed(task) || !agents.has(task.agentId) || framework === '' || dnsLabel(task.name) === '') return [];
  const own = `${canonical(task)}.${framework}`;
  const addresses = addressesOf(task, forms.parity ? 'containerip' : 'autoip');
  const named = names(task).flatMap((name) => [
    ...at(`${name}.${framework}.${forms.zone}`, addresses.map(address)),
    ...at(`${name}.${framework}.slave.${forms.zone}`, [address(task.agentAddress)]),
  ]);
  return [
    ...named,
    ...at(`${own}.${forms.zone}`, addresses.map(address)),
    ...at(`${own}.slave.${forms.zone}`, [address(task.agentAddress)]),
    ...hostPortEntries(task, framework, own, forms),
    ...(task.discovery ? discoveryEntries(task, framework, own, forms) : []),
  ];
}

/** Dashed, and with discovery information dotted as well. */
function names(task: Task): readonly string[] {
  return [...new Set(task.discovery ? [dnsLabel(task.name), dnsFragment(task.name)] : [dnsLabel(task.name)])];
}

/** A name for this one task: `web-x7abc-s12`, cut where Mesos-DNS makes one that is too long to be asked for. */
export function canonical(task: Pick<Task, 'name' | 'id' | 'agentId'>): string {
  const hash = zbase32(createHash('sha1').update(task.id).digest()).slice(0, 5);
  const tail = task.agentId.slice(task.agentId.lastIndexOf('-') + 1).toLowerCase();
  const end = `-${hash}-${tail}`;
  return `${cut(dnsLabel(task.name), LABEL_MAX - end.length)}${end}`;
}

/** With the underscore that names of services begin with; it counts. */
function serviceName(name: string): string {
  const [first = '', ...others] = name.split('.');
  return [`_${cut(first, LABEL_MAX - 1)}`, ...others].join('.');
}

function cut(label: string, length: number): string {
  return label.slice(0, Math.max(1, length)).replace(/-+$/, '');
}

function hostPortEntries(task: Task, framework: string, own: string, { zone }: MesosForms): Entry[] {
  const target = keyOf(`${own}.slave.${zone}`);
  if (target === undefined) return [];
  const records = task.resourcePorts.map((port) => srv(target, port));
  const below = task.discovery ? [`${framework}.slave`] : [framework, `${framework}.slave`];
  return names(task).flatMap((name) =>
    both.flatMap((protocol) =>
      below.flatMap((rest) => at(`${serviceName(name)}._${protocol}.${rest}.${zone}`, records)),
    ),
  );
}

function discoveryEntries(task: Task, framework: string, own: string, { zone, parity }: MesosForms): Entry[] {
  const target = keyOf(`${own}.${zone}`);
  if (target === undefined) return [];
  const onAgent = !parity && task.ports.some(({ hostPort }) => hostPort !== undefined);
  return task.ports.flatMap((port) => {
    const number = (onAgent ? port.hostPort : undefined) ?? port.port ?? port.hostPort;
    if (number === undefined) return [];
    const labels = port.name === 'default' ? [''] : ['', `${serviceName(dnsLabel(port.name))}.`];
    return names(task).flatMap((name) =>
      labels.flatMap((label) =>
        at(`${label}${serviceName(name)}._${port.protocol}.${framework}.${zone}`, [srv(target, number)]),
      ),
    );
  });
}

export function mesosAgentEntries(agent: Agent, zone: string): Entry[] {
  return [
    ...at(`slave.${zone}`, [address(agent.address)]),
    ...at(`_slave._tcp.${zone}`, [srv(nameKey(`slave.${zone}`), agent.port)]),
  ];
}

/** Its scheduler: by address, else under the name that its host has elsewhere. */
export function mesosFrameworkEntries(framework: Framework, zone: string): Entry[] {
  const name = dnsFragment(framework.name);
  const target = name === '' ? undefined : keyOf(`${name}.${zone}`);
  const place = target === undefined ? undefined : placeOf(framework, target);
  if (target === undefined || place === undefined) return [];
  const service = framework.port === undefined ? [] : [srv(target, framework.port)];
  return [{ name: target, data: place }, ...at(`_framework._tcp.${name}.${zone}`, service)];
}

function placeOf({ address: own, hostname = '' }: Framework, target: NameKey): RecordData | undefined {
  if (own !== undefined) return address(own);
  const literal = tryAddress(hostname);
  if (literal !== undefined) return address(literal);
  const host = hostname.includes('.') ? keyOf(hostname) : undefined;
  return host === undefined || host === target ? undefined : cname(host);
}

function tryAddress(text: string): string | undefined {
  try {
    return canonicalAddress(text);
  } catch {
    return undefined;
  }
}

/** A leader that is not among the configured masters gets the next number. */
export function mesosMasterEntries({ masters, leader }: Pick<TaskTable, 'masters' | 'leader'>, zone: string): Entry[] {
  const known = masters.map((master) => master.address);
  const all = leader === undefined || known.includes(leader.address) ? known : [...known, leader.address];
  const numbered = all.flatMap((one, i) => at(`master${i}.${zone}`, [address(one)]));
  const first = leader === undefined ? [] : leaderEntries(leader, zone);
  return [...first, ...at(`master.${zone}`, all.map(address)), ...numbered];
}

function leaderEntries(leader: NonNullable<TaskTable['leader']>, zone: string): Entry[] {
  const target = nameKey(`leader.${zone}`);
  const services = both.flatMap((protocol) => at(`_leader._${protocol}.${zone}`, [srv(target, leader.port)]));
  return [...at(`leader.${zone}`, [address(leader.address)]), ...services];
}

function at(text: string, records: readonly RecordData[]): Entry[] {
  const name = keyOf(text);
  return name === undefined ? [] : records.map((data) => ({ name, data }));
}
