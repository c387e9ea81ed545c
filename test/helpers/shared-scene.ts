import test from 'ava';
import type { ServiceInput } from '../../ts/model/schema.js';
import type { Owner } from './lab.js';
import { type Hook, type Scene, setScene } from './scene.js';
import type { EchoServer } from './servers.js';

type Services = (servers: readonly EchoServer[]) => readonly ServiceInput[];

/**
 * A scene for all tests of a file that leave of it what they found: most of a short test's time is its daemon's start. Where a
 * test begins nothing is served any more of those before it; what has been counted, and events, are still there.
 */
export function shareScene(
  hook: Hook,
  names: readonly string[],
  ...flags: string[]
): (all: Services) => Promise<Scene> {
  let scene: Scene | undefined;
  const undo: (() => Promise<void>)[] = [];
  const owner: Owner = { teardown: (one) => undo.unshift(one) };
  test.serial.after.always(`the scene by ${hook} is removed`, async () => {
    for (const one of undo) await one();
  });
  return async (services) => {
    scene ??= await setScene(owner, hook, names, () => [], ...flags);
    if (scene.daemon.child?.result !== undefined) await scene.daemon.restart(); // a test that failed has left it dead
    await scene.daemon.serve([]);
    await scene.daemon.serve(services(scene.servers));
    return scene;
  };
}
