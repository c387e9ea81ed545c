import type { Logger } from '../../util/logger.js';
import { Balancing } from './balancing.js';
import { connectionsOf } from './counting.js';
import type { ExactFlows } from './exact.js';
import { FlowFill } from './fill.js';
import type { Happenings } from './happenings.js';
import type { Image } from './image.js';
import type { SockQuery } from './lb.gen.js';
import { liveConnections } from './live.js';
import { Origins } from './origins.js';
import { Pressure } from './pressure.js';
import type { Loaded } from './programs.js';
import { Severing, type SeveringOptions } from './severing.js';
import { sweep } from './sweep.js';
import { clockOf } from './tracking.js';

export interface AftercareModules {
  readonly loaded: Loaded;
  readonly image: Image;
  readonly happenings: Happenings;
  readonly exact: ExactFlows;
  readonly logger?: Logger | undefined;
}

/** Of sockets whose backend is removed; undefined where they are left to their peers and timeouts. */
export function severingOf(
  options: SeveringOptions | undefined,
  { loaded, image, happenings, logger }: AftercareModules,
): Severing | undefined {
  if (options === undefined) return undefined;
  const counters = loaded.map('backend_counters');
  const origins = originsOf(loaded);
  return new Severing(options, {
    look: (among, lost, signal) => sweep(among, { origins, lost }, signal),
    has: (vip, backend) => image.vips.get(vip)?.backends.has(backend) === true,
    used: (gone) => image.passedOn(gone) || connectionsOf(counters, gone.id) > 0n,
    onSevered: ({ vip, backend, sockets }) =>
      happenings.tell({ kind: 'severed', at: Date.now(), hook: 'sock', vip, backend, sockets }),
    logger,
  });
}

export function balancingOf({ loaded, image, exact, logger }: AftercareModules): Balancing {
  const modules = {
    flows: loaded.map('flows'),
    origins: originsOf(loaded),
    clock: () => clockOf(loaded),
    exact: () => exact.read(image, Number.POSITIVE_INFINITY, () => true),
  };
  return new Balancing({
    image,
    tables: loaded.map('tables'),
    turns: loaded.map('vip_turns'),
    live: (backends, signal) => liveConnections(backends, modules, signal),
    logger,
  });
}

export function pressureOf({ loaded, happenings, exact, logger }: AftercareModules): Pressure {
  const flows = new FlowFill(loaded.map('flows'));
  const look = () => {
    const ofExact = exact.sweep();
    return [{ table: 'flows', ...flows.look(clockOf(loaded)) }, ...ofExact];
  };
  return new Pressure({ look, tell: (event) => happenings.tell(event), logger });
}

function originsOf(loaded: Loaded): Origins {
  return new Origins(loaded.program('sock_lb', 'sock_origins_of'), loaded.codec<SockQuery>('sock_query'));
}

/** Says which maps of before are replaced, and what that costs. */
export function tellReplaced(loaded: Loaded, logger: Logger | undefined): void {
  for (const map of loaded.kept) logger?.warn({ map }, 'keeps its size until the next teardown: a limit was lowered');
  const resized = loaded.replaced.filter((map) => !loaded.converted.has(map));
  if (resized.length > 0) logger?.info({ maps: resized }, 'resizing');
  for (const [map, difference] of loaded.converted)
    logger?.info({ map, difference }, 'converting from another version');
  for (const [map, cause] of loaded.lost) logger?.warn({ map, cause }, 'not carried over from another version');
}
