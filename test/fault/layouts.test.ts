import type { ServiceInput } from '../../ts/model/schema.js';
import { Agent, type OpenDialogue } from '../helpers/agent.js';
import { hold } from '../helpers/held.js';
import { program, rootTest } from '../helpers/needs.js';
import { buildOtherVersion } from '../helpers/other-version.js';
import { setScene } from '../helpers/scene.js';
import type { EchoServer } from '../helpers/servers.js';

// Versions that lay out differently what is in the maps take over from each other, under the connections that are in them.

const targets = [
  { address: '11.0.0.80', port: 7000 },
  { address: 'fd01:c::80', port: 7000 },
  { address: '11.0.0.81', port: 7000 },
];
const names = ['one', 'two', 'three', 'four'];

/** Of a schedule that would choose another backend for a flow that is lost. */
function services(servers: readonly EchoServer[]): ServiceInput[] {
  const schedule = 'random';
  return [
    { name: 'v4', vip: '11.0.0.80:7000', schedule, backends: servers.map(({ v4 }) => `${v4}:7000`) },
    { name: 'v6', vip: '[fd01:c::80]:7000', schedule, backends: servers.map(({ v6 }) => `[${v6}]:7000`) },
    { name: 'exact', vip: '11.0.0.81:7000', schedule, exact: true, backends: servers.map(({ v4 }) => `${v4}:7000`) },
  ];
}

/** Who answers; a machine that is busy with two daemons may be late once. */
async function answerOf(dialogue: OpenDialogue): Promise<string> {
  const answer = await dialogue.ask();
  if (answer.error !== 'TIMEOUT') return answer.error ?? answer.name;
  const late = await dialogue.ask();
  return late.error ?? late.name;
}

rootTest(
  'a version with other layouts, and back: no connection is reset or meets another backend, new ones work',
  async (t) => {
    const other = buildOtherVersion(t);
    const { lab, servers, client, daemon } = await setScene(t, 'tc', names, services, '--max-flows', '65536');
    const uplink = await Agent.start(lab, lab.site('uplink', 'uplink').namespace);
    const held = [...(await hold(client, targets, 24)), ...(await hold(uplink, targets, 24))];
    const own = daemon.executable;
    for (const [i, executable] of [other, own].entries()) {
      // New ones to the VIP over IPv6 alone: the others share their backends, which may take one client port for one connection
      // there (D12). And exact flows that begin in the moment of the change may have to begin anew.
      const loads = await Promise.all([client, uplink].map((one) => one.load('tcp', targets[1]!)));
      await daemon.end('SIGTERM');
      daemon.executable = executable;
      await daemon.restart();
      await daemon.holds(services(servers));
      t.regex(daemon.child?.output ?? '', /"map":"backends".*converting from another version/, `change ${i + 1}`);
      t.notRegex(daemon.child?.output ?? '', /not carried over/, `change ${i + 1}`);
      const answers: string[] = [];
      for (const { dialogue } of held) answers.push(await answerOf(dialogue));
      // The first half is the workload's, the second the uplink's, towards each target in turn.
      t.deepEqual(
        answers,
        held.map(({ name }) => name),
        `change ${i + 1}`,
      );
      for (const stop of loads) {
        const { failures } = await stop();
        // One that begins in the moment in which the programs are replaced may be slow on a busy machine.
        const lost = Object.values(failures).reduce((sum, count) => sum + count, 0);
        t.true(lost <= 1, `change ${i + 1}: ${JSON.stringify(failures)}`);
      }
    }
    const { vips } = await daemon.client.vips();
    t.true(vips.every(({ backends }) => backends.length === names.length));
    for (const { dialogue } of held) await dialogue.close();
  },
  program('cmake'),
);
