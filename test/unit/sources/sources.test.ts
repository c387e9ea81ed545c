import test, { type ExecutionContext } from 'ava';
import type { Report, Source } from '../../../ts/sources/source.js';
import { Sources, type SourcesOptions } from '../../../ts/sources/sources.js';
import { VipdError } from '../../../ts/util/errors.js';
import { service } from '../../contract/source.js';

const A = service('a', '11.0.0.1');
const B = service('b', '11.0.0.2');
const FAULT = { code: 'X', object: 'x', cause: 'y' };

/** A source whose reports and failures the test makes. */
class Puppet implements Source {
  readonly name: string;
  runs = 0;
  #report: ((report: Report) => void) | undefined;
  #fail: (error: unknown) => void = () => {};
  #end: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    this.runs++;
    this.#report = report;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#end = resolve;
      signal.addEventListener('abort', () => resolve());
    });
  }

  say(...services: Report['services']): void {
    this.#report?.({ services, faults: [] });
  }

  complain(report: Partial<Report>): void {
    this.#report?.({ services: [], faults: [FAULT], ...report });
  }

  fail(error: unknown): void {
    this.#fail(error);
  }

  end(): void {
    this.#end();
  }
}

function started(t: ExecutionContext, sources: readonly Source[], options: Partial<SourcesOptions> = {}): Sources {
  const all = new Sources({ waitMs: 60_000, retryMs: [1, 4], ...options }, { sources });
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  all.start(controller.signal);
  return all;
}

const changed = (sources: Sources): Promise<void> =>
  new Promise((resolve) => {
    const stop = sources.onChange(() => {
      stop();
      resolve();
    });
  });

test('ready when every source has reported, with what all of them said', (t) => {
  const [api, file] = [new Puppet('api'), new Puppet('file')];
  const sources = started(t, [api, file]);
  t.false(sources.ready());
  api.say(A);
  t.deepEqual([sources.ready(), [...sources.table().services.keys()]], [false, ['a']]);
  file.say(A, B);
  t.deepEqual([sources.ready(), [...sources.table().services.keys()]], [true, ['a', 'b']]);
  t.is(sources.table().services.get('a')?.source, 'api');
  t.is(sources.table().faults.length, 1);
  t.is(sources.table(), sources.table());
});

test('a report that could not be read keeps the last set and shows why', (t) => {
  const file = new Puppet('file');
  const sources = started(t, [file]);
  file.complain({ keepLast: true });
  t.false(sources.ready());
  file.say(A);
  file.complain({ keepLast: true });
  t.deepEqual([...sources.table().services.keys()], ['a']);
  const [status] = sources.status();
  t.deepEqual([status?.reported, status?.services, status?.faults], [true, 1, [FAULT]]);
  file.say();
  t.deepEqual([sources.table().services.size, sources.status()[0]?.faults], [0, []]);
});

test('ready when the wait has ended, and the listeners hear of it', async (t) => {
  const sources = started(t, [new Puppet('silent')], { waitMs: 5 });
  await changed(sources);
  t.true(sources.ready());
  t.false(sources.status()[0]?.reported);
});

test('a source that fails is run again, keeps its last set, and its fault is visible', async (t) => {
  const file = new Puppet('file');
  const sources = started(t, [file]);
  file.say(A);
  for (const runs of [2, 3, 4]) {
    const failed = changed(sources);
    file.fail(new VipdError(FAULT));
    await failed;
    t.deepEqual(sources.status()[0]?.faults, [FAULT]);
    t.deepEqual([...sources.table().services.keys()], ['a']);
    while (file.runs < runs) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  file.say(B);
  t.deepEqual(sources.status()[0]?.faults, []);
});

test('a source that ends by itself is a failure too', async (t) => {
  const file = new Puppet('file');
  const sources = started(t, [file]);
  const ended = changed(sources);
  file.end();
  await ended;
  t.is(sources.status()[0]?.faults[0]?.code, 'SOURCE_ENDED');
});

test('after the abort nothing is accepted and nothing is run again', async (t) => {
  const file = new Puppet('file');
  const sources = new Sources({ waitMs: 60_000, retryMs: [1, 1] }, { sources: [file] });
  const controller = new AbortController();
  sources.start(controller.signal);
  controller.abort();
  file.say(A);
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.deepEqual([sources.table().services.size, file.runs], [0, 1]);
});

test('the log tells what is wrong with a report, of very many faults the first', (t) => {
  const file = new Puppet('file');
  const lines: unknown[] = [];
  const log = (fields: object) => void lines.push(fields);
  const sources = new Sources({ waitMs: 60_000 }, { sources: [file], logger: { info: log, warn: log } });
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  sources.start(controller.signal);
  file.complain({ faults: Array.from({ length: 100 }, () => FAULT) });
  t.deepEqual(lines, [{ source: 'file', services: 0, faults: 100, first: ['x: y', 'x: y', 'x: y', 'x: y', 'x: y'] }]);
});
