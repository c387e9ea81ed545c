import type { TestFn } from 'ava';
import type { ServiceDefinition } from '../../ts/model/service.js';
import type { Source } from '../../ts/sources/source.js';
import { namesOf, Reports } from './reports.js';

/** A source, and a hand on what it reads from. */
export interface SourceHarness {
  /** A source that reads what was set last; called again after the first has ended. */
  source(): Source;
  /** Makes these services, and no others, what there is to be read. */
  set(services: readonly ServiceDefinition[]): Promise<void>;
  dispose(): Promise<void>;
}

export function service(name: string, address: string, ...backends: readonly string[]): ServiceDefinition {
  return {
    name,
    frontend: { address, port: 80, protocol: 'tcp' },
    backends: backends.map((address) => ({ address, port: 8080, weight: 1 })),
  };
}

const A = service('a', '11.0.0.1', '10.0.0.1');
const B = service('b', '11.0.0.2', '10.0.0.2', '10.0.0.3');

/** What every Source does, wherever its definitions come from. */
export function sourceContract(test: TestFn, name: string, factory: () => Promise<SourceHarness>): void {
  test(`${name}: the first report is the full set`, async (t) => {
    const harness = await factory();
    t.teardown(() => harness.dispose());
    await harness.set([A, B]);
    const reports = new Reports(harness.source());
    const first = await reports.until(() => true);
    t.deepEqual(
      first.services.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      [A, B],
    );
    t.deepEqual(first.faults, []);
    await reports.stop();
  });

  test(`${name}: every later report is the full set again`, async (t) => {
    const harness = await factory();
    t.teardown(() => harness.dispose());
    await harness.set([A]);
    const reports = new Reports(harness.source());
    await reports.named('a');
    await harness.set([A, B]);
    await reports.named('a', 'b');
    await harness.set([B]);
    const last = await reports.named('b');
    t.deepEqual(last.services, [B]);
    await reports.stop();
  });

  test(`${name}: an empty set is said`, async (t) => {
    const harness = await factory();
    t.teardown(() => harness.dispose());
    await harness.set([A]);
    const reports = new Reports(harness.source());
    await reports.named('a');
    await harness.set([]);
    t.deepEqual(namesOf(await reports.named()), []);
    await reports.stop();
  });

  test(`${name}: after an abort run resolves and nothing more is reported`, async (t) => {
    const harness = await factory();
    t.teardown(() => harness.dispose());
    await harness.set([A]);
    const reports = new Reports(harness.source());
    await reports.named('a');
    await reports.stop();
    const count = reports.all.length;
    await harness.set([A, B]);
    t.is(reports.all.length, count);
  });

  test(`${name}: a signal that is aborted from the start makes no report`, async (t) => {
    const harness = await factory();
    t.teardown(() => harness.dispose());
    await harness.set([A]);
    await harness.source().run(() => t.fail('reported'), AbortSignal.abort());
    t.pass();
  });

  test(`${name}: it can be run again`, async (t) => {
    const harness = await factory();
    t.teardown(() => harness.dispose());
    await harness.set([A]);
    const source = harness.source();
    for (const names of [['a'], ['a']]) {
      const reports = new Reports(source);
      await reports.named(...names);
      await reports.stop();
    }
    t.pass();
  });
}
