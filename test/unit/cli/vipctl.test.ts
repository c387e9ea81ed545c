import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { web, webStatus } from '../api/fake-ports.js';
import { serve } from '../api/with-server.js';
import { run } from './terminal.js';

function temporary(t: ExecutionContext, name: string, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-cli-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

interface Case {
  readonly args: readonly string[];
  readonly status?: number;
  readonly lines: readonly RegExp[];
}

/** What people see: every expression must match a line. */
const views: readonly Case[] = [
  {
    args: ['status'],
    lines: [
      /^state +healthy$/,
      /^hooks +sock \/sys\/fs\/cgroup \(link\): attached$/,
      /^dns +answers on 198\.51\.100\.1:53; 1 upstreams$/,
      /^backends +1 active, .*1 down/,
    ],
  },
  {
    args: ['vips'],
    lines: [/^VIP +NAME +SERVICE +SOURCE +ACTIVE/, /^tcp\/11\.0\.0\.80:80 +- +web +file +1\/2 +5 +6\.8 KiB +1 +yes$/],
  },
  {
    args: ['vip', 'web'],
    lines: [
      /^vip +tcp\/11\.0\.0\.80:80$/,
      /^connects +4 connected in 8\.0 µs \(P50\), 16 µs \(P90\), 16 µs \(P99\); 1 refused; 2 reset within a second$/,
      /^BACKEND .* BYTES +P50 +P90 +P99 +FAILED +STATE/,
      /^10\.0\.0\.1:8080 .* 8\.0 µs +16 µs +16 µs +3 +active/,
      /^10\.0\.0\.2:8080 +- +3 .* - +- +- +- +down .* tcp: ECONNREFUSED, 2 of 2 failures$/,
    ],
  },
  { args: ['vip', '11.0.0.80:80'], lines: [/^vip +tcp\/11\.0\.0\.80:80$/] },
  {
    args: ['backends'],
    lines: [/^web +tcp\/11\.0\.0\.80:80 +10\.0\.0\.1:8080 +1 +5 +8\.0 µs +16 µs +16 µs +3 +active .* healthy$/],
  },
  {
    args: ['where', 'web.marathon.l4lb.thisdcos.directory'],
    lines: [/^name +web\.marathon\.l4lb/, /^addresses +11\.0\.0\.80$/, /^10\.0\.0\.1:8080 .*healthy$/],
  },
  {
    args: ['marathon', 'label', '--port', '80', '--name', '/group/web', '--index', '1'],
    lines: [/^ {4}"VIP_1": "\/group\/web:80"$/],
  },
  {
    args: ['labels', '--rejected'],
    status: 1,
    lines: [/^TASK +AGENT +LABEL/, /^marathon\/app2\.dcos-101 +10\.0\.0\.1 +VIP_1=\/bad +has no port +\/bad:31000$/],
  },
  {
    args: ['labels'],
    lines: [/^tcp\/web\.marathon:80 +marathon\/a, marathon\/b$/, /^tcp\/11\.0\.0\.80:80 +web +file, mesos-agent$/],
  },
  {
    args: ['endpoints', 'marathon/app2.dcos-101'],
    lines: [/^address +10\.0\.0\.1:31000$/, /^vip +dcos-101app2\.marathon\.l4lb\S+:10000$/, /TASK_RUNNING +healthy/],
  },
  { args: ['members'], lines: [/^NODE +STATE/, /^node-a +self .* 10\.0\.0\.1 .* node-b +12D3KooWMember$/] },
  { args: ['cluster', 'leave'], lines: [/^this node has left its cluster/] },
  { args: ['rm', 'stored'], lines: [/^service stored removed$/] },
  { args: ['drain', 'web', '10.0.0.1:8080'], lines: [/^backend 10\.0\.0\.1:8080 of web takes no new connections$/] },
  { args: ['undrain', 'web', '10.0.0.1:8080'], lines: [/takes new connections again$/] },
  { args: ['flows'], lines: [/^tcp\/11\.0\.0\.80:80 +10\.9\.9\.9:40000 +10\.0\.0\.1:8080 +established +3s$/] },
  {
    args: ['flows', '--exact'],
    lines: [
      /^VIP +CLIENT +BACKEND +STATE +IDLE +SEEN AS +AGE +SENT +RECEIVED$/,
      /^udp\/11\.0\.0\.53:53 +10\.9\.9\.8:40001 +10\.0\.0\.3:53 +established +4s +10\.0\.0\.9:61440 +70s +5\/500 +6\/6000$/,
    ],
  },
  { args: ['events'], lines: [/^2023-11-14T22:13:20\.000Z refused tcp\/11\.0\.0\.80:80 by sock$/] },
  {
    args: ['explain', 'web'],
    lines: [
      /^ {2}node-a: self; 1 of its 2 backends in rotation here$/,
      /backend 10\.0\.0\.1:8080 has weight 2 in the kernel, 1 is desired$/,
      /^ {2}table: maglev 251$/,
    ],
  },
  { args: ['doctor'], lines: [/^ok +kernel +6\.18$/] },
  {
    args: ['dns', 'lookup', 'web.marathon.mesos', '--trace'],
    lines: [/^web\.marathon\.mesos +60 +A +10\.0\.0\.1 +task web\.1$/, /^ {2}the zone mesos$/],
  },
  {
    args: ['dns', 'lookup', 'nobody.mesos', 'srv'],
    status: 1,
    lines: [/^nobody\.mesos SRV: NXDOMAIN$/, /^ {2}the zone mesos$/],
  },
  {
    args: ['dns', 'zones'],
    lines: [
      /^listening +198\.51\.100\.1:53$/,
      /^mesos +2 +2 +7 +authority +tasks$/,
      /mesos\.thisdcos\.directory → as mesos$/,
    ],
  },
  { args: ['dns', 'records', 'mesos'], lines: [/^_web\._tcp\.marathon\.mesos +60 +SRV +0 1 80 web\.marathon\.mesos/] },
  { args: ['dns', 'cache'], lines: [/^memory +700 B$/, /^example\.org +A +30s +3 +A 192\.0\.2\.1$/] },
  { args: ['dns', 'cache', '--flush'], lines: [/^1 forgotten$/] },
  { args: ['dns', 'upstreams'], lines: [/^\. +192\.0\.2\.53:53 +9 +1 +2\.5 ms +12\.5 ms +0 +timeout$/] },
  { args: ['teardown'], lines: [/^the kernel is as it was before vipd$/] },
  {
    args: ['set', 'x', '--vip', '11.0.0.9:53', '--protocol', 'udp'],
    lines: [/^service x is udp\/11\.0\.0\.9:53 with 0 backends$/],
  },
];

for (const { args, status = 0, lines } of views) {
  test(`vipctl ${args.join(' ')}`, async (t) => {
    const { socket } = await serve(t);
    const { out, error, status: ended } = await run(socket, ...args);
    t.is(error, '');
    t.is(ended, status);
    for (const expression of lines)
      t.true(
        out.split('\n').some((line) => expression.test(line)),
        `${expression}\n${out}`,
      );
  });

  test(`vipctl ${args.join(' ')} --json`, async (t) => {
    const { socket } = await serve(t);
    const { out, status: ended } = await run(socket, args[0]!, '--json', ...args.slice(1));
    t.is(ended, status);
    t.notThrows(() => JSON.parse(out));
  });
}

test('set sends backends with weights and the whole health check', async (t) => {
  const { socket, ports } = await serve(t);
  const { status, error } = await run(
    socket,
    ...['set', 'mine', '--vip', '11.0.0.80:81', '--backend', '10.0.0.2:8080=3', '--backend', '10.0.0.1:8080'],
    ...['--health', 'command', '--health-interval', '3s', '--health-rise', '2', '--health-command', '/bin/check', 'a'],
  );
  t.is(status, 0, error);
  const health = {
    kind: 'command',
    intervalMs: 3_000,
    timeoutMs: 1_000,
    rise: 2,
    fall: 2,
    command: ['/bin/check', 'a'],
  };
  t.deepEqual<unknown, unknown>(ports.calls, [
    ['set', { ...web, name: 'mine', frontend: { ...web.frontend, port: 81 }, health }],
  ]);
});

test('apply sends the services of a file, and names the place of what is wrong in it', async (t) => {
  const { socket, ports } = await serve(t);
  const good = temporary(t, 'good.yaml', 'services:\n  - {name: a, vip: "11.0.0.1:80", backends: ["10.0.0.1:80"]}\n');
  t.like(await run(socket, 'apply', '-f', good, '--prune'), { status: 0, out: '1 services defined\n' });
  t.is(ports.calls[0]?.[2], true);
  const bad = temporary(t, 'bad.yaml', 'services:\n  - {name: a, vip: "11.0.0.1:0", backends: []}\n');
  const outcome = await run(socket, 'apply', '-f', bad);
  t.is(outcome.status, 1);
  t.regex(outcome.out, /bad\.yaml:2:\d+: service a, vip: port 0/);
  t.is(ports.calls.length, 1);
});

test('status says 1 when something is wrong, and what', async (t) => {
  const { socket, ports } = await serve(t);
  const fault = { code: 'ENOSPC', object: 'map vips', cause: 'no room', hint: 'raise limits.vips' };
  ports.vips = [{ ...webStatus, programmed: 'failed', fault }];
  t.is((await run(socket, 'status')).status, 1);
  t.regex((await run(socket, 'vip', 'web')).out, /failed: map vips: no room \(raise limits\.vips\)/);
});

interface Failing {
  readonly title: string;
  readonly args: readonly string[];
  readonly status: number;
  readonly error: RegExp;
}

const failing: readonly Failing[] = [
  { title: 'an unknown VIP', args: ['vip', 'x'], status: 1, error: /^vipctl: vip x: .* \(vipctl vips lists/ },
  { title: 'a foreign service', args: ['rm', 'web'], status: 1, error: /it is defined by file/ },
  { title: 'an unknown option', args: ['vips', '--colour'], status: 2, error: /unknown option '--colour'/ },
  { title: 'an unknown command', args: ['vipz'], status: 2, error: /Did you mean one of vip, vips/ },
  { title: 'a missing argument', args: ['drain', 'web'], status: 2, error: /missing required argument 'backend'/ },
  {
    title: 'a limit that is no number',
    args: ['flows', '--limit', 'x'],
    status: 2,
    error: /a positive integer is wanted/,
  },
  {
    title: 'a backend with two weights',
    args: ['set', 'x', '--vip', 'y', '--backend', 'a=1=2'],
    status: 2,
    error: /WEIGHT/,
  },
  {
    title: 'details of no health check',
    args: ['set', 'x', '--vip', 'y', '--health-rise', '2'],
    status: 2,
    error: /--health tcp/,
  },
  { title: 'a wrong address', args: ['set', 'x', '--vip', 'y'], status: 1, error: /service x: vip: .*ADDRESS:PORT/ },
  {
    title: 'a file that is not there',
    args: ['apply', '-f', '/nonexistent'],
    status: 1,
    error: /\/nonexistent: ENOENT/,
  },
];

for (const { title, args, status, error } of failing) {
  test(`${title}: exit status ${status} and a reason`, async (t) => {
    const { socket } = await serve(t);
    const outcome = await run(socket, ...args);
    t.is(outcome.status, status);
    t.regex(outcome.error, error);
    t.is(outcome.out, '');
  });
}

test('without a daemon: exit status 3 and what to do; with --json the fault', async (t) => {
  const text = await run('/nonexistent/vipd.sock', 'status');
  t.is(text.status, 3);
  t.regex(text.error, /no daemon listens there \(start it with/);
  const json = await run('/nonexistent/vipd.sock', 'status', '--json');
  t.is((JSON.parse(json.error) as { error: { code: string } }).error.code, 'DAEMON_UNREACHABLE');
});

const commands: readonly [status: number, ...command: string[]][] = [
  [0, 'true'],
  [7, 'sh', '-c', 'exit 7'],
  [128 + 9, 'sh', '-c', 'kill -KILL $$'],
  [0, 'sh', '-c', 'test "$1" = --json', 'sh', '--json'],
];

for (const [status, ...command] of commands) {
  test(`exec enters the cgroup and passes on how \`${command.join(' ')}\` ended`, async (t) => {
    const { socket, ports } = await serve(t);
    const procs = temporary(t, 'cgroup.procs', '');
    ports.node.cgroup = join(procs, '..');
    const outcome = await run(socket, 'exec', '--', ...command);
    t.is(outcome.status, status, outcome.error);
    t.is(readFileSync(procs, 'utf8'), '0');
  });
}

test('exec says which command is not there', async (t) => {
  const { socket, ports } = await serve(t);
  ports.node.cgroup = join(temporary(t, 'cgroup.procs', ''), '..');
  const outcome = await run(socket, 'exec', '--', '/nonexistent/command');
  t.is(outcome.status, 1);
  t.regex(outcome.error, /command \/nonexistent\/command: there is no such command/);
});

test('marathon preview sends an app and shows what its labels come to; status 1 when one makes no VIP', async (t) => {
  const { socket } = await serve(t);
  const file = temporary(t, 'app.json', '{"id": "/web"}');
  const { status, out } = await run(socket, 'marathon', 'preview', file);
  t.is(status, 1);
  t.regex(out, /^tcp\/web\.marathon:80 +web\.marathon\.l4lb\.thisdcos\.directory +11\.0\.0\.80 +file$/m);
  t.regex(out, /^VIP_1=\/bad makes none: has no port; write \/bad:80$/m);
});
