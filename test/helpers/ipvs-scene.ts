import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { attempt } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from './agent.js';
import { Lab } from './lab.js';
import type { rootTest } from './needs.js';
import { type EchoServer, startEcho } from './servers.js';
import { serviceOf } from './services.js';

type Context = Parameters<Parameters<typeof rootTest>[1]>[0];

/** One VIP for each protocol and family. */
export const services = (servers: readonly EchoServer[]) => [
  serviceOf('tcp4', '11.0.0.80:80', servers),
  serviceOf('tcp6', '[fd01:c::80]:80', servers),
  serviceOf('udp4', '11.0.0.80:80', servers, { protocol: 'udp' }),
  serviceOf('udp6', '[fd01:c::80]:80', servers, { protocol: 'udp' }),
];

/** Two servers, and a client on the node, where its sock hook would see it, in a workload and outside. */
export async function scene(t: Context) {
  const lab = Lab.create(t);
  const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name), name)));
  const clients = {
    local: await Agent.start(lab, lab.node, lab.cgroup),
    workload: await Agent.start(lab, lab.site('workload').namespace),
    outside: await Agent.start(lab, lab.site('outside', 'uplink').namespace),
  };
  return { lab, servers, clients };
}

function isLoaded(module: string): boolean {
  return new RegExp(`^${module} `, 'm').test(readFileSync('/proc/modules', 'utf8'));
}

/** From now on nobody can load it. @param users modules that stand on it */
export async function withoutModule(t: Context, name: string, ...users: readonly string[]): Promise<void> {
  const rule = `/etc/modprobe.d/vipd-test-${name}.conf`;
  mkdirSync('/etc/modprobe.d', { recursive: true });
  writeFileSync(rule, `install ${name} /bin/false\n`);
  t.teardown(() => rmSync(rule));
  // Namespaces that are gone hold it a little longer.
  await until('the unloading of a module', 30_000, () => {
    const loaded = [...users, name].filter(isLoaded); // not every kernel has them all
    return loaded.length === 0 || attempt(['modprobe', '-r', ...loaded]);
  });
}
