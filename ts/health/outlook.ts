import { attemptsIn, type Connects, failuresIn, type Outcomes, outcomes } from '../model/connects.js';
import { formatDuration } from '../model/duration.js';
import type { OutlierPolicy } from '../model/policy.js';
import type { Ejection } from '../model/verdict.js';

/** Connects within a part of the window. */
interface Sample {
  /** When the part began, milliseconds since the epoch. */
  readonly at: number;
  readonly attempts: number;
  readonly failures: number;
}

/** What the connects to a backend have shown so far. */
export interface Outlook {
  /** As counted last. */
  readonly counted: Outcomes;
  /** Within the window, oldest first. */
  readonly samples: readonly Sample[];
  readonly ejection?: Ejection;
  /** Ejections that are not forgotten. */
  readonly times: number;
  /** Since when it has been in use without an ejection being forgotten, milliseconds since the epoch. */
  readonly calmSince: number;
}

/** A window is kept in so many parts: it ends that much too early at most. */
const PARTS = 10;

/** Where a backend begins whose counters stand like this. */
export function firstOutlook(counted: Outcomes, now: number): Outlook {
  return { counted, samples: [], times: 0, calmSince: now };
}

/**
 * Pure: the outlook after the counters were read again. Only a failure that is new ejects: one whose time is over is given
 * the next connection, and goes again if that fails. Each time takes twice as long, and one is forgotten for each time
 * of the first length that the backend is in use.
 */
export function look(before: Outlook, connects: Connects, policy: OutlierPolicy, now: number): Outlook {
  const fresh = difference(before.counted, connects);
  if (fresh === undefined) return firstOutlook(connects, now);
  const outlook = forget({ ...returned(before, now), counted: connects }, policy, now);
  if (outlook.ejection !== undefined) return outlook;
  const samples = sampled(outlook.samples, fresh, policy, now);
  const cause = causeIn(fresh, samples, connects, policy);
  if (cause === undefined) return { ...outlook, samples };
  const lasts = Math.min(policy.maxEjectionMs, policy.ejectionMs * 2 ** outlook.times);
  const times = outlook.times + 1;
  return { ...outlook, samples: [], times, ejection: { since: now, until: now + lasts, times, cause } };
}

/** undefined when the counters have begun anew. */
function difference(before: Outcomes, after: Outcomes): Outcomes | undefined {
  const each = outcomes.map((name) => [name, after[name] - before[name]] as const);
  return each.some(([, n]) => n < 0n) ? undefined : (Object.fromEntries(each) as unknown as Outcomes);
}

function returned({ ejection, ...outlook }: Outlook, now: number): Outlook {
  if (ejection === undefined) return outlook;
  return ejection.until > now ? { ...outlook, ejection } : { ...outlook, calmSince: now };
}

function forget(outlook: Outlook, { ejectionMs }: OutlierPolicy, now: number): Outlook {
  if (outlook.ejection !== undefined || outlook.times === 0) return outlook;
  const forgotten = Math.floor((now - outlook.calmSince) / ejectionMs);
  if (forgotten === 0) return outlook;
  const times = Math.max(0, outlook.times - forgotten);
  return { ...outlook, times, calmSince: outlook.calmSince + forgotten * ejectionMs };
}

function sampled(samples: readonly Sample[], fresh: Outcomes, { windowMs }: OutlierPolicy, now: number): Sample[] {
  const kept = samples.filter(({ at }) => at > now - windowMs);
  const [attempts, failures] = [Number(attemptsIn(fresh)), Number(failuresIn(fresh))];
  const last = kept.at(-1);
  if (last === undefined || last.at <= now - windowMs / PARTS) return [...kept, { at: now, attempts, failures }];
  const more = { at: last.at, attempts: last.attempts + attempts, failures: last.failures + failures };
  return [...kept.slice(0, -1), more];
}

/** Why the backend is to go; undefined when it may stay. */
function causeIn(
  fresh: Outcomes,
  samples: readonly Sample[],
  { failing }: Connects,
  { consecutive, failurePercent, minimumConnects, windowMs }: OutlierPolicy,
): string | undefined {
  if (failuresIn(fresh) === 0n) return undefined;
  if (failing >= BigInt(consecutive)) return `${failing} connects in a row failed (${kinds(fresh)})`;
  const attempts = samples.reduce((sum, one) => sum + one.attempts, 0);
  const failures = samples.reduce((sum, one) => sum + one.failures, 0);
  if (attempts < minimumConnects || failures * 100 < failurePercent * attempts) return undefined;
  return `${failures} of ${attempts} connects within ${formatDuration(windowMs)} failed (${kinds(fresh)})`;
}

const NAMES = { refused: 'refused', timedOut: 'no answer', unreachable: 'unreachable', reset: 'reset' } as const;

function kinds(fresh: Outcomes): string {
  const seen = Object.entries(NAMES).filter(([name]) => fresh[name as keyof typeof NAMES] > 0n);
  return seen.map(([, text]) => text).join(', ');
}
