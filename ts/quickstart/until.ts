import { setTimeout as sleep } from 'node:timers/promises';
import { VipdError } from '../util/errors.js';

/** A time to wait, milliseconds: as it is for a machine, a multiple ($VIPD_PATIENCE) for one that is emulated. */
export function patient(milliseconds: number): number {
  return milliseconds * Number(process.env.VIPD_PATIENCE ?? 1);
}

/** Between two probes, milliseconds: one that is dear, a process under emulation, leaves most of the time to what it waits for. */
function pauseAfter(probing: number): number {
  return Math.min(Math.max(10, 3 * probing), 1_000);
}

/**
 * Asks `probe` every 10 ms, or less often where it takes long, until it gives something other than undefined or false.
 * @throws VipdError TIMED_OUT after `milliseconds`
 */
export async function until<T>(
  what: string,
  milliseconds: number,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + patient(milliseconds);
  for (;;) {
    const asked = performance.now();
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) {
      throw new VipdError({ code: 'TIMED_OUT', object: what, cause: `did not happen within ${milliseconds} ms` });
    }
    await sleep(pauseAfter(performance.now() - asked));
  }
}
