import type { BackendKey, VipKey } from './service.js';

/** How long connecting took, by buckets; `counts` has one more than `bounds`, for what took longer than the last. */
export interface Latencies {
  /** Upper ends of the buckets, seconds, ascending. */
  readonly bounds: readonly number[];
  readonly counts: readonly bigint[];
  /** Of all of them, seconds. */
  readonly sum: number;
}

/**
 * How TCP connections to a backend began, as clients on this node met it; of those whose socket was given the backend,
 * not of those that packets were translated for. All but `failing` only grow, from the moment the backend is programmed.
 */
export interface Connects {
  readonly connected: bigint;
  /** By RST, or by an ICMP error that says so. */
  readonly refused: bigint;
  /** Without an answer until the kernel gave up, or after a second or more the client. */
  readonly timedOut: bigint;
  /** By any other error. */
  readonly unreachable: bigint;
  /** Of those connected: ended by RST within a second. */
  readonly reset: bigint;
  /** Given up by the client within a second: says nothing of the backend. */
  readonly abandoned: bigint;
  /** Refused, timed out or unreachable since the last that was connected. */
  readonly failing: bigint;
  /** From the first SYN on, of those connected. */
  readonly latency: Latencies;
}

/** By VIP and backend; those that nobody has tried to connect to may be left out. */
export type ConnectsByVip = ReadonlyMap<VipKey, ReadonlyMap<BackendKey, Connects>>;

/** What became of a connection, in the order they are shown. */
export const outcomes = ['connected', 'refused', 'timedOut', 'unreachable', 'reset', 'abandoned'] as const;
export type Outcomes = Readonly<Record<(typeof outcomes)[number], bigint>>;

/** Those that a client noticed; a reset connection had been connected before. */
export function failuresIn({ refused, timedOut, unreachable, reset }: Outcomes): bigint {
  return refused + timedOut + unreachable + reset;
}

/** Those that had a result. */
export function attemptsIn({ connected, refused, timedOut, unreachable }: Outcomes): bigint {
  return connected + refused + timedOut + unreachable;
}

/** The sum over several backends, which must have the same buckets; undefined for none. */
export function sumOfConnects(all: Iterable<Connects>): Connects | undefined {
  let total: Connects | undefined;
  for (const one of all) total = total === undefined ? one : plus(total, one);
  return total;
}

function plus(a: Connects, b: Connects): Connects {
  return {
    connected: a.connected + b.connected,
    refused: a.refused + b.refused,
    timedOut: a.timedOut + b.timedOut,
    unreachable: a.unreachable + b.unreachable,
    reset: a.reset + b.reset,
    abandoned: a.abandoned + b.abandoned,
    failing: a.failing + b.failing,
    latency: {
      bounds: a.latency.bounds,
      counts: a.latency.counts.map((count, i) => count + b.latency.counts[i]!),
      sum: a.latency.sum + b.latency.sum,
    },
  };
}

/**
 * The latency, seconds, that a share of the connects did not exceed, as if those in a bucket were spread evenly over it; the
 * last bound for what is beyond it. Undefined without connects. @param share 0–1
 */
export function quantile({ bounds, counts }: Latencies, share: number): number | undefined {
  const total = Number(counts.reduce((sum, count) => sum + count, 0n));
  if (total === 0) return undefined;
  const rank = share * total;
  let below = 0;
  for (const [i, upper] of bounds.entries()) {
    const count = Number(counts[i]!);
    if (count > 0 && below + count >= rank) {
      const lower = bounds[i - 1] ?? 0;
      return lower + ((upper - lower) * (rank - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1);
}
