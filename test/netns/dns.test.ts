import { rmSync, writeFileSync } from 'node:fs';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { type Place, runAt, startDnsmasq, startNginx } from '../helpers/programs.js';

const addresses = ['198.51.100.1', '198.51.100.2', '198.51.100.3', 'fd01:d::c633:6401'];
const fqdn = 'web.marathon.l4lb.thisdcos.directory';

async function dig(lab: Lab, place: Place, server: string, ...question: readonly string[]): Promise<string> {
  return (await runAt(lab, place, 'dig', `@${server}`, '+short', '+tries=1', '+time=5', ...question)).trim();
}

rootTest(
  'a named VIP resolves on the node and in containers, and answers, until it is gone',
  async (t) => {
    const lab = Lab.create(t);
    const [server, client] = [lab.site('server'), lab.site('client')];
    await startNginx(lab, server, 'one');
    const service = { name: 'web', vip: 'web.marathon:80', backends: [`${server.v4}:80`] };
    const daemon = await Daemon.start(lab, [service], '--dns', 'true');
    for (const address of addresses) {
      for (const place of ['node', client] as const) {
        for (const transport of ['+notcp', '+tcp']) {
          const vip = await dig(lab, place, address, transport, fqdn);
          t.regex(vip, /^11\.\d+\.\d+\.\d+$/, `${address} ${transport}`);
        }
      }
    }
    const vip = await dig(lab, 'node', addresses[0]!, fqdn);
    t.is(await runAt(lab, client, 'curl', '-sS', '--resolve', `${fqdn}:80:${vip}`, `http://${fqdn}/`), 'one\n');
    t.is(await dig(lab, client, addresses[0]!, '-x', vip), `${fqdn}.`);
    t.is(await dig(lab, client, addresses[0]!, 'ready.spartan'), '127.0.0.1');
    await daemon.serve([]);
    await until('the end of the name', 10_000, async () => (await dig(lab, 'node', addresses[0]!, fqdn)) === '');
    t.regex(await runAt(lab, 'node', 'dig', `@${addresses[0]}`, fqdn), /status: NXDOMAIN/);
  },
  program('dig'),
  program('nginx'),
  program('curl'),
);

rootTest(
  "the resolver's addresses come back when somebody removes them, and go with vipd",
  async (t) => {
    const lab = Lab.create(t);
    const daemon = await Daemon.start(lab, [], '--dns', 'true');
    const held = () => runAt(lab, 'node', 'ip', '-brief', 'address', 'show');
    for (const address of addresses) t.true((await held()).includes(`${address}/`));
    const back = () =>
      until('the addresses', 10_000, async () => {
        const now = await held();
        return addresses.every((one) => now.includes(`${one}/`));
      });
    await runAt(lab, 'node', 'ip', 'address', 'flush', 'dev', 'vipd-dns');
    await back();
    await runAt(lab, 'node', 'ip', 'link', 'delete', 'vipd-dns');
    await back();
    t.is(await dig(lab, 'node', addresses[3]!, 'ready.spartan'), '127.0.0.1');
    t.regex(await daemon.client.metrics(), /vipd_dns_addresses_restored_total 8/);
    await daemon.end('SIGTERM');
    t.true((await held()).includes('vipd-dns'), 'it stays while the daemon is away: questions are refused at once');
    t.true(await daemon.uninstall());
    t.false((await held()).includes('vipd-dns'));
  },
  program('dig'),
);

rootTest(
  'what is not answered here is asked of others, and vipctl tells how',
  async (t) => {
    const lab = Lab.create(t);
    const upstream = lab.site('upstream');
    await startDnsmasq(lab, upstream);
    const flags = ['--dns', 'true', '--dns-upstream', upstream.v4, '--dns-record', 'far.example A 192.0.2.9'];
    const daemon = await Daemon.start(lab, [], ...flags);
    t.is(await dig(lab, 'node', addresses[0]!, 'host.test'), '192.0.2.7');
    t.is(await dig(lab, 'node', addresses[1]!, '+tcp', 'host.test', 'AAAA'), '2001:db8::7');
    t.is(await dig(lab, 'node', addresses[0]!, 'far.example'), '192.0.2.9');
    const lookup = await daemon.client.dnsLookup({ name: 'host.test', type: 'A' });
    t.deepEqual(
      lookup.answer.map(({ data }) => data),
      ['192.0.2.7'],
    );
    t.regex(lookup.steps.join('\n'), /answered from the cache/);
    const { upstreams } = await daemon.client.dnsUpstreams();
    t.like(upstreams[0], { zone: '.', server: `${upstream.v4}:53`, failures: 0, mismatches: 0 });
    t.is((await daemon.client.dnsCache({})).entries, 2);
  },
  program('dig'),
  program('dnsmasq'),
);

rootTest(
  'an upstream there is no route to costs an answer, not the resolver',
  async (t) => {
    const lab = Lab.create(t);
    const daemon = await Daemon.start(lab, [], '--dns', 'true', '--dns-upstream', '203.0.113.9');
    for (const name of ['one.test', 'two.test', 'three.test']) {
      t.regex(await runAt(lab, 'node', 'dig', `@${addresses[0]}`, '+tries=1', name), /status: SERVFAIL/);
    }
    t.is(await dig(lab, 'node', addresses[0]!, 'ready.spartan'), '127.0.0.1');
    t.like((await daemon.client.dnsUpstreams()).upstreams[0], { lastFailure: 'unreachable' });
  },
  program('dig'),
);

