import type { DataPlane } from '../dataplane/dataplane.js';
import type { Prefix } from '../model/address.js';
import { faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { forgetResolver } from './dns.js';
import type { Machine } from './machine.js';
import type { DaemonOptions } from './options.js';

export interface UninstallModules {
  readonly planes: readonly DataPlane[];
  readonly machine: Machine;
  readonly logger: Logger;
}

/** Leaves the kernel as it was before vipd. @throws VipdError DAEMON_RUNNING while there is a daemon */
export async function uninstall(options: DaemonOptions, modules: UninstallModules): Promise<void> {
  const { planes, machine, logger } = modules;
  const lock = machine.claim();
  try {
    for (const plane of planes) {
      const held = await poolsHeld(plane, logger);
      await plane.remove();
      machine.uncover(held);
    }
    machine.uncover(options.pools);
    forgetResolver(machine, options, logger);
  } finally {
    lock.release();
  }
}

/** What the kernel says of pools; what this version cannot adopt must still be possible to remove. */
async function poolsHeld(plane: DataPlane, logger: Logger): Promise<readonly Prefix[]> {
  try {
    return (await plane.probe()).ok ? await plane.pools() : [];
  } catch (error) {
    logger.warn({ fault: faultOf(error, `data plane ${plane.name}`) }, 'removing what cannot be read');
    return [];
  }
}
