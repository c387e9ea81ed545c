import test from 'ava';
import { nameKey } from '../../../ts/dns/name.js';
import { address } from '../../../ts/dns/record.js';
import { parseRecord } from '../../../ts/dns/static-records.js';
import { namesOf } from '../../../ts/model/names.js';
import type { VipStatus } from '../../../ts/model/status.js';
import { Ours, texts } from './asking-ours.js';

const vip = (over: Partial<VipStatus> = {}): VipStatus => ({
  key: 'tcp/11.0.0.80:80',
  name: 'web',
  source: 'file',
  frontend: { protocol: 'tcp', address: '11.0.0.80', port: 80 },
  vipName: { label: 'web', framework: 'marathon' },
  backends: [],
  programmed: 'yes',
  ...over,
});
const v6 = vip({ name: 'web/ipv6', frontend: { protocol: 'tcp', address: 'fd01:c::80', port: 80 } });
const fqdn = 'web.marathon.l4lb.thisdcos.directory';

function serving(...vips: readonly VipStatus[]): Ours {
  const ours = new Ours();
  ours.zones.setNames(namesOf(vips));
  ours.zones.setTasks({ tasks: new Map(), agents: new Map(), frameworks: new Map(), masters: [] });
  ours.zones.setNode(['192.0.2.7', '2001:db8::7'], ['203.0.113.7']);
  return ours;
}

test('a named VIP has its addresses, service records and reverse names', async (t) => {
  const ours = serving(vip(), v6);
  const a = await ours.ask('Web.Marathon.L4LB.thisdcos.directory');
  t.deepEqual(texts(a.answers), ['Web.Marathon.L4LB.thisdcos.directory A 11.0.0.80']);
  t.like(a, { rcode: 'NOERROR', id: 4711, flag_aa: true, flag_ra: false, flag_rd: true, flag_qr: true });
  t.is((a.answers![0] as { ttl: number }).ttl, 5);
  t.deepEqual(texts((await ours.ask(fqdn, { type: 'AAAA' })).answers), [`${fqdn} AAAA fd01:c::80`]);
  const srv = await ours.ask('_web._tcp.marathon.l4lb.thisdcos.directory', { type: 'SRV' });
  t.deepEqual(texts(srv.answers), [`_web._tcp.marathon.l4lb.thisdcos.directory SRV 80 ${fqdn}`]);
  t.deepEqual(texts(srv.additionals), [`${fqdn} A 11.0.0.80`, `${fqdn} AAAA fd01:c::80`]);
  const ptr = await ours.ask('80.0.0.11.in-addr.arpa', { type: 'PTR' });
  t.deepEqual(texts(ptr.answers), [`80.0.0.11.in-addr.arpa PTR ${fqdn}`]);
});

test('a name is answered from when its VIP forwards until it is gone', async (t) => {
  const ours = new Ours();
  t.is((await ours.ask(fqdn)).rcode, 'SERVFAIL');
  t.is((await ours.ask('ready.spartan')).rcode, 'SERVFAIL');
  ours.zones.setNames(namesOf([vip({ programmed: 'no' })]));
  t.is((await ours.ask(fqdn)).rcode, 'NXDOMAIN');
  ours.zones.setNames(namesOf([vip()]));
  t.is(texts((await ours.ask(fqdn)).answers).length, 1);
  ours.zones.setNames(namesOf([]));
  t.is((await ours.ask(fqdn)).rcode, 'NXDOMAIN');
  t.is((await ours.ask('80.0.0.11.in-addr.arpa', { type: 'PTR' })).rcode, 'NXDOMAIN');
});

test('while a source has not been heard of, no name is said not to exist, and what is known is answered', async (t) => {
  const ours = new Ours({ tasks: undefined });
  ours.zones.setNode(['192.0.2.7'], []);
  ours.zones.setNames(namesOf([vip()]), false);
  t.is(texts((await ours.ask(fqdn)).answers).length, 1);
  t.is((await ours.ask(fqdn, { type: 'AAAA' })).rcode, 'NOERROR');
  for (const name of ['api.marathon.l4lb.thisdcos.directory', 'api.marathon.dclb.thisdcos.global', 'ready.spartan'])
    t.is((await ours.ask(name)).rcode, 'SERVFAIL', name);
  t.is((await ours.ask('81.0.0.11.in-addr.arpa', { type: 'PTR' })).rcode, 'SERVFAIL');
  t.is((await ours.ask('1.113.0.203.in-addr.arpa', { type: 'PTR' })).rcode, 'REFUSED', 'others may know that one');
  ours.zones.setNames(namesOf([vip()]), true);
  t.is((await ours.ask('api.marathon.l4lb.thisdcos.directory')).rcode, 'NXDOMAIN');
  t.is((await ours.ask('ready.spartan')).rcode, 'NOERROR');
});

