import test from 'ava';
import type { ServiceInput } from '../../ts/model/schema.js';
import type { Owner } from './lab.js';
import { type Hook, type Scene, setScene } from './scene.js';
import type { EchoServer } from './servers.js';

type Services = (servers: readonly EchoServer[]) => readonly ServiceInput[];
let shared = 0;

/** Something for all tests of a file: made when the first one asks for it, and taken away after the last. */
export function share<T>(make: (owner: Owner) => Promise<T>): () => Promise<T> {
  let made: T | undefined;
  const undo: (() => Promise<void>)[] = [];
  test.serial.after.always(`what is shared is removed, ${++shared}`, async () => {
    for (const one of undo) await one();
  });
  return async () => {
    made ??= await make({ teardown: (one) => undo.unshift(one) });
    return made;
  };
}

/**
 * A scene for all tests of a file that leave of it what they found: most of a short test's time is its daemon's start. Where a
 * test begins nothing is served any more of those before it; what has been counted, and events, are still there.
 */
export function shareScene(
  hook: Hook,
  names: readonly string[],
  ...flags: readonly string[]
): (all: Services) => Promise<Scene> {
  const scene = share((owner) => setScene(owner, hook, names, () => [], ...flags));
  return async (services) => {
    const all = await scene();
    const { daemon, servers } = all;
    if (daemon.child?.result !== undefined) await daemon.restart(); // a test that failed has left it dead
    await daemon.serve([]);
    await daemon.serve(services(servers));
    return all;
  };
}
