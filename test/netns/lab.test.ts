import { existsSync, readdirSync } from 'node:fs';
import test from 'ava';
import { Agent } from '../helpers/agent.js';
import { Lab } from '../helpers/lab.js';
import { rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';

// What every other suite here stands on: the network works, and VIPs lead nowhere while nobody serves them.

rootTest('sites reach each other over both families and protocols', async (t) => {
  const lab = Lab.create(t);
  const server = await startEcho(lab, lab.site('server'), 'one');
  const site = lab.site('client');
  const client = await Agent.start(lab, site.namespace);
  for (const manner of ['tcp', 'udp', 'udp-connected'] as const) {
    t.like(await client.ask(manner, { address: server.v4, port: server.port }), { name: 'one', peer: site.v4 });
    t.like(await client.ask(manner, { address: server.v6, port: server.port }), { name: 'one', peer: site.v6 });
  }
});

rootTest('an address of a pool is unreachable from the node and from a site', async (t) => {
  const lab = Lab.create(t);
  for (const namespace of [lab.node, lab.site('client').namespace]) {
    const client = await Agent.start(lab, namespace);
    for (const address of ['11.0.0.80', 'fd01:c::80']) {
      t.regex((await client.ask('tcp', { address, port: 80 })).error ?? 'answered', /^E(HOST|NET)UNREACH$/);
    }
  }
});

const leftovers = () =>
  ['/run', '/run/netns']
    .filter(existsSync)
    .flatMap((place) => readdirSync(place))
    .filter((name) => name.startsWith(`vipd-test-${process.pid}-`));

test.serial.after.always('a lab leaves nothing behind', (t) => {
  t.deepEqual(leftovers(), []);
});
