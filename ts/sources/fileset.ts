import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { candidate, settle } from '../model/conflicts.js';
import { problemFault } from '../model/problem.js';
import type { DeclaredService } from '../model/service.js';
import type { Fault } from '../util/errors.js';
import { parseText } from './parse.js';
import { type FileText, readFault, readText, stampOf } from './read.js';
import type { Report } from './source.js';

/** An editor may truncate or remove a file just before it writes it anew; only what lasts longer is meant. */
const GRACE_MS = 400;

/** When a file changed while it was read, it is looked at again after this time. */
const CHANGING_MS = 50;
const CHANGING = 'FILE_CHANGING';

interface FileState {
  /** Of the version that `services` and `faults` are about; an error code when it could not be read. */
  readonly stamp: string;
  /** The last good definition of every service the file has. */
  readonly services: readonly DeclaredService[];
  readonly faults: readonly Fault[];
  /** It was understood at least once. */
  readonly good: boolean;
}

const UNREAD: FileState = { stamp: '', services: [], faults: [], good: false };

/** What a look at the files found. */
export interface Scan {
  readonly changed: boolean;
  /** Milliseconds until the next look, where one is due sooner than the poll. */
  readonly again?: number;
}

/** The files at one path, a file or a directory of them, and what each of them said last when it was in order. */
export class FileSet {
  readonly #path: string;
  #files: ReadonlyMap<string, FileState> = new Map();
  #listFault: Fault | undefined;
  #listChanged = false;
  /** Since when a file that had services is gone or empty, milliseconds since the epoch. */
  readonly #doubtful = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  get size(): number {
    return this.#files.size;
  }

  /** Reads what has changed since the last look. Never rejects: what is wrong is in the report. */
  async scan(now: number): Promise<Scan> {
    const listed = await this.#list();
    const files = new Map<string, FileState>();
    const again: number[] = [];
    for (const path of listed) {
      const before = this.#files.get(path) ?? UNREAD;
      const after = await this.#look(path, before, now);
      if (after !== 'gone') files.set(path, after);
      if (after !== 'gone' && after.stamp === CHANGING) again.push(CHANGING_MS);
    }
    if (this.#doubtful.size > 0) again.push(GRACE_MS);
    const changed = !sameStates(this.#files, files);
    this.#files = files;
    return { changed: this.#listChanged || changed, ...(again.length > 0 ? { again: Math.min(...again) } : {}) };
  }

  report(): Report {
    const states = [...this.#files];
    const faults = [...(this.#listFault ? [this.#listFault] : []), ...states.flatMap(([, state]) => state.faults)];
    if (faults.length > 0 && !states.some(([, state]) => state.good)) return { services: [], faults, keepLast: true };
    const { accepted, conflicts } = settle(
      states.flatMap(([path, { services }]) => services.map((definition) => candidate(definition, path))),
    );
    for (const { loser, problem } of conflicts) {
      faults.push(problemFault({ ...problem, path: [] }, loser.place, `service ${loser.definition.name}`));
    }
    return { services: Array.from(accepted.values(), ({ definition }) => definition), faults };
  }

  /** Every file there is or was, in the order of their names. */
  async #list(): Promise<readonly string[]> {
    const before = this.#listFault;
    let there: readonly string[] = [];
    try {
      there = await filesAt(this.#path);
      this.#listFault = undefined;
    } catch (error) {
      const fault = readFault(error, this.#path);
      // A file that was read and is gone has been removed; a path that never was there is a mistake.
      this.#listFault = fault.code === 'FILE_MISSING' && this.#files.has(this.#path) ? undefined : fault;
    }
    this.#listChanged = before?.code !== this.#listFault?.code;
    return this.#listFault ? [...this.#files.keys()] : [...new Set([...there, ...this.#files.keys()])].sort();
  }

  async #look(path: string, before: FileState, now: number): Promise<FileState | 'gone'> {
    if (this.#listFault) return before;
    let stamp: string | undefined;
    try {
      const stats = await stat(path, { bigint: true });
      stamp = stampOf(stats);
      if (stats.size === 0n && !this.#lasting(path, before, now)) return before;
      if (stats.size > 0n) this.#doubtful.delete(path);
      return stamp === before.stamp ? before : await understood(await readText(path), path, before);
    } catch (error) {
      const fault = readFault(error, path);
      if (fault.code === 'FILE_MISSING') return this.#lasting(path, before, now) ? 'gone' : before;
      const version = fault.code === CHANGING ? CHANGING : (stamp ?? fault.code);
      return before.stamp === version ? before : { ...before, stamp: version, faults: [fault] };
    }
  }

  /** Whether a file that is gone or empty has been so long enough to be believed. */
  #lasting(path: string, before: FileState, now: number): boolean {
    const since = this.#doubtful.get(path) ?? now;
    const lasting = before.services.length === 0 || now - since >= GRACE_MS;
    if (lasting) this.#doubtful.delete(path);
    else this.#doubtful.set(path, since);
    return lasting;
  }
}

async function filesAt(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = await readdir(path);
  return names.filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).map((name) => join(path, name));
}

/** A service that is there but has become wrong keeps its last good definition; one that is no longer there is gone. */
async function understood({ text, stamp }: FileText, path: string, before: FileState): Promise<FileState> {
  const { services, faults, rejected, keepLast = false } = await parseText(text, path);
  if (keepLast) return { ...before, stamp, faults };
  const last = new Map(before.services.map((service) => [service.name, service]));
  const fresh = services.map((service) => {
    const same = last.get(service.name);
    return same && isDeepStrictEqual(same, service) ? same : service;
  });
  const accepted = new Set(services.map(({ name }) => name));
  const kept = rejected.filter((name) => !accepted.has(name)).flatMap((name) => last.get(name) ?? []);
  return { stamp, services: [...fresh, ...kept], faults, good: true };
}

function sameStates(a: ReadonlyMap<string, FileState>, b: ReadonlyMap<string, FileState>): boolean {
  return a.size === b.size && [...a].every(([path, state]) => b.get(path) === state);
}
