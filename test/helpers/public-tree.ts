import { chmodSync, mkdtempSync, rmdirSync } from 'node:fs';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';
import type { Owner } from './lab.js';

/** This checkout at a path that every user can get to: root's home, where it may be, shuts others out. */
export function publicTree(owner: Owner): string {
  const path = mkdtempSync('/run/vipd-tree-');
  chmodSync(path, 0o755);
  run(['mount', '--bind', packageRoot, path]);
  owner.teardown(async () => {
    run(['umount', '--lazy', path]);
    rmdirSync(path);
  });
  return path;
}
