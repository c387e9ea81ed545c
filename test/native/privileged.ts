import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isBpffs, missingCapabilities } from '../../ts/libbpf/features.js';
import { mountBpffs } from '../../ts/native/system.js';
import { root } from '../helpers/needs.js';

const bpffs = '/sys/fs/bpf';
const missing = missingCapabilities();

/** A test that needs the kernel; without the privilege it is skipped by name, never silently, and never in `npm test`. */
export function kernelTest(title: string, run: (t: ExecutionContext) => void | Promise<void>): void {
  if (missing.length === 0) test.serial(title, run);
  else if (root.expected) test.serial(title, (t) => t.fail(`${missing.join(', ')} missing`));
  else test.serial.skip(`${title} (needs ${missing.join(', ')})`, run);
}

/** A path to pin at, not taken by any other test; it is gone afterwards. */
export function pinPath(t: ExecutionContext): string {
  if (!isBpffs(bpffs)) mountBpffs(bpffs);
  const path = join(bpffs, `vipd-test-${process.pid}-${randomBytes(4).toString('hex')}`);
  t.teardown(() => rmSync(path, { force: true }));
  return path;
}
