import type { DataPlane } from '../dataplane/dataplane.js';
import type { Forwarding } from '../model/forwarding.js';
import { VipdError } from '../util/errors.js';
import { after, diff, type Target } from './diff.js';

/** Steps handed over at a time: in between the event loop turns. */
const SLICE = 500;

/** Definitions may change while thousands of VIPs are programmed; after so many rounds the rest is for the loop. */
const ROUNDS = 5;

/**
 * Makes a plane hold all that is wanted, and what another holds for sources that are still silent; reads it back to be sure.
 * @throws VipdError what the first step failed for, or PLANE_DIFFERS
 */
export async function programWhole(plane: DataPlane, wanted: () => Target, other?: DataPlane): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const steps = diff(await plane.read('full'), await goal(wanted(), other), { ready: true });
    if (steps.length === 0) return;
    for (let at = 0; at < steps.length; at += SLICE) {
      const outcomes = await plane.apply(steps.slice(at, at + SLICE));
      const fault = outcomes.find((outcome) => outcome !== undefined);
      if (fault !== undefined) throw new VipdError(fault);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const left = diff(await plane.read('full'), await goal(wanted(), other), { ready: true });
  if (left.length === 0) return;
  const cause = `does not hold what was programmed: ${left.length} differences are left`;
  throw new VipdError({ code: 'PLANE_DIFFERS', object: `data plane ${plane.name}`, cause });
}

/** What the other plane is to hold: only where sources are silent is it more than what is wanted. */
async function goal(wanted: Target, other?: DataPlane): Promise<Forwarding> {
  const { forwarding, ready, kept } = wanted;
  if (other === undefined || (ready && !kept?.size)) return forwarding;
  const held = await other.read('full');
  return after(held, diff(held, forwarding, wanted));
}
