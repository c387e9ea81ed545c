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
