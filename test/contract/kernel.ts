import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import type { Step } from '../../ts/dataplane/dataplane.js';
import { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import type { Limits } from '../../ts/dataplane/ebpf/shared-maps.js';
import { cgroup2Mount, isBpffs } from '../../ts/libbpf/features.js';
import { BpfMap } from '../../ts/libbpf/map.js';
import { formatPrefix } from '../../ts/model/address.js';
import { type Forwarding, sameVip } from '../../ts/model/forwarding.js';
import { mountBpffs } from '../../ts/native/system.js';

export const DAMAGEABLE = ['settings', 'vips', 'vip_sets', 'backends', 'reply_sets', 'tables'] as const;

/** What somebody did to a map by hand; positions beyond the end count from the start again. */
export interface Damage {
  readonly map: (typeof DAMAGEABLE)[number];
  readonly entry: number;
  readonly word: number;
  readonly value: number;
}

let made = 0;

/** A plane over pins and an empty cgroup of its own: programs are loaded, no packet meets them but those a test hands over. */
export class Kernel {
  readonly #bpffs: string;
  readonly #cgroup: string;
  #plane: EbpfDataPlane;

  private constructor(readonly limits: Limits) {
    const name = `vipd-history-${process.pid}-${++made}`;
    this.#bpffs = `/sys/fs/bpf/${name}`;
    this.#cgroup = `${cgroup2Mount()}/${name}`;
    this.#plane = this.#another();
  }

  /** Opened and engaged. */
  static async open(limits: Limits): Promise<Kernel> {
    if (!isBpffs('/sys/fs/bpf')) mountBpffs('/sys/fs/bpf');
    const kernel = new Kernel(limits);
    mkdirSync(kernel.#cgroup);
    try {
      await kernel.#start();
    } catch (error) {
      await kernel.dispose();
      throw error;
    }
    return kernel;
  }

  get plane(): EbpfDataPlane {
    return this.#plane;
  }

  /** As when the daemon is replaced: forwarding goes on meanwhile. */
  async reopen(): Promise<void> {
    await this.#plane.release();
    this.#plane = this.#another();
    await this.#start();
  }

  damage({ map, entry, word, value }: Damage): void {
    this.withMap(map, (held) => {
      const { maxEntries, valueSize } = held.info;
      const key = indexKey(entry % maxEntries);
      const bytes = held.get(key)!;
      bytes.writeUInt32LE(value, (word * 4) % valueSize);
      held.set(key, bytes);
    });
  }

  /** The entries that are not zero, by index. */
  content(map: string): Map<number, Buffer> {
    return this.withMap(map, (held) => {
      const { maxEntries, valueSize } = held.info;
      const all = Buffer.alloc(maxEntries * valueSize);
      held.readArray(0, all);
      const entries = Array.from({ length: maxEntries }, (_, i) => all.subarray(i * valueSize, (i + 1) * valueSize));
      return new Map([...entries.entries()].filter(([, bytes]) => bytes.some((byte) => byte !== 0)));
    });
  }

  withMap<T>(name: string, use: (map: BpfMap) => T): T {
    const map = BpfMap.openPinned(`${this.#bpffs}/maps/${name}`);
    try {
      return use(map);
    } finally {
      map.close();
    }
  }

  /** Leaves nothing behind. */
  async dispose(): Promise<void> {
    await this.#plane.remove();
    if (existsSync(this.#cgroup)) rmdirSync(this.#cgroup);
  }

  async #start(): Promise<void> {
    await this.#plane.open();
    await this.#plane.engage();
  }

  #another(): EbpfDataPlane {
    return new EbpfDataPlane({
      bpffs: this.#bpffs,
      cgroup: this.#cgroup,
      interfaces: { tc: [], xdp: [], xdpMode: 'auto' },
      limits: this.limits,
      sampleConnections: 0,
    });
  }
}

/** Calls `look` after every write to a map while `act` runs: what a packet may meet in between. */
export async function betweenWrites<T>(look: () => void, act: () => Promise<T>): Promise<T> {
  const { setBatch } = BpfMap.prototype;
  BpfMap.prototype.setBatch = function write(this: BpfMap, ...args: Parameters<typeof setBatch>) {
    setBatch.apply(this, args);
    look();
  };
  try {
    return await act();
  } finally {
    BpfMap.prototype.setBatch = setBatch;
  }
}

/** What a reconciler asks for when it finds `held` and wants `wanted`. */
export function difference(held: Forwarding, wanted: Forwarding): Step[] {
  const differing = [...wanted.vips].filter(([key, vip]) => {
    const there = held.vips.get(key);
    return there === undefined || !sameVip(there, vip);
  });
  const gone = [...held.vips.keys()].filter((key) => !wanted.vips.has(key));
  return [
    ...(samePools(held, wanted) ? [] : [{ kind: 'pools', pools: wanted.pools } as const]),
    ...differing.map(([, vip]) => ({ kind: 'upsert', vip }) as const),
    ...gone.map((key) => ({ kind: 'remove', key }) as const),
  ];
}

function samePools(a: Forwarding, b: Forwarding): boolean {
  return a.pools.map(formatPrefix).join() === b.pools.map(formatPrefix).join();
}

function indexKey(index: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(index);
  return key;
}
