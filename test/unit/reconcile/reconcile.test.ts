import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { DataPlane } from '../../../ts/dataplane/dataplane.js';
import { MemoryDataPlane } from '../../../ts/dataplane/memory.js';
import type { ServiceDefinition } from '../../../ts/model/service.js';
import { type Desired, desired } from '../../../ts/reconcile/desired.js';
import { Reconciler, type ReconcilerOptions } from '../../../ts/reconcile/reconcile.js';
import { VipdError } from '../../../ts/util/errors.js';
import { FaultyDataPlane } from '../../contract/faulty.js';
import { define, Opinions, table } from './world.js';

const WEB = 'tcp/11.0.0.1:80';

/** A loop over a memory plane, and the services it is to bring there. */
class Lab {
  readonly memory = new MemoryDataPlane();
  readonly verdicts = new Opinions();
  readonly loop: Reconciler;
  services: readonly ServiceDefinition[] = [];
  ready = true;
  asked = 0;
  #last: Desired | undefined;

  constructor(t: ExecutionContext, options: Partial<ReconcilerOptions> = {}, wrap = (plane: DataPlane) => plane) {
    const plane = wrap(this.memory);
    this.loop = new Reconciler({ intervalMs: 60_000, ...options }, { plane, desired: () => this.#desired() });
    t.teardown(() => this.loop.stop());
  }

  async open(): Promise<this> {
    await this.memory.open();
    return this;
  }

  /** `VIP: hosts of its backends` of all the kernel holds. */
  async held(): Promise<Record<string, string>> {
    const { vips } = await this.memory.read();
    return Object.fromEntries(
      [...vips].map(([key, { backends }]) => [key, backends.map(({ address }) => address).join()]),
    );
  }

  passes(count: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.loop.onPass(() => {
        if (this.loop.status().passes < count) return;
        stop();
        resolve();
      });
    });
  }

  #desired(): { forwarding: Desired['forwarding']; rows: Desired['vips']; ready: boolean } {
    this.asked++;
    const inputs = {
      table: table(...this.services),
      verdicts: this.verdicts,
      drained: new Set<string>(),
      pools: [],
      now: 0,
    };
    this.#last = desired(inputs, this.#last);
    return { forwarding: this.#last.forwarding, rows: this.#last.vips, ready: this.ready };
  }
}

test('one pass brings the kernel to what is wanted, the next finds nothing to do', async (t) => {
  const lab = await new Lab(t).open();
  lab.services = [define('web', 1, 1, 2), define('dns', 2)];
  t.deepEqual([lab.loop.vips(), lab.loop.status().converged], [[], false]);
  await lab.loop.pass();
  t.deepEqual(await lab.held(), { [WEB]: '10.0.0.1,10.0.0.2', 'tcp/11.0.0.2:80': '' });
  t.deepEqual(
    lab.loop.vips().map(({ name, programmed }) => [name, programmed]),
    [
      ['dns', 'yes'],
      ['web', 'yes'],
    ],
  );
  t.like(lab.loop.status(), { converged: true, passes: 1, drift: 0, faults: [] });
  const before = await lab.memory.read();
  await lab.loop.pass();
  t.is(await lab.memory.read(), before, 'nothing was written');
});

test('a service that goes is removed, once all sources have reported', async (t) => {
  const lab = await new Lab(t).open();
  lab.services = [define('web', 1, 1, 2), define('dns', 2)];
  await lab.loop.pass();
  lab.ready = false;
  lab.services = [define('web', 1, 2)];
  await lab.loop.pass();
  t.deepEqual(await lab.held(), { [WEB]: '10.0.0.1,10.0.0.2', 'tcp/11.0.0.2:80': '' });
  t.false(lab.loop.status().converged);
  t.is(lab.loop.vips()[0]?.programmed, 'no');
  lab.ready = true;
  await lab.loop.pass();
  t.deepEqual(await lab.held(), { [WEB]: '10.0.0.2' });
  t.true(lab.loop.status().converged);
});

