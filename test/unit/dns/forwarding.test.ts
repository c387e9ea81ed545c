import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import dnsPacket, { type DecodedPacket } from 'dns-packet';
import { nameKey } from '../../../ts/dns/name.js';
import { parseRecord } from '../../../ts/dns/static-records.js';
import { Ours, texts } from './asking-ours.js';
import { a, type Behaviour, type FakeUpstream, failing, honest, reply, silent, upstream } from './upstream-program.js';

function asking(
  t: ExecutionContext,
  servers: readonly FakeUpstream[],
  over: ConstructorParameters<typeof Ours>[2] = {},
): Ours {
  const ours = new Ours(
    { tasks: undefined },
    servers.map(({ endpoint }) => endpoint),
    over,
  );
  t.teardown(() => ours.close());
  return ours;
}

const encoded = (question: DecodedPacket) => dnsPacket.encode(question);
const nameOf = (question: DecodedPacket) => question.questions![0]!.name;
const soa = {
  type: 'SOA',
  class: 'IN',
  name: 'example',
  ttl: 100,
  data: { mname: 'm', rname: 'r', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 30 },
};

test('the answer of others is handed on under the letters of the client, and kept as long as it says', async (t) => {
  const server = await upstream(t, honest('192.0.2.1', 60));
  const ours = asking(t, [server]);
  const first = await ours.ask('wWw.Example.org', { size: 1232 });
  t.is(first.questions![0]!.name, 'wWw.Example.org');
  t.deepEqual(texts(first.answers), ['www.example.org A 192.0.2.1']);
  t.like(first, { rcode: 'NOERROR', id: 4711, flag_aa: false, flag_ra: true, flag_qr: true });
  ours.now = 59_000;
  const second = await ours.ask('www.example.org', { id: 9 });
  t.is((second.answers![0] as { ttl: number }).ttl, 1);
  t.is(second.id, 9);
  t.is(server.asked.length, 1);
  ours.now = 60_000;
  await ours.ask('www.example.org');
  t.is(server.asked.length, 2);
  t.not(nameOf(server.asked[0]!), nameOf(server.asked[1]!), 'the letters differ each time');
  t.is(nameOf(server.asked[0]!).toLowerCase(), 'www.example.org');
});

test('one question goes out however many clients ask', async (t) => {
  const waiting: (() => void)[] = [];
  const server = await upstream(t, (question, send) => waiting.push(() => honest('192.0.2.1')(question, send, 1)));
  const ours = asking(t, [server]);
  const answers = Array.from({ length: 50 }, (_, id) => ours.ask('www.example.org', { id }));
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  waiting[0]!();
  t.deepEqual(
    (await Promise.all(answers)).map(({ id }) => id),
    Array.from({ length: 50 }, (_, id) => id),
  );
  t.is(server.asked.length, 1);
});

test('"no" is kept for as long as the SOA says, and not at all without one', async (t) => {
  const server = await upstream(t, (question, send) => {
    const name = nameOf(question).toLowerCase();
    const authorities = name.startsWith('bare') ? [] : [soa];
    send(reply(question, { flags: name.includes('gone') ? 0x0183 : 0x0180, authorities }));
  });
  const ours = asking(t, [server]);
  for (const [name, rcode, questions] of [
    ['gone.example', 'NXDOMAIN', 1],
    ['empty.example', 'NOERROR', 1],
    ['bare-gone.example', 'NXDOMAIN', 2],
  ] as const) {
    const before = server.asked.length;
    for (let i = 0; i < 2; i++) t.is((await ours.ask(name)).rcode, rcode);
    t.is(server.asked.length - before, questions, name);
  }
  ours.now = 31_000;
  const before = server.asked.length;
  await ours.ask('gone.example');
  t.is(server.asked.length, before + 1);
});

test('of two servers the first useful answer wins, however fast the other fails', async (t) => {
  for (const bad of [failing(2), failing(5), failing(1), silent] satisfies Behaviour[]) {
    const late: Behaviour = (question, send, nth) => setTimeout(() => honest('192.0.2.1')(question, send, nth), 30);
    const servers = [await upstream(t, bad), await upstream(t, late)];
    const answer = await asking(t, servers).ask('www.example.org');
    t.deepEqual(texts(answer.answers), ['www.example.org A 192.0.2.1']);
  }
});