test('every other name of a zone answers the same, under the name that was asked', async (t) => {
  const ours = serving(vip());
  const suffixes = [
    'dclb.thisdcos.directory',
    'l4lb.thisdcos.global',
    'dclb.thisdcos.global',
    'l4lb.yq4e9xhi.dcos.directory',
  ];
  for (const suffix of suffixes) {
    const { answers } = await ours.ask(`web.marathon.${suffix}`);
    t.deepEqual(texts(answers), [`web.marathon.${suffix} A 11.0.0.80`]);
    const srv = await ours.ask(`_web._tcp.marathon.${suffix}`, { type: 'SRV' });
    t.deepEqual(texts(srv.answers), [`_web._tcp.marathon.${suffix} SRV 80 web.marathon.${suffix}`]);
    t.deepEqual(texts(srv.additionals), [`web.marathon.${suffix} A 11.0.0.80`]);
  }
  t.is((await ours.ask('web.marathon.l4lb.ybndrfg8.dcos.directory')).rcode, 'REFUSED');
});

test('NXDOMAIN is for what does not exist, NODATA for what has nothing of the type', async (t) => {
  const ours = serving(vip());
  const cases: [name: string, type: string, rcode: string][] = [
    [fqdn, 'AAAA', 'NOERROR'],
    [fqdn, 'TXT', 'NOERROR'],
    ['marathon.l4lb.thisdcos.directory', 'A', 'NOERROR'],
    ['l4lb.thisdcos.directory', 'A', 'NOERROR'],
    ['_tcp.marathon.l4lb.thisdcos.directory', 'SRV', 'NOERROR'],
    ['api.marathon.l4lb.thisdcos.directory', 'A', 'NXDOMAIN'],
    [`below.${fqdn}`, 'A', 'NXDOMAIN'],
    ['nothing.thisdcos.directory', 'A', 'NXDOMAIN'],
    ['81.0.0.11.in-addr.arpa', 'PTR', 'NXDOMAIN'],
  ];
  for (const [name, type, rcode] of cases) {
    const answer = await ours.ask(name, { type });
    t.is(answer.rcode, rcode, `${name} ${type}`);
    t.deepEqual(texts(answer.answers), []);
    t.regex(texts(answer.authorities).join(), /^[^,]+ SOA ns\.spartan$/, name);
  }
});

test('SOA and NS of a zone are in the answer, ANY is answered with one set', async (t) => {
  const ours = serving(vip(), v6);
  t.deepEqual(texts((await ours.ask('l4lb.thisdcos.directory', { type: 'SOA' })).answers), [
    'l4lb.thisdcos.directory SOA ns.spartan',
  ]);
  t.deepEqual(texts((await ours.ask('l4lb.thisdcos.directory', { type: 'NS' })).answers), [
    'l4lb.thisdcos.directory NS ns.spartan',
  ]);
  t.deepEqual(texts((await ours.ask(fqdn, { type: 'ANY' })).answers), [`${fqdn} A 11.0.0.80`]);
  t.deepEqual(texts((await ours.ask('ready.spartan', { type: 'ANY' })).answers), ['ready.spartan A 127.0.0.1']);
});

test('names of the node itself', async (t) => {
  const ours = serving();
  const cases: [string, string, string[]][] = [
    ['thisnode.thisdcos.directory', 'A', ['192.0.2.7']],
    ['thisnode.thisdcos.directory', 'AAAA', ['2001:db8::7']],
    ['public.thisnode.thisdcos.directory', 'A', ['203.0.113.7']],
    ['localhost', 'A', ['127.0.0.1']],
    ['localhost', 'AAAA', ['::1']],
    ['db.Shard.localhost', 'A', ['127.0.0.1']],
    ['db.shard.localhost', 'AAAA', ['::1']],
    ['db.shard.localhost', 'MX', []],
    ['ready.spartan', 'A', ['127.0.0.1']],
    ['ns.spartan', 'A', ['198.51.100.1']],
    ['1.0.0.127.in-addr.arpa', 'PTR', ['localhost']],
    [`1.${'0.'.repeat(31)}ip6.arpa`, 'PTR', ['localhost']],
    ['1.100.51.198.in-addr.arpa', 'PTR', ['ns.spartan']],
    ['7.2.0.192.in-addr.arpa', 'PTR', ['thisnode.thisdcos.directory']],
  ];
  for (const [name, type, data] of cases) {
    t.deepEqual(
      texts((await ours.ask(name, { type })).answers),
      data.map((one) => `${name} ${type} ${one}`),
    );
  }
});

