import test from 'ava';
import { nameKey } from '../../../ts/dns/name.js';
import { Ours, texts } from './asking-ours.js';
import {
  asking,
  type Behaviour,
  encoded,
  type FakeUpstream,
  failing,
  honest,
  nameOf,
  reply,
  silent,
  upstream,
} from './upstream-program.js';

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

test('a suffix whose servers are silent takes the room of no other', async (t) => {
  const [dead, alive] = [await upstream(t, silent), await upstream(t, honest('192.0.2.1'))];
  const consul = nameKey('consul');
  const forward = [[consul, [dead.endpoint]]] as const;
  const ours = new Ours({ tasks: undefined, forwarded: [consul] }, [alive.endpoint], { maxQuestions: 3 }, forward);
  t.teardown(() => ours.close());
  const lost = Array.from({ length: 5 }, (_, i) => ours.ask(`n${i}.consul`));
  t.deepEqual(texts((await ours.ask('www.example.org')).answers), ['www.example.org A 192.0.2.1']);
  t.is((await lost[4]!).rcode, 'SERVFAIL');
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
