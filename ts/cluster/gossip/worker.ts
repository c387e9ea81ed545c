import './withresolvers.js';
import { parentPort, workerData } from 'node:worker_threads';
import { faultOf } from '../../util/errors.js';
import type { Order, Word } from './dialogue.js';
import { Gossip } from './gossip.js';
import { surviveLateWrites } from './latewrites.js';
import type { GossipSetup } from './setup.js';

/** Round trips reach the daemon this often. */
const REFRESH_MS = 5_000;

const port = parentPort!;
const tell = (word: Word) => port.postMessage(word);
const setup = workerData as GossipSetup;
const gossip = new Gossip(setup);
surviveLateWrites(() => gossip.countLateWrite());

async function obey(order: Order): Promise<void> {
  if (order.kind === 'put') gossip.put(order.entries);
  if (order.kind === 'restore') gossip.restore(order.entries);
  if (order.kind === 'use') gossip.use(order.clusterKeys, order.allow);
  if (order.kind === 'stats') tell({ kind: 'stats', stats: await gossip.stats() });
  if (order.kind !== 'close') return;
  clearInterval(timer);
  await gossip.close();
  port.close();
}

const timer = setInterval(() => tell({ kind: 'neighbours', list: gossip.neighbours(), changed: false }), REFRESH_MS);
port.on('message', (order: Order) => void obey(order));

try {
  await gossip.open({
    heard: (entries) => tell({ kind: 'heard', entries }),
    neighbours: (list) => tell({ kind: 'neighbours', list, changed: true }),
    fault: (about, fault) => tell({ kind: 'fault', about, fault }),
  });
  tell({ kind: 'open' });
} catch (error) {
  const { address, port: number } = setup.listen;
  const fault = { ...faultOf(error, `cluster listener ${address} port ${number}`), code: 'CLUSTER_LISTEN_FAILED' };
  tell({ kind: 'failed', fault });
  clearInterval(timer);
  port.close();
}
