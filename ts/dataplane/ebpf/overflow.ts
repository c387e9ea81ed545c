import type { Maps } from './shared-maps.js';

/** Programs look into `overflow_flows` only once there has been a flow in it. Versions before this did not note that. */
export function noteOverflow(maps: Maps): void {
  if (maps.get('overflow_flows')!.dump().count === 0) return;
  maps.get('overflow_use')!.set(Buffer.alloc(4), Buffer.from([1, 0, 0, 0]));
}
