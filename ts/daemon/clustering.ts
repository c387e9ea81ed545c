import { createSocket } from 'node:dgram';
import { hostname, release } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../cluster/cluster.js';
import { gossipTiming } from '../cluster/gossip/setup.js';
import { GossipThread } from '../cluster/gossip/thread.js';
import type { Identity } from '../cluster/identity.js';
import {
  type ClusterKeys,
  clusterKeysText,
  leftCluster,
  markLeft,
  nodeIdentity,
  readClusterKeys,
} from '../cluster/keyfile.js';
import { natsTiming } from '../cluster/nats/setup.js';
import { ClusterSource } from '../cluster/source.js';
import type { ClusterStore } from '../cluster/store.js';
import { backendsWorth } from '../dataplane/ebpf/maglev.js';
import { canonicalAddress, familyOf, formatEndpoint } from '../model/address.js';
import { type Fault, faultOf, VipdError } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { packageVersion } from '../util/version.js';
import type { DaemonOptions } from './options.js';

/** How often the key file is looked at. */
const KEY_POLL_MS = 2_000;

/** This node's part in a cluster, if it has a key of one. */
export class Clustering {
  readonly source: ClusterSource | undefined;
  #keyFault: Fault | undefined;

  constructor(
    private readonly options: DaemonOptions,
    private readonly logger: Logger,
  ) {
    const inCluster = this.#inCluster();
    this.source = inCluster ? new ClusterSource({ start: (failed) => this.#start(failed) }) : undefined;
  }

  faults(): readonly Fault[] {
    return this.#keyFault ? [this.#keyFault] : [];
  }

  /** Takes this node out of its cluster for good. */
  async leave(): Promise<boolean> {
    const left = (await this.source?.leave()) ?? false;
    const keys = left ? readClusterKeys(this.options['cluster.keyFile']) : undefined;
    if (keys) markLeft(clusterDirectory(this.options), keys.id);
    return left;
  }

  /** A key file that is there and cannot be used is no reason to stay out of the cluster silently. */
  #inCluster(): boolean {
    try {
      const keys = readClusterKeys(this.options['cluster.keyFile']);
      if (keys && leftCluster(clusterDirectory(this.options)) === keys.id) {
        this.logger.info(
          { cluster: keys.id },
          'this node has left the cluster of its key; vipctl cluster join takes it back',
        );
        return false;
      }
      return keys !== undefined;
    } catch {
      return true; // the source says what is wrong, and tries again
    }
  }

  async #start(failed: (error: unknown) => void): Promise<Cluster> {
    const { options, logger } = this;
    const path = options['cluster.keyFile'];
    const keys = readClusterKeys(path);
    if (!keys) throw missingKey(path);
    const directory = clusterDirectory(options);
    const identity = nodeIdentity(directory);
    const allow = options['cluster.allow'].length === 0 ? undefined : options['cluster.allow'];
    const addresses = await this.#addresses();
    const listen = options['cluster.listen'];
    const store = await this.#store(keys, identity, allow, failed);
    const facts = {
      name: nodeName(options),
      addresses,
      reach: addresses.map((address) => formatEndpoint({ address, port: listen.port })),
      software: packageVersion(),
      kernel: release(),
      zone: '',
      startedMs: Date.now(),
    };
    const { 'cluster.lease': leaseMs, 'cluster.forget': forgetMs } = options;
    const room = { vips: options['limits.vips'], backends: options['limits.backends'], costOf: backendsWorth };
    const clusterOptions = { clusterId: keys.id, directory, facts, leaseMs, forgetMs, room, ...(allow && { allow }) };
    const cluster = await Cluster.start(clusterOptions, { identity, store, logger });
    logger.info({ cluster: keys.id, node: identity.id, addresses, over: store.name }, 'in the cluster');
    this.#watchKeys(keys, store, allow, cluster);
    return cluster;
  }

