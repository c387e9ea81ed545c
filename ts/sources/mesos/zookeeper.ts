import { EventEmitter, once } from 'node:events';
import zookeeper, { type Client } from 'node-zookeeper-client';
import { VipdError } from '../../util/errors.js';
import { type Masters, parseZkUrl } from './masters.js';

export interface ZooKeeperOptions {
  /** `zk://host:2181,host:2181/mesos` */
  readonly url: string;
  /** Of the masters' API. */
  readonly scheme: 'http' | 'https';
  readonly sessionMs?: number;
}

/** What a master writes into its node. */
interface MasterInfo {
  readonly address?: { readonly ip?: unknown; readonly hostname?: unknown; readonly port?: unknown };
}

/**
 * Masters as they announce themselves in ZooKeeper: each keeps a node `json.info_<sequence>`, and the lowest one leads.
 * What was known last stays while ZooKeeper cannot be reached.
 */
export class ZooKeeperMasters implements Masters {
  readonly #options: ZooKeeperOptions;
  #client: Client;
  #impatience: NodeJS.Timeout | undefined;
  readonly #hosts: string;
  readonly #path: string;
  readonly #changes = new EventEmitter();
  #urls: readonly string[] = [];

  constructor(options: ZooKeeperOptions) {
    this.#options = options;
    const { hosts, path } = parseZkUrl(options.url);
    this.#path = path;
    this.#changes.setMaxListeners(0);
    this.#hosts = hosts;
    this.#client = this.#connect();
  }

  urls(): readonly string[] {
    if (this.#urls.length > 0) return this.#urls;
    const cause = `no master has announced itself below ${this.#path}, as far as is known`;
    throw new VipdError({ code: 'NO_LEADER', object: this.#options.url, cause });
  }

  async changed(signal: AbortSignal): Promise<void> {
    await once(this.#changes, 'change', { signal }).catch(() => undefined);
  }

  close(): void {
    clearTimeout(this.#impatience);
    this.#client.removeAllListeners();
    this.#client.close();
  }

  /**
   * A session that has expired is over for good. And the client waits for ever for a server that took its connection while
   * it was starting; so one that is not connected for long is given up for another.
   */
  #connect(): Client {
    const sessionTimeout = this.#options.sessionMs ?? 10_000;
    const client = zookeeper.createClient(this.#hosts, { sessionTimeout, retries: 0 });
    const again = () => {
      this.close();
      this.#client = this.#connect();
    };
    const wait = () => {
      clearTimeout(this.#impatience);
      this.#impatience = setTimeout(again, 2 * sessionTimeout);
    };
    client.on('connected', () => {
      clearTimeout(this.#impatience);
      this.#look();
    });
    client.on('disconnected', wait);
    client.on('expired', again);
    wait();
    client.connect();
    return client;
  }

  /** Reads who is there and watches for the next change. */
  #look(): void {
    const client = this.#client;
    const watcher = () => client === this.#client && this.#look();
    client.getChildren(this.#path, watcher, (error: Error | zookeeper.Exception | null, names: string[]) => {
      // Not there yet, or the connection is lost: the next connection looks again, or the next pause does.
      if (error) setTimeout(watcher, 1_000).unref();
      else void this.#readAll(names.filter((name) => /^json\.info_\d+$/.test(name)).sort());
    });
  }

  async #readAll(names: readonly string[]): Promise<void> {
    const found = await Promise.all(names.map((name) => this.#read(`${this.#path}/${name}`)));
    const urls = found.flatMap((url) => url ?? []);
    if (urls.join() === this.#urls.join()) return;
    this.#urls = urls;
    this.#changes.emit('change');
  }

  #read(path: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#client.getData(path, (error: Error | zookeeper.Exception | null, data: Buffer) => {
        resolve(error ? undefined : this.#urlOf(data.toString()));
      });
    });
  }

  #urlOf(text: string): string | undefined {
    try {
      const { ip, hostname, port } = (JSON.parse(text) as MasterInfo).address ?? {};
      const host = typeof ip === 'string' ? ip : hostname;
      if (typeof host !== 'string' || typeof port !== 'number') return undefined;
      return `${this.#options.scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    } catch {
      return undefined;
    }
  }
}