test('records of the configuration: zones of their own, and single names of other zones', async (t) => {
  const lines = [
    ...['www.corp.example CNAME web.corp.example', 'web.corp.example A 192.0.2.1', 'lone.example.org A 192.0.2.2'],
    ...['mail.corp.example TXT "v=spf1 -all"', 'far.corp.example CNAME www.example.net'],
    ...['vip.corp.example CNAME web.marathon.l4lb.thisdcos.directory', 'round.corp.example CNAME round.corp.example'],
  ];
  const ours = new Ours({ zones: [nameKey('corp.example')], records: lines.map(parseRecord) });
  ours.zones.setNames(namesOf([vip()]));
  const www = await ours.ask('www.corp.example');
  t.deepEqual(texts(www.answers), ['www.corp.example CNAME web.corp.example', 'web.corp.example A 192.0.2.1']);
  t.deepEqual(texts((await ours.ask('www.corp.example', { type: 'CNAME' })).answers).length, 1);
  t.deepEqual(texts((await ours.ask('mail.corp.example', { type: 'TXT' })).answers), [
    'mail.corp.example TXT v=spf1 -all',
  ]);
  t.deepEqual(texts((await ours.ask('vip.corp.example')).answers).at(-1), `${fqdn} A 11.0.0.80`);
  t.is((await ours.ask('round.corp.example')).rcode, 'SERVFAIL');
  t.is((await ours.ask('missing.corp.example')).rcode, 'NXDOMAIN');
  t.deepEqual(texts((await ours.ask('lone.example.org')).answers), ['lone.example.org A 192.0.2.2']);
  t.is((await ours.ask('other.example.org')).rcode, 'REFUSED');
  // Nobody can be asked for the rest of the chain: what is known is said.
  t.deepEqual(texts((await ours.ask('far.corp.example')).answers), ['far.corp.example CNAME www.example.net']);
});

test('as many addresses as fit, over UDP and TCP', async (t) => {
  const ours = serving();
  for (const count of [60, 128, 2000]) {
    const name = `many${count}.l4lb.thisdcos.directory`;
    ours.fill(name, count);
    for (const [udp, size, limit] of [
      [true, undefined, 512],
      [true, 512, 512],
      [true, 1232, 1232],
      [true, 4096, 1232],
      [false, undefined, 65_535],
    ] as const) {
      const answer = await ours.ask(name, { udp, ...(size && { size }) });
      const fitting = Math.floor((limit - 12 - name.length - 2 - 4 - (size ? 11 : 0)) / 16);
      t.is(texts(answer.answers).length, Math.min(count, fitting), `${count} over ${udp ? 'udp' : 'tcp'} ${size}`);
      t.is(answer.flag_tc, count > fitting);
      t.true(answer.bytes.length <= limit);
      t.is(
        texts(answer.answers).every((text) => text.startsWith(`${name} A 10.0.`)),
        true,
      );
    }
  }
});

test('the OPT record of an answer says what we take and gives the DO bit back', async (t) => {
  const ours = serving(vip());
  for (const name of [fqdn, 'nobody.l4lb.thisdcos.directory', 'l4lb.thisdcos.directory']) {
    for (const dnssec of [false, true]) {
      const { additionals } = await ours.ask(name, { size: 4096, dnssec });
      t.like(additionals!.at(-1), { type: 'OPT', udpPayloadSize: 1232, flag_do: dnssec, ednsVersion: 0 });
    }
    t.deepEqual((await ours.ask(name)).additionals, [], 'who has none gets none');
  }
});

test('addresses take turns, or stand still, as asked for', async (t) => {
  const firsts = async (order: 'rotate' | 'random' | 'fixed') => {
    const ours = new Ours({}, [], { order });
    ours.zones.setNames(namesOf([]));
    const name = nameKey('x.l4lb.thisdcos.directory');
    ours.zones.vips.set(
      'x',
      ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((one) => ({ name, data: address(one) })),
    );
    const answers = [];
    for (let i = 0; i < 90; i++) answers.push(await ours.ask('x.l4lb.thisdcos.directory'));
    t.true(answers.every((answer) => new Set(texts(answer.answers)).size === 3));
    return new Set(answers.map((answer) => texts(answer.answers)[0])).size;
  };
  t.is(await firsts('rotate'), 3);
  t.is(await firsts('random'), 3);
  t.is(await firsts('fixed'), 1);
});

test('what is malformed gets a code, or no answer at all', async (t) => {
  const ours = serving();
  const header = (flags: number, questions = 0) =>
    Buffer.from([0, 7, flags >> 8, flags & 255, 0, questions, 0, 0, 0, 0, 0, 0]);
  const code = async (bytes: Buffer) => ((await ours.raw(bytes)) ?? Buffer.alloc(4, 0xff))[3]! & 15;
  t.is(await ours.raw(Buffer.alloc(11)), undefined);
  t.is(await ours.raw(header(0x8000, 1)), undefined);
  t.is(await code(header(0)), 1);
  t.is(await code(header(0, 1)), 1);
  t.is(await code(header(0x2000, 1)), 4);
  t.deepEqual((await ours.raw(header(0x0100)))?.subarray(0, 2), Buffer.from([0, 7]));
  t.is((await ours.ask('example.org', { type: 'AXFR' })).rcode, 'REFUSED');
});
