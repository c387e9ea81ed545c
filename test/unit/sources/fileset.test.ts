import { appendFile, chmod, mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { FileSet } from '../../../ts/sources/fileset.js';
import { namesOf } from '../../contract/reports.js';
import { directoryFor, replace, yaml } from './directory.js';

/** A time long after the last look: whatever is gone or empty has been so long enough. */
const LATER = 1_000_000;

const codes = (set: FileSet): readonly string[] => set.report().faults.map(({ code }) => code);

test('a directory is all its YAML and JSON files, hidden and other ones left out', async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, 'a.yaml'), yaml('a', 1));
  await writeFile(join(directory, 'b.yml'), yaml('b', 2));
  await writeFile(join(directory, 'c.json'), JSON.stringify({ services: [] }));
  for (const name of ['.d.yaml', 'e.yaml~', 'f.txt']) await writeFile(join(directory, name), 'broken: [');
  const set = new FileSet(directory);
  t.true((await set.scan(0)).changed);
  t.deepEqual([namesOf(set.report()), set.report().faults], [['a', 'b'], []]);
  t.deepEqual(await set.scan(0), { changed: false });
});

test('a broken file keeps its last good services and shows the fault with its place', async (t) => {
  const directory = await directoryFor(t);
  const path = join(directory, 'a.yaml');
  await writeFile(path, yaml('a', 1));
  await writeFile(join(directory, 'b.yaml'), yaml('b', 2));
  const set = new FileSet(directory);
  await set.scan(0);
  const good = set.report().services;
  await replace(path, 'services: [\n');
  t.true((await set.scan(0)).changed);
  t.deepEqual(set.report().services, good);
  t.deepEqual([codes(set), set.report().faults[0]?.object], [['FILE_SYNTAX'], `${path}:2:1`]);
  await replace(path, yaml('c', 3));
  await set.scan(0);
  t.deepEqual([namesOf(set.report()), codes(set)], [['b', 'c'], []]);
});

test('a service that has become wrong keeps its last good definition; one that is taken out is gone', async (t) => {
  const path = join(await directoryFor(t), 'a.yaml');
  const two = `${yaml('a', 1)}  - { name: b, vip: 11.0.0.2:80, backends: [] }\n`;
  await writeFile(path, two);
  const set = new FileSet(path);
  await set.scan(0);
  await replace(path, two.replace('11.0.0.1:80', '11.0.0.1:0'));
  await set.scan(0);
  t.deepEqual([namesOf(set.report()), codes(set)], [['a', 'b'], ['PORT_INVALID']]);
  await replace(path, yaml('b', 2));
  await set.scan(0);
  t.deepEqual([namesOf(set.report()), codes(set)], [['b'], []]);
});

test('unchanged services stay the same objects', async (t) => {
  const path = join(await directoryFor(t), 'a.yaml');
  await writeFile(path, yaml('a', 1));
  const set = new FileSet(path);
  await set.scan(0);
  const before = set.report().services[0];
  await replace(path, `# edited\n${yaml('a', 1)}`);
  t.true((await set.scan(0)).changed);
  t.is(set.report().services[0], before);
});

test('a removed file takes its services along, once it has been gone for a moment', async (t) => {
  const directory = await directoryFor(t);
  const path = join(directory, 'a.yaml');
  await writeFile(path, yaml('a', 1));
  for (const watched of [path, directory]) {
    const set = new FileSet(watched);
    await set.scan(0);
    await rename(path, `${path}~`);
    const first = await set.scan(10);
    t.deepEqual([first.changed, namesOf(set.report())], [false, ['a']]);
    t.true(first.again !== undefined);
    t.true((await set.scan(LATER)).changed);
    t.deepEqual(namesOf(set.report()), []);
    await rename(`${path}~`, path);
    t.true((await set.scan(LATER)).changed);
    t.deepEqual(namesOf(set.report()), ['a']);
  }
});

