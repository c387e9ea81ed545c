import { MemoryDataPlane } from '../dataplane/memory.js';
import { formatPrefix } from '../model/address.js';
import type { Forwarding } from '../model/forwarding.js';
import { backendKey } from '../model/service.js';
import type { ServiceTable } from '../model/table.js';
import { desired } from '../reconcile/desired.js';
import { Reconciler } from '../reconcile/reconcile.js';
import { FileSource } from '../sources/file.js';
import { Sources } from '../sources/sources.js';
import type { Fault } from '../util/errors.js';
import { admit, Pools } from './admission.js';
import type { Machine } from './machine.js';
import { type DaemonOptions, namesIn } from './options.js';

export interface DryRun {
  /** What a data plane would hold, as if every health check succeeded. */
  readonly forwarding: Forwarding;
  readonly faults: readonly Fault[];
}

/** Reads the services files and programs a data plane in memory. Touches neither the kernel nor the state directory. */
export async function dryRun(options: DaemonOptions, machine: Pick<Machine, 'localAddresses'>): Promise<DryRun> {
  const { table, faults } = await readFiles(options);
  const around = { local: machine.localAddresses(), pools: new Pools(options.pools), now: Date.now() };
  const { table: admitted, refused } = admit(table, around);
  const verdicts = { verdict: () => undefined };
  const inputs = { table: admitted, verdicts, drained: new Set<string>(), pools: options.pools, now: Date.now() };
  const { forwarding, vips } = desired(inputs);
  const plane = new MemoryDataPlane();
  await plane.open();
  const wanted = { forwarding, rows: vips, ready: true };
  const reconciler = new Reconciler({ intervalMs: options.reconcileInterval }, { plane, desired: () => wanted });
  await reconciler.pass();
  const refusals = refused.flatMap((row) => row.fault ?? []);
  return {
    forwarding: await plane.read(),
    faults: [...faults, ...table.faults, ...refusals, ...reconciler.status().faults],
  };
}

async function readFiles(options: DaemonOptions): Promise<{ table: ServiceTable; faults: readonly Fault[] }> {
  const running = new AbortController();
  const files = options.services.map((path) => new FileSource({ path }));
  const sources = new Sources({ waitMs: options.sourceWait, names: namesIn(options) }, { sources: files });
  const settled = () => sources.ready() || sources.status().every((one) => one.reported || one.faults.length > 0);
  const read = new Promise<void>((resolve) => sources.onChange(() => settled() && resolve()));
  sources.start(running.signal);
  if (!settled()) await read;
  running.abort();
  return { table: sources.table(), faults: sources.status().flatMap((one) => one.faults) };
}

/** One line for the pools and one for each VIP. */
export function dryRunText({ forwarding }: DryRun): string {
  const pools = `pools ${forwarding.pools.map(formatPrefix).join(', ')}`;
  const byKey = [...forwarding.vips].sort(([a], [b]) => (a < b ? -1 : 1));
  const vips = byKey.map(([key, { backends }]) => {
    const all = backends.map((backend) => `${backendKey(backend)}=${backend.weight}`);
    return `vip ${key} -> ${all.join(', ') || 'refuse'}`;
  });
  return [pools, ...vips].join('\n');
}
