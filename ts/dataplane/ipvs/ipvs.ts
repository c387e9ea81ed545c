import { release } from 'node:os';
import type { Prefix } from '../../model/address.js';
import type { ConnectsByVip } from '../../model/connects.js';
import type { ForwardedVip, Forwarding } from '../../model/forwarding.js';
import { backendKey, type VipKey, vipKey } from '../../model/service.js';
import { breathing } from '../../util/clock.js';
import { faultOf, VipdError } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import type { DataPlane, Flow, HookStatus, Outcome, Step, Support, TableFill, VipCounters } from '../dataplane.js';
import { connections } from './connections.js';
import type { Gate } from './firewall.js';
import { type HeldService, heldAs, readService, readServices, vipIn } from './held.js';
import { tidy } from './leftovers.js';
import { program } from './programming.js';
import { OWN } from './scheduling.js';
import { ipvsSupport } from './support.js';
import { Surroundings } from './surroundings.js';
import { IpvsTable } from './table.js';
import { Tally } from './tally.js';

export interface IpvsOptions {
  /** A file to keep the settings in that were there before, for the time after us. */
  readonly settingsFile: string;
}

export interface IpvsModules {
  readonly logger?: Logger;
}

/** Everything that exists between open and release. */
interface Running {
  readonly table: IpvsTable;
  readonly surroundings: Surroundings;
  held: Map<VipKey, HeldService>;
  /** What was asked for, as far as it was carried out: the kernel cannot say all of it. */
  readonly believed: Map<VipKey, ForwardedVip>;
  /** What a service is in model terms: nothing about one that stays the same is compared again. */
  readonly shown: WeakMap<HeldService, ForwardedVip>;
  forwarding: Forwarding | undefined;
}

/** Services of the kernel's own balancer, programmed over generic netlink, and what makes packets come to it. */
export class IpvsDataPlane implements DataPlane {
  readonly name = 'ipvs';
  #running: Running | undefined;
  #foreign: readonly VipKey[] = [];
  readonly #tally = new Tally();
  #lastTally: Promise<unknown> = Promise.resolve();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly options: IpvsOptions,
    readonly modules: IpvsModules = {},
  ) {}

  async probe(): Promise<Support> {
    return ipvsSupport();
  }

  async open(): Promise<void> {
    if (this.#running !== undefined) return;
    const table = new IpvsTable();
    try {
      const options = { settingsFile: this.options.settingsFile, kernelRelease: release() };
      const surroundings = new Surroundings(options, table);
      const running: Running = {
        ...{ table, surroundings, held: new Map(), believed: new Map(), shown: new WeakMap() },
        forwarding: undefined,
      };
      await surroundings.look();
      await this.#look(running);
      this.#running = running;
    } catch (error) {
      table.close();
      throw error;
    }
  }

  read(depth: 'full' | 'recent' = 'full'): Promise<Forwarding> {
    return this.#inTurn('read', async (running) => {
      if (depth === 'recent') return this.#forwarding(running);
      const { surroundings } = running;
      const { gate, pools } = surroundings;
      await surroundings.look();
      await this.#look(running);
      const found = await this.#forwarding(running);
      if (gate !== undefined) await this.#restore(running, gate, pools);
      running.forwarding = { ...found, pools: surroundings.pools };
      return found;
    });
  }

  async pools(): Promise<readonly Prefix[]> {
    await this.open();
    return this.#open('pools').surroundings.pools;
  }

  apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    return this.#inTurn('apply', async (running) => {
      const before = await this.#forwarding(running);
      const outcomes: Outcome[] = [];
      const breathe = breathing();
      for (const step of steps) {
        outcomes.push(await attempt(step, () => this.#carryOut(running, step)));
        await breathe();
      }
      const keys = new Set(steps.flatMap((step) => keyOf(step) ?? []));
      const after = changedBy(keys, before, running);
      running.forwarding = after;
      await running.surroundings.change([...keys].map((key) => [before.vips.get(key), after.vips.get(key)]));
      return outcomes;
    });
  }

  engage(beside?: Pick<DataPlane, 'flows'>): Promise<void> {
    return this.#inTurn('engage', ({ surroundings }) => surroundings.open(beside ? 'beside' : 'open'));
  }

  disengage(): Promise<void> {
    return this.#inTurn('disengage', ({ surroundings }) => surroundings.shut());
  }

  async counters(): Promise<readonly VipCounters[]> {
    const { table } = this.#open('counters');
    const { own } = await readServices(table);
    return [...own].map(([key, { service, destinations }]) => ({
      key,
      ...service.totals,
      refused: 0n,
      backends: new Map(destinations.map((one) => [backendKey(one), one.totals])),
    }));
  }

  /** Packets are all it sees. */
  async connects(): Promise<ConnectsByVip> {
    return new Map();
  }

  /** One reading after the other, though not in turn with changes, which may take long. */
  async verdicts(): Promise<Readonly<Record<string, bigint>>> {
    const mine = this.#lastTally.then(async () => {
      const services = await this.#open('verdicts').table.services();
      return this.#tally.sum(services.filter(({ flags }) => (flags & OWN) !== 0));
    });
    this.#lastTally = mine.catch(() => undefined);
    const { packets, packetsIn } = await mine;
    return { forwarded: packetsIn, replied: packets - packetsIn };
  }

  async flows(limit: number, wanted?: (flow: Flow) => boolean): Promise<readonly Flow[]> {
    const { held, table } = this.#open('flows');
    return connections(new Set(held.keys()), table.timeouts(), limit, wanted);
  }

  isNeeded(): Promise<boolean> {
    return this.#inTurn('isNeeded', async (running) => tidy((await this.#forwarding(running)).vips.values()));
  }

  /** The kernel grows its own. */
  tables(): readonly TableFill[] {
    return [];
  }

  hooks(): readonly HookStatus[] {
    return this.#running?.surroundings.statuses() ?? [];
  }

  async inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { table, held: known } = this.#open('inspect');
    const service = known.get(key)?.service;
    const held = service && readService(table, service);
    if (held === undefined) return undefined;
    const { scheduler, flags, timeout } = held.service;
    const destinations = held.destinations.map(({ weight, method, active, inactive, ...at }) => {
      return { endpoint: backendKey(at), weight, method, active, inactive };
    });
    return { scheduler, flags, persistence: timeout, destinations };
  }

  /** IPVS tells nothing by itself. */
  events(): () => void {
    this.#open('events');
    return () => {};
  }

  /** Services that others have made in this namespace, as last read; they are left alone. */
  foreign(): readonly VipKey[] {
    return this.#foreign;
  }

  async release(): Promise<void> {
    this.#running?.table.close();
    this.#running = undefined;
  }

  /** Works without `open` too; a kernel without IPVS holds nothing of it. */
  async remove(): Promise<void> {
    if (this.#running === undefined && !(await this.probe()).ok) return;
    await this.open();
    await this.#inTurn('remove', async ({ table, surroundings }) => {
      const { own } = await readServices(table);
      await surroundings.remove();
      const breathe = breathing();
      for (const { service } of own.values()) {
        table.remove(service);
        await breathe();
      }
    });
    await this.release();
  }

  /** What reads or changes the kernel's state as a whole waits for the others that do. */
  #inTurn<T>(op: string, act: (running: Running) => Promise<T>): Promise<T> {
    const mine = this.#last.then(() => act(this.#open(op)));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  #open(op: string): Running {
    if (this.#running !== undefined) return this.#running;
    throw new VipdError({ code: 'PLANE_CLOSED', object: 'ipvs data plane', cause: `${op}: it is not open` });
  }

  async #look(running: Running): Promise<void> {
    const { own, foreign } = await readServices(running.table);
    running.held = own;
    running.forwarding = undefined;
    if (foreign.length > 0 && foreign.join() !== this.#foreign.join()) {
      this.modules.logger?.warn({ foreign: foreign.slice(0, 10), count: foreign.length }, 'IPVS services of others');
    }
    this.#foreign = foreign;
  }

  async #forwarding(running: Running): Promise<Forwarding> {
    if (running.forwarding !== undefined) return running.forwarding;
    const forwarding = await forwardingOf(running);
    await running.surroundings.know(forwarding.vips.values());
    running.forwarding = forwarding;
    return forwarding;
  }

  /** Somebody may have removed the table or part of it, a route or a setting. */
  async #restore({ surroundings }: Running, gate: Gate, pools: readonly Prefix[]): Promise<void> {
    try {
      await surroundings.open(gate, pools);
    } catch (error) {
      this.modules.logger?.warn({ fault: faultOf(error, 'surroundings of IPVS') }, 'not restored');
    }
  }

  async #carryOut(running: Running, step: Step): Promise<void> {
    const { table, held, believed, surroundings } = running;
    if (step.kind === 'pools') await surroundings.setPools(step.pools);
    if (step.kind === 'remove') {
      const there = held.get(step.key);
      if (there !== undefined) removeOwn(table, there);
      held.delete(step.key);
      believed.delete(step.key);
    }
    if (step.kind === 'upsert') {
      const key = vipKey(step.vip.frontend);
      program(table, step.vip, held.get(key));
      believed.set(key, step.vip);
      held.set(key, heldAs(step.vip));
    }
  }
}

