import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type Flags, fields, parseOptions } from '../../../ts/daemon/options.js';
import { packageRoot } from '../../../ts/util/paths.js';

const parse = (text: string, flags: Flags = {}) => parseOptions({ name: 'vipd.yaml', text }, flags);

test('without a file and flags everything has its default', (t) => {
  const { options, faults } = parseOptions(undefined, {});
  t.deepEqual(faults, []);
  t.like(options, {
    services: [],
    stateDir: '/var/lib/vipd',
    socket: '/run/vipd/vipd.sock',
    bpffs: '/sys/fs/bpf/vipd',
    cgroup: undefined,
    'interfaces.xdpMode': 'auto',
    'limits.vips': 8_192,
    reconcileInterval: 10_000,
    logLevel: 'info',
  });
  t.deepEqual(options.pools, [
    { address: '11.0.0.0', bits: 8 },
    { address: 'fd01:c::', bits: 64 },
  ]);
});

test('a file says what it says, a flag wins over it', (t) => {
  const text = 'pools: [12.0.0.0/8]\nreconcileInterval: 3s\nlimits: { vips: 10 }\ninterfaces: { tc: ["veth*", lo] }\n';
  const { options, faults } = parse(text, {
    reconcileInterval: '1m',
    'interfaces.xdp': ['eth0'],
    'limits.flows': '2048',
  });
  t.deepEqual(faults, []);
  t.like(options, { reconcileInterval: 60_000, 'limits.vips': 10, 'limits.backends': 32_768, 'limits.flows': 2_048 });
  t.deepEqual(options.pools, [{ address: '12.0.0.0', bits: 8 }]);
  t.deepEqual(options['interfaces.tc'], ['veth*', 'lo']);
  t.deepEqual(options['interfaces.xdp'], ['eth0']);
});

test('the example configuration says the defaults, and names every option', (t) => {
  const text = readFileSync(join(packageRoot, 'packaging', 'vipd.yaml'), 'utf8');
  const { options, faults } = parse(text);
  t.deepEqual(faults, []);
  t.deepEqual(options, { ...parseOptions(undefined, {}).options, services: ['/etc/vipd/services'] });
  for (const key of Object.keys(fields)) {
    const name = key.split('.').at(-1);
    t.regex(text, new RegExp(`^ *(# )?${name}:`, 'm'), key);
  }
});

interface Wrong {
  readonly text: string;
  readonly flags?: Flags;
  readonly code: string;
  readonly object: string;
  readonly cause: RegExp;
  readonly hint?: RegExp;
}

const wrong: readonly Wrong[] = [
  {
    text: 'servces: []',
    code: 'KEY_UNKNOWN',
    object: 'vipd.yaml:1:1',
    cause: /servces: unknown key/,
    hint: /"services"/,
  },
  { text: 'limits:\n  vps: 3', code: 'KEY_UNKNOWN', object: 'vipd.yaml:2:3', cause: /limits\.vps/, hint: /"vips"/ },
  { text: 'limits: 3', code: 'VALUE_INVALID', object: 'vipd.yaml:1:9', cause: /limits: must be a map, not 3/ },
  { text: '[1]', code: 'VALUE_INVALID', object: 'vipd.yaml:1:1', cause: /must be a map, not a list/ },
  {
    text: 'services: /etc',
    code: 'VALUE_INVALID',
    object: 'vipd.yaml:1:11',
    cause: /services: must be a list/,
    hint: /\[\]/,
  },
  {
    text: 'socket: vipd.sock',
    code: 'VALUE_INVALID',
    object: 'vipd.yaml:1:9',
    cause: /begins with \/, not "vipd\.sock"/,
  },
  {
    text: 'pools: [11.0.0.1/8]',
    code: 'ADDRESS_INVALID',
    object: 'vipd.yaml:1:8',
    cause: /pools: .*behind the prefix/,
  },
  { text: 'reconcileInterval: 10', code: 'VALUE_INVALID', object: 'vipd.yaml:1:20', cause: /must be text, not 10/ },
  { text: 'sourceWait: soon', code: 'DURATION_INVALID', object: 'vipd.yaml:1:13', cause: /"soon" is not a duration/ },
  { text: 'limits: {vips: 0}', code: 'VALUE_INVALID', object: 'vipd.yaml:1:16', cause: /from 1 to 1048576, not 0/ },
  { text: 'logLevel: loud', code: 'VALUE_INVALID', object: 'vipd.yaml:1:11', cause: /one of fatal, .*, not "loud"/ },
  { text: 'listen: "0.0.0.0:0"', code: 'PORT_INVALID', object: 'vipd.yaml:1:9', cause: /port 0/ },
  {
    text: 'interfaces: {tc: [averylonginterface]}',
    code: 'VALUE_INVALID',
    object: 'vipd.yaml:1:18',
    cause: /15 characters/,
  },
  { text: 'a: [', code: 'FILE_SYNTAX', object: 'vipd.yaml:1:5', cause: /./ },
  { text: '', flags: { 'limits.vips': 'many' }, code: 'VALUE_INVALID', object: '--max-vips', cause: /not "many"/ },
  { text: '', flags: { pools: ['11.0.0.0'] }, code: 'ADDRESS_INVALID', object: '--pool', cause: /not ADDRESS\/BITS/ },
];

for (const { text, flags = {}, code, object, cause, hint = /(?:)/ } of wrong) {
  test(`refuses ${text === '' ? JSON.stringify(flags) : JSON.stringify(text)}`, (t) => {
    const { faults } = parse(text, flags);
    t.is(faults.length, 1, JSON.stringify(faults));
    t.like(faults[0], { code, object });
    t.regex(faults[0]!.cause, cause);
    t.regex(faults[0]!.hint ?? '', hint);
  });
}

test('every fault is told, not only the first', (t) => {
  const { faults } = parse('socket: 1\nbpffs: 2\nfoo: 3\n', { logLevel: 'x' });
  t.is(faults.length, 4);
});
