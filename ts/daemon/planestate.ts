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

  load(): ToggleRecord {
    return this.#content.record;
  }

  /** @throws VipdError STATE_UNWRITABLE */
  save(record: ToggleRecord): void {
    if (JSON.stringify(record) === JSON.stringify(this.#content.record)) return;
    this.#write({ ...this.#content, record });
  }

  /** Undefined leaves it to the configuration again. @throws VipdError STATE_UNWRITABLE */
  choose(mode: Mode | undefined): void {
    if (mode === this.#content.mode) return;
    const { mode: _, ...rest } = this.#content;
    this.#write(mode === undefined ? rest : { ...rest, mode });
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
