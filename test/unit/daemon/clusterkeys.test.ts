import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { markLeft, parseClusterKeys } from '../../../ts/cluster/keyfile.js';
import { packageRoot } from '../../../ts/util/paths.js';

/** One machine: its key file, its state, and what `vipd cluster` does there. */
class Machine {
  readonly directory = mkdtempSync(join(tmpdir(), 'vipd-clusterkeys-'));
  readonly file = join(this.directory, 'cluster.key');

  constructor(t: ExecutionContext) {
    t.teardown(() => rmSync(this.directory, { recursive: true }));
  }

  get keys() {
    return parseClusterKeys(readFileSync(this.file, 'utf8'), this.file);
  }

  cluster(words: readonly string[], input = '') {
    const flags = ['--cluster-key', this.file, '--state-dir', this.directory];
    const env = { ...process.env, VIPD_NODE: process.execPath };
    const vipd = join(packageRoot, 'packaging', 'bin', 'vipd');
    return spawnSync(vipd, [...flags, 'cluster', ...words], { encoding: 'utf8', input, env });
  }

  /** As the daemon does when its operator takes it out. */
  leave(): void {
    markLeft(join(this.directory, 'cluster'), this.keys.id);
  }
}

test('a key is made once, joined from a file or the standard input, replaced and retired', (t) => {
  const [first, second] = [new Machine(t), new Machine(t)];
  t.is(first.cluster(['init']).status, 0);
  t.is(statSync(first.file).mode & 0o077, 0, 'nobody else reads it');
  const again = first.cluster(['init']);
  t.not(again.status, 0);
  t.regex(again.stderr, /there is a cluster key already/);

  const missing = second.cluster(['join', `${first.file}.gone`]);
  t.true(missing.stderr.includes('there is no such file (give the key file of a node that is in the cluster)'));
  t.regex(second.cluster(['join', first.file]).stdout, /is the key of cluster \w+; restart vipd/);
  t.deepEqual(second.keys, first.keys);
  t.regex(first.cluster(['rotate']).stdout, /has a new key in front/);
  t.is(first.keys.keys.length, 2);
  t.regex(second.cluster(['join', '-'], readFileSync(first.file, 'utf8')).stdout, /takes them within seconds/);
  t.deepEqual(second.keys, first.keys);
  const [fresh] = first.keys.keys;
  t.is(first.cluster(['retire']).status, 0);
  t.deepEqual(first.keys.keys, [fresh]);
  t.regex(first.cluster(['id']).stdout, /^12D3Koo\w+\n$/);
  t.is(first.cluster(['id']).stdout, first.cluster(['id']).stdout);
});

test('a node is never taken from one cluster into another before it has left', (t) => {
  const [mine, other] = [new Machine(t), new Machine(t)];
  for (const machine of [mine, other]) machine.cluster(['init']);
  const before = mine.keys;
  const refused = mine.cluster(['join', other.file]);
  t.not(refused.status, 0);
  t.regex(refused.stderr, /this node is in cluster \w+, the key is of \w+ \(vipctl cluster leave first/);
  t.deepEqual(mine.keys, before);
  mine.leave();
  t.regex(mine.cluster(['join', other.file]).stdout, /is the key of cluster \w+; restart vipd/);
  t.deepEqual(mine.keys, other.keys);
});

test('who has left is in again by joining the same cluster', (t) => {
  const machine = new Machine(t);
  machine.cluster(['init']);
  machine.leave();
  t.regex(machine.cluster(['join', machine.file]).stdout, /is in cluster \w+ again once vipd is restarted/);
});
