import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  Registry,
} from 'prom-client';
import { type Collector, gauge, type Measured, type Sample } from '../util/metric.js';

/** Everything that is measured, as Prometheus text; what it measures is defined beside its subject. */
export class Metrics {
  readonly #process = new Registry();
  readonly #collectors: readonly Collector[];

  constructor(options: { readonly version: string }, modules: { readonly collectors: readonly Collector[] }) {
    collectDefaultMetrics({ register: this.#process });
    this.#collectors = [async () => [buildInfo(options.version)], ...modules.collectors];
  }

  async text(): Promise<string> {
    const scrape = new Registry();
    const measured = await Promise.all(this.#collectors.map((collect) => collect()));
    for (const family of measured.flat()) scrape.registerMetric(familyOf(family));
    return Registry.merge([scrape, this.#process]).metrics();
  }
}

function buildInfo(version: string): Measured {
  const labels = { version, node: process.versions.node };
  return gauge('vipd_build_info', 'The version of vipd and of Node.js it runs on', [{ labels, value: 1 }]);
}

/**
 * The library keeps a hash entry for every sample that was ever set. With one sample per backend that costs more than the
 * measurement, so a family hands over the samples of one scrape as they are and is then forgotten.
 */
function familyOf({ name, help, type, samples }: Measured): Counter | Gauge | Histogram {
  const configuration = { name, help, registers: [] };
  if (type === 'histogram') return new SampledHistogram(configuration, samples);
  return type === 'counter' ? new SampledCounter(configuration, samples) : new SampledGauge(configuration, samples);
}

class SampledCounter extends Counter {
  constructor(
    configuration: CounterConfiguration<string>,
    private readonly samples: readonly Sample[],
  ) {
    super(configuration);
  }

  override async get() {
    return { ...(await super.get()), values: [...this.samples] };
  }
}

class SampledGauge extends Gauge {
  constructor(
    configuration: GaugeConfiguration<string>,
    private readonly samples: readonly Sample[],
  ) {
    super(configuration);
  }

  override async get() {
    return { ...(await super.get()), values: [...this.samples] };
  }
}

class SampledHistogram extends Histogram {
  constructor(
    private readonly configuration: HistogramConfiguration<string>,
    private readonly samples: readonly Sample[],
  ) {
    super(configuration);
  }

  /** What the registry asks a histogram for in place of `get`. */
  async getForPromString() {
    const { name, help } = this.configuration;
    const values = this.samples.map(({ suffix = '', ...sample }) => ({ ...sample, metricName: `${name}${suffix}` }));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}
