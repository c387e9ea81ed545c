import { writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { ServiceInput } from '../../ts/model/schema.js';
import type { Child } from '../../ts/quickstart/child.js';
import type { Lab, Site } from './lab.js';
import { type Place, startAt, startIperf, startNginx } from './programs.js';

/** What the tools of {@link Tools} go for. */
const VIP = { web: '11.0.0.81', bulk: '11.0.0.82' } as const;
const BULK_PORT = 5201;
/** An emulated processor has more to do than this: who is nice leaves most of it to the others. */
const nice = ['nice', '-n', '19'];
/** And what comes of it is not nice: requests without pause would take the daemon a minute for what takes it seconds. */
const PAUSE = 'function delay() return 50 end\n';
/** Longer than any test. */
const HOURS = '4h';

/** The tools people measure with, over new connections (wrk) and one that lasts (iperf3), until told to end. */
export class Tools {
  readonly #wrks: { readonly from: string; readonly child: Child }[] = [];
  #iperf: Child | undefined;

  private constructor(
    readonly t: ExecutionContext,
    readonly lab: Lab,
  ) {}

  /** Servers for them on these sites, and their services. */
  static async serve(
    t: ExecutionContext,
    lab: Lab,
    sites: readonly Site[],
  ): Promise<{ tools: Tools; services: ServiceInput[] }> {
    await Promise.all(sites.map((site, i) => startNginx(lab, site, `nginx${i}`, ...nice)));
    await startIperf(lab, sites[0]!);
    const services = [
      { name: 'tools-web', vip: `${VIP.web}:80`, backends: sites.map(({ v4 }) => `${v4}:80`) },
      { name: 'tools-bulk', vip: `${VIP.bulk}:${BULK_PORT}`, backends: [`${sites[0]!.v4}:${BULK_PORT}`] },
    ];
    return { tools: new Tools(t, lab), services };
  }

  /** wrk from everywhere, a connection a request; iperf3 from one place. */
  begin(places: Readonly<Record<string, Place>>, bulkFrom: Place): void {
    const pause = `${this.lab.directory}/pause.lua`;
    writeFileSync(pause, PAUSE);
    const settings = ['-t1', '-c2', '-d', HOURS, '-s', pause, '--timeout', '120s', '-H', 'Connection: close'];
    const wrk = ['wrk', ...settings, `http://${VIP.web}/`];
    for (const [from, place] of Object.entries(places)) {
      this.#wrks.push({ from, child: startAt(this.lab, place, [...nice, ...wrk]) });
    }
    const iperf = ['iperf3', '-c', VIP.bulk, '-t', '14400', '-b', '1M', '--json'];
    this.#iperf = startAt(this.lab, bulkFrom, [...nice, ...iperf]);
    for (const child of [...this.#wrks.map((one) => one.child), this.#iperf])
      this.lab.beforeRemoval(() => child.kill('SIGKILL'));
  }

  /** No request has failed, and the one connection is the one it was. */
  async finish(): Promise<void> {
    for (const { from, child } of this.#wrks) {
      child.kill('SIGINT');
      await child.exited;
      this.t.log(`wrk, ${from}: ${/\d+ requests in.*/.exec(child.output)?.[0]}`);
      this.t.regex(child.output, /Requests\/sec: +[1-9]/, from);
      this.t.notRegex(child.output, /Socket errors|Non-2xx/, from);
    }
    if (this.#iperf === undefined) return;
    this.t.is(this.#iperf.result, undefined, `iperf3 goes on: ${this.#iperf.output.slice(-500)}`);
    this.#iperf.kill('SIGINT');
    await this.#iperf.exited;
    const { error, intervals } = JSON.parse(this.#iperf.output);
    this.t.regex(error, /interrupt/);
    const bytes = intervals.reduce((sum: number, one: { sum: { bytes: number } }) => sum + one.sum.bytes, 0);
    this.t.log(`iperf3: ${bytes} bytes`);
    this.t.true(bytes > 0);
  }
}
