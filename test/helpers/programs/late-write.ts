import { StreamStateError } from '@libp2p/interface';
import { surviveLateWrites } from '../../../ts/cluster/gossip/latewrites.js';

/**
 * `late-write.js late|other`: an error where nobody can catch it, as of libp2p or another. Writes `alive`
 * afterwards, and how many were late.
 */
let late = 0;
surviveLateWrites(() => {
  late += 1;
});
queueMicrotask(() => {
  throw process.argv[2] === 'late'
    ? new StreamStateError('Cannot write to a stream that is closed')
    : new Error('other');
});
await new Promise((resolve) => setTimeout(resolve, 100));
console.log(`alive, ${late} late`);
