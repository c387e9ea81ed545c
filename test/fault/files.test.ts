import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { until } from '../../ts/quickstart/until.js';
import type { Daemon } from '../helpers/daemon.js';
import { rootTest } from '../helpers/needs.js';
import type { EchoServer } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';
import { shareScene } from '../helpers/shared-scene.js';

// Whatever is wrong with one file or one service shows in the status, and everything else goes on being served.

const web = (servers: readonly EchoServer[]) => [serviceOf('web', '11.0.0.80:80', servers)];

/** What an operator may put beside good files, and what the status must say about it. */
const mistakes: readonly { name: string; make: (path: string) => void; says: RegExp }[] = [
  { name: 'a torn file', make: write('services: [ { name: x'), says: /FILE_SYNTAX .*bad\.yaml:\d+:\d+/ },
  {
    name: 'a file that is not UTF-8',
    make: write(Buffer.from([0x23, 0xff, 0xfe, 0x0a])),
    says: /FILE_ENCODING .*bad\.yaml/,
  },
  { name: 'a directory in place of a file', make: (path) => mkdirSync(path), says: /FILE_IS_DIRECTORY .*bad\.yaml/ },
  {
    name: 'an unknown key',
    make: service('vip: 11.0.0.90:80, backends: [], colour: red'),
    says: /bad\.yaml:\d+:\d+ .*colour/,
  },
  { name: 'port 0', make: service('vip: 11.0.0.90:0, backends: []'), says: /bad\.yaml:\d+:\d+/ },
  { name: 'port 65536', make: service('vip: 11.0.0.90:65536, backends: []'), says: /bad\.yaml:\d+:\d+/ },
  {
    name: 'a backend named twice',
    make: service('vip: 11.0.0.90:80, backends: ["10.0.0.1:1", "10.0.0.1:1"]'),
    says: /bad\.yaml:\d+:\d+/,
  },
  {
    name: 'a backend of the other family',
    make: service('vip: 11.0.0.90:80, backends: ["[fd00::1]:1"]'),
    says: /bad\.yaml:\d+:\d+/,
  },
  {
    name: 'a VIP that another service has',
    make: service('vip: 11.0.0.80:80, backends: ["10.0.0.1:1"]'),
    says: /11\.0\.0\.80:80/,
  },
];

function write(content: string | Buffer): (path: string) => void {
  return (path) => writeFileSync(path, content);
}

function service(body: string): (path: string) => void {
  return write(`services:\n  - { name: bad, ${body} }\n`);
}

const scene = shareScene('tc', ['one']);

async function faultsOf(daemon: Daemon): Promise<string[]> {
  const status = await daemon.client.status();
  const faults = [...status.sources.flatMap((source) => source.faults), ...status.faults];
  return faults.map(({ code, object, cause }) => `${code} ${object} ${cause}`);
}

for (const { name, make, says } of mistakes) {
  rootTest(`${name} is reported by its place, and the others are served`, async (t) => {
    const { lab, servers, client, daemon } = await scene(web);
    const bad = `${lab.directory}/services.d/z-bad.yaml`; // the first by name wins
    t.teardown(() => rmSync(bad, { recursive: true }));
    await until('that nothing is wrong', 5000, async () => (await faultsOf(daemon)).length === 0);
    make(bad);
    await until(`a fault like ${says}`, 5000, async () => (await faultsOf(daemon)).some((one) => says.test(one)));
    t.like(await client.ask('tcp', targetOf(web(servers)[0]!)), { name: 'one' });
  });
}
