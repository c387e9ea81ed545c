import test from 'ava';
import { makeCipherRoom, newCipher } from '../../ts/cluster/gossip/cipherroom.js';

test('connections of one thread go on after one of them had much to encrypt at once', (t) => {
  makeCipherRoom();
  const [a, b] = [newCipher(), newCipher()];
  a.update(new Uint8Array(700_000)); // more than the memory the cipher begins with
  t.notThrows(() => {
    for (let i = 0; i < 3_000; i += 1) for (const cipher of [a, b]) cipher.update(new Uint8Array(100));
  });
});