  /** What brings entries to others and theirs to here. */
  async #store(
    keys: ClusterKeys,
    identity: Identity,
    allow: readonly string[] | undefined,
    failed: (error: unknown) => void,
  ): Promise<ClusterStore> {
    const { 'cluster.nats': servers, 'cluster.natsCredentials': credentials } = this.options;
    if (servers.length > 0) {
      // Of use to few, and too large to be read for nothing.
      const { NatsStore } = await import('../cluster/nats/nats.js');
      const timing = { ...natsTiming, forgetMs: this.options['cluster.forget'] };
      const setup = { clusterId: keys.id, servers, timing, ...(credentials && { credentials }) };
      return new NatsStore(setup, identity.id, failed);
    }
    const setup = {
      seed: identity.seed,
      clusterId: keys.id,
      clusterKeys: keys.keys,
      listen: this.options['cluster.listen'],
      seeds: this.options['cluster.seeds'],
      timing: { ...gossipTiming, forgetMs: this.options['cluster.forget'] },
      ...(allow && { allow }),
    };
    return new GossipThread(setup, failed);
  }

  /** A key that is added or removed counts from then on, without a restart. */
  #watchKeys(keys: ClusterKeys, store: ClusterStore, allow: readonly string[] | undefined, cluster: Cluster): void {
    let known = clusterKeysText(keys);
    const timer = setInterval(() => {
      if (this.source?.cluster !== cluster && this.source?.cluster !== undefined) return clearInterval(timer);
      try {
        const now = readClusterKeys(this.options['cluster.keyFile']);
        this.#keyFault = now && now.id === keys.id ? undefined : otherCluster(this.options['cluster.keyFile'], now);
        if (!now || now.id !== keys.id || clusterKeysText(now) === known) return;
        known = clusterKeysText(now);
        store.use?.(now.keys, allow);
        this.logger.info({ keys: now.keys.length }, 'took the keys of the cluster anew');
      } catch (error) {
        this.#keyFault = faultOf(error, this.options['cluster.keyFile']);
      }
    }, KEY_POLL_MS);
    timer.unref();
  }

  async #addresses(): Promise<readonly string[]> {
    const given = givenAddresses(this.options);
    if (given.length > 0) return given;
    const servers = this.options['cluster.nats'].map((url) => url.replace(/^\w+:\/\//, ''));
    const seeds = [...this.options['cluster.seeds'], ...servers].map((seed) => seed.replace(/:\d+$/, ''));
    const found = await Promise.all([...seeds, '192.0.2.1', '2001:db8::1'].map(sourceTowards));
    const byFamily = new Map(
      found.flatMap((one) => (one === undefined ? [] : [[familyOf(one), one] as const])).toReversed(),
    );
    return [...byFamily.values()];
  }
}

/** The addresses of this node, as far as the configuration says. */
export function givenAddresses({
  'cluster.address': named,
  'cluster.listen': listen,
}: DaemonOptions): readonly string[] {
  if (named.length > 0) return named;
  return /^(0\.0\.0\.0|::)$/.test(listen.address) ? [] : [listen.address];
}

export function nodeName(options: DaemonOptions): string {
  return options['cluster.name'] ?? hostname();
}

export function clusterDirectory({ stateDir }: Pick<DaemonOptions, 'stateDir'>): string {
  return join(stateDir, 'cluster');
}

/** The address this machine would use to reach the other; nothing is sent. */
function sourceTowards(host: string): Promise<string | undefined> {
  const plain = host.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = createSocket(plain.includes(':') ? 'udp6' : 'udp4');
    const end = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => end(undefined));
    socket.connect(9, plain, () => end(canonicalAddress(socket.address().address)));
  });
}

function missingKey(path: string): VipdError {
  return new VipdError({ code: 'CLUSTER_KEY_MISSING', object: path, cause: 'the key of the cluster is gone' });
}

function otherCluster(path: string, now: ClusterKeys | undefined): Fault {
  const cause = now ? `it is the key of another cluster, ${now.id}` : 'the key of the cluster is gone';
  return {
    code: 'CLUSTER_KEY_CHANGED',
    object: path,
    cause,
    hint: 'this node goes on with the one it had until it is restarted',
  };
}
