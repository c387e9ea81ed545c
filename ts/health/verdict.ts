import type { HealthCheck } from '../model/service.js';
import type { Verdict } from '../model/verdict.js';
import type { Finding } from './check.js';

/** A verdict and how far findings in a row have gone to change it. */
export interface Judgement extends Verdict {
  /** Findings in a row that speak against `state`. */
  readonly streak: number;
  /** Whether those findings were successes; matters while pending, where either outcome is possible. */
  readonly streakOf: 'success' | 'failure';
}

export function firstJudgement(now: number): Judgement {
  return { state: 'pending', reason: 'not checked yet', since: now, streak: 0, streakOf: 'success' };
}

/** The next judgement after one finding: `rise` successes in a row make healthy, `fall` failures unhealthy. Pure. */
export function judge(before: Judgement, finding: Finding, check: HealthCheck, now: number): Judgement {
  const streakOf = finding === undefined ? 'success' : 'failure';
  const target = finding === undefined ? 'healthy' : 'unhealthy';
  const needed = finding === undefined ? check.rise : check.fall;
  if (before.state === target) {
    const reason = finding === undefined ? 'healthy' : streakReason(finding, check, needed, needed);
    return { state: target, reason, since: before.since, streak: 0, streakOf };
  }
  const streak = before.streakOf === streakOf ? before.streak + 1 : 1;
  const reason = streakReason(finding, check, streak, needed);
  if (streak < needed) return { state: before.state, reason, since: before.since, streak, streakOf };
  return { state: target, reason: finding === undefined ? 'healthy' : reason, since: now, streak: 0, streakOf };
}

function streakReason(finding: Finding, check: HealthCheck, streak: number, needed: number): string {
  return finding === undefined
    ? `${check.kind}: ${streak} of ${needed} successes`
    : `${check.kind}: ${finding}, ${streak} of ${needed} failures`;
}
