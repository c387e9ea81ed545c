import { Worker } from 'node:worker_threads';
import { faultOf, VipdError } from '../../util/errors.js';
import type { NodeId } from '../identity.js';
import type { ClusterStore, Heard, Neighbour, StoreListener, StoreStats } from '../store.js';
import type { SignedMessage } from '../wire.js';
import type { Order, Word } from './dialogue.js';
import type { GossipSetup } from './setup.js';

const STATS_WAIT_MS = 2_000;
const NO_STATS: StoreStats = { counters: {}, gauges: {} };

/** {@link Gossip} in a thread of its own: checking what others send must not delay the loop that programs the kernel. */
export class GossipThread implements ClusterStore {
  readonly name = 'gossip';
  #worker: Worker | undefined;
  #neighbours: readonly Neighbour[] = [];
  #asked: ((stats: StoreStats) => void)[] = [];

  constructor(
    private readonly setup: GossipSetup,
    /** The thread ended by itself, which it never should. */
    private readonly onDeath: (error: unknown) => void,
  ) {}

  open(listener: StoreListener): Promise<void> {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: this.setup });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      const failed = (error: unknown) => {
        reject(asFault(error));
        if (this.#worker === worker) this.onDeath(error);
      };
      worker.on('error', failed);
      worker.on('exit', (status) => failed(new Error(`the gossip thread ended with status ${status}`)));
      worker.on('message', (word: Word) => {
        if (word.kind === 'open') resolve();
        else if (word.kind === 'failed') reject(new VipdError(word.fault));
        else this.#hear(word, listener);
      });
    });
  }

  put(entries: readonly SignedMessage[]): void {
    this.#order({ kind: 'put', entries });
  }

  restore(entries: readonly Heard[]): void {
    this.#order({ kind: 'restore', entries });
  }

  use(clusterKeys: readonly Uint8Array[], allow: readonly NodeId[] | undefined): void {
    this.#order({ kind: 'use', clusterKeys, ...(allow && { allow }) });
  }

  neighbours(): readonly Neighbour[] {
    return this.#neighbours;
  }

  stats(): Promise<StoreStats> {
    if (!this.#worker) return Promise.resolve(NO_STATS);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(NO_STATS), STATS_WAIT_MS);
      this.#asked.push((stats) => {
        clearTimeout(timer);
        resolve(stats);
      });
      this.#order({ kind: 'stats' });
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    this.#worker = undefined;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage({ kind: 'close' } satisfies Order);
    const timer = setTimeout(() => void worker.terminate(), STATS_WAIT_MS);
    await ended;
    clearTimeout(timer);
  }

  #order(order: Order): void {
    this.#worker?.postMessage(order);
  }

  #hear(word: Word, listener: StoreListener): void {
    if (!this.#worker) return;
    if (word.kind === 'heard') listener.heard(word.entries);
    if (word.kind === 'fault') listener.fault(word.about, word.fault);
    if (word.kind === 'stats') for (const answer of this.#asked.splice(0)) answer(word.stats);
    if (word.kind !== 'neighbours') return;
    this.#neighbours = word.list;
    if (word.changed) listener.neighbours(word.list);
  }
}

function asFault(error: unknown): VipdError {
  return new VipdError({ ...faultOf(error, 'cluster'), code: 'CLUSTER_FAILED' });
}
