import { VipdError } from '../util/errors.js';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Timers of the platform wrap at 2^31 ms; a day is far below and longer than any interval that makes sense. */
const MAX_DURATION_MS = 24 * UNITS.h;

/** Parses `500ms`, `2s`, `1m`, `1h` into milliseconds. @throws VipdError DURATION_INVALID unless 1 ms to 24 h */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  const ms = match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : Number.NaN;
  if (ms >= 1 && ms <= MAX_DURATION_MS) return ms;
  throw new VipdError({
    code: 'DURATION_INVALID',
    object: text,
    cause: Number.isNaN(ms) ? `"${text}" is not a duration` : `${text} is not between 1ms and 24h`,
    hint: 'write a whole number and a unit: 500ms, 2s, 1m',
  });
}

/** The shortest text that {@link parseDuration} reads back as the same number. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms >= UNITS[unit] && ms % UNITS[unit] === 0) return `${ms / UNITS[unit]}${unit}`;
  }
  return `${ms}ms`;
}
