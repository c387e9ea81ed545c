import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { ApiSource } from '../../../ts/sources/api.js';
import { namesOf, Reports } from '../../contract/reports.js';
import { service } from '../../contract/source.js';
import { directoryFor } from './directory.js';

const A = service('a', '11.0.0.1', '10.0.0.1');
const B = service('b', '11.0.0.2');

test('what was set survives into the next process', async (t) => {
  const stateDir = join(await directoryFor(t), 'made', 'when', 'needed');
  const first = new ApiSource({ stateDir });
  await first.set(B);
  await first.set(A);
  await first.drain('web', '10.0.0.1:8080');
  const second = new ApiSource({ stateDir });
  const reports = new Reports(second);
  t.deepEqual((await reports.named('a', 'b')).services, [A, B]);
  t.deepEqual(second.list(), [A, B]);
  t.deepEqual([...second.drained()], ['web\u000010.0.0.1:8080']);
  t.is((await stat(join(stateDir, 'services.json'))).mode & 0o777, 0o600);
  t.deepEqual(await readdir(stateDir), ['services.json']);
  await reports.stop();
});

test('set replaces, remove removes, apply replaces all', async (t) => {
  const source = new ApiSource({ stateDir: await directoryFor(t) });
  await source.set(A);
  await source.set({ ...A, backends: [] });
  t.deepEqual(source.list(), [{ ...A, backends: [] }]);
  await source.remove('none');
  await source.apply([B]);
  t.deepEqual(source.list(), [B]);
  await source.remove('b');
  t.deepEqual(source.list(), []);
  await t.throwsAsync(() => source.apply([A, A]), { code: 'NAME_DUPLICATE' });
});

test('changes asked for at once are all carried out, in order', async (t) => {
  const stateDir = await directoryFor(t);
  const source = new ApiSource({ stateDir });
  const many = Array.from({ length: 50 }, (_, i) => service(`s${i}`, `11.0.1.${i + 1}`));
  await Promise.all([...many.map((one) => source.set(one)), source.remove('s7'), source.drain('s8', 'x')]);
  t.is(source.list().length, 49);
  const again = new ApiSource({ stateDir });
  await again.remove('none');
  t.deepEqual(again.list(), source.list());
});

test('drains are told, are other sets each time, and go with their service', async (t) => {
  const source = new ApiSource({ stateDir: await directoryFor(t) });
  let told = 0;
  const stop = source.onDrainChange(() => told++);
  await source.set(A);
  const none = source.drained();
  await source.drain('a', '10.0.0.1:8080');
  await source.drain('a', '10.0.0.1:8080');
  await source.drain('from-a-file', '10.0.0.1:8080');
  t.deepEqual([told, none.size, source.drained().size], [2, 0, 2]);
  await source.remove('a');
  t.deepEqual([...source.drained()], ['from-a-file\u000010.0.0.1:8080']);
  stop();
  t.true(await source.undrain('from-a-file', '10.0.0.1:8080'));
  t.false(await source.undrain('from-a-file', '10.0.0.1:8080'));
  t.deepEqual([told, source.drained().size], [3, 0]);
});

for (const [title, content] of Object.entries({
  torn: '{"version":1,"services":[{"na',
  empty: '',
  'of a later version': '{"version":2,"services":[],"drained":[]}',
  'of another program': '[1,2,3]',
  'without drained': '{"version":1,"services":[]}',
  'with drained of another form': '{"version":1,"services":[],"drained":["x"]}',
  'not UTF-8': Buffer.from([0xff, 0xfe, 0x00]),
})) {
  test(`a state that is ${title} is set aside by name and told`, async (t) => {
    const stateDir = await directoryFor(t);
    await writeFile(join(stateDir, 'services.json'), content);
    const source = new ApiSource({ stateDir });
    const reports = new Reports(source);
    const { services, faults } = await reports.until(() => true);
    t.deepEqual([services, faults.map(({ code }) => code)], [[], ['STATE_BROKEN']]);
    await source.set(A);
    const names = (await readdir(stateDir)).sort();
    t.is(names.length, 2);
    t.regex(names[1]!, /^services\.json\.broken-\d{4}-/);
    t.true(faults[0]?.hint?.includes(names[1]!));
    t.deepEqual(await readFile(join(stateDir, names[1]!)), Buffer.from(content));
    t.is(reports.all.at(-1)?.faults.length, 1, 'the fault stays visible');
    await reports.stop();
  });
}

test('one wrong service hides no other, and the file it was in is kept', async (t) => {
  const stateDir = await directoryFor(t);
  const wrong = { name: 'x', vip: '11.0.0.9:0', backends: [] };
  const good = { name: 'y', vip: '11.0.0.8:80', backends: [] };
  await writeFile(
    join(stateDir, 'services.json'),
    JSON.stringify({ version: 1, services: [wrong, good], drained: [] }),
  );
  const reports = new Reports(new ApiSource({ stateDir }));
  const report = await reports.until(() => true);
  t.deepEqual([namesOf(report), report.faults.map(({ code }) => code)], [['y'], ['STATE_BROKEN', 'PORT_INVALID']]);
  t.true((await readdir(stateDir)).some((name) => name.startsWith('services.json.broken-')));
  await reports.stop();
});

test('a directory in place of the state is set aside as well', async (t) => {
  const stateDir = await directoryFor(t);
  await mkdir(join(stateDir, 'services.json'));
  const source = new ApiSource({ stateDir });
  await source.set(A);
  t.deepEqual(source.list(), [A]);
});

test('a change that cannot be written is refused and not in force', async (t) => {
  const stateDir = await directoryFor(t);
  const source = new ApiSource({ stateDir });
  await source.set(A);
  // A directory of that name stands in the way of the temporary file, for root too.
  await mkdir(join(stateDir, `services.json.tmp-${process.pid}`));
  await chmod(stateDir, 0o500);
  await t.throwsAsync(() => source.set(B), { code: 'STATE_UNWRITABLE' });
  await chmod(stateDir, 0o700);
  t.deepEqual(source.list(), [A]);
});
