import { fileURLToPath } from 'node:url';
import { canonical } from '../../ts/dns/mesos-records.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import type { ToldCluster } from '../helpers/programs/mesos-master.js';
import { runAt, startAt } from '../helpers/programs.js';

// Every form of record of Mesos-DNS, and the names of DC/OS for the same tasks, as dig sees them behind a master.

const simulated = fileURLToPath(new URL('../helpers/programs/mesos-master.js', import.meta.url));
const MASTER = '127.0.0.2';
const [agent1, agent2] = ['10.0.0.1', '10.0.0.2'];

const cluster: ToldCluster = {
  address: MASTER,
  agents: [
    { id: 'a8-S1', hostname: agent1, port: 5051 },
    { id: 'a8-S2', hostname: agent2, port: 5051 },
  ],
  frameworks: [
    { id: 'F-1', name: 'marathon', pid: 'scheduler-7@10.0.9.1:15101' },
    { id: 'F-2', name: 'dev.chronos' },
  ],
  tasks: [
    {
      id: 'db_pg.i-1',
      name: 'pg.db',
      framework: 'F-1',
      agent: 'a8-S1',
      addresses: ['172.18.0.2', 'fd01:b::2'],
      ports: [{ number: 31_000, name: 'sql' }],
      mappings: [[5432, 31_000]],
      resources: [[31_000, 31_000]],
    },
    { id: 'web.i-1', name: 'web', framework: 'F-1', agent: 'a8-S1', addresses: ['9.0.1.2'], ports: [{ number: 80 }] },
    { id: 'web.i-2', name: 'web', framework: 'F-1', agent: 'a8-S2', addresses: ['9.0.2.2'], ports: [{ number: 80 }] },
    {
      id: 'job:1',
      name: 'nightly',
      framework: 'F-2',
      agent: 'a8-S2',
      addresses: [agent2],
      resources: [[31_500, 31_501]],
      discovery: false,
    },
    { id: 'late.i-1', name: 'late', framework: 'F-1', agent: 'a8-S1', addresses: ['9.0.1.3'], state: 'TASK_STAGING' },
  ],
};

const nameOf = (i: number) => {
  const { id, name = id, agent } = cluster.tasks[i]!;
  return canonical({ id, name, agentId: agent });
};
const [pg, web1, web2, nightly] = [0, 1, 2, 3].map(nameOf);

