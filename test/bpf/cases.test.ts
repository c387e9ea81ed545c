import test from 'ava';
import type { Case, Hook } from './case.js';
import { changeCases } from './cases/change.js';
import { forwardCases } from './cases/forward.js';
import { hairpinCases } from './cases/hairpin.js';
import { refuseCases } from './cases/refuse.js';
import { replyCases } from './cases/reply.js';
import { untouchedCases } from './cases/untouched.js';
import { openPlane } from './plane.js';
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

const plane = await openPlane();
test.after.always(() => plane.close());
test.beforeEach(() => plane.reset());

for (const hook of hooks) {
  for (const one of cases.filter((one) => (one.hooks ?? hooks).includes(hook))) {
    test.serial(`${hook}: ${one.name}`, (t) => runCase(t, plane, one, hook));
  }
}
