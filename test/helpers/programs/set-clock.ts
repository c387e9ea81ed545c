import { readFileSync } from 'node:fs';

/**
 * Loaded before a daemon (`NODE_OPTIONS=--import`): its wall clock is ahead by as many milliseconds as the file
 * $VIPD_TEST_CLOCK says, at any time. One machine has only one wall clock, and namespaces have none.
 */
const Real = Date;
const file = process.env.VIPD_TEST_CLOCK!;
let [ahead, looked] = [0, Number.NEGATIVE_INFINITY];

function now(): number {
  if (performance.now() - looked > 50) {
    looked = performance.now();
    ahead = Number(readFileSync(file, 'utf8')) || 0;
  }
  return Real.now() + ahead;
}

globalThis.Date = new Proxy(Real, {
  construct: (target, args: [], same) => Reflect.construct(target, args.length === 0 ? [now()] : args, same) as Date,
  get: (target, key, same) => (key === 'now' ? now : (Reflect.get(target, key, same) as unknown)),
});
