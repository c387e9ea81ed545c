import { readingLater } from '../errors.js';
import type { ApiPorts, DnsPort, DnsTask } from '../ports.js';
import type { DnsRecord } from '../routes/dns.js';
import type { mesosDnsRoutes } from '../routes/mesosdns.js';
import type { Frozen } from '../routes/route.js';
import type { Handlers } from '../routes/routes.js';
import { dnsOf } from './dns.js';

const zone = 'mesos';
/** What a Mesos-DNS says that reads the state of the master once a minute; this table is never older than a moment. */
const refreshSeconds = 1;

export function mesosDnsHandlers(ports: ApiPorts): Handlers<typeof mesosDnsRoutes> {
  const port = () => dnsOf(ports.dns);
  return {
    version: async () => ({ Service: 'vipd', Version: ports.node.version, URL: '' }),
    hosts: ({ name }) => readingLater(() => hostsOf(port(), name)),
    servicesOf: ({ name }) => readingLater(() => servicesOf(port(), name)),
    records: async () =>
      [...port().records()]
        .filter(isListed)
        .map(({ name, type, data }) => ({ name, host: hostOf(type, data), rtype: type })),
    enumerate: async () => ({ frameworks: frameworksOf(port().tasks()) }),
    axfr: async () => transfer(port()),
  };
}

/** A dot at the end, as Mesos-DNS writes names. */
const dotted = (name: string) => `${name}.`;
const isListed = ({ type }: Frozen<DnsRecord>) => type === 'A' || type === 'AAAA' || type === 'SRV';

async function addressesOf(port: DnsPort, name: string): Promise<readonly { name: string; data: string }[]> {
  const answers = await Promise.all(['A', 'AAAA'].map((type) => port.lookup(name, type)));
  return answers.flatMap(({ answer }) => answer).filter(({ type }) => type === 'A' || type === 'AAAA');
}

async function hostsOf(port: DnsPort, name: string) {
  const hosts = (await addressesOf(port, name)).map((one) => ({ host: dotted(one.name), ip: one.data }));
  return hosts.length > 0 ? hosts : [{ host: '', ip: '' }];
}

async function servicesOf(port: DnsPort, name: string) {
  const { answer } = await port.lookup(name, 'SRV');
  const services = await Promise.all(
    answer
      .filter(({ type }) => type === 'SRV')
      .map(async ({ data }) => {
        const [, , number = '', target = ''] = data.split(' ');
        const [address] = await addressesOf(port, target);
        return { service: name, host: dotted(target), ip: address?.data ?? '', port: number };
      }),
  );
  return services.length > 0 ? services : [{ service: '', host: '', ip: '', port: '' }];
}

/** NAME:PORT of a service, else the data as it is. */
function hostOf(type: string, data: string): string {
  const [, , port, target] = data.split(' ');
  return type === 'SRV' ? `${target}:${port}` : data;
}

function frameworksOf(tasks: Iterable<DnsTask>) {
  const byFramework = new Map<string, DnsTask[]>();
  for (const task of tasks) {
    const some = byFramework.get(task.framework);
    if (some === undefined) byFramework.set(task.framework, [task]);
    else some.push(task);
  }
  return [...byFramework].map(([name, some]) => ({
    name,
    tasks: some.map((task) => ({ name: task.name, id: task.id, records: task.records })),
  }));
}

function transfer(port: DnsPort) {
  const serial = port.zones().find((one) => one.zone === zone)?.serial ?? 0;
  const sets = { A: new Map<string, string[]>(), AAAA: new Map<string, string[]>(), SRV: new Map<string, string[]>() };
  let ttl = 0;
  for (const record of port.records()) {
    if (record.zone !== zone || !isListed(record)) continue;
    ttl = record.ttl;
    add(sets[record.type as keyof typeof sets], dotted(record.name), axfrData(record));
  }
  const [As, AAAAs, SRVs] = [sets.A, sets.AAAA, sets.SRV].map((set) => Object.fromEntries(set));
  const names = { Mname: `ns1.${zone}.`, Rname: `root.ns1.${zone}.`, Domain: zone };
  return {
    TTL: ttl,
    Serial: serial,
    RefreshSeconds: refreshSeconds,
    ...names,
    Records: { As: As!, AAAAs: AAAAs!, SRVs: SRVs! },
  };
}

function axfrData({ type, data }: Frozen<DnsRecord>): string {
  const [, , port, target] = data.split(' ');
  return type === 'SRV' ? `${target}.:${port}` : data;
}

function add(sets: Map<string, string[]>, name: string, value: string): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, [value]);
  else set.push(value);
}
