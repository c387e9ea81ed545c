import { join } from 'node:path';
import type { Prefix } from '../../model/address.js';
import type { ConnectsByVip } from '../../model/connects.js';
import type { Forwarding } from '../../model/forwarding.js';
import { type VipKey, vipKey } from '../../model/service.js';
import { faultOf, VipdError } from '../../util/errors.js';
import type {
  DataPlane,
  Flow,
  HookStatus,
  Outcome,
  PlaneEvent,
  Step,
  Support,
  TableFill,
  VipCounters,
} from '../dataplane.js';
import { pinnedPools } from './adopt.js';
import { balancingOf, pressureOf, severingOf, tellReplaced } from './aftercare.js';
import type { Balancing } from './balancing.js';
import { planCleanup, planDrain, planPools, planRemove, planRetire, planUpsert, planWays } from './changes.js';
import { readConnects } from './connecting.js';
import { readCounters, readVerdicts, resetCounters } from './counting.js';
import { Drift } from './drift.js';
import { ExactFlows } from './exact.js';
import { Happenings } from './happenings.js';
import type { HeldBackend } from './held.js';
import { Hooks, nameMatches, removeHooks } from './hooks.js';
import { Image } from './image.js';
import { inspectVip } from './inspect.js';
import { type Connects, Engagement, type Event, type OptOut } from './lb.gen.js';
import { leaveTo } from './leaving.js';
import { codecsOf, mirrorsOf, offsetsOf } from './mirrors.js';
import { defaultFullNat } from './nat-ports.js';
import { followAddresses, Node } from './node.js';
import { OptOuts } from './opt-outs.js';
import type { EbpfModules, EbpfOptions } from './options.js';
import { removeIfEmpty, removePins } from './pins.js';
import type { Pressure } from './pressure.js';
import { type Loaded, loadPrograms } from './programs.js';
import { type TableSpan, tunnelSourceRecords } from './records.js';
import type { Severing } from './severing.js';
import { SourceLists } from './source-lists.js';
import { ebpfSupport } from './support.js';
import { KernelSurroundings } from './surroundings.js';
import { writeTables } from './tables.js';
import { shiftOf, ticksOf } from './ticks.js';
import { clockOf, readFlows } from './tracking.js';
import { isExact } from './ways.js';
import { Workloads } from './workloads.js';
import { AFTER_TABLES, BEFORE_TABLES, type Mirrors, REMOVING, Writes } from './writes.js';

/** How long a table that was replaced still answers for flows that lost their entry, milliseconds. */
const PREVIOUS_TABLE_MS = 60_000;
const RETIRE_INTERVAL_MS = 10_000;
/** The bits of the kernel's tick count that `tc_ticks` tells. */
const TICKS = 0x7fffffff;

/** Everything that exists between open and release. */
interface Running {
  readonly loaded: Loaded;
  readonly node: Node;
  readonly mirrors: Mirrors;
  readonly image: Image;
  readonly drift: Drift;
  readonly hooks: Hooks;
  readonly optOuts: OptOuts;
  readonly workloads: Workloads;
  readonly happenings: Happenings;
  readonly severing: Severing | undefined;
  readonly exact: ExactFlows;
  readonly pressure: Pressure;
  readonly balancing: Balancing;
  readonly retiring: NodeJS.Timeout;
  readonly stopWatching: () => void;
  /** What was left out of the tables and is to go next: kept here, for a write in between may fail. */
  readonly drained: HeldBackend[];
  readonly dropped: HeldBackend[];
  readonly freedRuns: TableSpan[];
}

/** Programs at the socket, tc and XDP hooks over pinned maps; see bpf/README.md for what they do. */
export class EbpfDataPlane implements DataPlane {
  readonly name = 'ebpf';
  #running: Running | undefined;

  constructor(
    readonly options: EbpfOptions,
    readonly modules: EbpfModules = {},
  ) {}

  async probe(): Promise<Support> {
    return ebpfSupport(this.options);
  }

