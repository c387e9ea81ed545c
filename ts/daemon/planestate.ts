import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Mode } from '../model/mode.js';
import type { ToggleRecord, ToggleStore } from '../reconcile/toggle.js';
import { VipdError } from '../util/errors.js';

/** Of the layout below; another number is foreign and not believed. */
const VERSION = 1;

interface Content {
  readonly version: typeof VERSION;
  /** What an operator has chosen while the daemon ran; wins over the configuration. */
  readonly mode?: Mode;
  /** What an operator is choosing, by an exchange that is under way: becomes the mode when that is completed. */
  readonly choosing?: Mode;
  readonly record: ToggleRecord;
}

/** Which data plane serves, in a file of the state directory: an exchange that is cut short must be known to the next start. */
export class PlaneState implements ToggleStore {
  #content: Content;

  constructor(readonly path: string) {
    this.#content = read(path);
  }

  get mode(): Mode | undefined {
    return this.#content.mode;
  }

  get choosing(): Mode | undefined {
    return this.#content.choosing;
  }

  load(): ToggleRecord {
    return this.#content.record;
  }

  /** @throws VipdError STATE_UNWRITABLE */
  save(record: ToggleRecord): void {
    if (JSON.stringify(record) === JSON.stringify(this.#content.record)) return;
    this.#write({ ...this.#content, record });
  }

  /** Begins a choice that {@link choose} concludes; undefined takes it back. @throws VipdError STATE_UNWRITABLE */
  consider(choosing: Mode | undefined): void {
    this.#change({ choosing });
  }

  /** @throws VipdError STATE_UNWRITABLE */
  choose(mode: Mode): void {
    this.#change({ mode, choosing: undefined });
  }

  #change(change: { readonly mode?: Mode; readonly choosing: Mode | undefined }): void {
    const { choosing: _, ...rest } = this.#content;
    const { mode, choosing } = { mode: this.#content.mode, ...change };
    if (mode === this.#content.mode && choosing === this.#content.choosing) return;
    this.#write({ ...rest, ...(mode ? { mode } : {}), ...(choosing ? { choosing } : {}) });
  }

  #write(content: Content): void {
    try {
      writeWhole(this.path, `${JSON.stringify(content)}\n`);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      const hint = 'the daemon must be able to write its state directory';
      throw new VipdError({ code: 'STATE_UNWRITABLE', object: this.path, cause, hint }, { cause: error });
    }
    this.#content = content;
  }
}

/** What is torn or foreign counts as nothing: the kernel itself still says what each plane holds. */
function read(path: string): Content {
  try {
    const content: Content = JSON.parse(readFileSync(path, 'utf8'));
    if (content.version === VERSION && typeof content.record === 'object') return content;
  } catch {
    // Not there yet, or not ours.
  }
  return { version: VERSION, record: {} };
}

/** After a crash there is the old content or the new one. */
function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  const file = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}
