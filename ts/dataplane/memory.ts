import type { Endpoint, Prefix } from '../model/address.js';
import type { ConnectsByVip } from '../model/connects.js';
import { type ForwardedVip, type Forwarding, sameVip } from '../model/forwarding.js';
import { type BackendKey, backendKey, type Frontend, type VipKey, vipKey } from '../model/service.js';
import { VipdError } from '../util/errors.js';
import type {
  Counters,
  DataPlane,
  Flow,
  HookStatus,
  Outcome,
  PlaneEvent,
  Step,
  Support,
  TableFill,
  VipCounters,
} from './dataplane.js';

const ZERO: Counters = { connections: 0n, packets: 0n, bytes: 0n };

interface VipEntry {
  readonly vip: ForwardedVip;
  total: Counters;
  refused: bigint;
  readonly backends: Map<BackendKey, Counters>;
}

/** Stands for the kernel: what a plane leaves here outlives it, and the next one adopts it. */
export class MemoryKernel {
  readonly vips = new Map<VipKey, VipEntry>();
  readonly verdicts = new Map<string, bigint>();
  readonly flows: Flow[] = [];
  connects: ConnectsByVip = new Map();
  pools: readonly Prefix[] = [];
  engaged = false;
  /** What a read returns, until something changes. */
  snapshot: Forwarding | undefined;
}

/** A data plane that carries no packets: for tests, and to try definitions out (`--dry-run`). */
export class MemoryDataPlane implements DataPlane {
  readonly name = 'memory';
  readonly kernel: MemoryKernel;
  readonly #listeners = new Set<(event: PlaneEvent) => void>();
  #open = false;

  constructor(kernel: MemoryKernel = new MemoryKernel()) {
    this.kernel = kernel;
  }

  async probe(): Promise<Support> {
    return { ok: true };
  }

  async open(): Promise<void> {
    this.#open = true;
  }

  async read(): Promise<Forwarding> {
    const kernel = this.#kernel();
    kernel.snapshot ??= {
      pools: kernel.pools,
      vips: new Map(Array.from(kernel.vips, ([key, { vip }]) => [key, vip])),
    };
    return kernel.snapshot;
  }

  async pools(): Promise<readonly Prefix[]> {
    return this.kernel.pools;
  }

  async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    const kernel = this.#kernel();
    for (const step of steps) carryOut(kernel, step);
    return steps.map(() => undefined);
  }

  async engage(): Promise<void> {
    this.#kernel().engaged = true;
  }

  async disengage(): Promise<void> {
    this.#kernel().engaged = false;
  }

  async counters(): Promise<readonly VipCounters[]> {
    return Array.from(this.#kernel().vips, ([key, { vip, total, refused, backends }]) => {
      const each = vip.backends.map((backend) => backendKey(backend));
      return { key, ...total, refused, backends: new Map(each.map((one) => [one, backends.get(one) ?? ZERO])) };
    });
  }

  async connects(wanted?: ReadonlySet<VipKey>): Promise<ConnectsByVip> {
    return new Map([...this.#kernel().connects].filter(([key]) => wanted?.has(key) ?? true));
  }

  async verdicts(): Promise<Readonly<Record<string, bigint>>> {
    return Object.fromEntries(this.#kernel().verdicts);
  }

  async flows(limit: number, wanted: (flow: Flow) => boolean = () => true): Promise<readonly Flow[]> {
    return this.#kernel().flows.filter(wanted).slice(0, limit);
  }

  tables(): readonly TableFill[] {
    return [];
  }

  hooks(): readonly HookStatus[] {
    return [{ hook: 'sock', where: 'memory', mode: 'link', attached: this.kernel.engaged }];
  }

  async inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined> {
    const entry = this.#kernel().vips.get(key);
    return entry && { ...entry.vip, refused: entry.refused };
  }

  events(listener: (event: PlaneEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async release(): Promise<void> {
    this.#open = false;
  }

  /** Works without `open` too. */
  async remove(): Promise<void> {
    const { kernel } = this;
    kernel.vips.clear();
    kernel.verdicts.clear();
    kernel.flows.length = 0;
    Object.assign(kernel, { pools: [], engaged: false, snapshot: undefined, connects: new Map() });
    this.#open = false;
  }

  /** Changes what the kernel holds behind the plane's back, as somebody with other tools could. */
  tamper(
    change: { readonly vip: ForwardedVip } | { readonly remove: VipKey } | { readonly pools: readonly Prefix[] },
  ): void {
    if ('vip' in change) carryOut(this.kernel, { kind: 'upsert', vip: change.vip });
    else if ('remove' in change) carryOut(this.kernel, { kind: 'remove', key: change.remove });
    else carryOut(this.kernel, { kind: 'pools', pools: change.pools });
  }

  /** One client connects and sends `bytes` in one packet; resolves to who served it, counted and told as an event. */
  async connect(frontend: Frontend, client: Endpoint, bytes = 0): Promise<BackendKey | undefined> {
    const kernel = this.#kernel();
    const key = vipKey(frontend);
    const entry = kernel.vips.get(key);
    const at = { at: Date.now(), hook: 'sock', client } as const;
    const backend = entry && leastLoaded(entry);
    if (entry && backend) {
      count(kernel, entry, backend, bytes);
      kernel.flows.push({ vip: key, backend, state: 'established', idleSeconds: 0, client });
      this.#emit({ kind: 'connection', ...at, vip: key, backend });
      return backend;
    }
    const verdict = entry ? 'no_backend' : 'refused';
    if (entry) entry.refused++;
    kernel.verdicts.set(verdict, (kernel.verdicts.get(verdict) ?? 0n) + 1n);
    this.#emit(entry ? { kind: 'no-backend', ...at, vip: key } : { kind: 'refused', ...at, target: frontend });
    return undefined;
  }

  #emit(event: PlaneEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #kernel(): MemoryKernel {
    if (this.#open) return this.kernel;
    throw new VipdError({ code: 'PLANE_CLOSED', object: 'data plane memory', cause: 'it is not open' });
  }
}

function carryOut(kernel: MemoryKernel, step: Step): void {
  kernel.snapshot = undefined;
  if (step.kind === 'pools') kernel.pools = step.pools;
  else if (step.kind === 'remove') kernel.vips.delete(step.key);
  else {
    const key = vipKey(step.vip.frontend);
    const before = kernel.vips.get(key);
    const vip = before && sameVip(before.vip, step.vip) ? before.vip : step.vip;
    kernel.vips.set(key, {
      vip,
      total: before?.total ?? ZERO,
      refused: before?.refused ?? 0n,
      backends: before?.backends ?? new Map(),
    });
  }
}

/** Shares out by weight without chance: whoever has had least for its weight is next. */
function leastLoaded({ vip, backends }: VipEntry): BackendKey | undefined {
  let best: { key: BackendKey; load: number } | undefined;
  for (const backend of vip.backends) {
    if (backend.weight === 0) continue;
    const key = backendKey(backend);
    const load = (Number(backends.get(key)?.connections ?? 0n) + 1) / backend.weight;
    if (!best || load < best.load) best = { key, load };
  }
  return best?.key;
}

function count(kernel: MemoryKernel, entry: VipEntry, backend: BackendKey, bytes: number): void {
  const more = ({ connections, packets, bytes: before }: Counters): Counters => {
    return { connections: connections + 1n, packets: packets + 1n, bytes: before + BigInt(bytes) };
  };
  entry.total = more(entry.total);
  entry.backends.set(backend, more(entry.backends.get(backend) ?? ZERO));
  kernel.verdicts.set('forwarded', (kernel.verdicts.get('forwarded') ?? 0n) + 1n);
}
