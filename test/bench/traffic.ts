import type { Say } from './record.js';
import { change, figure, median, table } from './statistics.js';
import { compileEcho, echo } from './tools.js';
import { echoPort, type Variant } from './variants.js';

/** What is measured of a way from client to server. */
interface Metric {
  readonly name: string;
  measure(variant: Variant): Promise<number>;
}

const seconds = '0.5';

/** Median time of one operation, in µs. */
const latency = (mode: string, unit: string): Metric => ({
  name: `${unit} µs`,
  async measure({ start, address }) {
    const output = await start([echo, mode, address, String(echoPort), seconds]).success();
    return Number(output.split(' ')[0]) / 1000;
  },
});

const throughput: Metric = {
  name: 'iperf3 Gbit/s',
  async measure({ start, address }) {
    const report = JSON.parse(await start(['iperf3', '-c', address, '-t', '1', '--json']).success());
    return report.end.sum_received.bits_per_second / 1e9;
  },
};

/** Requests over 16 connections that stay open. */
const wrk: Metric = {
  name: 'wrk k/s',
  async measure({ start, address }) {
    const report = await start(['wrk', '-t1', '-c16', '-d1s', `http://${address}/`]).success();
    return Number(/Requests\/sec:\s+([\d.]+)/.exec(report)?.[1]) / 1000;
  },
};

const rate: Metric = {
  name: 'UDP k/s',
  async measure({ start, address }) {
    const output = await start([echo, 'rate', address, String(echoPort), seconds]).success();
    return 1e6 / Number(output.split(' ')[0]);
  },
};

const metrics: Readonly<Record<string, Metric>> = {
  connect: latency('connect', 'connect'),
  exchange: latency('exchange', 'connect+request+close'),
  request: latency('request', 'request'),
  datagram: latency('datagram', 'UDP request'),
  wrk,
  rate,
  iperf: throughput,
};

export const trafficNames = Object.keys(metrics);

/** Measures the chosen metrics, every variant once a round, and prints medians, spread and the change against direct. */
export async function traffic(
  variantsOf: () => Promise<readonly Variant[]>,
  names: readonly string[],
  rounds: number,
  say: Say,
): Promise<void> {
  compileEcho();
  const variants = await variantsOf();
  const chosen = names.flatMap((name) => metrics[name] ?? []);
  const values = new Map<string, number[]>();
  const valuesOf = (variant: Variant, metric: Metric) => {
    const key = `${variant.name}/${metric.name}`;
    return values.get(key) ?? values.set(key, []).get(key)!;
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const metric of chosen) {
      for (const variant of variants) valuesOf(variant, metric).push(await metric.measure(variant));
    }
  }
  const cell = (variant: Variant, metric: Metric) => {
    const base = median(valuesOf(variants[0]!, metric));
    const mine = valuesOf(variant, metric);
    return `${figure(mine)} ${variant === variants[0] ? '' : change(median(mine), base)}`.trimEnd();
  };
  const rows = variants.map((variant) => [variant.name, ...chosen.map((metric) => cell(variant, metric))]);
  say(`${table([['', ...chosen.map(({ name }) => name)], ...rows])}\n`);
  say(`medians of ${rounds} alternating rounds ± half the range; client, node and server on one CPU`);
  say('`direct` runs while cgroup programs exist on this machine, which costs every connect() a little\n');
}
