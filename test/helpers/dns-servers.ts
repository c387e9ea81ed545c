import { mkdirSync, writeFileSync } from 'node:fs';
import type { Lab, Site } from './lab.js';
import { startIn } from './servers.js';

// DNS servers of others in a site of their own, on port 53.

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** Unbound with a zone of its own: one name, and one with more addresses than fit without TCP. */
export async function startUnbound(lab: Lab, site: Site): Promise<void> {
  const path = `${lab.directory}/unbound.conf`;
  const data = [
    'upstream.test. 60 SOA ns.upstream.test. admin.upstream.test. 1 60 60 60 60',
    'www.upstream.test. 60 A 192.0.2.77',
    ...numbers(120).map((n) => `wide.upstream.test. 60 A 10.9.0.${n}`),
  ];
  const lines = [
    `server:\n  interface: ${site.v4}\n  access-control: 0.0.0.0/0 allow\n  do-daemonize: no\n  username: ""\n  chroot: ""`,
    `  pidfile: ""\n  use-syslog: no\n  logfile: ""\n  verbosity: 1\n  directory: ${lab.directory}\n  module-config: "iterator"`,
    '  local-zone: "upstream.test." static',
    ...data.map((record) => `  local-data: "${record}"`),
    'remote-control:\n  control-enable: no',
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  await startIn(lab, site, ['unbound', '-d', '-c', path]).wrote('start of service');
}

/** A few names, and one with more addresses than fit without TCP. */
function zoneText(): string {
  const records = ['@ SOA ns admin 1 60 60 60 30', '@ NS ns', 'ns A 192.0.2.1', 'www A 192.0.2.78', 'short CNAME www'];
  const wide = numbers(120).map((n) => `wide AAAA 2001:db8::${n}`);
  return ['$ORIGIN own.test.', '$TTL 60', ...records, ...wide, ''].join('\n');
}

/** Knot DNS, which knows its zone and refuses everything else. */
export async function startKnot(lab: Lab, site: Site): Promise<void> {
  const home = `${lab.directory}/knot`;
  mkdirSync(home);
  writeFileSync(`${home}/own.test.zone`, zoneText());
  const conf = [
    `server:\n  rundir: ${home}\n  listen: ${site.v4}@53\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1`,
    `database:\n  storage: ${home}\nlog:\n  - target: stdout\n    any: info`,
    `zone:\n  - domain: own.test\n    storage: ${home}\n    zonefile-sync: -1\n    journal-content: none\n`,
  ];
  writeFileSync(`${home}/conf`, conf.join('\n'));
  await startIn(lab, site, ['knotd', '-c', `${home}/conf`]).wrote('server started', 20_000);
}

/** NSD with the same zone. */
export async function startNsd(lab: Lab, site: Site): Promise<void> {
  const home = `${lab.directory}/nsd`;
  mkdirSync(home);
  writeFileSync(`${home}/own.test.zone`, zoneText());
  const conf = [
    `server:\n  ip-address: ${site.v4}\n  username: ""\n  zonesdir: ${home}\n  pidfile: ""\n  server-count: 1\n  verbosity: 1`,
    `  database: ""\n  zonelistfile: ${home}/zone.list\n  xfrdfile: ${home}/xfrd.state\n  xfrdir: ${home}\n  logfile: ""`,
    `remote-control:\n  control-enable: no\nzone:\n  name: own.test\n  zonefile: own.test.zone\n`,
  ];
  writeFileSync(`${home}/conf`, conf.join('\n'));
  await startIn(lab, site, ['nsd', '-d', '-c', `${home}/conf`]).wrote('nsd started', 20_000);
}
