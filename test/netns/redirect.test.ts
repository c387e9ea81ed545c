import type { ServiceInput } from '../../ts/model/schema.js';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { Agent } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Site } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { runAt, startNginx } from '../helpers/programs.js';
import { type EchoServer, startEcho } from '../helpers/servers.js';

// Packets between workloads of one node: past its network stack, or through it where a firewall wants to see them.

const target = { address: '11.0.0.80', port: 7000 };
const target6 = { address: 'fd01:c::80', port: 7000 };
/** Among the ports that full NAT takes by default. */
const NAT_PORT = 62_000;

function services(servers: readonly EchoServer[]): ServiceInput[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => [
    { name: `${protocol}4`, vip: '11.0.0.80:7000', protocol, backends: servers.map(({ v4 }) => `${v4}:7000`) },
    { name: `${protocol}6`, vip: '[fd01:c::80]:7000', protocol, backends: servers.map(({ v6 }) => `[${v6}]:7000`) },
  ]);
}

/** Counts what the node's stack forwards, as a firewall would see it. */
function watchForwarding(lab: Lab): () => number {
  const rules =
    'table inet watch { chain forward { type filter hook forward priority 0; meta l4proto { tcp, udp } counter; }; }';
  run(lab.node.inside(['nft', '-f', '-']), rules);
  return () => {
    const listing = run(lab.node.inside(['nft', 'list', 'chain', 'inet', 'watch', 'forward']));
    const counted = /packets (\d+)/.exec(listing)?.[1];
    if (counted === undefined) throw new Error(`no counter in: ${listing}`);
    return Number(counted);
  };
}

/** Any change of routes or links has the firewall looked at as well, before its ten seconds are over. */
const stir = (lab: Lab) => lab.node.ip('link add stir type veth peer name stirred', 'link delete stir');

async function redirecting(daemon: Daemon, expected: boolean): Promise<void> {
  await until(expected ? 'redirecting' : 'no redirecting', 20_000, async () => {
    const { hooks } = await daemon.client.status();
    return hooks.some(({ mode }) => mode.includes('redirecting')) === expected;
  });
}

/** A client of each kind talks to the VIPs, and directly to servers. */
async function talk(lab: Lab, client: Site, ...servers: readonly EchoServer[]): Promise<string[]> {
  const plain = await Agent.start(lab, client.namespace);
  const translated = await Agent.start(lab, client.namespace, lab.cgroup);
  const answers: string[] = [];
  for (const agent of [plain, translated]) {
    for (const manner of ['tcp', 'udp'] as const) {
      for (const to of [target, target6, ...servers.map(({ v4, port }) => ({ address: v4, port }))]) {
        for (let i = 0; i < 5; i += 1) {
          const answer = await agent.ask(manner, to);
          answers.push(answer.error ?? answer.name);
        }
      }
    }
  }
  return answers;
}

async function scene(lab: Lab, redirect: string) {
  const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name), name)));
  const client = lab.site('client');
  const daemon = await Daemon.start(lab, services(servers), '--redirect', redirect);
  return { servers, client, daemon };
}

rootTest(
  'between workloads nothing passes the network stack: through VIPs by tc and sock, and directly',
  async (t) => {
    const lab = Lab.create(t);
    const forwarded = watchForwarding(lab);
    const { servers, client, daemon } = await scene(lab, 'on');
    // A packet to a port that full NAT may have given out is found to be nobody's the long way.
    const late = await startEcho(lab, servers[1]!, 'two', NAT_PORT);
    await redirecting(daemon, true);
    const answers = await talk(lab, client, servers[0]!, late);
    t.deepEqual([...new Set(answers)].sort(), ['one', 'two']);
    t.is(forwarded(), 0);
  },
  program('nft'),
);

rootTest(
  'a firewall for forwarded packets goes on seeing them unless the operator says otherwise',
  async (t) => {
    const lab = Lab.create(t);
    const forwarded = watchForwarding(lab);
    const { servers, client, daemon } = await scene(lab, 'auto');
    await redirecting(daemon, false);
    const answers = await talk(lab, client, servers[0]!);
    t.deepEqual([...new Set(answers)].sort(), ['one', 'two']);
    t.true(forwarded() > answers.length);
    run(lab.node.inside(['nft', 'delete', 'table', 'inet', 'watch']));
    await redirecting(daemon, true); // looked at all the same while nothing else changes
    watchForwarding(lab);
    stir(lab);
    await redirecting(daemon, false);
  },
  program('nft'),
);

