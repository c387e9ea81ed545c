import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Wakeup } from '../util/wakeup.js';
import { FileSet } from './fileset.js';
import type { Report, Source } from './source.js';
import { DirectoryWatch } from './watch.js';

/** After an event, until a writer that works in several steps is through. */
const SETTLE_MS = 30;

/** Between two looks without any event: events can be lost, and targets of links elsewhere make none. */
const POLL_MS = 1000;
const POLL_PER_FILE_MS = 10;

/**
 * Services from a YAML or JSON file, or from all `*.yaml`, `*.yml` and `*.json` of a directory. A broken file keeps
 * what it said last; a file that is removed takes its services along.
 */
export class FileSource implements Source {
  readonly name: string;
  readonly #path: string;

  constructor(options: { path: string; name?: string }) {
    this.#path = resolve(options.path);
    this.name = options.name ?? `file:${options.path}`;
  }

  async run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    const files = new FileSet(this.#path);
    const wakeup = new Wakeup();
    const watch = new DirectoryWatch(() => wakeup.poke());
    const pause = new Wakeup();
    try {
      for (let first = true; !signal.aborted; first = false) {
        // Before the look, so that no change falls between the two.
        watch.follow(directoryOf(this.#path));
        const { changed, again } = await files.scan(Date.now());
        if (signal.aborted) return;
        if (first || changed) report(files.report());
        const poked = await wakeup.sleep(again ?? POLL_MS + POLL_PER_FILE_MS * files.size, signal);
        if (poked) await pause.sleep(SETTLE_MS, signal);
      }
    } finally {
      watch.close();
    }
  }
}

function directoryOf(path: string): string {
  try {
    return statSync(path).isDirectory() ? path : dirname(path);
  } catch {
    return dirname(path);
  }
}
