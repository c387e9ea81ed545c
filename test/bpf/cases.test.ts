import test from 'ava';
import { root, rootTest } from '../helpers/needs.js';
import type { Hook } from './case.js';
import { allCases } from './cases/all.js';
import { openPlane, type TestPlane } from './plane.js';
import { runCase } from './run.js';

const hooks: readonly Hook[] = ['xdp', 'tc'];

/** One for all: loading takes longer than all cases together. */
let plane: TestPlane | undefined;

test.before(async () => {
  if (root.there) plane = await openPlane();
});
test.after.always(() => plane?.close());

for (const hook of hooks) {
  for (const one of allCases.filter((one) => (one.hooks ?? hooks).includes(hook))) {
    rootTest(`${hook}: ${one.name}`, async (t) => {
      await plane!.reset();
      await runCase(t, plane!, one, hook);
    });
  }
}
