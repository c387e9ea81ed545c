import test, { type ExecutionContext } from 'ava';
import { MarathonSimulator } from '../../simulators/marathon.js';

/** Its API, by a plain client, and what ends a deployment of an app. */
async function simulated(t: ExecutionContext) {
  const marathon = new MarathonSimulator();
  await marathon.listener.listen();
  t.teardown(() => marathon.close());
  const ending: (() => void)[] = [];
  marathon.onChange = () => new Promise((resolve) => void ending.push(resolve));
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(marathon.url + path, { method, ...(body && { body: JSON.stringify(body) }) });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return { marathon, ending, call };
}

test('an app that is being deployed is locked, unless its change is forced', async (t) => {
  const { ending, call } = await simulated(t);
  const first = await call('PUT', '/v2/apps/web', { instances: 1 });
  t.is(first.status, 200);
  const locked = await call('PUT', '/v2/apps/web', { instances: 2 });
  t.is(locked.status, 409);
  t.deepEqual(locked.body.deployments, [{ id: first.body.deploymentId }]);
  t.is((await call('DELETE', '/v2/apps/web')).status, 409);
  t.is((await call('PUT', '/v2/apps/other', { instances: 1 })).status, 200);
  const forced = await call('PUT', '/v2/apps/web?force=true', { instances: 3 });
  t.is(forced.status, 200);
  ending[0]!(); // the one that was overridden: the lock is the other's by now
  t.is((await call('PUT', '/v2/apps/web', {})).status, 409);
  const { apps } = (await call('GET', '/v2/apps?embed=apps.deployments')).body as { apps: Record<string, unknown>[] };
  t.deepEqual(apps.find(({ id }) => id === '/web')?.deployments, [{ id: forced.body.deploymentId }]);
  ending[2]!();
  const again = await call('PUT', '/v2/apps/web', { instances: 1 });
  t.is(again.status, 200);
  t.is((await call('DELETE', '/v2/apps/none')).status, 404);
});

test('service ports are given where they are left open, each to one app', async (t) => {
  const { marathon } = await simulated(t);
  const ports = (id: string, ...wanted: number[]) => {
    const app = marathon.put({ id, portDefinitions: wanted.map((port) => ({ port })) });
    return (app.portDefinitions as { port: number }[]).map(({ port }) => port);
  };
  t.deepEqual(ports('/a', 10_001, 0), [10_001, 10_000]);
  t.deepEqual(ports('/b', 0, 0), [10_002, 10_003]);
  t.deepEqual(ports('/a', 0), [10_000]);
});
