import test from 'ava';
import { importsOf, type SourceFile, sourceFiles } from './helpers/source-tree.js';

/**
 * Who may import whom, below ts/. The longest matching `from` decides; a folder may always import itself. The reasons
 * are part of the rule: they are what a failure prints.
 */
const rules: readonly { from: string; to: readonly string[]; because: string }[] = [
  { from: 'model', to: ['util'], because: 'nouns know nothing of who uses them' },
  { from: 'util', to: [], because: 'everything stands on it' },
  { from: 'native', to: ['util'], because: 'it is the seam to the addon and nothing else' },
  { from: 'libbpf', to: ['native', 'util'], because: 'it knows BPF, never services' },
  { from: 'netlink', to: ['native', 'util'], because: 'it knows sockets and attributes, never services' },
  { from: 'allocate', to: ['model', 'util'], because: 'an address is a function of names alone' },
  { from: 'sources', to: ['allocate', 'model', 'util'], because: 'a source only says what there should be' },
  {
    from: 'cluster',
    to: ['model', 'sources/source.ts', 'util'],
    because: 'nodes tell each other of services, and know nothing of kernels',
  },
  { from: 'health', to: ['model', 'util'], because: 'a check knows one backend' },
  {
    from: 'dns',
    to: ['model', 'native', 'netlink', 'util'],
    because: 'it knows names and addresses, never how they are forwarded',
  },
  { from: 'dataplane/dataplane.ts', to: ['model', 'util'], because: 'the interface is in model terms' },
  { from: 'dataplane/memory.ts', to: ['dataplane/dataplane.ts', 'model', 'util'], because: 'it stands for a kernel' },
  {
    from: 'dataplane/metrics.ts',
    to: ['dataplane/dataplane.ts', 'model', 'util'],
    because: 'it measures any data plane',
  },
  {
    from: 'dataplane/ebpf',
    to: ['dataplane/dataplane.ts', 'libbpf', 'model', 'netlink', 'util'],
    because: 'a data plane does what it is told and decides nothing',
  },
  {
    from: 'dataplane/ipvs',
    to: ['dataplane/dataplane.ts', 'model', 'native/errors.ts', 'netlink', 'util'],
    because: 'a data plane does what it is told and decides nothing',
  },
  {
    from: 'reconcile',
    to: ['dataplane/dataplane.ts', 'model', 'sources/source.ts', 'util'],
    because: 'the loop must work with any data plane, so it may know none',
  },
  {
    from: 'metrics',
    to: ['dataplane/dataplane.ts', 'model', 'util'],
    because: 'metrics describe what others hand over',
  },
  { from: 'api/routes', to: ['model', 'util'], because: 'browsers and tests share the definitions' },
  { from: 'api/client.ts', to: ['api/routes', 'api/stream.ts', 'util'], because: 'a client needs no server' },
  {
    from: 'api',
    to: ['dataplane/dataplane.ts', 'metrics', 'model', 'util'],
    because: 'the API reaches the daemon through its ports',
  },
  {
    from: 'cli',
    to: ['api/client.ts', 'api/routes', 'api/unix.ts', 'model', 'util'],
    because: 'vipctl works through the API',
  },
  {
    from: 'quickstart',
    to: ['api/client.ts', 'api/routes', 'api/unix.ts', 'model', 'util'],
    because: 'it uses vipd like anyone else',
  },
  { from: 'daemon', to: [''], because: 'the one place that wires everything' },
  { from: 'main.ts', to: ['daemon', 'util'], because: 'it only starts the daemon' },
];

const modules = sourceFiles('ts', '.ts').filter(({ path }) => !path.endsWith('.gen.ts'));
const everything = [...modules, ...sourceFiles('test', '.ts'), ...sourceFiles('scripts', '.mjs')];
const native = [...sourceFiles('bpf', '.c', '.h'), ...sourceFiles('native', '.cc', '.h')];

const within = (path: string, area: string) => area === '' || path === area || path.startsWith(`${area}/`);
const below = (path: string) => path.replace(/^ts\//, '');

function ruleFor(path: string) {
  return rules.filter(({ from }) => within(path, from)).sort((a, b) => b.from.length - a.from.length)[0];
}

function offences(file: SourceFile): string[] {
  const path = below(file.path);
  const rule = ruleFor(path);
  if (!rule) return [`${file.path}: in no folder that test/architecture.test.ts knows`];
  return importsOf(file)
    .filter((target) => target.startsWith('ts/'))
    .filter((target) => ![rule.from, ...rule.to].some((area) => within(below(target), area)))
    .map((target) => `${file.path} imports ${target}: ${rule.because}`);
}

/** `path:line: text` of every line that matches. */
function matches(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

test('every import goes in an allowed direction', (t) => {
  t.true(modules.length > 50);
  t.deepEqual(modules.flatMap(offences), []);
});

test('no product module imports a test', (t) => {
  t.deepEqual(
    modules.filter((file) => importsOf(file).some((path) => path.startsWith('test/'))),
    [],
  );
});

test('only native/binding.ts loads the addon', (t) => {
  const others = modules.filter(({ path }) => path !== 'ts/native/binding.ts');
  t.deepEqual(matches(others, /\bcreateRequire\(|\bprocess\.dlopen\(/), []);
});

test('files stay readable: at most 400 lines', (t) => {
  const long = [...everything, ...native].filter(({ text }) => text.split('\n').length > 401);
  t.deepEqual(
    long.map(({ path }) => path),
    [],
  );
});

test('files are named for what is in them', (t) => {
  t.deepEqual(
    everything.map(({ path }) => path).filter((path) => /\/(utils?|common|types|helpers?|index)\.ts$/.test(path)),
    [],
  );
});

test('typebox is loaded as the one file the build makes of it', (t) => {
  const importers = matches(modules, /from 'typebox/).map((line) => line.split(':')[0]);
  t.deepEqual([...new Set(importers)], ['ts/model/typebox.ts']);
});

test('no barrels', (t) => {
  const barrel = /^\s*((export (\*|\{[^}]*\}) from '[^']+';|\/\/.*|\/\*[\s\S]*?\*\/)\s*)+$/;
  t.deepEqual(
    everything.filter(({ path, text }) => path !== 'ts/model/typebox.ts' && barrel.test(text)),
    [],
  );
  t.deepEqual(matches(everything, /^export \* /), []);
});

test('util holds at most ten files', (t) => {
  t.true(modules.filter(({ path }) => path.startsWith('ts/util/')).length <= 10);
});

test('nothing is left undone or switched off', (t) => {
  const marker = /(\/\/|\*)\s*(TODO|FIXME|XXX)\b|@ts-(ignore|expect-error|nocheck)|biome-ignore/;
  t.deepEqual(
    matches([...everything, ...native], marker).filter((line) => !line.startsWith('test/architecture.test.ts:')),
    [],
  );
});

test('no `any`', (t) => {
  t.deepEqual(
    matches(everything, /[:<(|&]\s*any\b(?!\w)|\bas any\b|\bany\[\]/).filter(
      (line) => !/^\S+ (\*|\/\/|\/\*)/.test(line),
    ),
    [],
  );
});
