import { writeFileSync } from 'node:fs';
import { Daemon } from '../helpers/daemon.js';
import { startKnot, startNsd, startUnbound } from '../helpers/dns-servers.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { runAt } from '../helpers/programs.js';

// The resolver as dig, kdig and dnsperf see it, with real servers behind it.

const server = '198.51.100.1';
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

interface Dug {
  readonly status: string;
  readonly flags: readonly string[];
  readonly answers: number;
  readonly authorities: number;
  /** Bytes of the message. */
  readonly size: number;
  readonly text: string;
}

async function dig(lab: Lab, ...question: readonly string[]): Promise<Dug> {
  const text = await runAt(lab, 'node', 'dig', `@${server}`, '+tries=1', '+time=10', ...question);
  const found = (pattern: RegExp) => pattern.exec(text)?.[1] ?? '';
  return {
    status: found(/status: (\w+)/),
    flags: found(/flags: ([a-z ]*)/)
      .trim()
      .split(' '),
    answers: Number(found(/ANSWER: (\d+)/)),
    authorities: Number(found(/AUTHORITY: (\d+)/)),
    size: Number(found(/MSG SIZE +rcvd: (\d+)/)),
    text,
  };
}

const own = [
  ...numbers(60).map((n) => `sixty.lab.example A 192.0.2.${n}`),
  ...numbers(128).flatMap((n) => [`all.lab.example A 198.18.0.${n}`, `all.lab.example AAAA 2001:db8::${n}`]),
  'far.lab.example CNAME near.lab.example',
  'near.lab.example CNAME www.upstream.test',
];
const flags = ['--dns', 'true', '--dns-zone', 'lab.example', ...own.flatMap((record) => ['--dns-record', record])];

/** How many addresses fit, at `perRecord` bytes each behind a question for a name of this text. */
function fitting(limit: number, name: string, perRecord: number, edns: boolean): number {
  const question = 12 + name.length + 2 + 4;
  return Math.floor((limit - question - (edns ? 11 : 0)) / perRecord);
}

rootTest(
  'as many addresses as there is room for, by size, family and transport',
  async (t) => {
    const lab = Lab.create(t);
    await Daemon.start(lab, [], ...flags);
    for (const [name, type, count] of [
      ['sixty.lab.example', 'A', 60],
      ['all.lab.example', 'A', 128],
      ['all.lab.example', 'AAAA', 128],
    ] as const) {
      for (const size of [undefined, 512, 1232, 4096]) {
        const asked = size === undefined ? '+noedns' : `+bufsize=${size}`;
        const limit = Math.min(size ?? 512, 1232);
        const room = Math.min(count, fitting(limit, name, type === 'A' ? 16 : 28, size !== undefined));
        const { answers, flags: bits, size: bytes } = await dig(lab, '+ignore', asked, name, type);
        t.is(answers, room, `${name} ${type} ${asked}`);
        t.is(bits.includes('tc'), room < count, `${name} ${type} ${asked}`);
        t.true(bytes <= limit);
      }
      const whole = await dig(lab, '+tcp', name, type);
      t.like(whole, { answers: count, flags: ['qr', 'aa', 'rd', 'ra'].filter((bit) => whole.flags.includes(bit)) });
      t.is((await dig(lab, name, type)).answers, count, 'dig comes again by TCP by itself');
    }
  },
  program('dig'),
);

rootTest(
  'every code has its question',
  async (t) => {
    const lab = Lab.create(t);
    await Daemon.start(lab, [], ...flags, '--dns-upstream', '203.0.113.9', '--dns-tasks', 'true');
    const cases: readonly [status: string, answers: number, authorities: number, ...question: string[]][] = [
      ['NOERROR', 60, 0, '+tcp', 'SIXTY.lab.Example'],
      ['NOERROR', 0, 1, 'sixty.lab.example', 'AAAA'],
      ['NOERROR', 0, 1, 'lab.example'],
      ['NOERROR', 1, 0, 'lab.example', 'SOA'],
      ['NOERROR', 1, 0, 'lab.example', 'NS'],
      ['NOERROR', 1, 0, 'near.lab.example', 'ANY'],
      ['NXDOMAIN', 0, 1, 'nobody.lab.example'],
      ['NXDOMAIN', 0, 1, '-x', '11.1.2.3'],
      ['SERVFAIL', 0, 0, 'leader.mesos'],
      ['SERVFAIL', 0, 0, 'ready.spartan'],
      ['SERVFAIL', 0, 0, 'www.upstream.test'],
      ['REFUSED', 0, 0, '+norecurse', 'www.upstream.test'],
      ['REFUSED', 0, 0, '-c', 'CH', 'version.bind', 'TXT'],
      ['NOTIMP', 0, 0, '+opcode=notify', 'lab.example'],
      ['BADVERS', 0, 0, '+edns=1', '+noednsnegotiation', 'lab.example'],
    ];
    for (const [status, answers, authorities, ...question] of cases) {
      const dug = await dig(lab, ...question);
      t.like(dug, { status, answers, authorities }, `${question.join(' ')}\n${dug.text}`);
      t.true(dug.flags.includes('qr'), question.join(' '));
    }
    const transfer = await runAt(lab, 'node', 'dig', `@${server}`, '+tries=1', 'lab.example', 'AXFR');
    t.regex(transfer, /Transfer failed/);
    const cased = await dig(lab, '+tcp', 'SIXTY.lab.Example');
    t.regex(cased.text, /^;SIXTY\.lab\.Example\./m);
  },
  program('dig'),
);

