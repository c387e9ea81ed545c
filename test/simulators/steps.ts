import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { APP, NAME, PORT, SERVICE, TASK } from './app2.js';
import type { Cluster } from './cluster.js';
import { type Load, startLoad } from './load.js';
import { ask, rotation, type Stage, type Viewer } from './stage.js';

/** An app is deployed, scaled, hurt and moved; what clients see of it is counted. */

/** Half-second looks at the clients after a loss, fewest and most; the last of them must be without a failure. A client gives up after 3 s. */
const LOOKS = { fewest: 7, most: 40 };

/** Two columns: what was done, and what clients saw of it. */
function say(what: string, seen: string): void {
  console.log(`  ${what.padEnd(58)} ${seen}`);
}

export interface Outcome {
  /** Requests that should not have failed. */
  readonly failed: number;
  /** Of the VIP. */
  readonly address: string;
}

export async function play(stage: Stage): Promise<Outcome> {
  const steps = new Steps(stage);
  console.log(`\nA simulated Mesos: ${stage.title}.`);
  console.log(
    `Masters ${stage.cluster.masters.map(({ url }) => url).join(', ')}, Marathon ${stage.cluster.marathon.url}\n`,
  );
  const address = await steps.deploy();
  await steps.scaleUpAndDown();
  await steps.failCheck();
  await steps.kill();
  await steps.failOver();
  await steps.loseAgent();
  await steps.end();
  return { failed: steps.failed, address };
}

class Steps {
  failed = 0;
  readonly #cluster: Cluster;
  readonly #loads = new Map<Viewer, Load>();

  constructor(private readonly stage: Stage) {
    this.#cluster = stage.cluster;
  }

  /** Resolves to the address of the VIP. */
  async deploy(): Promise<string> {
    const { viewers } = this.stage;
    const waits = await Promise.all(viewers.map((viewer) => ask(viewer, NAME)));
    const task = await ask(viewers[0]!, TASK);
    const begun = process.hrtime.bigint();
    const running = this.#running();
    await this.#scale(1);
    const at = await running;
    const found = await Promise.all(waits.map((wait) => wait()));
    const slowest = found.map((one) => one.at).reduce((a, b) => (a > b ? a : b));
    const { address } = found[0]!;
    const where = viewers.length === 1 ? '' : ` on all ${viewers.length} nodes`;
    say(`deployed ${APP} with one instance`, `TASK_RUNNING after ${seconds(begun, at)}`);
    say(NAME, `is ${address}, resolved${where} ${seconds(at, slowest)} after TASK_RUNNING`);
    say(TASK, `is ${(await task()).address}, its task's`);
    await this.#rotation();
    for (const viewer of viewers) {
      this.#loads.set(viewer, await startLoad((argv) => viewer.inside(argv), viewer.url(NAME, address, PORT)));
    }
    await this.#under('one instance', 'none', async () => undefined);
    return address;
  }