rootTest(
  'who listens on all addresses answers from the one that was asked, also later and from a thread',
  async (t) => {
    const lab = Lab.create(t);
    const [upstream, client] = [lab.site('upstream'), lab.site('client')];
    await startDnsmasq(lab, upstream);
    for (const one of ['203.0.113.1/32', '2001:db8:53::1/128'])
      await runAt(lab, 'node', 'ip', 'address', 'add', one, 'dev', 'lo');
    const flags = ['--dns-listen', '0.0.0.0', '--dns-listen', '::', '--dns-upstream', upstream.v4];
    const daemon = await Daemon.start(lab, [], '--dns', 'true', ...flags);
    const answered = async (name: string) => {
      for (const server of ['203.0.113.1', '2001:db8:53::1', client.nodeV4, client.nodeV6])
        t.is(await dig(lab, client, server, '+notcp', 'ready.spartan'), '127.0.0.1', server);
      for (const server of ['127.0.0.53', '203.0.113.1', '2001:db8:53::1'])
        t.is(await dig(lab, 'node', server, '+notcp', name), '192.0.2.7', server);
    };
    await answered('host.test');
    t.is(await dig(lab, 'node', '127.0.0.1', 'ns.spartan'), '', 'everywhere is no address');
    await daemon.end('SIGTERM');
    await daemon.restart('--dns-sockets', '2');
    await answered('HOST.test');
  },
  program('dig'),
  program('dnsmasq'),
);

rootTest(
  'while a source is silent names it may know of are not denied, and vipctl says why',
  async (t) => {
    const lab = Lab.create(t);
    const service = { name: 'web', vip: 'web.marathon:80', backends: ['10.0.0.1:80'] };
    const silent = ['--mesos-master', 'http://192.0.2.9:5050', '--source-wait', '1s'];
    const daemon = await Daemon.start(lab, [service], '--dns', 'true', ...silent);
    await until('the name', 20_000, async () => (await dig(lab, 'node', addresses[0]!, fqdn)) !== '');
    const status = async (name: string) =>
      /status: (\w+)/.exec(await runAt(lab, 'node', 'dig', `@${addresses[0]}`, '+tries=1', '+time=10', name))?.[1];
    for (const name of ['api.marathon.l4lb.thisdcos.directory', 'leader.mesos', 'ready.spartan'])
      t.is(await status(name), 'SERVFAIL', name);
    const { steps } = await daemon.client.dnsLookup({ name: 'api.marathon.l4lb.thisdcos.directory', type: 'A' });
    t.regex(steps.join(), /not all sources have been heard of/);
  },
  program('dig'),
);

const muslClient = `
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
int main(int argc, char **argv) {
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *one;
  int error = getaddrinfo(argv[1], 0, &hints, &list);
  if (error) { printf("%s\\n", gai_strerror(error)); return 1; }
  for (one = list; one; one = one->ai_next) {
    char text[64];
    void *from = one->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
                                           : (void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
    puts(inet_ntop(one->ai_family, from, text, sizeof text));
  }
}`;

for (const [library, compiler] of [
  ['glibc', 'cc'],
  ['musl', 'musl-gcc'],
] as const) {
  rootTest(
    `getaddrinfo of ${library} finds both families of a name, and that there is no other`,
    async (t) => {
      const lab = Lab.create(t);
      const backends = ['10.0.0.1:80', '[fd00::1]:80'];
      const records = Array.from({ length: 60 }, (_, i) => ['--dns-record', `many.lab.example A 192.0.2.${i + 1}`]);
      const flags = ['--dns', 'true', '--dns-zone', 'lab.example', ...records.flat()];
      const daemon = await Daemon.start(lab, [], ...flags);
      daemon.write([{ name: 'web', vip: 'web.marathon:80', backends }]);
      await until('both addresses', 20_000, async () => {
        const families = ['A', 'AAAA'].map((type) => daemon.client.dnsLookup({ name: fqdn, type }));
        return (await Promise.all(families)).every(({ answer }) => answer.length === 1);
      });
      const client = `${lab.directory}/lookup`;
      writeFileSync(`${client}.c`, muslClient);
      await runAt(lab, 'node', compiler, '-o', client, `${client}.c`);
      const servers = ['198.51.100.1', '198.51.100.2', '198.51.100.3'].map((one) => `nameserver ${one}\n`);
      const conf = `${lab.directory}/resolv.conf`;
      writeFileSync(conf, `${servers.join('')}search marathon.l4lb.thisdcos.directory\noptions timeout:5\n`);
      t.teardown(() => rmSync(client, { force: true }));
      const script = `mount --bind ${conf} "$(realpath /etc/resolv.conf)" && ${client} "$1"; true`;
      const lookup = async (name: string) => {
        const text = await runAt(lab, 'node', 'unshare', '-m', 'sh', '-c', script, 'sh', name);
        return text.trim().split('\n');
      };
      for (const name of [fqdn, 'web', `${fqdn}.`]) {
        const found = await lookup(name);
        t.is(found.length, 2, `${name}: ${found}`);
        t.true(found.some((one) => one.startsWith('11.')) && found.some((one) => one.startsWith('fd01:c:')));
      }
      t.deepEqual((await lookup('db.shard.localhost')).sort(), ['127.0.0.1', '::1']);
      t.is((await lookup('many.lab.example')).filter((one) => one.startsWith('192.0.2.')).length >= 29, true);
      const missing = await lookup('nobody.marathon.l4lb.thisdcos.directory.');
      t.regex(missing.join(), /not known|does not resolve/i);
    },
    program(compiler),
  );
}
