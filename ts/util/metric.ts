/** A metric family as Prometheus knows it, measured: its name carries the unit, a counter's ends in `_total`. */
export interface Measured {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Of a histogram: `_bucket`, cumulative, with its upper bound as the label `le`; `_sum`; `_count`. */
  readonly suffix?: string;
}

/** Measures anew at every call. Lives beside what it measures. */
export type Collector = () => Promise<readonly Measured[]>;

export function counter(name: string, help: string, samples: readonly Sample[]): Measured {
  return { name, help, type: 'counter', samples };
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Measured {
  return { name, help, type: 'gauge', samples };
}

export function histogram(name: string, help: string, samples: readonly Sample[]): Measured {
  return { name, help, type: 'histogram', samples };
}

/** The samples of a family that has exactly one. */
export function single(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
