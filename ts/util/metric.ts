/** A metric family as Prometheus knows it, measured: its name carries the unit, a counter's ends in `_total`. */
export interface Measured {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Measures anew at every call. Lives beside what it measures. */
export type Collector = () => Promise<readonly Measured[]>;

export function counter(name: string, help: string, samples: readonly Sample[]): Measured {
  return { name, help, type: 'counter', samples };
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Measured {
  return { name, help, type: 'gauge', samples };
}

/** The samples of a family that has exactly one. */
export function single(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
