import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { benchName, benchZone, names, upstreamZone } from './dns-zone.js';

/** A DNS server as a command that stays in the foreground, and what it writes when it answers. */
export interface Server {
  readonly name: string;
  readonly port: number;
  readonly argv: readonly string[];
  readonly says: string;
  /** What it can do: `tcp`, and to ask another server. */
  readonly does: readonly ('local' | 'tcp' | 'cached' | 'forwarded')[];
}

const addressesOf = (i: number) => [1, 2, 3].map((n) => `10.${n}.${i >> 8}.${i & 255}`);
const all = Array.from({ length: names }, (_, i) => ({ name: benchName(i), addresses: addressesOf(i) }));
const everything = ['local', 'tcp', 'cached', 'forwarded'] as const;
const program = fileURLToPath(new URL('dns-program.js', import.meta.url));

/** Each with one thread. The upstream is a Knot DNS at `upstreamPort`. */
export function rivals(directory: string, upstreamPort: number): readonly Server[] {
  return [
    vipd('vipd', 'native', 5401, upstreamPort, everything),
    vipd('vipd over node:dgram', 'dgram', 5402, upstreamPort, ['local']),
    unbound(directory, 5403, upstreamPort),
    knot(directory, 'knot', 5404),
    dnsmasq(directory, 5405, upstreamPort),
  ];
}

function vipd(name: string, kind: string, port: number, upstream: number, does: Server['does']): Server {
  return { name, port, argv: [process.execPath, program, kind, String(port), String(upstream)], says: 'ready', does };
}

export function knot(directory: string, name: string, port: number): Server {
  const home = made(directory, name);
  const zone = (apex: string, records: readonly string[]) => {
    const head = [`$ORIGIN ${apex}.`, '$TTL 3600', '@ SOA ns hostmaster 1 60 60 60 60', '@ NS ns', 'ns A 127.0.0.1'];
    writeFileSync(`${home}/${apex}.zone`, `${[...head, ...records].join('\n')}\n`);
    return `  - domain: ${apex}\n    storage: ${home}\n    file: ${apex}.zone\n    zonefile-sync: -1\n    journal-content: none`;
  };
  const own = all.flatMap((one) => one.addresses.map((address) => `${one.name}. A ${address}`));
  const conf = [
    `server:\n  rundir: ${home}\n  listen: 127.0.0.1@${port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1`,
    `database:\n  storage: ${home}\nlog:\n  - target: stdout\n    any: info`,
    `zone:\n${zone(benchZone, own)}\n${zone(upstreamZone, ['* A 192.0.2.1'])}`,
  ];
  writeFileSync(`${home}/conf`, `${conf.join('\n')}\n`);
  return { name, port, argv: ['knotd', '-c', `${home}/conf`], says: 'server started', does: ['local', 'tcp'] };
}

function unbound(directory: string, port: number, upstream: number): Server {
  const home = made(directory, 'unbound');
  const data = all.flatMap((one) => one.addresses.map((address) => `  local-data: "${one.name}. 5 A ${address}"`));
  const lines = [
    'server:',
    `  interface: 127.0.0.1@${port}`,
    '  num-threads: 1\n  do-daemonize: no\n  username: ""\n  chroot: ""\n  pidfile: ""\n  use-syslog: no\n  logfile: ""',
    `  directory: ${home}\n  do-not-query-localhost: no\n  module-config: "iterator"\n  verbosity: 1`,
    '  so-rcvbuf: 1m\n  msg-cache-size: 256m\n  rrset-cache-size: 256m\n  outgoing-range: 4096\n  num-queries-per-thread: 4096',
    '  incoming-num-tcp: 100\n  tcp-idle-timeout: 30000',
    `  local-zone: "${benchZone}." static`,
    ...data,
    `forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@${upstream}`,
    'remote-control:\n  control-enable: no',
  ];
  writeFileSync(`${home}/conf`, `${lines.join('\n')}\n`);
  return {
    name: 'unbound',
    port,
    argv: ['unbound', '-d', '-c', `${home}/conf`],
    says: 'start of service',
    does: everything,
  };
}

function dnsmasq(directory: string, port: number, upstream: number): Server {
  const home = made(directory, 'dnsmasq');
  const hosts = all.flatMap((one) => one.addresses.map((address) => `${address} ${one.name}`));
  writeFileSync(`${home}/hosts`, `${hosts.join('\n')}\n`);
  const argv = [
    ...['dnsmasq', '--no-daemon', '--no-resolv', '--no-hosts', '--user=root', '--pid-file=', '--conf-file=/dev/null'],
    ...[
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      `--port=${port}`,
      `--addn-hosts=${home}/hosts`,
      '--local-ttl=5',
    ],
    ...['--cache-size=10000', '--dns-forward-max=4096', `--server=127.0.0.1#${upstream}`],
  ];
  return { name: 'dnsmasq', port, argv, says: 'read /', does: ['local', 'cached', 'forwarded'] };
}

function made(directory: string, name: string): string {
  mkdirSync(`${directory}/${name}`, { recursive: true });
  return `${directory}/${name}`;
}
