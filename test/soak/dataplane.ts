import { fileURLToPath } from 'node:url';
import type { Child } from '../../ts/quickstart/child.js';
import { table } from '../bench/statistics.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Owner } from '../helpers/lab.js';
import type { Held, SoakFigures } from '../helpers/programs/soak-client.js';
import { type Place, startAt } from '../helpers/programs.js';
import { startIn } from '../helpers/servers.js';
import { BackendChurn, type ChurnedService, definition, port, type Server } from './backend-churn.js';
import { disturb } from './disturb.js';
import { flag } from './flag.js';

/**
 * `npm run soak -- dataplane [--seconds N] [--megabytes N] [--changes N]`: connections by every hook, idle, busy and with a
 * download each (10 minutes, 1 GB), while tables are resized, programs replaced, the daemon killed, and backends come and go
 * (100 changes a second). None of them may be reset or meet another backend.
 */

const program = (name: string) => fileURLToPath(new URL(`../helpers/programs/${name}.js`, import.meta.url));

export interface SoakOptions {
  readonly seconds: number;
  readonly bytes: number;
  /** Of backends, a second. */
  readonly changes: number;
}

export interface ClientReport extends SoakFigures {
  readonly client: string;
}

export interface SoakReport {
  readonly clients: readonly ClientReport[];
  readonly disturbances: readonly string[];
  readonly changes: number;
  /** Changes that no daemon was there to take. */
  readonly missed: number;
}

interface Part {
  readonly name: string;
  readonly place: Place;
  /** As clients name it. */
  readonly vip: string;
  readonly steady: readonly Server[];
}

export async function soakDataplane(owner: Owner, options: SoakOptions): Promise<SoakReport> {
  const lab = Lab.create(owner);
  const near = await serversIn(lab, 'workload', ['a', 'b', 'x', 'y']);
  // For the VIP that is tracked exactly alone: of those that share backends with it, some connections were so too.
  const apart = await serversIn(lab, 'workload', ['e', 'f', 'w']);
  const far = await serversIn(lab, 'uplink', ['c', 'd', 'z']);
  const services = servicesOf(near, apart, far);
  const [client, outside] = [lab.site('client'), lab.site('outside', 'uplink')];
  const daemon = await Daemon.start(lab, [], '--max-flows', '65536', '--max-exact-flows', '4096');
  for (const { steady, ...service } of services) {
    await daemon.client.setService({ name: service.name, body: definition(service, steady) });
  }
  const steadyOf = (name: string) => services.find((service) => service.name === name)?.steady ?? [];
  const parts: Part[] = [
    { name: 'sock', place: 'node', vip: '11.0.0.80:7000', steady: steadyOf('near4') },
    { name: 'tc', place: client, vip: '11.0.0.80:7000', steady: steadyOf('near4') },
    { name: 'tc, IPv6', place: client, vip: '[fd01:c::80]:7000', steady: steadyOf('near6') },
    { name: 'xdp', place: outside, vip: '11.0.0.80:7000', steady: steadyOf('near4') },
    { name: 'tc, exact', place: client, vip: '11.0.0.82:7000', steady: steadyOf('exact') },
    { name: 'tc, full NAT', place: client, vip: '11.0.0.81:7000', steady: steadyOf('full') },
    { name: 'xdp, full NAT', place: outside, vip: '11.0.0.81:7000', steady: steadyOf('full') },
  ];
  const running = await Promise.all(parts.map((part) => startClient(lab, part, options)));
  const churn = new BackendChurn(daemon, services, options.changes);
  const over = Promise.all(running.map(({ exited }) => exited));
  const [disturbances] = await Promise.all([disturb(daemon, options.seconds), churn.until(over)]);
  const clients = running.map((child, i) => ({ client: parts[i]!.name, ...figuresOf(child) }));
  return { clients, disturbances, changes: churn.made, missed: churn.missed };
}