test('what others changed is drift: counted and repaired; what we changed is not', async (t) => {
  const lab = await new Lab(t).open();
  lab.services = [define('web', 1, 1), define('dns', 2, 2)];
  await lab.loop.pass();
  lab.services = [define('web', 1, 1, 3)];
  await lab.loop.pass();
  t.is(lab.loop.status().drift, 0);
  lab.memory.tamper({ remove: WEB });
  await lab.loop.pass();
  t.deepEqual([lab.loop.status().drift, await lab.held()], [1, { [WEB]: '10.0.0.1,10.0.0.3' }]);
  lab.memory.tamper({ vip: define('foreign', 9, 9) });
  lab.memory.tamper({ pools: [{ address: '11.0.0.0', bits: 8 }] });
  await lab.loop.pass();
  t.deepEqual([lab.loop.status().drift, await lab.held()], [3, { [WEB]: '10.0.0.1,10.0.0.3' }]);
  await lab.loop.pass();
  t.is(lab.loop.status().drift, 3);
});

test('what is there before the first pass is adopted, and is no drift', async (t) => {
  const lab = await new Lab(t).open();
  lab.memory.tamper({ vip: define('web', 1, 1) });
  lab.memory.tamper({ vip: define('old', 8, 8) });
  lab.services = [define('web', 1, 1)];
  await lab.loop.pass();
  t.deepEqual([lab.loop.status().drift, await lab.held()], [0, { [WEB]: '10.0.0.1' }]);
});

test('a step that fails shows at its VIP, and is tried again until it goes well', async (t) => {
  const broken = { code: 'E2BIG', object: WEB, cause: 'map full' };
  let failing = true;
  const lab = await new Lab(t, { retryMs: [1, 4] }, (plane) => {
    return Object.assign(Object.create(plane) as DataPlane, {
      read: () => plane.read(),
      apply: async (steps: Parameters<DataPlane['apply']>[0]) => {
        const refused = (step: (typeof steps)[number]): boolean =>
          failing && step.kind === 'upsert' && step.vip.frontend.address === '11.0.0.1';
        await plane.apply(steps.filter((step) => !refused(step)));
        return steps.map((step) => (refused(step) ? broken : undefined));
      },
    });
  }).open();
  lab.services = [define('web', 1, 1), define('dns', 2, 2)];
  lab.loop.start();
  await lab.passes(3);
  t.like(lab.loop.status(), { converged: false, faults: [broken] });
  t.deepEqual(
    lab.loop.vips().map(({ name, programmed, fault }) => [name, programmed, fault?.code]),
    [
      ['dns', 'yes', undefined],
      ['web', 'failed', 'E2BIG'],
    ],
  );
  failing = false;
  while (!lab.loop.status().converged) await lab.passes(lab.loop.status().passes + 1);
  t.deepEqual([lab.loop.vips()[1]?.programmed, lab.loop.status().faults, lab.loop.status().drift], ['yes', [], 0]);
});

test('a plane that cannot be read is a fault in the status, and the rest goes on', async (t) => {
  const lab = await new Lab(t).open();
  lab.services = [define('web', 1, 1)];
  await lab.loop.pass();
  await lab.memory.release();
  await lab.loop.pass();
  t.like(lab.loop.status(), { converged: false, passes: 2, faults: [{ code: 'PLANE_CLOSED' }] });
  await lab.memory.open();
  await lab.loop.pass();
  t.like(lab.loop.status(), { converged: true, faults: [] });
});

test('an error in what is wanted is a fault as well', async (t) => {
  const plane = new MemoryDataPlane();
  const error = new VipdError({ code: 'X', object: 'x', cause: 'y' });
  const loop = new Reconciler(
    { intervalMs: 60_000 },
    {
      plane,
      desired: () => {
        throw error;
      },
    },
  );
  await loop.pass();
  t.deepEqual(loop.status().faults, [error.fault]);
});