  async open(): Promise<void> {
    if (this.#running !== undefined) return;
    const { bpffs, limits, sampleConnections, cgroup, interfaces, sock = {} } = this.options;
    const node = new Node();
    const { fullNat = defaultFullNat } = this.options;
    const asked = { sampleConnections, nodeNamespace: node.cookie, natPorts: fullNat.ports };
    const loaded = loadPrograms(bpffs, limits, asked);
    tellReplaced(loaded, this.modules.logger);
    const mirrors = mirrorsOf(loaded);
    const surroundings = this.modules.surroundings ?? new KernelSurroundings(interfaces, this.modules.logger);
    const image = new Image({
      mirrors,
      codecs: codecsOf(loaded),
      offsets: offsetsOf(loaded),
      surroundings,
      chunks: loaded.map('tables').info.maxEntries,
      node,
      fullNat,
      lists: new SourceLists(loaded.map('source_rules'), {
        key: loaded.codec('source_rule_key'),
        rule: loaded.codec('source_rule'),
      }),
    });
    const { program } = loaded;
    const happenings = new Happenings(loaded.map('events'), loaded.codec<Event>('event'), () => image);
    const exact = new ExactFlows(loaded, fullNat.ports);
    const care = { loaded, image, happenings, exact, logger: this.modules.logger };
    this.#running = {
      loaded,
      node,
      mirrors,
      image,
      drift: new Drift(image, mirrors, loaded.map('tables')),
      hooks: new Hooks({ pins: this.#links, cgroup, interfaces, sock }, { program, logger: this.modules.logger }),
      optOuts: new OptOuts(loaded.map('opt_outs'), loaded.codec<OptOut>('opt_out'), sock.optOut ?? []),
      workloads: this.#workloads(loaded),
      happenings,
      severing: severingOf(this.options.sever, care),
      balancing: balancingOf(care),
      exact,
      pressure: pressureOf(care),
      retiring: setInterval(() => this.#retire(), RETIRE_INTERVAL_MS).unref(),
      stopWatching: surroundings.watch(() => this.#redirect()),
      drained: [],
      dropped: [],
      freedRuns: [],
    };
    this.#running.workloads.pause();
    if ([...image.vips.values()].some(({ policy }) => isExact(policy))) this.#running.exact.use();
    this.#running.pressure.start();
    this.#running.optOuts.look();
    image.encodeSettings({ tunnel_source: tunnelSourceRecords(this.options.tunnelSources ?? []) });
    mirrors.settings.flush([0]);
    await this.#mend();
  }

  async read(depth: 'full' | 'recent' = 'full'): Promise<Forwarding> {
    const { loaded, drift, hooks, optOuts, image } = this.#open('read');
    if (depth === 'full') {
      this.#keepPinned(loaded);
      optOuts.look();
      hooks.needUdp(image.servesUdp());
      hooks.check();
      drift.look();
    }
    return drift.forwarding();
  }

  async pools(): Promise<readonly Prefix[]> {
    return this.#running?.image.pools ?? pinnedPools(this.options.bpffs);
  }

  /** A bpffs that is gone shows in the status of the hooks, whose links have their pins there too. */
  #keepPinned(loaded: Loaded): void {
    const { logger } = this.modules;
    try {
      const maps = loaded.keepPinned();
      if (maps.length > 0) logger?.warn({ maps }, 'maps were unpinned and are pinned again');
    } catch (error) {
      logger?.warn({ fault: faultOf(error, 'pins of the maps') }, 'maps not pinned');
    }
  }

  async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    const running = this.#open('apply');
    const { image, drift } = running;
    const adding = new Writes();
    const damaged = drift.repair();
    if (steps.some((step) => step.kind === 'upsert' && isExact(step.vip.policy ?? {}))) running.exact.use();
    const outcomes: Outcome[] = steps.map((step) => attempt(step, () => planAddition(image, damaged, adding, step)));
    running.drained.push(...adding.drained);
    running.dropped.push(...adding.dropped);
    running.freedRuns.push(...adding.freedRuns);
    running.hooks.prepare(steps);
    this.#flushAdditions(running, adding);
    const removing = new Writes();
    planDrain(image, removing, running.drained.splice(0));
    planCleanup(image, removing, running.dropped.splice(0));
    for (const step of steps) if (step.kind === 'remove') planRemove(image, removing, step.key);
    running.severing?.gone(removing.gone); // no table names them any more, whatever becomes of the rest
    removing.flush(running.mirrors, REMOVING);
    for (const { id, policy } of adding.listed) image.lists.prune(id, policy);
    for (const id of removing.unlisted) image.lists.prune(id, undefined);
    for (const { first, chunks } of [...running.freedRuns.splice(0), ...removing.freedRuns])
      image.chunks.give(first, chunks);
    return outcomes;
  }

  async engage(beside?: Pick<DataPlane, 'flows'>): Promise<void> {
    const { loaded, hooks, image, workloads, severing, balancing } = this.#open('engage');
    hooks.needUdp(image.servesUdp());
    if (beside !== undefined) await leaveTo(beside, loaded);
    this.#setEngaged(beside ? Engagement.ENGAGED_OPENING : Engagement.ENGAGED);
    loaded.prepare();
    hooks.attach();
    if (beside !== undefined) await leaveTo(beside, loaded); // what began meanwhile
    loaded.settle();
    // Answers to connections of the other plane must come by the stack, which translates them.
    if (beside) workloads.stop();
    else workloads.start();
    severing?.start();
    balancing.start();
  }

  async disengage(): Promise<void> {
    this.#open('disengage').workloads.stop();
    this.#setEngaged(Engagement.ENGAGED_NOT);
  }

  async counters(): Promise<readonly VipCounters[]> {
    const { image, loaded } = this.#open('counters');
    return readCounters(image, loaded.map('vip_counters'), loaded.map('backend_counters'));
  }

  async connects(wanted?: ReadonlySet<VipKey>): Promise<ConnectsByVip> {
    const { image, loaded } = this.#open('connects');
    return readConnects(image, loaded.map('backend_connects'), loaded.codec<Connects>('connects'), wanted);
  }

  async verdicts(): Promise<Readonly<Record<string, bigint>>> {
    return readVerdicts(this.#open('verdicts').loaded.map('verdicts'));
  }

  async flows(limit: number, wanted: (flow: Flow) => boolean = () => true): Promise<readonly Flow[]> {
    const { image, loaded, exact } = this.#open('flows');
    const clock = clockOf(loaded);
    const flows = exact.read(image, limit, wanted);
    return [...flows, ...(await readFlows(loaded.map('flows'), image, clock, limit - flows.length, wanted))];
  }

  tables(): readonly TableFill[] {
    return this.#running?.pressure.tables ?? [];
  }

  hooks(): readonly HookStatus[] {
    const { hooks, workloads } = this.#running ?? {};
    const redirects = workloads !== undefined && workloads.carrying > 0;
    const shown = (status: HookStatus) => {
      const at = redirects && status.hook === 'tc' && nameMatches(this.options.interfaces.tc, status.where);
      return at
        ? { ...status, mode: `${status.mode}, redirecting${workloads.departing ? ', remote too' : ''}` }
        : status;
    };
    return (hooks?.statuses() ?? []).map(shown);
  }

  async inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { image, loaded } = this.#open('inspect');
    return inspectVip(image, loaded.map('tables'), key);
  }

  events(listener: (event: PlaneEvent) => void): () => void {
    return this.#open('events').happenings.listen(listener);
  }

  /**
   * Runs a packet program on one frame, without attaching it: for tests and measurements.
   * @param program `xdp_ingress`, `tc_ingress` or `tc_egress`
   */
  testRun(
    program: 'xdp_ingress' | 'tc_ingress' | 'tc_egress',
    data: Uint8Array,
    ctx?: Uint8Array,
  ): { retval: number; data: Buffer; durationNs: number } {
    const object = program === 'xdp_ingress' ? 'xdp_lb' : 'tc_lb';
    const input = ctx === undefined ? { data } : { data, ctx };
    return this.#open('test run').loaded.program(object, program).testRun(input);
  }

  async release(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.workloads.stop();
    this.#running = undefined;
    clearInterval(running.retiring);
    running.pressure.stop();
    running.stopWatching();
    await running.severing?.stop();
    await running.balancing.stop();
    running.happenings.close();
    running.hooks.release();
    running.loaded.close();
  }

  /** Works without `open` too: what another version pinned must be removable. */
  async remove(): Promise<void> {
    await this.release();
    removeHooks(this.#links);
    for (const directory of ['programs', 'maps']) removePins(join(this.options.bpffs, directory));
    removeIfEmpty(this.options.bpffs);
  }

  get #links(): string {
    return join(this.options.bpffs, 'links');
  }

  #open(op: string): Running {
    if (this.#running !== undefined) return this.#running;
    throw new VipdError({ code: 'PLANE_CLOSED', object: 'ebpf data plane', cause: `${op}: it is not open` });
  }

  #flushAdditions({ loaded, mirrors }: Running, writes: Writes): void {
    resetCounters(loaded.map('vip_counters'), writes.freshVips);
    resetCounters(loaded.map('backend_counters'), writes.freshBackends);
    resetCounters(loaded.map('backend_connects'), writes.freshBackends);
    writes.flush(mirrors, BEFORE_TABLES);
    writeTables(loaded.map('tables'), writes.tables);
    writes.flush(mirrors, AFTER_TABLES);
  }

  /** What a write that was cut short left behind is put right at once: nothing that serves must look as if it were gone. */
  async #mend(): Promise<void> {
    const { drift, image } = this.#open('open');
    drift.look();
    const whole = drift.forwarding().vips;
    const damaged = [...image.forwarding().vips.values()].filter(({ frontend }) => !whole.has(vipKey(frontend)));
    if (damaged.length > 0) this.modules.logger?.warn({ vips: damaged.length }, 'mending what was found half written');
    const outcomes = await this.apply(damaged.map((vip) => ({ kind: 'upsert', vip })));
    for (const fault of outcomes) if (fault !== undefined) this.modules.logger?.warn({ fault }, 'not mended');
  }

