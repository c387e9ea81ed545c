import { join } from 'node:path';
import type { Client } from '../../ts/api/client.js';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import type { Cluster } from './cluster.js';
import type { Place } from './driver.js';

/** Somewhere a client asks from, and the vipd there. */
export interface Viewer {
  readonly name: string;
  readonly client: Client;
  readonly socket: string;
  /** Where it is asked for names, `ADDRESS:PORT`. */
  readonly resolver: string;
  /** The command that runs `argv` there. */
  inside(argv: readonly string[]): string[];
  /** What a client there asks for a VIP: by its name where names are known to programs, else by its address. */
  url(name: string, address: string, port: number): string;
}

/** A simulated Mesos with vipd in it, where the tutorial is played. */
export interface Stage {
  readonly cluster: Cluster;
  /** Those that are there now. */
  readonly viewers: readonly Viewer[];
  /** Said first. */
  readonly title: string;
  /** The network to an agent is gone, or back. */
  cut(place: Place): void;
  mend(place: Place): void;
  /** Commands that can be tried while it goes on; the VIP has this address. */
  invitation(address: string): readonly string[];
  close(): Promise<void>;
}

export interface Resolved {
  readonly address: string;
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly at: bigint;
}

const asker = join(packageRoot, 'dist/test/simulators/asker.js');

/** Begins to ask for a name; resolves once it does, to how to wait for the answer. */
export async function ask({ inside, resolver }: Viewer, name: string): Promise<() => Promise<Resolved>> {
  const child = Child.start(inside([process.execPath, asker, resolver]), { interactive: true });
  await child.wrote('asking');
  child.say(name);
  return async () => {
    await child.wrote('}', 60_000);
    await child.stop();
    const { address, at } = JSON.parse(child.output.split('\n')[1]!) as { address: string; at: string };
    return { address, at: BigInt(at) };
  };
}

/** Waits until exactly these backends of the service, `ADDRESS:PORT`, are in rotation in every kernel; resolves to how long that took, seconds. */
export async function rotation(
  viewers: readonly Viewer[],
  service: string,
  backends: readonly string[],
): Promise<number> {
  const started = performance.now();
  const wanted = [...backends].sort().join(', ');
  await Promise.all(viewers.map((viewer) => sees(viewer, service, wanted)));
  return (performance.now() - started) / 1000;
}

async function sees({ client, name }: Viewer, key: string, wanted: string): Promise<void> {
  await until(`rotation of ${wanted} for ${key} on ${name}`, 60_000, async () => {
    const explained = await client.explain({ key }).catch(() => undefined);
    const active = explained?.vip.backends.filter(({ state }) => state === 'active');
    const found = active?.map(({ address, port }) => `${address}:${port}`).sort();
    return explained?.drift.length === 0 && found?.join(', ') === wanted;
  });
}