rootTest(
  'a real resolver behind it: beside one that is dead, by TCP where it must be, at the end of a chain of aliases',
  async (t) => {
    const lab = Lab.create(t);
    const [upstream, dead] = [lab.site('upstream'), lab.site('dead')];
    await startUnbound(lab, upstream);
    const servers = [dead.v4, upstream.v4].flatMap((address) => ['--dns-upstream', address]);
    const daemon = await Daemon.start(lab, [], ...flags, ...servers);
    t.like(await dig(lab, 'www.upstream.test'), { status: 'NOERROR', answers: 1 });
    t.like(await dig(lab, 'nobody.upstream.test'), { status: 'NXDOMAIN', authorities: 1 });
    t.like(await dig(lab, 'www.upstream.test', 'AAAA'), { status: 'NOERROR', answers: 0, authorities: 1 });
    t.is((await dig(lab, 'wide.upstream.test')).answers, 120);
    const chain = await dig(lab, 'far.lab.example');
    t.like(chain, { status: 'NOERROR', answers: 3 });
    t.regex(chain.text, /^far\.lab.*CNAME[\s\S]*^near\.lab.*CNAME[\s\S]*^www\.upstream\.test.*192\.0\.2\.77$/m);
    const { upstreams } = await daemon.client.dnsUpstreams();
    t.is(upstreams.find((one) => one.server.startsWith(dead.v4))?.lastFailure, 'unreachable');
  },
  program('dig'),
  program('unbound'),
);

for (const [name, start] of [
  ['knotd', startKnot],
  ['nsd', startNsd],
] as const) {
  rootTest(
    `a suffix whose names ${name} knows at first hand, beside those of everybody else`,
    async (t) => {
      const lab = Lab.create(t);
      const [own, others] = [lab.site('own'), lab.site('others')];
      await start(lab, own);
      await startUnbound(lab, others);
      const servers = ['--dns-forward', `own.test=${own.v4}`, '--dns-upstream', others.v4];
      const daemon = await Daemon.start(lab, [], ...flags, ...servers);
      t.regex((await dig(lab, 'www.own.test')).text, /^www\.own\.test\.\s+60\s+IN\s+A\s+192\.0\.2\.78$/m);
      t.regex((await dig(lab, 'SHORT.own.Test')).text, /CNAME\s+www\.own\.test\.[\s\S]*192\.0\.2\.78/i);
      t.like(await dig(lab, 'nobody.own.test'), { status: 'NXDOMAIN', authorities: 1 });
      t.like(await dig(lab, 'www.own.test', 'MX'), { status: 'NOERROR', answers: 0, authorities: 1 });
      t.is((await dig(lab, 'wide.own.test', 'AAAA')).answers, 120);
      t.like(await dig(lab, 'www.upstream.test'), { status: 'NOERROR', answers: 1 });
      const { upstreams } = await daemon.client.dnsUpstreams();
      t.true(upstreams.every(({ failures, mismatches }) => failures === 0 && mismatches === 0));
      t.is(upstreams.length, 2);
    },
    program('dig'),
    program('unbound'),
    program(name),
  );
}

rootTest(
  'another suffix, another port, larger answers over UDP: as kdig sees it, on a connection that stays',
  async (t) => {
    const lab = Lab.create(t);
    const own = ['--dns-suffix', 'corp.example', '--dns-udp-size', '4096', '--dns-listen', '127.0.0.1:5353'];
    const service = { name: 'web', vip: 'web.marathon:80', backends: ['10.0.0.1:80'] };
    await Daemon.start(lab, [service], ...flags, ...own);
    const kdig = (...question: readonly string[]) =>
      runAt(lab, 'node', 'kdig', '@127.0.0.1', '-p', '5353', '+retry=0', ...question);
    const wide = await kdig('+bufsize=4096', '+ignore', 'all.lab.example', 'AAAA');
    t.regex(wide, /Flags: qr aa rd[^\n]*ANSWER: 128;/);
    t.notRegex(wide, /Flags:[^\n]* tc/);
    t.regex(wide, /EDNS PSEUDOSECTION:\n;; Version: 0; flags: ; UDP size: 4096 B/);
    const both = await kdig(
      '+keepopen',
      '+tcp',
      '+dnssec',
      'web.marathon.l4lb.corp.example',
      'A',
      'near.lab.example',
      'CNAME',
    );
    t.regex(both, /^web\.marathon\.l4lb\.corp\.example\.\s+5\s+IN\s+A\s+11\./m);
    t.regex(both, /^near\.lab\.example\.\s+5\s+IN\s+CNAME\s+www\.upstream\.test\./m);
    t.is([...both.matchAll(/flags: do;/g)].length, 2);
    t.notRegex(await kdig('web.marathon.l4lb.thisdcos.directory', 'A'), /Flags:[^\n]* aa|status: NOERROR/);
  },
  program('kdig'),
);

rootTest(
  'many questions on one TCP connection at a time are all answered',
  async (t) => {
    const lab = Lab.create(t);
    await Daemon.start(lab, [], ...flags);
    const file = `${lab.directory}/questions`;
    writeFileSync(file, 'sixty.lab.example A\nnobody.lab.example A\nall.lab.example AAAA\n'.repeat(2_000));
    const limits = ['-m', 'tcp', '-c', '1', '-q', '100', '-n', '1', '-t', '20'];
    const output = await runAt(lab, 'node', 'dnsperf', '-s', server, '-d', file, ...limits);
    t.regex(output, /Queries completed:\s+6000 /);
    t.regex(output, /NOERROR 4000 .*NXDOMAIN 2000 /);
  },
  program('dnsperf'),
);
