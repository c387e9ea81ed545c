import type { HeldBackend, HeldVip } from './held.js';
import type { Mirror } from './mirror.js';
import type { TableSpan } from './records.js';

/** The maps whose wanted content user space keeps. */
export interface Mirrors {
  readonly settings: Mirror;
  readonly vips: Mirror;
  readonly vipSets: Mirror;
  readonly backends: Mirror;
  readonly replySets: Mirror;
  readonly hops: Mirror;
  readonly arrivalSets: Mirror;
}

/**
 * Entries to write, by the moment they may become visible. Adding goes from what nobody points to yet up to what makes a
 * VIP found; removing goes the other way.
 */
export class Writes {
  readonly #phases = new Map<Phase, Set<number>>();
  /** Selection tables to write after the backends they name and before the VIPs that name them. */
  readonly tables: { first: number; slots: Uint32Array }[] = [];
  /** Runs of chunks that nothing points to once all this is written. */
  readonly freedRuns: TableSpan[] = [];
  /** Backends that no table names any more once all this is written: those to drain, and those to remove. */
  readonly drained: HeldBackend[] = [];
  readonly dropped: HeldBackend[] = [];
  /** Backends that no longer exist once all this is written. */
  readonly gone: HeldBackend[] = [];
  /** VIPs whose lists may hold prefixes that no longer count, and ids of VIPs that are gone with theirs. */
  readonly listed: HeldVip[] = [];
  readonly unlisted: number[] = [];
  /** Ids whose counters begin anew. */
  readonly freshVips: number[] = [];
  readonly freshBackends: number[] = [];

  mark(phase: Phase, index: number): void {
    const marked = this.#phases.get(phase);
    if (marked === undefined) this.#phases.set(phase, new Set([index]));
    else marked.add(index);
  }

  marked(phase: Phase, index: number): boolean {
    return this.#phases.get(phase)?.has(index) ?? false;
  }

  flush(mirrors: Mirrors, phases: readonly Phase[]): void {
    for (const phase of phases) {
      const indexes = this.#phases.get(phase);
      if (indexes !== undefined) mirrors[MIRROR_OF[phase]].flush([...indexes]);
    }
  }
}

export type Phase =
  | 'freshBackends'
  | 'changedBackends'
  | 'goneBackends'
  | 'replySets'
  | 'hops'
  | 'arrivalSets'
  | 'vips'
  | 'vipSets'
  | 'settings';

const MIRROR_OF: Readonly<Record<Phase, keyof Mirrors>> = {
  freshBackends: 'backends',
  changedBackends: 'backends',
  goneBackends: 'backends',
  replySets: 'replySets',
  hops: 'hops',
  arrivalSets: 'arrivalSets',
  vips: 'vips',
  vipSets: 'vipSets',
  settings: 'settings',
};

export const BEFORE_TABLES: readonly Phase[] = ['hops', 'freshBackends', 'changedBackends', 'replySets', 'arrivalSets'];
export const AFTER_TABLES: readonly Phase[] = ['vips', 'vipSets', 'settings'];
export const REMOVING: readonly Phase[] = [
  'vipSets',
  'vips',
  'settings',
  'arrivalSets',
  'replySets',
  'changedBackends',
  'goneBackends',
  'hops',
];
