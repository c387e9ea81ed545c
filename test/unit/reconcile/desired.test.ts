import test from 'ava';
import { type Desired, type DesiredInputs, desired } from '../../../ts/reconcile/desired.js';
import { define, forwarding, Opinions, table } from './world.js';

const BASE: DesiredInputs = { table: table(), verdicts: new Opinions(), drained: new Set(), pools: [], now: 1000 };
const WEB = 'tcp/11.0.0.1:80';

/** `10.0.0.1:80 weight 1` … of one VIP, or undefined. */
const held = ({ forwarding }: Desired, key = WEB): readonly string[] | undefined =>
  forwarding.vips.get(key)?.backends.map(({ address, weight }) => `${address} ${weight}`);
const states = ({ vips }: Desired): readonly string[] =>
  vips.flatMap(({ backends }) => backends.map(({ state }) => state));

test('every service is a VIP and a row, whatever the state of its backends', (t) => {
  const verdicts = new Opinions();
  verdicts.set('web', 1, 'healthy');
  verdicts.set('web', 2, 'unhealthy');
  verdicts.set('web', 3, 'pending');
  const result = desired({ ...BASE, verdicts, table: table(define('web', 1, 1, 2, 3), define('empty', 2)) });
  t.deepEqual([held(result), held(result, 'tcp/11.0.0.2:80')], [['10.0.0.1 1'], []]);
  t.deepEqual(states(result), ['active', 'down', 'pending']);
  t.like(result.vips[1], { key: WEB, name: 'web', source: 'test', frontend: { address: '11.0.0.1' } });
});

test('what did not change stays the same object', (t) => {
  const services = [define('web', 1, 1), define('dns', 2, 2)] as const;
  const first = desired({ ...BASE, table: table(...services) });
  const second = desired({ ...BASE, table: table(services[0], define('dns', 2, 3)) }, first);
  t.is(second.forwarding.vips.get(WEB), first.forwarding.vips.get(WEB));
  t.deepEqual(held(second, 'tcp/11.0.0.2:80'), ['10.0.0.3 1']);
  const reasonOnly = new Opinions();
  reasonOnly.set('else', 1, 'healthy');
  const third = desired({ ...BASE, verdicts: reasonOnly, table: table(services[0]) }, second);
  t.is(third.forwarding.vips.get(WEB), first.forwarding.vips.get(WEB), 'worked out anew, with the same outcome');
});

test('verdicts without revisions are asked every time', (t) => {
  const opinions = new Opinions();
  const verdicts = { verdict: opinions.verdict.bind(opinions) };
  const inputs = { ...BASE, verdicts, table: table(define('web', 1, 1)) };
  const first = desired(inputs);
  opinions.set('web', 1, 'unhealthy');
  t.deepEqual([held(first), held(desired(inputs, first))], [['10.0.0.1 1'], []]);
});

test('a drain and its end are seen though nothing else changed', (t) => {
  const inputs = { ...BASE, table: table(define('web', 1, 1, 2)) };
  const first = desired(inputs);
  const second = desired({ ...inputs, drained: new Set(['web\u000010.0.0.1:80', 'other\u0000x']) }, first);
  t.deepEqual(
    [held(second), states(second)],
    [
      ['10.0.0.1 0', '10.0.0.2 1'],
      ['draining', 'active'],
    ],
  );
  t.deepEqual(held(desired(inputs, second)), ['10.0.0.1 1', '10.0.0.2 1']);
});

test('since is when the state was entered, and stays while it does', (t) => {
  const verdicts = new Opinions();
  const inputs = { ...BASE, verdicts, table: table(define('web', 1, 1)) };
  const since = (result: Desired): number | undefined => result.vips[0]?.backends[0]?.since;
  verdicts.set('web', 1, 'healthy');
  const first = desired(inputs);
  verdicts.set('web', 9, 'healthy');
  const second = desired({ ...inputs, now: 2000 }, first);
  verdicts.set('web', 1, 'unhealthy');
  t.deepEqual([since(first), since(second), since(desired({ ...inputs, now: 3000 }, second))], [1000, 1000, 3000]);
});