/** Counts what the node's stack forwards to a site, both families. */
function watchForwardingTo(lab: Lab, { v4, v6 }: Site, nat: string): () => number {
  const counted = `ip daddr ${v4} counter; ip6 daddr ${v6} counter;`;
  run(
    lab.node.inside(['nft', '-f', '-']),
    `table inet watch { chain forward { type filter hook forward priority 0; ${counted} }; ${nat} }`,
  );
  return () => {
    const listing = run(lab.node.inside(['nft', 'list', 'chain', 'inet', 'watch', 'forward']));
    return [...listing.matchAll(/packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0);
  };
}

async function departing(daemon: Daemon, expected: boolean): Promise<void> {
  await until(expected ? 'redirecting remote ones' : 'no redirecting of remote ones', 20_000, async () => {
    const { hooks } = await daemon.client.status();
    return hooks.some(({ mode }) => mode.includes('remote')) === expected;
  });
}

async function remoteScene(lab: Lab, ...flags: string[]) {
  const site = lab.site('far', 'uplink');
  const server = await startEcho(lab, site, 'far');
  const client = lab.site('client');
  const daemon = await Daemon.start(lab, services([server]), ...flags);
  return { site, server, client, daemon };
}

rootTest(
  'what workloads send to backends elsewhere passes no network stack of the node, through VIPs by tc and sock, and directly',
  async (t) => {
    const lab = Lab.create(t);
    const { site, server, client, daemon } = await remoteScene(lab, '--redirect', 'on', '--redirect-remote', 'on');
    const forwarded = watchForwardingTo(lab, site, '');
    await departing(daemon, true);
    t.deepEqual([...new Set(await talk(lab, client, server))], ['far']);
    t.is(forwarded(), 0);
    const agent = await Agent.start(lab, client.namespace);
    // What the way ahead has no room for is reported by the stack, and sent anew in smaller packets.
    lab.node.ip(`route replace ${site.v4}/32 dev ${site.link} mtu lock 1300`);
    const text = 'x'.repeat(200_000);
    const echoed = await agent.ask('tcp', target, text);
    t.is(echoed.error ?? echoed.text, text);
    t.regex(run(client.namespace.inside(['ip', 'route', 'get', target.address])), /mtu 1300/);
  },
  program('nft'),
);

rootTest(
  'where the node gives what leaves it another source, packets to backends elsewhere take its stack unless told otherwise',
  async (t) => {
    const lab = Lab.create(t);
    const { site, server, client, daemon } = await remoteScene(lab, '--redirect', 'auto');
    await departing(daemon, true);
    run(
      lab.node.inside(['nft', '-f', '-']),
      // As IPVS leaves it behind while its connections end: no firewall of the operator's.
      'table inet vipd { chain claim { type nat hook prerouting priority -101; ip daddr 11.0.0.0/8 dnat ip to ip daddr; }; }\n' +
        'table ip out { chain post { type nat hook postrouting priority 100; masquerade; }; }',
    );
    stir(lab);
    await departing(daemon, false);
    await redirecting(daemon, true);
    const agent = await Agent.start(lab, client.namespace);
    const answer = await agent.ask('tcp', target);
    t.is(answer.error ?? answer.peer, site.nodeV4, 'the node itself has sent it');
    run(lab.node.inside(['nft', 'delete', 'table', 'ip', 'out']));
    stir(lab);
    await departing(daemon, true);
    t.deepEqual([...new Set(await talk(lab, client, server))], ['far']);
  },
  program('nft'),
);

rootTest('an address that moves to another workload is found there, with the daemon and without', async (t) => {
  const lab = Lab.create(t);
  const { servers, client, daemon } = await scene(lab, 'on');
  await redirecting(daemon, true);
  const agent = await Agent.start(lab, client.namespace);
  const spare = lab.site('spare');
  await startEcho(lab, spare, 'spare');
  const move = (from: Site, to: Site) => {
    from.namespace.ip(`address delete ${servers[0]!.v4}/30 dev eth0`);
    to.namespace.ip(`address add ${servers[0]!.v4}/32 dev eth0`);
    lab.node.ip(`route replace ${servers[0]!.v4}/32 dev ${to.link}`);
  };
  const answersOf = async () => {
    const answer = await agent.ask('tcp', { address: servers[0]!.v4, port: 7000 });
    return answer.error ?? answer.name;
  };
  t.is(await answersOf(), 'one');
  move(servers[0]!, spare);
  await until('an answer of where the address is', 10_000, async () => (await answersOf()) === 'spare');
  await daemon.end('SIGTERM');
  lab.node.ip(`route delete ${servers[0]!.v4}/32 dev ${spare.link}`);
  spare.namespace.ip(`address delete ${servers[0]!.v4}/32 dev eth0`);
  servers[0]!.namespace.ip(
    `address add ${servers[0]!.v4}/30 dev eth0`,
    `route replace default via ${servers[0]!.nodeV4}`,
  );
  await until('an answer without the daemon', 10_000, async () => (await answersOf()) === 'one');
});

rootTest(
  'large files and many connections at once between workloads',
  async (t) => {
    const lab = Lab.create(t);
    const sites = ['one', 'two'].map((name) => lab.site(name));
    await Promise.all(['one', 'two'].map((name, i) => startNginx(lab, sites[i]!, name)));
    const client = lab.site('client');
    const backends = sites.map(({ v4 }) => `${v4}:80`);
    const daemon = await Daemon.start(lab, [{ name: 'web', vip: '11.0.0.80:80', backends }], '--redirect', 'on');
    await redirecting(daemon, true);
    const url = 'http://11.0.0.80/big';
    const size = await runAt(lab, client, 'curl', '-sS', '-o', '/dev/null', '-w', '%{size_download}', url);
    t.is(size, String(1 << 20));
    const report = await runAt(lab, client, 'wrk', '-t1', '-c32', '-d1s', 'http://11.0.0.80/');
    t.notRegex(report, /Socket errors|Non-2xx/);
  },
  program('wrk'),
  program('nginx'),
);
