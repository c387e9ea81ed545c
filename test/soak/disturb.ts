import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from '../helpers/daemon.js';

/** What happens to the daemon, in turn. Sizes of flow tables go up and down; those of exact ones only up. */
const disturbances = [
  { what: 'resized up', signal: 'SIGTERM', flags: ['--max-flows', '262144', '--max-exact-flows', '8192'] },
  { what: 'killed and resized', signal: 'SIGKILL', flags: ['--max-flows', '32768', '--max-exact-flows', '16384'] },
  { what: 'programs replaced', signal: 'SIGTERM', flags: ['--max-flows', '32768', '--max-exact-flows', '16384'] },
  { what: 'killed', signal: 'SIGKILL', flags: ['--max-flows', '32768', '--max-exact-flows', '16384'] },
  { what: 'resized up again', signal: 'SIGTERM', flags: ['--max-flows', '131072', '--max-exact-flows', '65536'] },
] as const;

/** Spreads them over so many seconds, and has the daemon up when it resolves: to what was done. */
export async function disturb(daemon: Daemon, seconds: number): Promise<readonly string[]> {
  const counts = new Map<string, number>();
  const times = Math.max(2, Math.floor(seconds / 60));
  for (let i = 0; i < times; i += 1) {
    await sleep((seconds * 900) / (times + 1));
    const { what, signal, flags } = disturbances[i % disturbances.length]!;
    await daemon.end(signal);
    await daemon.restart(...flags);
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${what} ${count === 1 ? 'once' : `${count} times`}`);
}