test('a file that is cut to nothing counts as an empty set only when it stays so', async (t) => {
  const path = join(await directoryFor(t), 'a.yaml');
  await writeFile(path, yaml('a', 1));
  const set = new FileSet(path);
  await set.scan(0);
  await truncate(path);
  t.false((await set.scan(10)).changed);
  await appendFile(path, yaml('b', 2));
  await set.scan(20);
  t.deepEqual(namesOf(set.report()), ['b']);
  await truncate(path);
  await set.scan(30);
  await set.scan(LATER);
  t.deepEqual([namesOf(set.report()), codes(set), set.report().keepLast], [[], [], undefined]);
});

test('a path that never was there is a fault, not an empty set', async (t) => {
  const set = new FileSet(join(await directoryFor(t), 'none.yaml'));
  await set.scan(0);
  t.deepEqual([set.report().keepLast, codes(set)], [true, ['FILE_MISSING']]);
});

test('a directory that vanishes keeps what it had', async (t) => {
  const directory = join(await directoryFor(t), 'services');
  await mkdir(directory);
  await writeFile(join(directory, 'a.yaml'), yaml('a', 1));
  const set = new FileSet(directory);
  await set.scan(0);
  await rm(directory, { recursive: true });
  t.true((await set.scan(LATER)).changed);
  t.deepEqual([namesOf(set.report()), codes(set)], [['a'], ['FILE_MISSING']]);
  await mkdir(directory);
  await set.scan(LATER);
  await set.scan(2 * LATER);
  t.deepEqual([namesOf(set.report()), codes(set)], [[], []]);
});

test('what is no file of text is told by its kind, and hides no neighbour', async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, 'good.yaml'), yaml('a', 1));
  await mkdir(join(directory, 'b.yaml'));
  await symlink('/dev/zero', join(directory, 'c.yaml'));
  await symlink(join(directory, 'nowhere'), join(directory, 'd.yaml'));
  await writeFile(join(directory, 'e.yaml'), Buffer.from('services: []\nx: "\xe4"\n', 'latin1'));
  const set = new FileSet(directory);
  await set.scan(0);
  t.deepEqual(namesOf(set.report()), ['a']);
  t.deepEqual(codes(set), ['FILE_IS_DIRECTORY', 'FILE_KIND', 'FILE_ENCODING']);
  t.is(set.report().faults[2]?.object, `${join(directory, 'e.yaml')}:2:5`);
  t.false((await set.scan(0)).changed, 'faults that stay are no change');
});

test('a very long file is parsed aside, with the same outcome', async (t) => {
  const path = join(await directoryFor(t), 'a.yaml');
  const lines = Array.from(
    { length: 3000 },
    (_, i) => `  - { name: s${i}, vip: 11.1.${i >> 8}.${i & 255}:80, backends: [] }`,
  );
  await writeFile(path, ['services:', ...lines, '  - { name: x, vip: 11.0.0.1:0, backends: [] }', ''].join('\n'));
  const set = new FileSet(path);
  await set.scan(0);
  const { services, faults } = set.report();
  t.deepEqual(
    [services.length, faults.map(({ code, object }) => [code, object])],
    [3000, [['PORT_INVALID', `${path}:3002:21`]]],
  );
  t.deepEqual(services[299], {
    name: 's299',
    frontend: { address: '11.1.1.43', port: 80, protocol: 'tcp' },
    backends: [],
  });
});

test('two files that want the same VIP: the first by name has it', async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, 'a.yaml'), yaml('x', 1));
  await writeFile(join(directory, 'b.yaml'), yaml('y', 1));
  const set = new FileSet(directory);
  await set.scan(0);
  t.deepEqual([namesOf(set.report()), codes(set)], [['x'], ['VIP_OVERLAP']]);
  t.is(set.report().faults[0]?.object, join(directory, 'b.yaml'));
  t.regex(set.report().faults[0]!.cause, /a\.yaml/);
});

(process.getuid?.() === 0 ? test.skip : test)(
  'a file we may not read keeps what it had [root may read every file]',
  async (t) => {
    const path = join(await directoryFor(t), 'a.yaml');
    await writeFile(path, yaml('a', 1));
    const set = new FileSet(path);
    await set.scan(0);
    await chmod(path, 0);
    await set.scan(0);
    t.deepEqual([namesOf(set.report()), codes(set)], [['a'], ['FILE_UNREADABLE']]);
  },
);
