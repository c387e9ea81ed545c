import type { ExecutionContext } from 'ava';
import fc from 'fast-check';

/** Asserts a property; a failure shows the seed, the smallest counterexample and what was wrong with it. */
export function holds<Ts>(t: ExecutionContext, property: fc.IProperty<Ts>, options: fc.Parameters<Ts> = {}): void {
  t.notThrows(() => fc.assert(property, { includeErrorInReport: true, ...options }));
}
