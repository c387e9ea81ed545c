import type { Output } from '../api/routes/route.js';
import type { Routes } from '../api/routes/routes.js';
import { type Column, duration } from './output.js';

type Connects = Output<Routes['vip']>['connects'];

/** Columns for how connecting to backends went; none while nobody has tried. */
export function connectColumns(all: readonly Connects[]): readonly Column[] {
  if (all.every((one) => one === undefined)) return [];
  return ['P50', 'P90', 'P99', 'FAILED'].map((title) => ({ title, right: true }));
}

/** The cells for {@link connectColumns}; FAILED has what failed of all that had a result. */
export function connectCells(connects: Connects, columns: readonly Column[]): string[] {
  if (columns.length === 0) return [];
  if (connects === undefined) return columns.map(() => '-');
  const { p50Seconds, p90Seconds, p99Seconds } = connects;
  return [...[p50Seconds, p90Seconds, p99Seconds].map(duration), String(failed(connects))];
}

/** `1234 connected in 26 µs (P50), 60 µs (P90), 1.1 ms (P99); 3 refused` */
export function connectText(connects: NonNullable<Connects>): string {
  const { connected, refused, timedOut, unreachable, reset, abandoned } = connects;
  const { p50Seconds, p90Seconds, p99Seconds } = connects;
  const times = `${duration(p50Seconds)} (P50), ${duration(p90Seconds)} (P90), ${duration(p99Seconds)} (P99)`;
  const others = { refused, 'timed out': timedOut, unreachable, 'reset within a second': reset, abandoned };
  const ends = Object.entries(others).flatMap(([what, n]) => (n > 0 ? [`${n} ${what}`] : []));
  return [`${connected} connected${connected > 0 ? ` in ${times}` : ''}`, ...ends].join('; ');
}

function failed({ refused, timedOut, unreachable, reset }: NonNullable<Connects>): number {
  return refused + timedOut + unreachable + reset;
}