/** Question and all its answers. */
const forms: readonly (readonly [name: string, type: string, ...answers: string[]])[] = [
  ['leader.mesos', 'A', MASTER],
  ['_leader._tcp.mesos', 'SRV', '0 1 5050 leader.mesos.'],
  ['_leader._udp.mesos', 'SRV', '0 1 5050 leader.mesos.'],
  ['master.mesos', 'A', MASTER],
  ['master0.mesos', 'A', MASTER],
  ['master1.mesos', 'A'],
  ['slave.mesos', 'A', agent1, agent2],
  ['_slave._tcp.mesos', 'SRV', '0 1 5051 slave.mesos.'],
  ['marathon.mesos', 'A', '10.0.9.1'],
  ['_framework._tcp.marathon.mesos', 'SRV', '0 1 15101 marathon.mesos.'],
  ['_framework._tcp.dev.chronos.mesos', 'SRV'],
  ['pg-db.marathon.mesos', 'A', agent1],
  ['pg.db.marathon.mesos', 'A', agent1],
  ['PG.db.Marathon.Mesos', 'A', agent1],
  ['pg-db.marathon.slave.mesos', 'A', agent1],
  [`${pg}.marathon.mesos`, 'A', agent1],
  [`${pg}.marathon.slave.mesos`, 'A', agent1],
  ['_pg-db._tcp.marathon.mesos', 'SRV', `0 1 31000 ${pg}.marathon.mesos.`],
  ['_pg.db._tcp.marathon.mesos', 'SRV', `0 1 31000 ${pg}.marathon.mesos.`],
  ['_pg-db._udp.marathon.mesos', 'SRV'],
  ['_sql._pg-db._tcp.marathon.mesos', 'SRV', `0 1 31000 ${pg}.marathon.mesos.`],
  ['_pg-db._tcp.marathon.slave.mesos', 'SRV', `0 1 31000 ${pg}.marathon.slave.mesos.`],
  ['_pg-db._udp.marathon.slave.mesos', 'SRV', `0 1 31000 ${pg}.marathon.slave.mesos.`],
  ['web.marathon.mesos', 'A', '9.0.1.2', '9.0.2.2'],
  ['web.marathon.slave.mesos', 'A', agent1, agent2],
  ['_web._tcp.marathon.mesos', 'SRV', `0 1 80 ${web1}.marathon.mesos.`, `0 1 80 ${web2}.marathon.mesos.`],
  [`${web2}.marathon.mesos`, 'A', '9.0.2.2'],
  ['nightly.dev.chronos.mesos', 'A', agent2],
  ...(['tcp', 'udp'] as const).flatMap((protocol) =>
    ['dev.chronos', 'dev.chronos.slave'].map(
      (place) =>
        [
          `_nightly._${protocol}.${place}.mesos`,
          'SRV',
          `0 1 31500 ${nightly}.dev.chronos.slave.mesos.`,
          `0 1 31501 ${nightly}.dev.chronos.slave.mesos.`,
        ] as const,
    ),
  ),
  ['late.marathon.mesos', 'A'],
  ['nobody.marathon.mesos', 'A'],
  ['pg-db.marathon.agentip.dcos.thisdcos.directory', 'A', agent1],
  ['pg-db.marathon.containerip.dcos.thisdcos.directory', 'A', '172.18.0.2'],
  ['pg-db.marathon.containerip.dcos.thisdcos.directory', 'AAAA', 'fd01:b::2'],
  ['pg-db.marathon.autoip.dcos.thisdcos.directory', 'A', agent1],
  ['web.marathon.autoip.dcos.thisdcos.directory', 'A', '9.0.1.2', '9.0.2.2'],
  ['leader.dcos.thisdcos.directory', 'A', MASTER],
  ['2.0.18.172.in-addr.arpa', 'PTR', 'pg-db.marathon.containerip.dcos.thisdcos.directory.'],
  ['2.1.0.9.in-addr.arpa', 'PTR', 'web.marathon.containerip.dcos.thisdcos.directory.'],
  ['1.0.0.10.in-addr.arpa', 'PTR', 'slave.mesos.'],
  [
    '2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.0.0.1.0.d.f.ip6.arpa',
    'PTR',
    'pg-db.marathon.containerip.dcos.thisdcos.directory.',
  ],
];

/** All in one run of dig: what it prints with +short, between questions that it is told to repeat. */
async function answersTo(lab: Lab, questions: readonly (readonly string[])[]): Promise<readonly string[][]> {
  const asked = questions.flatMap(([name = '', type = '']) => [name, type, '+noall', '+answer', '+question']);
  const text = await runAt(lab, 'node', 'dig', '@198.51.100.1', '+tries=1', '+time=10', ...asked);
  const parts = text.split(/^;.*$/m).slice(-questions.length);
  return parts.map((part) =>
    part
      .split('\n')
      .flatMap((line) => /\sIN\s+\S+\s+(.*)$/.exec(line)?.[1] ?? [])
      .sort(),
  );
}

rootTest(
  'every form of record of Mesos-DNS and of DC/OS comes of the tasks that a master tells',
  async (t) => {
    const lab = Lab.create(t);
    const master = startAt(lab, 'node', [process.execPath, simulated, JSON.stringify(cluster)]);
    lab.beforeRemoval(() => master.stop());
    await master.wrote('listening');
    const daemon = await Daemon.start(lab, [], '--dns', 'true', '--mesos-master', `http://${MASTER}:5050`);
    await until('the table of tasks', 20_000, async () => {
      const { records } = await daemon.client.dnsRecords({ zone: 'mesos' });
      return records.some(({ name }) => name.startsWith('_framework._tcp.'));
    });
    const answers = await answersTo(lab, forms);
    t.is(answers.length, forms.length);
    for (const [i, [name, type, ...expected]] of forms.entries()) {
      t.deepEqual(answers[i], expected.sort(), `${name} ${type}`);
    }
  },
  program('dig'),
);
