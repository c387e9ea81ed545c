import './withresolvers.js';
import { parentPort, workerData } from 'node:worker_threads';
import { faultOf } from '../../util/errors.js';
import { Pace } from '../../util/pace.js';
import type { Heard } from '../store.js';
import type { Order, Word } from './dialogue.js';
import { Gossip } from './gossip.js';
import { surviveLateWrites } from './latewrites.js';
import type { GossipSetup } from './setup.js';

/** What is heard in a stream reaches the daemon in batches, so long apart at most. */
const LONGEST_MS = 100;
/** Round trips reach the daemon this often. */
const REFRESH_MS = 5_000;

const port = parentPort!;
const tell = (word: Word) => port.postMessage(word);
const setup = workerData as GossipSetup;
const gossip = new Gossip(setup);
surviveLateWrites(() => gossip.countLateWrite());

const pace = new Pace(LONGEST_MS);
let news: Heard[] = [];
let telling: NodeJS.Timeout | undefined;

function hear(entries: readonly Heard[]): void {
  news.push(...entries);
  telling ??= setTimeout(tellNews, pace.wait());
}

function tellNews(): void {
  clearTimeout(telling);
  telling = undefined;
  tell({ kind: 'heard', entries: news });
  news = [];
  pace.acted();
}

async function tellStats(): Promise<void> {
  const { counters, gauges } = await gossip.stats();
  tell({ kind: 'stats', stats: { counters, gauges: { ...gauges, untold: news.length } } });
}

async function obey(order: Order): Promise<void> {
  if (order.kind === 'put') gossip.put(order.entries);
  if (order.kind === 'restore') gossip.restore(order.entries);
  if (order.kind === 'use') gossip.use(order.clusterKeys, order.allow);
  if (order.kind === 'stats') await tellStats();
  if (order.kind !== 'close') return;
  clearInterval(timer);
  clearTimeout(telling);
  await gossip.close();
  port.close();
}

const timer = setInterval(() => tell({ kind: 'neighbours', list: gossip.neighbours(), changed: false }), REFRESH_MS);
port.on('message', (order: Order) => void obey(order));

try {
  await gossip.open({
    heard: hear,
    neighbours: (list) => {
      if (telling) tellNews(); // in the order in which they came
      tell({ kind: 'neighbours', list, changed: true });
    },
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
