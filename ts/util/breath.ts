import { setImmediate } from 'node:timers/promises';

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
