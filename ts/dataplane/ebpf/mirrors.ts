import type { ImageParts } from './image.js';
import type { Backend, Hop, Settings, Vip } from './lb.gen.js';
import { Mirror } from './mirror.js';
import type { Loaded } from './programs.js';
import type { Codecs } from './records.js';
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

/** For the records in them. */
export function codecsOf(loaded: Loaded): Codecs {
  return {
    vip: loaded.codec<Vip>('vip'),
    backend: loaded.codec<Backend>('backend'),
    hop: loaded.codec<Hop>('hop'),
    settings: loaded.codec<Settings>('settings'),
  };
}

export function offsetsOf(loaded: Loaded): ImageParts['offsets'] {
  return {
    vipState: loaded.offset('vip', 'state'),
    backendState: loaded.offset('backend', 'state'),
    backendGeneration: loaded.offset('backend', 'generation'),
  };
}
