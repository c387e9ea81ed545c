import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  clusterKeysText,
  newClusterKeys,
  nodeIdentity,
  parseClusterKeys,
  readClusterKeys,
  retired,
  rotated,
  writeClusterKeys,
} from '../../../ts/cluster/keyfile.js';

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'vipd-keys-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

test('a key file says what it was told, and not everybody reads it', (t) => {
  const path = join(directory(t), 'deep', 'cluster.key');
  t.is(readClusterKeys(path), undefined);
  const keys = newClusterKeys();
  writeClusterKeys(path, keys);
  t.is(statSync(path).mode & 0o007, 0);
  t.is(clusterKeysText(readClusterKeys(path)!), clusterKeysText(keys));
});

test('rotation keeps the old key valid, retiring drops it, and the cluster stays the same', (t) => {
  const keys = newClusterKeys();
  const both = rotated(keys);
  t.is(both.keys[1], keys.keys[0]);
  t.deepEqual(retired(both), { id: keys.id, keys: [both.keys[0]!] });
});

test('a file that everybody may read is refused', (t) => {
  const path = join(directory(t), 'cluster.key');
  writeClusterKeys(path, newClusterKeys());
  chmodSync(path, 0o644);
  t.throws(() => readClusterKeys(path), { message: /everybody.*chmod 600/ });
});

for (const [title, text] of Object.entries({
  'no YAML': '{',
  nothing: '',
  'no id': 'keys: [ab]',
  'an id of another form': 'cluster: xyz\nkeys: []',
  'no key': 'cluster: "0123456789abcdef"\nkeys: []',
  'a short key': 'cluster: "0123456789abcdef"\nkeys: ["abcd"]',
})) {
  test(`a key file with ${title} is refused by name`, (t) => {
    t.throws(() => parseClusterKeys(text, '/etc/x'), { message: /^\/etc\/x: .*copy the file/ });
  });
}

test('a node keeps its identity, and one that cannot be used is not replaced silently', (t) => {
  const path = directory(t);
  const { id } = nodeIdentity(path);
  t.is(nodeIdentity(path).id, id);
  writeFileSync(join(path, 'node.key'), 'torn');
  t.throws(() => nodeIdentity(path), { message: /node\.key: it is no 64 hex digits/ });
});
