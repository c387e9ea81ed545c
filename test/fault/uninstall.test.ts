import { existsSync, readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Child } from '../../ts/quickstart/child.js';
import { run } from '../../ts/quickstart/command.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf } from '../helpers/services.js';

/** All that vipd could leave: pins, programs on interfaces and on the control group, routes. */
function traces(lab: Lab): unknown {
  const inside = (...argv: string[]) => run(lab.node.inside(argv)).trim();
  return {
    pins: existsSync(`${lab.bpffs}/vipd`) ? readdirSync(`${lab.bpffs}/vipd`) : [],
    interfaces: JSON.parse(inside('bpftool', '--json', 'net', 'list')),
    cgroup: run(['bpftool', '--json', 'cgroup', 'show', lab.cgroup.path]).trim(),
    routes: [inside('ip', 'route', 'show', 'table', 'all'), inside('ip', '-6', 'route', 'show', 'table', 'all')],
  };
}

for (const running of [true, false]) {
  rootTest(
    `uninstalling ${running ? 'under a running daemon' : 'after a kill'} leaves the node as it was`,
    async (t) => {
      const lab = Lab.create(t);
      const server = await startEcho(lab, lab.site('server'), 'one');
      lab.site('outside', 'uplink');
      const before = traces(lab);
      const daemon = await Daemon.start(lab, [serviceOf('web', '11.0.0.80:80', [server])]);
      t.notDeepEqual(traces(lab), before);
      if (running) await daemon.client.teardown();
      else await daemon.end('SIGKILL');
      t.is(await daemon.uninstall(), true);
      t.deepEqual(traces(lab), before);
    },
    program('bpftool'),
  );
}

/** How many pins there are; the directory may go at any moment. */
function pinned(lab: Lab, directory: string): number {
  try {
    return readdirSync(`${lab.bpffs}/vipd/${directory}`).length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Kills a process as soon as pins go from a directory; one that is through before that is noticed has ended by itself. */
async function killAtFirstLoss(lab: Lab, directory: string, victim: Child): Promise<unknown> {
  const before = pinned(lab, directory);
  while (victim.result === undefined && pinned(lab, directory) === before) await turn();
  victim.kill('SIGKILL');
  return victim.exited;
}

for (const directory of ['links', 'programs', 'maps']) {
  rootTest(
    `a teardown that was killed among the ${directory} is finished by uninstalling`,
    async (t) => {
      const lab = Lab.create(t);
      const server = await startEcho(lab, lab.site('server'), 'one');
      lab.site('outside', 'uplink');
      const before = traces(lab);
      const daemon = await Daemon.start(lab, [serviceOf('web', '11.0.0.80:80', [server])]);
      daemon.client.teardown().catch(() => undefined);
      t.log('ended by', await killAtFirstLoss(lab, directory, daemon.child!));
      t.true(await daemon.uninstall());
      t.deepEqual(traces(lab), before);
    },
    program('bpftool'),
  );
}
