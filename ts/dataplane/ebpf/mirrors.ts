import { Mirror } from './mirror.js';
import type { Loaded } from './programs.js';
import type { Mirrors } from './writes.js';

/** Copies of the maps as the kernel holds them now. */
export function mirrorsOf(loaded: Loaded): Mirrors {
  const mirrors = {
    settings: new Mirror(loaded.map('settings')),
    vips: new Mirror(loaded.map('vips')),
    vipSets: new Mirror(loaded.map('vip_sets')),
    backends: new Mirror(loaded.map('backends')),
    replySets: new Mirror(loaded.map('reply_sets')),
    hops: new Mirror(loaded.map('hops')),
    arrivalSets: new Mirror(loaded.map('arrival_sets')),
  };
  for (const mirror of Object.values(mirrors)) mirror.load();
  return mirrors;
}