function servicesOf(near: readonly Server[], apart: readonly Server[], far: readonly Server[]): ChurnedService[] {
  const [steady, passing] = [near.slice(0, 2), near.slice(2)];
  const others = Array.from({ length: 5 }, (_, i) => ({ name: `other${i}`, vip: `11.0.0.${90 + i}:7000`, policy: {} }));
  return [
    { name: 'near4', vip: '11.0.0.80:7000', policy: {}, steady, passing },
    { name: 'near6', vip: '[fd01:c::80]:7000', policy: {}, steady, passing },
    {
      name: 'exact',
      vip: '11.0.0.82:7000',
      policy: { exact: true },
      steady: apart.slice(0, 2),
      passing: apart.slice(2),
    },
    {
      name: 'full',
      vip: '11.0.0.81:7000',
      policy: { forwarding: 'full-nat' },
      steady: far.slice(0, 2),
      passing: far.slice(2),
    },
    ...others.map((other) => ({ ...other, steady, passing })),
  ];
}

async function serversIn(lab: Lab, kind: 'workload' | 'uplink', letters: readonly string[]): Promise<Server[]> {
  return Promise.all(
    letters.map(async (letter) => {
      const site = lab.site(letter, kind);
      await startIn(lab, site, [process.execPath, program('soak-server'), letter, String(port)]).wrote('listening');
      return { ...site, letter };
    }),
  );
}

async function startClient(lab: Lab, { place, vip, steady }: Part, { seconds, bytes }: SoakOptions): Promise<Child> {
  const letters = steady.map(({ letter }) => letter).join('');
  const argv = [process.execPath, program('soak-client'), String(seconds), String(bytes), letters, vip];
  const child = startAt(lab, place, argv);
  lab.beforeRemoval(() => child.kill('SIGKILL'));
  await child.wrote('settled', 60_000);
  return child;
}

function figuresOf({ output, result }: Child): SoakFigures {
  const line = output.split('\n').findLast((one) => one.startsWith('{'));
  if (result !== 0 || line === undefined) throw new Error(`a client ended with ${result}: ${output}`);
  return JSON.parse(line) as SoakFigures;
}

/** Held connections that did not come through whole. */
export function broken({ clients }: SoakReport): readonly string[] {
  return clients.flatMap(({ client, held }) =>
    held
      .filter(({ error, wrong }) => error !== undefined || wrong > 0)
      .map(({ kind, letter, error = '', wrong }) => `${client}: ${kind} with ${letter}: ${error} ${wrong} wrong`),
  );
}

export function reportText(report: SoakReport): string {
  const sum = (held: readonly Held[], kind: Held['kind'], of: 'bytes' | 'wrong') =>
    held.filter((one) => one.kind === kind).reduce((total, one) => total + one[of], 0);
  const total = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, one) => all + one, 0);
  const rows = report.clients.map(({ client, held, answers, errors }) => [
    client,
    (sum(held, 'transfer', 'bytes') / 1e6).toFixed(0),
    `${held.filter(({ kind, error }) => kind === 'idle' && error === undefined).length}`,
    String(sum(held, 'busy', 'bytes')),
    String(total(answers)),
    total(errors) === 0 ? '0' : JSON.stringify(errors),
  ]);
  const heading = ['client', 'MB in one transfer', 'idle, still there', 'asked by one', 'new connections', 'failed'];
  const bad = broken(report);
  return [
    table([heading, ...rows]),
    '',
    `${report.changes} changes of backends, ${report.missed} more while no daemon was there; ${report.disturbances.join(', ')}`,
    bad.length === 0 ? 'none of those that were held was reset or met another backend' : bad.join('\n'),
  ].join('\n');
}

export async function soak(): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  const owner = { teardown: (one: () => Promise<void>) => void undo.unshift(one) };
  const options = {
    seconds: flag('seconds', 600),
    bytes: flag('megabytes', 1_000) * 1e6,
    changes: flag('changes', 100),
  };
  try {
    const report = await soakDataplane(owner, options);
    console.log(reportText(report));
    if (broken(report).length > 0) throw new Error('connections were lost');
  } finally {
    for (const one of undo) await one();
  }
}
