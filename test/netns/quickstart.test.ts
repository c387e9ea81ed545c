import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Cgroup } from '../../ts/quickstart/cgroup.js';
import { Child } from '../../ts/quickstart/child.js';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';
import { rootTest } from '../helpers/needs.js';

// What `npm start` runs once everything is built, on the machine itself.

const quickstart = [process.execPath, join(packageRoot, 'dist/ts/quickstart/quickstart.js')];

/** Everything the quickstart might leave on the machine. */
function traces(): unknown {
  const list = (directory: string) => (existsSync(directory) ? readdirSync(directory) : []);
  return {
    routes: [run(['ip', 'route', 'show', 'table', 'all']), run(['ip', '-6', 'route', 'show', 'table', 'all'])],
    links: run(['ip', '-brief', 'link'])
      .split('\n')
      .map((line) => line.split(' ')[0]),
    places: ['/run', '/run/netns', new Cgroup('').path].flatMap(list).filter((name) => name.startsWith('vipd-q')),
    mounts: run(['mount', '-t', 'bpf'])
      .split('\n')
      .filter((line) => line.includes('vipd-quickstart')),
    forwarding: run(['cat', '/proc/sys/net/ipv4/ip_forward']),
  };
}

/** Starts it; whatever becomes of the test, it ends and cleans up. */
function start(t: ExecutionContext, ...flags: readonly string[]): Child {
  const child = Child.start([...quickstart, ...flags]);
  t.teardown(() => child.stop(30_000));
  return child;
}

rootTest('--once serves, survives the loss of a backend without a failed request, and leaves no trace', async (t) => {
  const before = traces();
  const child = start(t, '--once');
  t.is(await child.exited, 0, child.output);
  t.regex(child.output, /the host( +[1-9]\d*){3} +0\n/);
  t.regex(child.output, /vipd-qs-client( +[1-9]\d*){3} +0\n/);
  t.regex(child.output, /the host( +[1-9]\d*){2} +0\n/);
  t.deepEqual(traces(), before);
});

rootTest('goes on serving, refuses a second one, and at Ctrl-C leaves no trace', async (t) => {
  const before = traces();
  const child = start(t);
  await child.wrote('Serving until Ctrl-C', 30_000);
  const second = start(t, '--once');
  t.is(await second.exited, 1);
  t.regex(second.output, /is already running as process \d+/);
  const curl = ['packaging/bin/vipctl', 'exec', '--socket', '/run/vipd-quickstart/vipd.sock', '--'];
  t.regex(run([join(packageRoot, curl[0]!), ...curl.slice(1), 'curl', '-s', 'http://11.0.0.80/']), /^vipd-qs-[23]\n$/);
  const name = 'web.demo.l4lb.thisdcos.directory';
  const address = run(['dig', '@198.18.0.53', '+short', name]).trim();
  t.regex(address, /^11\.\d+\.\d+\.\d+$/);
  t.regex(
    run([join(packageRoot, curl[0]!), ...curl.slice(1), 'curl', '-s', `http://${address}/`]),
    /^vipd-qs-[123]\n$/,
  );
  child.kill('SIGINT');
  t.is(await child.exited, 0);
  t.deepEqual(traces(), before);
});

rootTest('what a killed one left behind is cleared by the next', async (t) => {
  const before = traces();
  const child = start(t);
  await child.wrote('vipd serves', 30_000);
  child.kill('SIGKILL');
  await child.exited;
  t.notDeepEqual(traces(), before);
  t.is(await start(t, '--once').exited, 0);
  t.deepEqual(traces(), before);
});

rootTest('--cluster 3 asks a name on every node, loses one, says how fast, and leaves no trace', async (t) => {
  t.timeout(170_000);
  const before = traces();
  const child = start(t, '--cluster', '3', '--once');
  t.is(await child.exited, 0, child.output);
  for (const node of ['node1', 'node2', 'node3'])
    t.regex(child.output, new RegExp(`${node}( +[1-9]\\d*){3} +0\n`), `the name leads from ${node} to all three`);
  for (const node of ['node1', 'node2']) {
    t.regex(
      child.output,
      new RegExp(`${node}: out of its kernel after \\d+\\.\\d\\d s; \\d+ of [1-9]\\d* requests failed`),
    );
    t.regex(child.output, new RegExp(`${node}( +[1-9]\\d*){2} +0\n`), `the name leads from ${node} to the two left`);
  }
  t.regex(child.output, /node3 10\.78\.0\.3: down, node node3 is unreachable since/);
  t.deepEqual(traces(), before);
});
