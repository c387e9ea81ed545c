import { accessSync, constants } from 'node:fs';
import test, { type ExecutionContext } from 'ava';

/** Something a test cannot do without. */
export interface Need {
  readonly name: string;
  readonly there: boolean;
  /** Whether this machine ought to have it: then its absence is a failure and not a reason to skip. */
  readonly expected: boolean;
}

/** `npm test` runs everything as root; `npm run check` and a single suite may run without. */
export const root: Need = {
  name: 'root',
  there: process.geteuid?.() === 0,
  expected: process.env.npm_lifecycle_event === 'test',
};

/** A program packaging/setup.sh installs for the tests. */
export function program(name: string): Need {
  return { name: `the program ${name}`, there: onPath(name), expected: root.there };
}

function onPath(name: string): boolean {
  return `${process.env.PATH}:/usr/sbin:/sbin`.split(':').some((directory) => {
    try {
      accessSync(`${directory}/${name}`, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Declares a serial test that needs root and `others`. Where something is missing it is skipped, saying what; on a
 * machine that should have it, it fails, so that a skip cannot hide a regression.
 */
export function rootTest(title: string, body: (t: ExecutionContext) => Promise<void>, ...others: Need[]): void {
  const missing = [root, ...others].find((need) => !need.there);
  if (missing === undefined) test.serial(title, body);
  else if (missing.expected)
    test.serial(title, (t) => t.fail(`${missing.name} is missing; run packaging/setup.sh --test`));
  else test.skip(`${title} [needs ${missing.name}]`, body);
}
