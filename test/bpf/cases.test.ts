import test from 'ava';
import { root, rootTest } from '../helpers/needs.js';
import type { Case, Hook } from './case.js';
import { changeCases } from './cases/change.js';
import { forwardCases } from './cases/forward.js';
import { hairpinCases } from './cases/hairpin.js';
import { refuseCases } from './cases/refuse.js';
import { replyCases } from './cases/reply.js';
import { untouchedCases } from './cases/untouched.js';
import { openPlane, type TestPlane } from './plane.js';
import { runCase } from './run.js';

const cases: readonly Case[] = [
  ...forwardCases,
  ...replyCases,
  ...hairpinCases,
  ...changeCases,
  ...refuseCases,
  ...untouchedCases,
];
const hooks: readonly Hook[] = ['xdp', 'tc'];

/** One for all: loading takes longer than all cases together. */
let plane: TestPlane | undefined;

test.before(async () => {
  if (root.there) plane = await openPlane();
});
test.after.always(() => plane?.close());

for (const hook of hooks) {
  for (const one of cases.filter((one) => (one.hooks ?? hooks).includes(hook))) {
    rootTest(`${hook}: ${one.name}`, async (t) => {
      await plane!.reset();
      await runCase(t, plane!, one, hook);
    });
  }
}
