import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { addon } from '../native/binding.js';
import { NativeError, translating } from '../native/errors.js';

/** A network namespace of this machine. */
export interface NetworkNamespace {
  /** Whether this process is in it. */
  readonly own: boolean;
  /** Some of the files that stand for it; one may vanish when its process ends, another lives on. */
  readonly paths: readonly string[];
}

export interface NetworkNamespaces {
  readonly all: readonly NetworkNamespace[];
  /** Processes whose namespaces could not be told, for want of CAP_SYS_PTRACE. */
  readonly hidden: number;
}

/** Where ip-netns(8), CNI plugins and Docker keep namespaces that no process needs to be in. */
const named = ['/run/netns', '/run/docker/netns'];
const PATHS_KEPT = 3;
/** Files looked at before others may run; about a millisecond. */
const SLICE = 100;

/** All that processes are in, as far as /proc shows them, and those with a name; this process's own is the first. */
export async function networkNamespaces(): Promise<NetworkNamespaces> {
  const found = new Map<string, { own: boolean; paths: string[] }>();
  const files = ['/proc/self/ns/net', ...named.flatMap(filesIn), ...processes().map((pid) => `/proc/${pid}/ns/net`)];
  let hidden = 0;
  for (const [i, path] of files.entries()) {
    if (i % SLICE === SLICE - 1) await setImmediate();
    const stats = look(path);
    if (stats === 'forbidden') hidden++;
    else if (stats !== undefined) note(found, `${stats.dev}:${stats.ino}`, path);
  }
  return { all: [...found.values()], hidden };
}

function note(found: Map<string, { own: boolean; paths: string[] }>, identity: string, path: string): void {
  const known = found.get(identity);
  if (known === undefined) found.set(identity, { own: found.size === 0, paths: [path] });
  else if (known.paths.length < PATHS_KEPT) known.paths.push(path);
}

function look(path: string): Stats | 'forbidden' | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? 'forbidden' : undefined;
  }
}

function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name));
  } catch {
    return []; // nobody made one
  }
}

/** The cookie of the network namespace this process is in, as programs see it. @throws NativeError before kernel 5.14 */
export function namespaceCookie(): bigint {
  return translating(
    (failure, cause) => new NativeError('network namespace', failure, undefined, { cause }),
    () => addon().namespaceCookie(),
  );
}