test('a server that takes its time is waited for, also one that used to be quick', async (t) => {
  const slow: Behaviour = (question, send) => setTimeout(() => honest('192.0.2.1')(question, send, 1), 2_300);
  const server = await upstream(t, (question, send, nth) => {
    if (nameOf(question).toLowerCase().startsWith('quick')) honest('192.0.2.1')(question, send, nth);
    else slow(question, send, nth);
  });
  const known = ['192.0.2.1'].map((one) => `www.example.org A ${one}`);
  t.deepEqual(texts((await asking(t, [server]).ask('www.example.org')).answers), known);
  const ours = asking(t, [server]);
  for (let i = 0; i < 20; i++) await ours.ask(`quick${i}.example.org`);
  t.deepEqual(texts((await ours.ask('www.example.org')).answers), known);
  t.like(ours.group.upstreams[0], { mismatches: 0, failures: 0 }, 'a late answer is an answer');
});

test('when one is silent and another cannot help, the client hears so before it gives up itself', async (t) => {
  const ours = asking(t, [await upstream(t, silent), await upstream(t, failing(2))]);
  const began = Date.now();
  t.is((await ours.ask('www.example.org')).rcode, 'SERVFAIL');
  t.true(Date.now() - began < 4_500);
  const nobody = asking(t, [await upstream(t, silent), await upstream(t, silent)]);
  t.is((await nobody.ask('www.example.org')).rcode, 'SERVFAIL');
  t.true(Date.now() - began < 12_000, 'five seconds and no more');
});

