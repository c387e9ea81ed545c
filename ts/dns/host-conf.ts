import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { parseResolvConf } from './resolv-conf.js';

export interface HostConfOptions {
  /** `/etc/resolv.conf` */
  readonly path: string;
  /** Where the original is kept meanwhile. */
  readonly saved: string;
  /** Addresses of the resolver; the C library takes three. */
  readonly servers: readonly string[];
}

/** How many the C library reads (MAXNS of resolv.h). */
const most = 3;
const mark = '# Written by vipd';

/**
 * Has the machine ask this resolver: resolv.conf names it, and the original is kept beside, to be put back at the end. All
 * replacements are atomic. What somebody else writes there meanwhile becomes the original, and ours is written again.
 */
export class HostConf {
  /** Times that somebody else has written it. */
  rewritten = 0;
  #fault: Fault | undefined;
  #held = false;

  constructor(
    private readonly options: HostConfOptions,
    private readonly modules: { readonly logger: Logger },
  ) {}

  fault(): Fault | undefined {
    return this.#fault;
  }

  /** Writes it unless it is ours already; to be called again and again. */
  hold(): void {
    this.#attempt(() => {
      const wanted = this.#wanted();
      if (contentOf(this.options.path) === wanted) return;
      if (!this.#isOurs()) {
        if (this.#held) {
          this.rewritten += 1;
          this.modules.logger.warn(
            { path: this.options.path },
            'somebody has rewritten it: kept as the original, ours is back',
          );
        }
        this.#save();
      }
      replace(this.options.path, () => writeFileSync(temporary(this.options.path), wanted, { mode: 0o644 }));
      this.#held = true;
    });
  }

  /** Puts the original back, if what is there is still ours. */
  release(): void {
    this.#attempt(() => {
      if (this.#isOurs() && existsSync(this.options.saved)) restore(this.options);
      this.#held = false;
    });
  }

  #isOurs(): boolean {
    return contentOf(this.options.path)?.startsWith(mark) ?? false;
  }

  /** The original's own search list and options go on to hold. */
  #wanted(): string {
    const original = originalIn(this.options) ?? '';
    const kept = original.split('\n').filter((line) => /^\s*(search|domain|options|sortlist)\s/.test(line));
    const servers = this.options.servers.slice(0, most).map((server) => `nameserver ${server}`);
    return [`${mark}; the original is in ${this.options.saved}`, ...servers, ...kept, ''].join('\n');
  }

  /** A link is kept as where it leads to. */
  #save(): void {
    const { path, saved } = this.options;
    mkdirSync(dirname(saved), { recursive: true });
    const link = linkOf(path);
    const kept = { link, content: contentOf(path) };
    replace(saved, () => writeFileSync(temporary(saved), `${JSON.stringify(kept)}\n`, { mode: 0o644 }));
  }

  #attempt(action: () => void): void {
    try {
      action();
      this.#fault = undefined;
    } catch (error) {
      const fault = faultOf(error, `file ${this.options.path}`);
      if (this.#fault?.cause !== fault.cause) this.modules.logger.warn({ fault }, 'resolv.conf is not as it should be');
      this.#fault = fault;
    }
  }
}

interface Kept {
  readonly link?: string;
  readonly content?: string;
}

/** What the machine's own resolv.conf said, whoever is named there now. */
export function originalIn({ path, saved }: Pick<HostConfOptions, 'path' | 'saved'>): string | undefined {
  const current = contentOf(path);
  if (current !== undefined && !current.startsWith(mark)) return current;
  const { link, content } = keptIn(saved);
  // Behind a link the owner of the file goes on writing.
  return (
    (link === undefined ? undefined : contentOf(link.startsWith('/') ? link : `${dirname(path)}/${link}`)) ?? content
  );
}

/** Servers of the original. */
export function originalServers(options: Pick<HostConfOptions, 'path' | 'saved'>): readonly string[] {
  return parseResolvConf(originalIn(options) ?? '').servers;
}

function restore({ path, saved }: HostConfOptions): void {
  const { link, content } = keptIn(saved);
  replace(path, () => {
    if (link !== undefined) symlinkSync(link, temporary(path));
    else writeFileSync(temporary(path), content ?? '', { mode: 0o644 });
  });
  rmSync(saved, { force: true });
}

function keptIn(saved: string): Kept {
  const text = contentOf(saved);
  return text === undefined ? {} : (JSON.parse(text) as Kept);
}

function replace(path: string, make: () => void): void {
  rmSync(temporary(path), { force: true });
  make();
  renameSync(temporary(path), path);
}

function temporary(path: string): string {
  return `${path}.vipd-new`;
}

function linkOf(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