  #setEngaged(engaged: Engagement): void {
    const { image, mirrors } = this.#open('engage');
    if (image.settings.engaged === engaged) return;
    image.encodeSettings({ engaged });
    mirrors.settings.flush([0]);
  }

  #workloads(loaded: Loaded): Workloads {
    const { redirect = 'off', redirectRemote = 'off', interfaces } = this.options;
    const program = loaded.program('tc_upkeep', 'tc_ticks');
    const carry = (seconds: number, departing: boolean) => {
      const { image, mirrors } = this.#open('carry');
      const shift = shiftOf(image.settings.hz);
      const until = (ticksOf(program) >> shift) + seconds;
      const carrying = seconds > 0 ? until & (TICKS >> shift) || 1 : 0;
      image.encodeSettings({ carrying, departing: departing ? 1 : 0 });
      mirrors.settings.flush([0]);
    };
    const modules = { map: loaded.map('workloads'), carry, logger: this.modules.logger };
    return new Workloads({ redirect, redirectRemote, interfaces: interfaces.tc }, modules);
  }

  /** Routes or neighbours are others now. */
  #redirect(): void {
    const running = this.#open('redirect');
    const writes = new Writes();
    try {
      planWays(running.image, writes);
      this.#flushAdditions(running, writes);
      for (const { first, chunks } of writes.freedRuns) running.image.chunks.give(first, chunks);
    } catch (error) {
      this.modules.logger?.warn({ fault: faultOf(error, 'ways to backends') }, 'written at the next repair');
    }
  }

  #retire(): void {
    const { image, mirrors, node } = this.#open('retire');
    const writes = new Writes();
    followAddresses(image, node, writes);
    planRetire(image, writes, Date.now() - PREVIOUS_TABLE_MS);
    try {
      writes.flush(mirrors, AFTER_TABLES);
    } catch (error) {
      this.modules.logger?.warn({ fault: faultOf(error, 'retired tables') }, 'written at the next repair');
    }
  }
}

/** Everything but removal; an outcome is a fault or nothing. */
function planAddition(image: Image, damaged: ReadonlySet<VipKey>, writes: Writes, step: Step): void {
  if (step.kind === 'upsert') planUpsert(image, writes, step.vip, damaged.has(vipKey(step.vip.frontend)));
  if (step.kind === 'pools') planPools(image, writes, step.pools);
}

function attempt(step: Step, plan: () => void): Outcome {
  try {
    plan();
    return undefined;
  } catch (error) {
    return faultOf(error, step.kind);
  }
}
