import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../../ts/util/paths.js';
import { Home } from './running.js';

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program of this package; `before` are words in front of it. */
function vipd(args: readonly string[], before: readonly string[] = []): Ended {
  const [command = '', ...rest] = [...before, join(packageRoot, 'packaging', 'bin', 'vipd'), ...args];
  return spawnSync(command, rest, { encoding: 'utf8', env: { ...process.env, VIPD_NODE: process.execPath } });
}

/** Root that may do nothing special; where the tests do not run as root there is nothing to take away. */
const powerless = process.geteuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : [];

for (const args of [[], ['uninstall']]) {
  test(`without privileges \`vipd ${args.join(' ')}\` says which are missing in one line and ends with 77`, (t) => {
    const { status, stderr } = vipd(args, powerless);
    t.is(status, 77, stderr);
    t.regex(stderr, /^vipd: user \d+: this process lacks (CAP_\w+, )*CAP_\w+ \(.*\)\n$/);
  });
}

test('without privileges the doctor still reports, and fails', (t) => {
  const { status, stdout, stderr } = vipd(['doctor'], powerless);
  t.is(status, 1, stderr);
  const report = JSON.parse(stdout) as { checks: { name: string; result: string }[] };
  t.is(report.checks.find(({ name }) => name === 'capabilities')?.result, 'failed');
});

test('--dry-run prints what would be programmed', (t) => {
  const home = new Home(t);
  home.write('services:\n  - { name: web, vip: "11.0.0.80:80", backends: ["10.0.0.1:8080"] }\n');
  const { status, stdout, stderr } = vipd(['--dry-run', '--services', home.services]);
  t.is(status, 0, stderr);
  t.is(stdout, 'pools 11.0.0.0/8, fd01:c::/64\nvip tcp/11.0.0.80:80 -> 10.0.0.1:8080=1\n');
});

test('--dry-run ends with 1 when a definition is wrong, and names the place', (t) => {
  const home = new Home(t);
  home.write('services:\n  - { name: web, vip: "11.0.0.80:0", backends: [] }\n');
  const { status, stderr } = vipd(['--dry-run', '--services', home.services]);
  t.is(status, 1);
  t.regex(stderr, /^vipd: .*services\.yaml:2:\d+: service web, vip: port 0/);
});

test('every fault of a configuration is told, with 2', (t) => {
  const home = new Home(t);
  const config = `${home.services}.config`;
  writeFileSync(config, 'sockt: /x\nlimits: { vips: none }\n');
  const { status, stderr } = vipd(['--config', config, '--log-level', 'loud']);
  t.is(status, 2);
  const lines = stderr.trimEnd().split('\n');
  t.is(lines.length, 3);
  t.regex(stderr, /config:1:1: sockt: unknown key \(did you mean "socket"\?\)/);
  t.regex(stderr, /--log-level: must be one of/);
});

test('a configuration that is named must be there', (t) => {
  const { status, stderr } = vipd(['--config', '/nonexistent.yaml', '--dry-run']);
  t.is(status, 1);
  t.regex(stderr, /\/nonexistent\.yaml: ENOENT/);
});

test('an unknown flag is wrong usage', (t) => {
  const { status, stderr } = vipd(['--sockt', '/x']);
  t.is(status, 2);
  t.regex(stderr, /unknown option '--sockt'/);
});
