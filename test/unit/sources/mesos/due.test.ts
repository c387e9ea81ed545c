import test from 'ava';
import { Due } from '../../../../ts/sources/mesos/due.js';

test('what is due stays due, whoever asks for later', async (t) => {
  let done = () => {};
  const first = new Promise<void>((resolve) => (done = resolve));
  const due = new Due(() => done());
  due.in(1);
  due.in(3_600_000);
  await first;
  const second = new Promise<void>((resolve) => (done = resolve));
  due.in(3_600_000);
  due.in(1);
  await second;
  t.pass();
});

test('what is called off is not done', async (t) => {
  const due = new Due(() => t.fail());
  due.in(1);
  due.cancel();
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.pass();
});
