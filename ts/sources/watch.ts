import { type FSWatcher, statSync, watch } from 'node:fs';

/** Watches one directory, through its deletion and replacement, as far as the system can; the caller polls as well. */
export class DirectoryWatch {
  readonly #onEvent: () => void;
  #watcher: FSWatcher | undefined;
  #identity = '';

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  get armed(): boolean {
    return this.#watcher !== undefined;
  }

  /** Makes sure that what stands at the path now is watched: a directory made anew has another inode. */
  follow(directory: string): void {
    const identity = identityOf(directory);
    if (this.armed && identity === this.#identity) return;
    this.close();
    if (identity === '') return;
    try {
      this.#watcher = watch(directory, { persistent: true }, this.#onEvent);
      this.#watcher.on('error', () => this.close());
      this.#identity = identity;
    } catch {
      // No inotify instance or watch left: polling alone goes on.
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

function identityOf(directory: string): string {
  try {
    const { dev, ino } = statSync(directory, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}