test('a third server is asked when the first two cannot help; without help the client learns of it, with the QR bit', async (t) => {
  const servers = [
    await upstream(t, failing(2)),
    await upstream(t, failing(2)),
    await upstream(t, honest('192.0.2.3')),
  ];
  t.is((await asking(t, servers).ask('www.example.org')).rcode, 'NOERROR');
  const none = await asking(t, servers.slice(0, 2)).ask('www.example.org');
  t.like(none, { rcode: 'SERVFAIL', flag_qr: true, flag_ra: true, id: 4711 });
  const closed = createSocket('udp4').bind(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  const nobody = new Ours({ tasks: undefined }, [{ address: '127.0.0.1', port }]);
  t.teardown(() => nobody.close());
  const started = Date.now();
  t.is((await nobody.ask('www.example.org')).rcode, 'SERVFAIL');
  t.true(Date.now() - started < 4_000, 'a refusal of the machine is not waited for');
});

test('a server there is no way to is a server that cannot help', async (t) => {
  // The kernel refuses to connect to a broadcast address, as it does where there is no route.
  const nowhere = { address: '255.255.255.255', port: 53 };
  const nobody = new Ours({ tasks: undefined }, [nowhere]);
  t.teardown(() => nobody.close());
  const names = Array.from({ length: 40 }, (_, i) => `h${i}.example.org`);
  for (const answer of await Promise.all(names.map((name) => nobody.ask(name)))) t.is(answer.rcode, 'SERVFAIL');
  t.like(nobody.group.upstreams[0], { lastFailure: 'unreachable' });
  const server = await upstream(t, honest('192.0.2.1'));
  const other = new Ours({ tasks: undefined }, [nowhere, server.endpoint]);
  t.teardown(() => other.close());
  t.deepEqual(texts((await other.ask('www.example.org')).answers), ['www.example.org A 192.0.2.1']);
});

test('what does not answer the question, letter by letter, from the server that was asked, is not taken', async (t) => {
  const elsewhere = createSocket('udp4').bind(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  t.teardown(() => elsewhere.close());
  const forged = (question: DecodedPacket, over: object = {}) =>
    reply({ ...question, ...over }, { answers: [a(nameOf(question), '203.0.113.66')] });
  const lies: Readonly<Record<string, Behaviour>> = {
    'another id': (question, send) => send(forged(question, { id: (question.id! + 1) & 0xffff })),
    'another name': (question, send) =>
      send(forged(question, { questions: [{ type: 'A', name: 'www.evil.example' }] })),
    'another type': (question, send) =>
      send(forged(question, { questions: [{ type: 'AAAA', name: nameOf(question) }] })),
    'another source': (question, send) => send(forged(question), elsewhere),
    'a question': (question, send) => {
      const bytes = forged(question);
      bytes[2]! &= 0x7f;
      send(bytes);
    },
    'no more than a header': (question, send) => send(forged(question).subarray(0, 12)),
    'one byte': (_, send) => send(Buffer.from([1])),
  };
  for (const [title, lie] of Object.entries(lies)) {
    const server = await upstream(t, (question, send, nth) => {
      lie(question, send, nth);
      setTimeout(() => honest('192.0.2.1')(question, send, nth), 20);
    });
    const ours = asking(t, [server]);
    t.deepEqual(texts((await ours.ask('www.example.org')).answers), ['www.example.org A 192.0.2.1'], title);
    t.is(ours.group.upstreams[0]!.mismatches, title === 'another source' ? 0 : 1, title);
  }
});

test('records that do not fit their message are no answer', async (t) => {
  const server = await upstream(t, (question, send) => {
    const whole = reply(question, { answers: [a(nameOf(question), '192.0.2.1')] });
    send(whole.subarray(0, whole.length - 2));
  });
  t.is((await asking(t, [server]).ask('www.example.org')).rcode, 'SERVFAIL');
});

test('an answer that does not fit is fetched by TCP, and cut for the client', async (t) => {
  const many = (question: DecodedPacket) => Array.from({ length: 200 }, (_, i) => a(nameOf(question), `10.0.0.${i}`));
  const server = await upstream(
    t,
    (question, send) => send(reply(question, { flags: 0x0380 })),
    (question, send) => send(reply(question, { answers: many(question) })),
  );
  const ours = asking(t, [server]);
  const udp = await ours.ask('www.example.org', { size: 1232 });
  t.true(udp.flag_tc && udp.bytes.length <= 1232 && udp.answers!.length > 20);
  const fetched = server.askedByTcp.length;
  t.true(fetched > 0);
  const plain = await ours.ask('www.example.org');
  t.true(plain.flag_tc && plain.bytes.length <= 512);
  const tcp = await ours.ask('www.example.org', { udp: false });
  t.is(tcp.answers!.length, 200);
  t.false(tcp.flag_tc);
  t.is(server.askedByTcp.length, fetched, 'what was fetched once is kept');
});

test('a server that does not keep the letters is asked by TCP first, then believed by id and port', async (t) => {
  const lower: Behaviour = (question, send) => {
    const questions = [{ ...question.questions![0]!, name: nameOf(question).toLowerCase() }];
    send(reply(question, { questions, answers: [a(questions[0]!.name, '192.0.2.1')] }));
  };
  const server = await upstream(t, lower);
  const ours = asking(t, [server]);
  const ask = async (name: string) => t.deepEqual(texts((await ours.ask(name)).answers), [`${name} A 192.0.2.1`]);
  await ask('averyveryverylongname.example.org');
  const byTcp = server.askedByTcp.length;
  t.true(byTcp > 0);
  for (const name of ['anotherverylongname.example.org', 'third.example.org']) await ask(name);
  t.is(server.askedByTcp.length, byTcp);
});

test('when nobody answers, what is out of date is given for a short while; fresh answers take over again', async (t) => {
  let works = true;
  const server = await upstream(t, (question, send, nth) => {
    if (works) honest('192.0.2.1')(question, send, nth);
    else failing(2)(question, send, nth);
  });
  const ours = asking(t, [server]);
  await ours.ask('www.example.org');
  works = false;
  ours.now = 100_000;
  for (let i = 0; i < 3; i++) {
    const stale = await ours.ask('www.example.org');
    t.deepEqual(texts(stale.answers), ['www.example.org A 192.0.2.1']);
    t.is((stale.answers![0] as { ttl: number }).ttl, 30);
  }
  t.is(server.asked.length, 2, 'after a failure nobody is asked for a while');
  works = true;
  ours.now = 140_000;
  t.is(((await ours.ask('www.example.org')).answers![0] as { ttl: number }).ttl, 60);
  ours.now += 86_400_000 + 61_000;
  works = false;
  t.is((await ours.ask('www.example.org')).rcode, 'SERVFAIL', 'a day is the end');
  const strict = asking(t, [server], { serveStale: false });
  works = true;
  await strict.ask('www.example.org');
  works = false;
  strict.now = 100_000;
  t.is((await strict.ask('www.example.org')).rcode, 'SERVFAIL');
});

test('the cache holds no more than it may, gives up what nobody asks for first, and counts that', async (t) => {
  const server = await upstream(t, honest('192.0.2.1', 3_600));
  const ours = asking(t, [server], { cacheBytes: 100_000, maxQuestions: 10_000 });
  for (let i = 0; i < 1_000; i++) {
    await ours.ask(`n${i}.example.org`);
    if (i % 20 === 0) await ours.ask('popular.example.org');
    t.true(ours.recursor.cache.bytes <= 100_000);
  }
  const { size, evictions } = ours.recursor.cache;
  t.true(size > 100 && size < 200, `${size} entries`);
  t.is(evictions, 1_001 - size);
  t.is(server.asked.filter((one) => nameOf(one).toLowerCase().startsWith('popular')).length, 1);
  t.is(ours.recursor.cache.clear(), size);
  t.is(ours.recursor.cache.bytes, 0);
});

test('a popular name is asked anew before its time is over, so that nobody waits', async (t) => {
  const server = await upstream(t, honest('192.0.2.1', 100));
  const ours = asking(t, [server]);
  for (let i = 0; i < 4; i++) await ours.ask('www.example.org');
  ours.now = 95_000;
  await ours.ask('www.example.org');
  while (server.asked.length < 2 || ours.recursor.questions > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  ours.now = 101_000;
  await ours.ask('www.example.org');
  t.is(server.asked.length, 2);
});

test('a CNAME of ours that leads elsewhere is followed there', async (t) => {
  const server = await upstream(t, (question, send) => {
    const name = nameOf(question);
    const chain = { type: 'CNAME', class: 'IN', name, ttl: 9, data: 'edge.example.net' };
    send(reply(question, { answers: [chain, a('edge.example.net', '192.0.2.1')] }));
  });
  const records = [parseRecord('far.corp.example CNAME www.example.net')];
  const ours = new Ours({ tasks: undefined, records }, [server.endpoint]);
  t.teardown(() => ours.close());
  t.deepEqual(texts((await ours.ask('Far.corp.example')).answers), [
    'Far.corp.example CNAME www.example.net',
    'www.example.net CNAME edge.example.net',
    'edge.example.net A 192.0.2.1',
  ]);
});

test('names of Mesos asked of its own servers have the suffix they were asked with, wherever they stand', async (t) => {
  const server = await upstream(t, (question, send) => {
    const { name, type } = question.questions![0]!;
    const inside = { class: 'IN', name: 'Web-1.marathon.slave.mesos', ttl: 60 } as const;
    const chain = { type: 'CNAME', class: 'IN', name, ttl: 60, data: inside.name };
    const service = { type: 'SRV', class: 'IN', name, ttl: 60, data: { port: 31_000, target: inside.name } };
    const additionals = [{ ...inside, type: 'A', data: '192.0.2.7' }];
    if (type === 'SRV') send(reply(question, { answers: [service], additionals }));
    else send(reply(question, { answers: [chain, ...additionals] }));
  });
  const ours = new Ours({ tasks: undefined, forwarded: [nameKey('mesos')] }, [], {}, [
    [nameKey('mesos'), [server.endpoint]],
  ]);
  t.teardown(() => ours.close());
  const below = (name: string) => `${name}.mesos.thisdcos.directory`;
  const target = below('web-1.marathon.slave');
  const srv = await ours.ask(below('_web._tcp.marathon'), { type: 'SRV' });
  t.deepEqual(texts(srv.answers), [`${below('_web._tcp.marathon')} SRV 31000 ${target}`]);
  t.deepEqual(texts(srv.additionals), [`${target} A 192.0.2.7`]);
  t.deepEqual(texts((await ours.ask(below('web.marathon'))).answers), [
    `${below('web.marathon')} CNAME ${target}`,
    `${target} A 192.0.2.7`,
  ]);
  const plain = await ours.ask('_web._tcp.marathon.mesos', { type: 'SRV' });
  t.deepEqual(texts(plain.answers), ['_web._tcp.marathon.mesos SRV 31000 Web-1.marathon.slave.mesos']);
});

test('ports and ids of questions cannot be foretold, and a port is given up after a while', async (t) => {
  const [ports, ids]: [number[], number[]] = [[], []];
  const server = await upstream(t, (question, send, nth) => {
    ids.push(question.id!);
    honest('192.0.2.1')(question, send, nth);
  });
  server.from((port) => ports.push(port));
  const ours = asking(t, [server], { maxQuestions: 10_000 });
  const count = 4_000;
  for (let i = 0; i < count; i += 100)
    await Promise.all(Array.from({ length: 100 }, (_, n) => ours.ask(`n${i + n}.example.org`)));
  t.is(ids.length, count);
  const steps = ids.slice(1).map((id, i) => (id - ids[i]! + 65_536) % 65_536);
  t.true(new Set(steps).size > count * 0.8, 'no step from one id to the next is usual');
  t.true(new Set(ids).size > count * 0.9);
  const distinct = new Set(ports).size;
  t.true(distinct >= 8 && distinct >= count / 256, `${distinct} ports`);
  const uses = new Map<number, number>();
  for (const port of ports) uses.set(port, (uses.get(port) ?? 0) + 1);
  t.true(Math.max(...uses.values()) <= 256);
});

test('two resolvers that ask each other answer that nobody knows', async (t) => {
  const [first, second] = [await upstream(t, silent), await upstream(t, silent)];
  const ask =
    (ours: Ours): Behaviour =>
    (question, send) =>
      void ours.raw(encoded(question)).then((answer) => answer && send(answer));
  const ours = [second, first].map(({ endpoint }) => asking(t, [{ endpoint } as FakeUpstream]));
  first.behave(ask(ours[0]!));
  second.behave(ask(ours[1]!));
  const began = Date.now();
  t.is((await ours[0]!.ask('www.example.org')).rcode, 'SERVFAIL');
  t.true(Date.now() - began < 8_000);
  t.true(first.asked.length + second.asked.length < 20, 'the question does not multiply');
});

test('more questions than there is room for are turned away, and counted', async (t) => {
  const server = await upstream(t, silent);
  const ours = asking(t, [server], { maxQuestions: 3 });
  const answers = Array.from({ length: 5 }, (_, i) => ours.ask(`n${i}.example.org`));
  const shed = await Promise.all(answers.slice(3));
  t.deepEqual(
    shed.map(({ rcode }) => rcode),
    ['SERVFAIL', 'SERVFAIL'],
  );
  const families = await ours.counts.collect();
  const counted = families[0]!.samples.filter(({ labels }) => labels.origin === 'shed');
  t.deepEqual(
    counted.map(({ value }) => value),
    [2],
  );
});

test('questions for others are timed and their failures counted, by the suffix they were for', async (t) => {
  const records = async (ours: Ours, name: string) => {
    const family = (await ours.counts.collect()).find((one) => one.name === name);
    return family!.samples.filter(({ suffix }) => suffix === undefined || suffix === '_count');
  };
  const good = asking(t, [await upstream(t, honest('192.0.2.1'))]);
  for (let i = 0; i < 3; i++) await good.ask('www.example.org');
  const [timed] = await records(good, 'vipd_dns_forwarder_requests_duration_seconds');
  t.like(timed, { labels: { zone: '.' }, value: 1 }, 'what is in the cache is not forwarded');
  t.deepEqual(await records(good, 'vipd_dns_forwarder_failures_total'), []);
  const bad = asking(t, [await upstream(t, failing(2))]);
  for (let i = 0; i < 2; i++) await bad.ask('www.example.org');
  const [failed] = await records(bad, 'vipd_dns_forwarder_failures_total');
  t.deepEqual(failed, { labels: { zone: '.' }, value: 2 });
});

test('only those who ask for recursion get it', async (t) => {
  const server = await upstream(t, honest('192.0.2.1'));
  t.is((await asking(t, [server]).ask('www.example.org', { flags: 0 })).rcode, 'REFUSED');
  t.is(server.asked.length, 0);
});