test('triggers of one burst are one pass, and none is lost while a pass is under way', async (t) => {
  const lab = await new Lab(t).open();
  lab.loop.start();
  await lab.passes(1);
  for (let i = 1; i <= 100; i++) {
    lab.services = [define('web', 1, i)];
    lab.loop.trigger();
  }
  await lab.passes(2);
  t.deepEqual([lab.asked, await lab.held()], [2, { [WEB]: '10.0.0.100' }]);
  const stop = lab.loop.onPass(() => {
    stop();
    lab.services = [define('web', 1, 7)];
    lab.loop.trigger();
  });
  lab.loop.trigger();
  await lab.passes(4);
  t.deepEqual(await lab.held(), { [WEB]: '10.0.0.7' });
});

test('in a stream of triggers the loop rests longer than it works', async (t) => {
  const PASS_MS = 10;
  const lab = await new Lab(t, {}, (plane) => {
    return Object.assign(Object.create(plane) as DataPlane, {
      read: async () => {
        await sleep(PASS_MS);
        return plane.read();
      },
      apply: (steps: Parameters<DataPlane['apply']>[0]) => plane.apply(steps),
    });
  }).open();
  lab.loop.start();
  await lab.passes(1);
  const begun = performance.now();
  while (performance.now() - begun < 400) {
    lab.loop.trigger();
    await sleep(1);
  }
  const took = performance.now() - begun;
  const { passes } = lab.loop.status();
  t.true(passes > 1 && passes <= 2 + took / (3 * PASS_MS), `${passes} passes in ${took} ms`);
});

test('without any trigger there is a pass every interval', async (t) => {
  const lab = await new Lab(t, { intervalMs: 2 }).open();
  lab.services = [define('web', 1, 1)];
  lab.loop.start();
  await lab.passes(2);
  lab.memory.tamper({ remove: WEB });
  while (lab.loop.status().drift === 0) await lab.passes(lab.loop.status().passes + 1);
  t.deepEqual(await lab.held(), { [WEB]: '10.0.0.1' });
});

test('passes asked for at once share one, and begin after they were asked for', async (t) => {
  const lab = await new Lab(t).open();
  const first = lab.loop.pass();
  lab.services = [define('web', 1, 1)];
  await Promise.all([first, lab.loop.pass(), lab.loop.pass()]);
  t.true(lab.asked <= 2);
  t.deepEqual(await lab.held(), { [WEB]: '10.0.0.1' });
});

test('after a stop there is no pass, whatever triggers', async (t) => {
  const lab = await new Lab(t, { intervalMs: 1 }).open();
  lab.loop.start();
  await lab.passes(1);
  await lab.loop.stop();
  const { passes } = lab.loop.status();
  lab.loop.trigger();
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(lab.loop.status().passes, passes);
});

test('with a tenth of all operations failing every change still arrives', async (t) => {
  const services = fc.uniqueArray(
    fc.record({
      host: fc.integer({ min: 1, max: 30 }),
      backends: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
    }),
    { selector: ({ host }) => host, maxLength: 30 },
  );
  let failures = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(services, { minLength: 1, maxLength: 4 }), async (seed, changes) => {
      let faulty: FaultyDataPlane | undefined;
      const lab = await new Lab(t, {}, (plane) => {
        faulty = new FaultyDataPlane(plane, { share: 0.1, seed });
        return faulty;
      }).open();
      for (const change of changes) {
        lab.services = change.map(({ host, backends }) => define(`s${host}`, host, ...backends.toSorted()));
        let passes = 0;
        do await lab.loop.pass();
        while (!lab.loop.status().converged && ++passes < 200);
        const wanted = lab.services.map(({ frontend, backends }) => [
          `tcp/${frontend.address}:80`,
          backends.map(({ address }) => address).join(),
        ]);
        t.deepEqual(await lab.held(), Object.fromEntries(wanted) as Record<string, string>);
        t.true(lab.loop.vips().every(({ programmed }) => programmed === 'yes'));
      }
      t.is(lab.loop.status().drift, 0, 'our own failures are no drift');
      failures += faulty?.failures ?? 0;
    }),
    { numRuns: 50 },
  );
  t.true(failures > 50, `${failures} failures`);
});
