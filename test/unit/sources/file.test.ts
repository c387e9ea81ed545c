import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { FileSource } from '../../../ts/sources/file.js';
import { Reports } from '../../contract/reports.js';
import { directoryFor, replace, yaml } from './directory.js';

test('a replaced file, a new one and a removed one are seen', async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, 'a.yaml'), yaml('a', 1));
  const reports = new Reports(new FileSource({ path: directory }));
  await reports.named('a');
  await replace(join(directory, 'a.yaml'), yaml('b', 2));
  await reports.named('b');
  await replace(join(directory, 'c.yaml'), yaml('c', 3));
  await reports.named('b', 'c');
  await rm(join(directory, 'a.yaml'));
  await reports.named('c');
  await reports.stop();
  t.pass();
});

test('a file that appears later is read when it does', async (t) => {
  const path = join(await directoryFor(t), 'later', 'a.yaml');
  const reports = new Reports(new FileSource({ path }));
  t.is((await reports.until(() => true)).faults[0]?.code, 'FILE_MISSING');
  await mkdir(join(path, '..'));
  await writeFile(path, yaml('a', 1));
  await reports.named('a');
  await reports.stop();
});

test('a directory replaced as a whole behind a link is followed', async (t) => {
  const directory = await directoryFor(t);
  for (const [version, name] of [
    ['v1', 'a'],
    ['v2', 'b'],
  ] as const) {
    await mkdir(join(directory, version));
    await writeFile(join(directory, version, 'x.yaml'), yaml(name, 1));
  }
  await symlink('v1', join(directory, 'current'));
  const reports = new Reports(new FileSource({ path: join(directory, 'current') }));
  await reports.named('a');
  await symlink('v2', join(directory, 'next'));
  await rename(join(directory, 'next'), join(directory, 'current'));
  await reports.named('b');
  await replace(join(directory, 'v2', 'x.yaml'), yaml('c', 1));
  await reports.named('c');
  await reports.stop();
  t.pass();
});

test('its name is its path unless it is given one', (t) => {
  t.is(new FileSource({ path: 'a.yaml' }).name, 'file:a.yaml');
  t.is(new FileSource({ path: 'a.yaml', name: 'x' }).name, 'x');
});
