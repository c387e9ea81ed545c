import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Names of what is pinned in a directory; empty when there is none. */
export function pinsIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

export function makePinDirectory(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

export function unpin(path: string): void {
  if (existsSync(path)) unlinkSync(path);
}

/**
 * Pins again what somebody has unpinned: without its pin it would end with this process.
 * @returns the names of those
 * @throws BpfError, or what the file system says
 */
export function keepPinned(directory: string, things: ReadonlyMap<string, { pin(path: string): void }>): string[] {
  const missing = [...things].filter(([name]) => !existsSync(join(directory, name)));
  for (const [name, thing] of missing) thing.pin(join(directory, name));
  return missing.map(([name]) => name);
}

/** Removes a directory that nothing is in any more. */
export function removeIfEmpty(directory: string): void {
  if (pinsIn(directory).length > 0) return;
  try {
    rmdirSync(directory);
  } catch {
    // Never made, or not ours alone.
  }
}

/** Removes a directory of pins with all that is in it; maps and programs end when nothing else holds them. */
export function removePins(directory: string): void {
  for (const name of pinsIn(directory)) unlinkSync(join(directory, name));
  if (existsSync(directory)) rmdirSync(directory);
}
