import { setImmediate } from 'node:timers/promises';

/**
 * Milliseconds of a clock that nobody sets (CLOCK_MONOTONIC): the same in all threads of a machine, until it is booted anew.
 * Ages and deadlines are counted by it, so that a correction of the wall clock makes nothing old.
 */
export function steadyMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The steady time of a moment of the wall clock, milliseconds since the epoch; of the future it knows nothing. */
export function steadyOf(wallMs: number): number {
  return steadyMs() - Math.max(0, Date.now() - wallMs);
}

/** As long as work may have the event loop to itself, milliseconds. */
const TURN_MS = 10;

/** To be called, and awaited, between the steps of long work: lets others run whenever a turn has been used up. */
export function breathing(): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < TURN_MS) return undefined;
    return setImmediate().then(() => {
      began = performance.now();
    });
  };
}