test('after a restart what the kernel holds stays until there is a verdict', (t) => {
  const verdicts = new Opinions();
  for (const host of [1, 2, 3]) verdicts.set('web', host, 'pending');
  const adopted = forwarding({ frontend: define('web', 1).frontend, backends: define('web', 1, 1, 2).backends });
  const inputs = { ...BASE, verdicts, adopted, table: table(define('web', 1, 1, 2, 3)) };
  const first = desired(inputs);
  t.deepEqual(
    [held(first), states(first)],
    [
      ['10.0.0.1 1', '10.0.0.2 1'],
      ['active', 'active', 'pending'],
    ],
  );
  verdicts.set('web', 1, 'unhealthy');
  const second = desired(inputs, first);
  t.deepEqual(held(second), ['10.0.0.2 1']);
  verdicts.set('web', 1, 'pending');
  t.deepEqual(held(desired(inputs, second)), ['10.0.0.2 1'], 'what was taken out is not adopted again');
});

test('a service that arrives late still finds what was adopted for it', (t) => {
  const verdicts = new Opinions();
  verdicts.set('web', 1, 'pending');
  const adopted = forwarding(define('web', 1, 1));
  const first = desired({ ...BASE, verdicts, adopted });
  const late = { ...BASE, verdicts, table: table(define('web', 1, 1)) };
  const second = desired(late, first);
  t.deepEqual(held(second), ['10.0.0.1 1']);
  const removed = desired({ ...BASE, verdicts }, second);
  t.deepEqual(held(desired(late, removed)), [], 'adopted once, not for ever');
});

test('a check that is added to a service takes nothing out that works', (t) => {
  const verdicts = new Opinions();
  const services = table(define('web', 1, 1));
  const first = desired({ ...BASE, verdicts, table: services });
  verdicts.set('web', 1, 'pending');
  t.deepEqual(held(desired({ ...BASE, verdicts, table: services }, first)), ['10.0.0.1 1']);
});

test('a VIP that moves is a new VIP', (t) => {
  const first = desired({ ...BASE, table: table(define('web', 1, 1)) });
  const second = desired({ ...BASE, table: table(define('web', 7, 1)) }, first);
  t.deepEqual([...second.forwarding.vips.keys()], ['tcp/11.0.0.7:80']);
  t.is(second.forwarding.vips.get('tcp/11.0.0.7:80')?.frontend.address, '11.0.0.7');
});

test('behind a mapped port this node goes to the container itself, and others to the port', (t) => {
  const service = define('web', 80, 1, 2);
  const local = { address: '172.17.0.2', port: 8080 };
  const mapped = { ...service, backends: service.backends.map((one, i) => (i === 0 ? { ...one, local } : one)) };
  const inputs = { ...BASE, table: table(mapped), verdicts: new Opinions(), drained: new Set<string>(), pools: [] };
  const held = (here: ReadonlySet<string>) =>
    desired({ ...inputs, local: here })
      .forwarding.vips.get('tcp/11.0.0.80:80')!
      .backends.map(({ address, port }) => `${address}:${port}`);
  t.deepEqual(held(new Set(['10.0.0.1'])), ['10.0.0.2:80', '172.17.0.2:8080']);
  t.deepEqual(held(new Set()), ['10.0.0.1:80', '10.0.0.2:80']);
  const first = desired({ ...inputs, local: new Set<string>() });
  const moved = desired({ ...inputs, local: new Set(['10.0.0.1']) }, first);
  t.true(moved.forwarding.vips.get('tcp/11.0.0.80:80')!.backends.some(({ address }) => address === '172.17.0.2'));
  t.is(moved.vips[0]!.backends[0]!.address, '10.0.0.1', 'shown as it is known to all');
});

test('of a backend of another node that node decides', (t) => {
  const service = define('web', 80, 1, 2, 3);
  const states = ['healthy', 'unhealthy', 'pending'] as const;
  const backends = service.backends.map((one, i) => ({
    ...one,
    origin: { node: 'b', verdict: { state: states[i]!, reason: `node b: ${states[i]}`, since: 0 } },
  }));
  const { vips, forwarding } = desired({
    ...BASE,
    table: table({ ...service, backends }),
    verdicts: new Opinions(),
    drained: new Set(),
    pools: [],
  });
  t.deepEqual(
    vips[0]!.backends.map(({ state, node }) => `${state} ${node}`),
    ['active b', 'down b', 'pending b'],
  );
  t.is(forwarding.vips.get('tcp/11.0.0.80:80')!.backends.length, 1);
});
