import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceInput } from '../../ts/model/schema.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Site } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import {
  type Place,
  runAt,
  startAt,
  startDnsmasq,
  startIperf,
  startNginx,
  startProxy,
  startRedis,
} from '../helpers/programs.js';

// Programs people really run, as they are, through VIPs: from the node by the sock hook, from a workload by tc.

/** The port of both families' VIPs, and the same port of every site behind them. */
function services(port: number, sites: readonly Site[], protocol: 'tcp' | 'udp' = 'tcp'): ServiceInput[] {
  return [
    { name: `${protocol}4`, vip: `11.0.0.80:${port}`, protocol, backends: sites.map(({ v4 }) => `${v4}:${port}`) },
    { name: `${protocol}6`, vip: `[fd01:c::80]:${port}`, protocol, backends: sites.map(({ v6 }) => `[${v6}]:${port}`) },
  ];
}

/** Runs the body from the node and from a workload, which is new and has to be taken by the tc hook first. */
async function fromBoth(lab: Lab, daemon: Daemon, body: (place: Place, from: string) => Promise<void>): Promise<void> {
  await body('node', 'from the node');
  const taken = async () =>
    (await daemon.client.status()).hooks.filter(({ hook, attached }) => hook === 'tc' && attached).length;
  const before = await taken();
  const site = lab.site('client');
  await until('the tc hook of a new workload', 20_000, async () => (await taken()) > before);
  await body(site, 'from a workload');
}

rootTest(
  'curl reaches every nginx and gets a large file whole',
  async (t) => {
    const lab = Lab.create(t);
    const sites = ['one', 'two'].map((name) => lab.site(name));
    await Promise.all(['one', 'two'].map((name, i) => startNginx(lab, sites[i]!, name)));
    const daemon = await Daemon.start(lab, services(80, sites));
    await fromBoth(lab, daemon, async (place, from) => {
      for (const url of ['http://11.0.0.80/', 'http://[fd01:c::80]/']) {
        const urls = Array.from({ length: 30 }, () => url);
        const answers = await runAt(lab, place, 'curl', '-sS', '-H', 'Connection: close', ...urls);
        t.deepEqual([...new Set(answers.trim().split('\n'))].sort(), ['one', 'two'], `${from} ${url}`);
        const size = await runAt(lab, place, 'curl', '-sS', '-o', '/dev/null', '-w', '%{size_download}', `${url}big`);
        t.is(size, String(1 << 20), `${from} ${url}`);
      }
    });
  },
  program('curl'),
  program('nginx'),
);

rootTest(
  'wrk keeps many connections busy without one error',
  async (t) => {
    const lab = Lab.create(t);
    const sites = ['one', 'two'].map((name) => lab.site(name));
    await Promise.all(['one', 'two'].map((name, i) => startNginx(lab, sites[i]!, name)));
    const daemon = await Daemon.start(lab, services(80, sites));
    await fromBoth(lab, daemon, async (place, from) => {
      const report = await runAt(lab, place, 'wrk', '-t1', '-c32', '-d1s', 'http://11.0.0.80/');
      t.regex(report, /Requests\/sec/, from);
      t.notRegex(report, /Socket errors|Non-2xx/, from);
    });
  },
  program('wrk'),
  program('nginx'),
);

rootTest(
  'an idle redis connection outlives a restart of the daemon and a change of its backends',
  async (t) => {
    const lab = Lab.create(t);
    const [redis, spare] = [lab.site('redis'), lab.site('spare')];
    await startRedis(lab, redis);
    const daemon = await Daemon.start(lab, services(6379, [redis]));
    await fromBoth(lab, daemon, async (place, from) => {
      await daemon.serve(services(6379, [redis]));
      const session = startAt(lab, place, ['redis-cli', '-h', '11.0.0.80'], true);
      lab.beforeRemoval(() => session.kill('SIGKILL'));
      session.say('CLIENT SETNAME idle');
      await session.wrote('OK');
      await daemon.end('SIGTERM');
      await sleep(500);
      await daemon.restart();
      await daemon.serve(services(6379, [redis, spare]));
      session.say('CLIENT GETNAME');
      await session.wrote('idle');
      t.pass(from);
    });
  },
  program('redis-cli'),
);

rootTest(
  'dig resolves by a DNS server behind a VIP, over UDP and TCP',
  async (t) => {
    const lab = Lab.create(t);
    const site = lab.site('dns');
    await startDnsmasq(lab, site);
    const daemon = await Daemon.start(lab, [...services(53, [site], 'udp'), ...services(53, [site])]);
    await fromBoth(lab, daemon, async (place, from) => {
      for (const server of ['@11.0.0.80', '@fd01:c::80']) {
        for (const transport of ['+notcp', '+tcp']) {
          const dig = ['dig', server, transport, '+short', '+tries=1', '+time=2', 'host.test'];
          const answer = await runAt(lab, place, ...dig, 'A', 'host.test', 'AAAA');
          t.deepEqual(answer.trim().split('\n').sort(), ['192.0.2.7', '2001:db8::7'], `${from} ${server} ${transport}`);
        }
      }
    });
  },
  program('dig'),
  program('dnsmasq'),
);

rootTest(
  'D1: nginx, whose resolver is a VIP, goes on with another DNS server when its own is removed',
  async (t) => {
    const lab = Lab.create(t);
    const [web, ...dns] = ['web', 'dns1', 'dns2'].map((name) => lab.site(name)) as [Site, Site, Site];
    await startNginx(lab, web, 'backend');
    // Two answers, so that it shows which server was asked: one of them leads nowhere.
    await startDnsmasq(lab, dns[0], `--address=/old.test/${web.v4}`);
    await startDnsmasq(lab, dns[1], `--address=/new.test/${web.v4}`);
    const daemon = await Daemon.start(lab, services(53, dns.slice(0, 1), 'udp'));
    const proxy =
      'resolver 11.0.0.80 valid=1s ipv6=off; resolver_timeout 2s; set $to $arg_name; proxy_pass http://$to/;';
    await startProxy(lab, proxy);
    const status = (name: string) =>
      runAt(
        lab,
        'node',
        ...['curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}'],
        `http://127.0.0.1/?name=${name}`,
      );
    t.is(await status('old.test'), '200');
    await daemon.serve(services(53, dns.slice(1), 'udp'));
    t.is(await status('new.test'), '200', 'asked the server that is there now');
  },
  program('nginx'),
  program('dnsmasq'),
  program('curl'),
);

rootTest(
  'iperf3 moves bulk data over TCP and loses no datagram over UDP',
  async (t) => {
    const lab = Lab.create(t);
    const site = lab.site('iperf');
    await startIperf(lab, site);
    const daemon = await Daemon.start(lab, [...services(5201, [site]), ...services(5201, [site], 'udp')]);
    await fromBoth(lab, daemon, async (place, from) => {
      for (const address of ['11.0.0.80', 'fd01:c::80']) {
        const tcp = JSON.parse(await runAt(lab, place, 'iperf3', '-c', address, '-t', '1', '--json'));
        t.true(tcp.end.sum_received.bytes > 1 << 20, `${from} ${address}`);
        // A rate at which a server that has to wait for a CPU does not lose what it is sent.
        const udp = JSON.parse(await runAt(lab, place, 'iperf3', '-c', address, '-u', '-b', '5M', '-t', '1', '--json'));
        t.is(udp.end.sum.lost_packets, 0, `${from} ${address}`);
      }
    });
  },
  program('iperf3'),
);
