import { type Collector, counter, histogram, type Measured, type Sample } from '../util/metric.js';
import { rcodeName } from './codes.js';
import { nameText } from './name.js';
import type { Origin } from './recursor.js';
import type { ResolverObserver } from './resolver.js';
import { defaultGroup } from './routing.js';
import type { FailureReason, Protocol, UpstreamObserver } from './upstream.js';

/** Bounds of the original's histograms, seconds. */
const bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] as const;

/** How often something took so long. */
class Durations {
  readonly #counts = new Array<number>(bounds.length + 1).fill(0);
  #sum = 0;

  add(seconds: number): void {
    const at = bounds.findIndex((bound) => seconds <= bound);
    this.#counts[at < 0 ? bounds.length : at]! += 1;
    this.#sum += seconds;
  }

  samples(labels: Readonly<Record<string, string>>): Sample[] {
    let total = 0;
    const buckets = this.#counts.map((count, i) => {
      total += count;
      return { labels: { ...labels, le: String(bounds[i] ?? '+Inf') }, value: total, suffix: '_bucket' };
    });
    return [...buckets, { labels, value: this.#sum, suffix: '_sum' }, { labels, value: total, suffix: '_count' }];
  }
}

type Labels = Readonly<Record<string, string>>;

/** Something counted by labels. */
class Tally {
  readonly #counts = new Map<string, { labels: Labels; value: number }>();

  add(labels: Labels): void {
    const key = Object.values(labels).join('\0');
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { labels, value: 1 });
    else known.value += 1;
  }

  samples(): Sample[] {
    return [...this.#counts.values()].map(({ labels, value }) => ({ labels, value }));
  }
}

/** How long something took, by labels. */
class Times {
  readonly #durations = new Map<string, { readonly labels: Labels; readonly durations: Durations }>();

  add(labels: Labels, seconds: number): void {
    const key = Object.values(labels).join('\0');
    const known = this.#durations.get(key) ?? { labels, durations: new Durations() };
    this.#durations.set(key, known);
    known.durations.add(seconds);
  }

  samples(): Sample[] {
    return [...this.#durations.values()].flatMap(({ labels, durations }) => durations.samples(labels));
  }
}

/** A dot for the rest of the world. */
export function zoneLabel(group: string): string {
  return group === defaultGroup ? '.' : nameText(group);
}

const protocols = ['udp', 'tcp'] as const;
const origins = ['local', 'cache', 'stale', 'upstream', 'failed', 'shed'] as const;

/** What the resolver does, counted. */
export class Counts implements ResolverObserver, UpstreamObserver {
  /** By protocol, origin and code; numbers only, since it is the hot path. */
  readonly #answers = new Float64Array(protocols.length * origins.length * 16);
  readonly #dropped = [0, 0];
  readonly #forwarded = new Times();
  readonly #forwarderFailures = new Tally();
  readonly #pushes = new Times();
  readonly #workers = new Times();
  readonly #failures = new Tally();
  #truncated = 0;

  answered(udp: boolean, code: number, origin: Origin | 'local'): void {
    const at = ((udp ? 0 : 1) * origins.length + origins.indexOf(origin)) * 16 + code;
    this.#answers[at]! += 1;
  }

  forwarded(group: string, origin: Origin, seconds: number | undefined): void {
    const labels = { zone: zoneLabel(group) };
    if (seconds !== undefined) this.#forwarded.add(labels, seconds);
    if (origin === 'failed') this.#forwarderFailures.add(labels);
  }

  /** Records of a zone have been replaced. */
  pushed(zone: string, seconds: number): void {
    this.#pushes.add({ zone }, seconds);
  }

  dropped(udp: boolean): void {
    this.#dropped[udp ? 0 : 1]! += 1;
  }

  truncated(): void {
    this.#truncated += 1;
  }

  /** An answer of another resolver. */
  upstreamAnswered(protocol: Protocol, server: string, seconds: number): void {
    this.#workers.add({ protocol, upstream_address: server }, seconds);
  }

  upstreamFailed(protocol: Protocol, server: string, reason: FailureReason): void {
    this.#failures.add({ protocol, upstream_address: server, reason });
  }

  /** All answers given. */
  get total(): number {
    return this.#answers.reduce((sum, count) => sum + count, 0);
  }

  readonly collect: Collector = async () => this.#measured();

  #measured(): readonly Measured[] {
    const dropped = protocols.map((protocol, i) => ({ labels: { protocol }, value: this.#dropped[i]! }));
    return [
      counter('vipd_dns_answers_total', 'Answers by protocol, where they came from, and code', this.#answerSamples()),
      counter('vipd_dns_dropped_total', 'Messages that get no answer: too short, or answers themselves', dropped),
      counter('vipd_dns_truncated_total', 'Answers cut to fit', [{ labels: {}, value: this.#truncated }]),
      histogram(
        'vipd_dns_forwarder_requests_duration_seconds',
        'Time until a question for others had its answer',
        this.#forwarded.samples(),
      ),
      counter(
        'vipd_dns_forwarder_failures_total',
        'Questions for others that nobody could answer',
        this.#forwarderFailures.samples(),
      ),
      histogram('vipd_dns_zone_push_duration_seconds', 'Time until a zone was up to date', this.#pushes.samples()),
      histogram(
        'vipd_dns_worker_requests_duration_seconds',
        'Time until another resolver answered',
        this.#workers.samples(),
      ),
      counter(
        'vipd_dns_worker_failures_total',
        'Questions another resolver was of no help with',
        this.#failures.samples(),
      ),
    ];
  }

  #answerSamples(): Sample[] {
    return protocols.flatMap((protocol, p) =>
      origins.flatMap((origin, o) =>
        Array.from({ length: 16 }, (_, code) => {
          const value = this.#answers[(p * origins.length + o) * 16 + code]!;
          return { labels: { protocol, origin, rcode: rcodeName(code) }, value };
        }).filter(({ value }) => value > 0),
      ),
    );
  }
}
