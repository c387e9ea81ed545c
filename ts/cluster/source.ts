import type { Policy } from '../model/policy.js';
import type { Report, Source } from '../sources/source.js';
import type { Fault } from '../util/errors.js';
import type { Cluster } from './cluster.js';
import { type PublishableVip, publicationOf } from './publication.js';

/** Without any other node in sight for so long the cluster counts as empty, milliseconds. */
const LONELY_MS = 3_000;
/** From the first word of others to the first report: by then their neighbours have handed on all they know. */
const SETTLE_MS = 500;

export interface ClusterSourceModules {
  /** Takes part in the cluster; `failed` is told when that ends by itself. @throws VipdError */
  readonly start: (failed: (error: unknown) => void) => Promise<Cluster>;
}

/** What the other nodes of the cluster define; and through it this node takes part there. */
export class ClusterSource implements Source {
  readonly name = 'cluster';
  readonly joins = true;
  #cluster: Cluster | undefined;
  #last: { rows: readonly PublishableVip[]; policyOf: (name: string) => Policy | undefined; plane: string } | undefined;
  #left = false;
  #report: ((report: Report) => void) | undefined;

  constructor(private readonly modules: ClusterSourceModules) {}

  /** undefined while it takes no part. */
  get cluster(): Cluster | undefined {
    return this.#cluster;
  }

  async run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    this.#report = report;
    if (this.#left) return idle(signal);
    let fail: (error: unknown) => void = () => {};
    const failure = new Promise<never>((_, reject) => {
      fail = reject;
    });
    failure.catch(() => {}); // may come before or after it is waited for
    const cluster = await this.modules.start(fail);
    this.#cluster = cluster;
    if (this.#last) this.publish(this.#last.rows, this.#last.policyOf, this.#last.plane);
    const stopReporting = reportFrom(cluster, report);
    try {
      await Promise.race([idle(signal), failure]);
    } finally {
      stopReporting();
      this.#cluster = undefined;
      await cluster.stop();
    }
  }

  /** What this node wants its VIPs to be, all of them; its own part of it is told to the others. */
  publish(rows: readonly PublishableVip[], policyOf: (name: string) => Policy | undefined, plane: string): void {
    this.#last = { rows, policyOf, plane };
    this.#cluster?.publish(
      publicationOf(rows, (source) => source === this.name, policyOf),
      plane,
    );
  }

  /** For good; the daemon goes on alone. False where it took no part. */
  async leave(): Promise<boolean> {
    const cluster = this.#cluster;
    if (!cluster) return false;
    this.#left = true;
    await cluster.leave();
    await cluster.stop();
    this.#cluster = undefined;
    // What the others have is no longer for this node.
    this.#report?.({ services: [], faults: [] });
    return true;
  }

  faults(): readonly Fault[] {
    return this.#cluster?.faults() ?? [];
  }
}

/** Reports at every change, and first when there is something to report or nothing to be expected. */
function reportFrom(cluster: Cluster, report: (report: Report) => void): () => void {
  let services: unknown;
  let faultTexts = '';
  const tell = () => {
    const view = cluster.view();
    const faults = cluster.faults();
    const text = JSON.stringify(faults);
    if (view.services === services && text === faultTexts) return;
    [services, faultTexts] = [view.services, text];
    report({ services: view.services, faults });
  };
  let begun = cluster.view().services.length > 0;
  const begin = () => {
    begun = true;
    tell();
  };
  const timers = [setTimeout(begin, LONELY_MS)];
  const unsubscribe = cluster.onChange(() => {
    if (begun) tell();
    else if (cluster.members().length > 0 && timers.length === 1) timers.push(setTimeout(begin, SETTLE_MS));
  });
  if (begun) tell();
  return () => {
    unsubscribe();
    for (const timer of timers) clearTimeout(timer);
  };
}

function idle(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
