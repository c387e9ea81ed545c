import { mkdirSync, writeFileSync } from 'node:fs';
import { Child } from '../../ts/quickstart/child.js';
import { patient } from '../../ts/quickstart/until.js';
import type { Lab, Site } from './lab.js';
import { startIn } from './servers.js';

// Real servers and clients, configured to live inside a lab.

/** Where a client's command runs: on a site, meeting the tc hook, or on the node, meeting the sock hook. */
export type Place = Site | 'node';

export function startAt(lab: Lab, place: Place, argv: readonly string[], interactive = false): Child {
  const command = place === 'node' ? lab.cgroup.inside(lab.node.inside(argv)) : place.namespace.inside(argv);
  return Child.start(command, { interactive });
}

/** Runs a command to its end and returns what it printed. @throws VipdError COMMAND_FAILED */
export function runAt(lab: Lab, place: Place, ...argv: readonly string[]): Promise<string> {
  return startAt(lab, place, argv).success();
}

/** A command that is ended, with status 124, when it takes longer than it may even on an emulated machine. */
export function within(seconds: number, ...argv: readonly string[]): string[] {
  return ['timeout', String(patient(seconds * 1_000) / 1_000), ...argv];
}

/** An nginx that answers on port 80 with its name, and with 1 MiB at /big; `by`: what runs it, such as taskset. */
export async function startNginx(lab: Lab, site: Site, name: string, ...by: readonly string[]): Promise<void> {
  const directory = `${lab.directory}/${name}`;
  mkdirSync(directory);
  writeFileSync(`${directory}/big`, Buffer.alloc(1 << 20, name));
  const server = `listen 80; listen [::]:80; root ${directory}; location = / { return 200 "${name}\\n"; }`;
  const lines = [
    'daemon off; master_process off; user root; events {}',
    `error_log stderr notice; pid ${directory}/pid;`,
    `http { access_log off; ${temporary(directory)} server { ${server} } }`,
  ];
  writeFileSync(`${directory}/conf`, lines.join('\n'));
  const nginx = ['nginx', '-p', directory, '-c', `${directory}/conf`, '-e', 'stderr'];
  await startIn(lab, site, [...by, ...nginx]).wrote('event method');
}

/** An nginx on the node, met by the sock hook, that answers on port 80 of loopback as `location` says. */
export async function startProxy(lab: Lab, location: string): Promise<void> {
  const directory = `${lab.directory}/proxy`;
  mkdirSync(directory);
  const lines = [
    'daemon off; master_process off; user root; events {}',
    `error_log stderr notice; pid ${directory}/pid;`,
    `http { access_log off; ${temporary(directory)} server { listen 127.0.0.1:80; location / { ${location} } } }`,
  ];
  writeFileSync(`${directory}/conf`, lines.join('\n'));
  const nginx = startAt(lab, 'node', ['nginx', '-p', directory, '-c', `${directory}/conf`, '-e', 'stderr']);
  lab.beforeRemoval(() => nginx.stop());
  await nginx.wrote('event method');
}

/** Where nginx keeps what it receives: nowhere outside the lab. */
function temporary(directory: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return kinds.map((one) => `${one}_temp_path ${directory};`).join(' ');
}

/** redis-server under the name of the tool it shares its binary with, so that the package with the service is not needed. */
export async function startRedis(lab: Lab, site: Site): Promise<void> {
  const flags = '--save "" --protected-mode no --bind 0.0.0.0 ::';
  const redis = startIn(lab, site, ['bash', '-c', `exec -a redis-server redis-check-rdb ${flags}`]);
  await redis.wrote('Ready to accept connections');
}

/** A DNS server that knows `host.test` by IPv4 and IPv6, over UDP and TCP. */
export async function startDnsmasq(lab: Lab, site: Site, ...more: readonly string[]): Promise<void> {
  const names = ['--address=/host.test/192.0.2.7', '--address=/host.test/2001:db8::7', ...more];
  const alone = [
    '--no-daemon',
    '--no-resolv',
    '--no-hosts',
    '--user=root',
    '--pid-file=',
    '--conf-file=/dev/null',
    '--local-ttl=60',
  ];
  await startIn(lab, site, ['dnsmasq', ...alone, ...names]).wrote('started');
}

export async function startIperf(lab: Lab, site: Site): Promise<void> {
  await startIn(lab, site, ['iperf3', '--server', '--forceflush']).wrote('listening');
}
