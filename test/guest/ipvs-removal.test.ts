import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { scene, services } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { rootTest } from '../helpers/needs.js';
import { targetOf } from '../helpers/services.js';

// By itself IPVS sends what it has a connection for to a server that is gone, for as long as the client goes on.

const SETTINGS = { expire_nodest_conn: '1', expire_quiescent_template: '1' } as const;

rootTest(
  'D20: ipvs: nobody is left with a backend that is removed: sockets of UDP get another one, connections end',
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const all = services(servers);
    const [tcp, , udp] = all;
    const daemon = await Daemon.start(lab, all, '--mode', 'ipvs');
    for (const [name, value] of Object.entries(SETTINGS)) {
      t.is(run(lab.node.inside(['cat', `/proc/sys/net/ipv4/vs/${name}`])).trim(), value, name);
    }
    for (const client of [clients.workload, clients.outside]) {
      const open = async (manner: 'tcp' | 'udp-connected', service: typeof tcp) => {
        const talks = await Promise.all(Array.from({ length: 8 }, () => client.open(manner, targetOf(service!))));
        const answers = await Promise.all(talks.map((talk) => talk.ask()));
        return talks.filter((_, i) => answers[i]!.error === undefined && answers[i]!.name === 'one');
      };
      const [connections, sockets] = [await open('tcp', tcp), await open('udp-connected', udp)];
      t.true(connections.length > 0 && sockets.length > 0, 'of eight each some have the first server');
      await daemon.serve(services(servers.slice(1)));
      for (const socket of sockets) {
        await until('an answer of the other server', 30_000, async () => {
          const answer = await socket.ask();
          return answer.error === undefined && answer.name === 'two';
        });
      }
      for (const connection of connections) t.not((await connection.ask()).error, undefined);
      t.deepEqual(await client.tally('tcp', targetOf(tcp!), 5), { two: 5 });
      await daemon.serve(all);
    }
  },
  guest,
  ipvs,
);
