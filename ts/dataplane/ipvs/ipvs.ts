import { release } from 'node:os';
import type { Prefix } from '../../model/address.js';
import type { ConnectsByVip } from '../../model/connects.js';
import type { ForwardedVip, Forwarding } from '../../model/forwarding.js';
import { backendKey, type VipKey, vipKey } from '../../model/service.js';
import { faultOf, VipdError } from '../../util/errors.js';
import type { Logger } from '../../util/logger.js';
import type { DataPlane, Flow, HookStatus, Outcome, Step, Support, TableFill, VipCounters } from '../dataplane.js';
import { connections } from './connections.js';
import type { Gate } from './firewall.js';
import { type HeldService, heldAs, readService, readServices, vipIn } from './held.js';
import { program } from './programming.js';
import { OWN } from './scheduling.js';
import { ipvsSupport } from './support.js';
import { Surroundings } from './surroundings.js';
import { IpvsTable } from './table.js';

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
  forwarding: Forwarding | undefined;
}

/** Services of the kernel's own balancer, programmed over generic netlink, and what makes packets come to it. */
export class IpvsDataPlane implements DataPlane {
  readonly name = 'ipvs';
  #running: Running | undefined;
  #foreign: readonly VipKey[] = [];

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
      const running = { table, surroundings, held: new Map(), believed: new Map(), forwarding: undefined };
      await this.#look(running);
      this.#running = running;
    } catch (error) {
      table.close();
      throw error;
    }
  }

  async read(depth: 'full' | 'recent' = 'full'): Promise<Forwarding> {
    const running = this.#open('read');
    if (depth === 'full') {
      const { gate } = running.surroundings;
      running.surroundings.look();
      // Somebody has removed the table, or part of it.
      if (gate !== undefined && running.surroundings.gate !== gate) this.#restore(running, gate);
      await this.#look(running);
    }
    running.forwarding ??= forwardingOf(running);
    return running.forwarding;
  }

  async pools(): Promise<readonly Prefix[]> {
    await this.open();
    return this.#open('pools').surroundings.pools;
  }

  async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    const running = this.#open('apply');
    const outcomes = steps.map((step) => attempt(step, () => this.#carryOut(running, step)));
    running.forwarding = forwardingOf(running);
    running.surroundings.setVips(running.forwarding.vips.values());
    return outcomes;
  }

  async engage(beside = false): Promise<void> {
    this.#open('engage').surroundings.open(beside ? 'beside' : 'open');
  }

  async disengage(): Promise<void> {
    this.#open('disengage').surroundings.shut();
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

  async verdicts(): Promise<Readonly<Record<string, bigint>>> {
    const own = this.#open('verdicts')
      .table.services()
      .filter(({ flags }) => (flags & OWN) !== 0);
    const sum = (of: (service: (typeof own)[number]) => bigint) => own.reduce((total, one) => total + of(one), 0n);
    const forwarded = sum(({ totals }) => totals.packetsIn);
    return { forwarded, replied: sum(({ totals }) => totals.packets) - forwarded };
  }

  async flows(limit: number, wanted?: (flow: Flow) => boolean): Promise<readonly Flow[]> {
    const { held, table } = this.#open('flows');
    return connections(new Set(held.keys()), table.timeouts(), limit, wanted);
  }

  /** The kernel grows its own. */
  tables(): readonly TableFill[] {
    return [];
  }

  hooks(): readonly HookStatus[] {
    return this.#running?.surroundings.statuses() ?? [];
  }

  async inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined> {
    const held = readService(this.#open('inspect').table, key);
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
    const { table, surroundings } = this.#open('remove');
    const { own } = await readServices(table);
    surroundings.remove();
    for (const { service } of own.values()) table.remove(service);
    await this.release();
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

  #restore({ surroundings }: Running, gate: Gate): void {
    try {
      surroundings.open(gate);
    } catch (error) {
      this.modules.logger?.warn({ fault: faultOf(error, 'surroundings of IPVS') }, 'not restored');
    }
  }

  #carryOut(running: Running, step: Step): void {
    const { table, held, believed, surroundings } = running;
    if (step.kind === 'pools') surroundings.setPools(step.pools);
    if (step.kind === 'remove') {
      const there = held.get(step.key);
      if (there !== undefined) table.remove(there.service);
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

function forwardingOf({ held, believed, surroundings }: Running): Forwarding {
  const vips = new Map<VipKey, ForwardedVip>();
  for (const [key, service] of held) {
    const vip = vipIn(service, believed.get(key));
    if (vip === undefined) continue;
    vips.set(key, vip);
    believed.set(key, vip); // so that it is the same object the next time
  }
  return { pools: surroundings.pools, vips };
}

function attempt(step: Step, carryOut: () => void): Outcome {
  try {
    carryOut();
    return undefined;
  } catch (error) {
    return faultOf(error, step.kind);
  }
}
