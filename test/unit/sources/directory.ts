import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** A directory of its own for one test. */
export async function directoryFor(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'vipd-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** As careful tools write: another name first, then a rename. */
export async function replace(path: string, text: string | Buffer): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** A services file with one service `name` and its VIP at `host`. */
export function yaml(name: string, host: number, more = ''): string {
  return `services:\n  - { name: ${name}, vip: 11.0.0.${host}:80, backends: []${more} }\n`;
}
