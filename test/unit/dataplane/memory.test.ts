import test from 'ava';
import type { PlaneEvent } from '../../../ts/dataplane/dataplane.js';
import { MemoryDataPlane } from '../../../ts/dataplane/memory.js';
import { upsert, vip } from '../../contract/dataplane.js';
import { FaultyDataPlane } from '../../contract/faulty.js';

const WEB = vip('11.0.0.80', 'tcp', ['10.0.0.1', 8080, 1], ['10.0.0.2', 8080, 3], ['10.0.0.3', 8080, 0]);
const CLIENT = { address: '10.9.9.9', port: 40_000 };

test('connections are shared out by weight, counted and told', async (t) => {
  const plane = new MemoryDataPlane();
  await plane.open();
  await plane.apply([upsert(WEB)]);
  const events: PlaneEvent[] = [];
  const stop = plane.events((event) => events.push(event));
  for (let i = 0; i < 40; i++) await plane.connect(WEB.frontend, CLIENT, 100);
  stop();
  await plane.connect(WEB.frontend, CLIENT);
  const [counters] = await plane.counters();
  t.like(counters, { connections: 41n, bytes: 4000n, refused: 0n });
  t.deepEqual(
    [...(counters?.backends ?? [])].map(([key, { connections }]) => [key, connections]),
    [
      ['10.0.0.1:8080', 10n],
      ['10.0.0.2:8080', 31n],
      ['10.0.0.3:8080', 0n],
    ],
  );
  t.deepEqual([events.length, events[0]?.kind, (await plane.flows(5)).length], [40, 'connection', 5]);
});

test('a VIP without a usable backend, and an address without a VIP, refuse', async (t) => {
  const plane = new MemoryDataPlane();
  await plane.open();
  await plane.apply([upsert(vip('11.0.0.80', 'tcp', ['10.0.0.1', 8080, 0]))]);
  t.is(await plane.connect(WEB.frontend, CLIENT), undefined);
  t.is(await plane.connect({ ...WEB.frontend, port: 81 }, CLIENT), undefined);
  t.is((await plane.counters())[0]?.refused, 1n);
  t.deepEqual(await plane.verdicts(), { no_backend: 1n, refused: 1n });
});

test('a faulty plane fails its share, the same one for the same seed', async (t) => {
  const run = async (seed: number): Promise<readonly boolean[]> => {
    const inner = new MemoryDataPlane();
    await inner.open();
    const plane = new FaultyDataPlane(inner, { share: 0.1, seed });
    const reads = Array.from({ length: 1000 }, () =>
      plane.read().then(
        () => true,
        () => false,
      ),
    );
    return Promise.all(reads);
  };
  const first = await run(1);
  t.deepEqual(await run(1), first);
  t.notDeepEqual(await run(2), first);
  const failed = first.filter((ok) => !ok).length;
  t.true(failed > 60 && failed < 140, `${failed} of 1000`);
});