/** Unless others have put theirs in its place since it was read. */
function removeOwn(table: IpvsTable, { service }: HeldService): void {
  const there = table.service(service);
  if (there !== undefined && (there.flags & OWN) !== 0) table.remove(there);
}

async function forwardingOf(running: Running): Promise<Forwarding> {
  const vips = new Map<VipKey, ForwardedVip>();
  const breathe = breathing();
  for (const key of running.held.keys()) {
    await breathe();
    const vip = shownAs(key, running);
    if (vip !== undefined) vips.set(key, vip);
  }
  return { pools: running.surroundings.pools, vips };
}

/** What was before, but for these. */
function changedBy(keys: ReadonlySet<VipKey>, before: Forwarding, running: Running): Forwarding {
  const vips = new Map(before.vips);
  for (const key of keys) {
    const vip = shownAs(key, running);
    if (vip === undefined) vips.delete(key);
    else vips.set(key, vip);
  }
  return { pools: running.surroundings.pools, vips };
}

/** A service in model terms; undefined when there is none, or none that can be. */
function shownAs(key: VipKey, { held, believed, shown }: Running): ForwardedVip | undefined {
  const service = held.get(key);
  const vip = service && (shown.get(service) ?? vipIn(service, believed.get(key)));
  if (service === undefined || vip === undefined) return undefined;
  shown.set(service, vip);
  believed.set(key, vip); // so that it is the same object the next time
  return vip;
}

function keyOf(step: Step): VipKey | undefined {
  if (step.kind === 'pools') return undefined;
  return step.kind === 'remove' ? step.key : vipKey(step.vip.frontend);
}

async function attempt(step: Step, carryOut: () => Promise<void>): Promise<Outcome> {
  try {
    await carryOut();
    return undefined;
  } catch (error) {
    return faultOf(error, step.kind);
  }
}
