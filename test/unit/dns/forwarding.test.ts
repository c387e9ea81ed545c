import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test from 'ava';
import type { DecodedPacket } from 'dns-packet';
import { nameKey } from '../../../ts/dns/name.js';
import { parseRecord } from '../../../ts/dns/static-records.js';
import { Ours, texts } from './asking-ours.js';
import { a, asking, type Behaviour, failing, honest, nameOf, reply, silent, upstream } from './upstream-program.js';

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

test('only those who ask for recursion get it', async (t) => {
  const server = await upstream(t, honest('192.0.2.1'));
  t.is((await asking(t, [server]).ask('www.example.org', { flags: 0 })).rcode, 'REFUSED');
  t.is(server.asked.length, 0);
});