  async scaleUpAndDown(): Promise<void> {
    await this.#under('scaled to two', 'none', async () => {
      await this.#scale(2);
      return this.#rotation();
    });
    await this.#under('scaled back to one: drained at TASK_KILLING, then ended', 'none', async () => {
      const settled = this.#scale(1); // from now on one of them is ending
      const took = await this.#rotation();
      await settled;
      return took;
    });
    await this.#scale(2);
    await this.#rotation();
  }

  async failCheck(): Promise<void> {
    const [{ id }] = this.#instances();
    await this.#under('a check of one fails', 'none', () => {
      this.#cluster.world.check(id, false);
      return this.#rotation(id);
    });
    await this.#under('and passes again', 'none', () => {
      this.#cluster.world.check(id, true);
      return this.#rotation();
    });
  }

  async kill(): Promise<void> {
    await this.#under('one process killed by SIGKILL, Marathon starts another', 'lost', async () => {
      const [{ id, child }] = this.#instances();
      child.kill('SIGKILL');
      await until('another', 20_000, () => {
        const now = this.#instances();
        return now.length === 2 && now.every((one) => one.id !== id);
      });
      return this.#rotation();
    });
  }

  async failOver(): Promise<void> {
    await this.#under('the leading master fails over; agents register one by one', 'none', async () => {
      this.#cluster.failOver(300);
      const { agents } = this.#cluster.world;
      await until('all agents', 20_000, () => [...agents.values()].every(({ registered }) => registered));
      return this.#rotation();
    });
  }

  /** First nobody but vipd notices that the network to it is gone. */
  async loseAgent(): Promise<void> {
    const [{ place }] = this.#instances();
    const { driver } = this.#cluster;
    await this.#under('an agent is lost, with the network to it', 'lost', async () => {
      this.stage.cut(place);
      for (const [viewer, load] of this.#loads) {
        if (this.stage.viewers.includes(viewer)) continue;
        await load.stop(); // what a client sees that is cut off with it says nothing of vipd
        this.#loads.delete(viewer);
      }
      await driver.lose(place.agent);
      return this.#rotation();
    });
    await this.#under('it comes back with its task, one too many', 'none', async () => {
      this.stage.mend(place);
      await driver.regain(place.agent);
      return this.#rotation();
    });
  }

  async end(): Promise<void> {
    const [{ socket }] = [...this.#loads.keys()] as [Viewer]; // one that was never cut off
    await Promise.all([...this.#loads.values()].map((load) => load.stop()));
    const vipctl = join(packageRoot, 'packaging/bin/vipctl');
    console.log(`\n${await Child.start([vipctl, 'endpoints', APP, '--socket', socket]).success()}`);
  }

  async #scale(instances: number): Promise<void> {
    const app = JSON.parse(readFileSync(join(packageRoot, 'examples/marathon/app2.json'), 'utf8')) as { id: string };
    this.#cluster.marathon.put({ ...app, instances });
    await this.#cluster.driver.settle(APP);
  }

  #instances() {
    const [first, ...others] = this.#cluster.driver.of(APP);
    return [first!, ...others] as const;
  }

  /** Until the instances that are not ending are in rotation everywhere, and nothing else. */
  #rotation(unhealthy?: string): Promise<number> {
    const good = this.#cluster.driver.of(APP).filter(({ id, ending }) => !ending && id !== unhealthy);
    const backends = good.map(({ place, port }) => `${place.address}:${port}`);
    return rotation(this.stage.viewers, SERVICE, backends);
  }

  /** When the next task is said to run, CLOCK_MONOTONIC, nanoseconds. */
  #running(): Promise<bigint> {
    return new Promise((resolve) => {
      this.#cluster.world.on('event', ({ task_updated }) => {
        const { state } = (task_updated ?? {}) as { state?: string };
        if (state === 'TASK_RUNNING') resolve(process.hrtime.bigint());
      });
    });
  }

  /**
   * Does something while clients go on asking, and says what became of their requests. None may fail, or, where something
   * is `lost` that nobody could announce, none any more once it was noticed.
   */
  async #under(what: string, outcome: 'none' | 'lost', action: () => Promise<number | undefined>): Promise<void> {
    await this.#take();
    const took = await action();
    const seen = { answers: {} as Counts, failures: {} as Counts };
    let failing = 0;
    for (let looks = 1; looks <= (outcome === 'lost' ? LOOKS.most : 1); looks += 1) {
      await sleep(500);
      const now = await this.#take();
      add(seen.answers, now.answers);
      add(seen.failures, now.failures);
      failing = sum(now.failures);
      if (failing === 0 && looks >= LOOKS.fewest) break;
    }
    this.failed += failing;
    const by = Object.keys(seen.answers).map((name) => name.replace(/^.*instance-/, '#'));
    const failed = Object.entries(seen.failures).map(([code, n]) => `${n} ${code}`);
    const text = `${sum(seen.answers)} answers by ${by.sort().join(' ')}, ${failed.length === 0 ? 'none failed' : `failed: ${failed.join(', ')}`}`;
    say(what, `${(took === undefined ? '' : `${took.toFixed(2)} s`).padEnd(8)} ${text}`);
  }

  /** What came of the requests of all clients since the last time. */
  async #take(): Promise<{ answers: Counts; failures: Counts }> {
    const taken = { answers: {} as Counts, failures: {} as Counts };
    for (const load of this.#loads.values()) {
      const { answers, failures } = await load.take();
      add(taken.answers, answers);
      add(taken.failures, failures);
    }
    return taken;
  }
}

type Counts = Record<string, number>;

function sum(counts: Readonly<Counts>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

function add(to: Counts, counts: Readonly<Counts>): void {
  for (const [key, n] of Object.entries(counts)) to[key] = (to[key] ?? 0) + n;
}

function seconds(from: bigint, to: bigint): string {
  return `${(Number(to - from) / 1e9).toFixed(2)} s`;
}
