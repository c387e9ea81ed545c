import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/**
 * Loaded before a daemon (`NODE_OPTIONS=--import`): while the file $VIPD_TEST_HANG is there its main thread does nothing at
 * all, as in an endless loop. Its other threads go on.
 */
const file = process.env.VIPD_TEST_HANG;
const never = new Int32Array(new SharedArrayBuffer(4));

if (isMainThread && file !== undefined) {
  setInterval(() => {
    while (existsSync(file)) Atomics.wait(never, 0, 0, 50);
  }, 50).unref();
}
