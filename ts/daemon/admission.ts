import type { PlaneName } from '../dataplane/dataplane.js';
import { formatPrefix, type Prefix, prefixContains } from '../model/address.js';
import { type ServiceDefinition, vipKey } from '../model/service.js';
import type { VipStatus } from '../model/status.js';
import type { ServiceTable, SourcedService } from '../model/table.js';
import type { Fault } from '../util/errors.js';
import { interceptionName } from './interception.js';

export interface Admitted {
  /** What this node can serve; the given table itself when that is all of it. */
  readonly table: ServiceTable;
  /** The others, each with the reason. */
  readonly refused: readonly VipStatus[];
}

export interface Surroundings {
  /** Addresses of this node, and the interface of each. */
  readonly local: ReadonlyMap<string, string>;
  readonly pools: Pools;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What carries packets, once there is anything. */
  readonly plane?: PlaneName;
}

/** The prefixes of this node. Definitions never change, so each is looked up once. */
export class Pools {
  readonly #known = new WeakMap<ServiceDefinition, boolean>();

  constructor(readonly prefixes: readonly Prefix[]) {}

  hold(definition: ServiceDefinition): boolean {
    const known = this.#known.get(definition);
    if (known !== undefined) return known;
    const held = this.prefixes.some((prefix) => prefixContains(prefix, definition.frontend.address));
    this.#known.set(definition, held);
    return held;
  }
}

/** Leaves out the services whose VIP must not be served here. Pure; a service refused before keeps its time. */
export function admit(table: ServiceTable, around: Surroundings, before: readonly VipStatus[] = []): Admitted {
  const earlier = new Map(before.map((row) => [row.name, row]));
  const refused: VipStatus[] = [];
  for (const service of table.services.values()) {
    const intercepts = service.source === interceptionName;
    const fault = intercepts ? withoutHooks(service.definition, around) : objection(service.definition, around);
    if (fault) refused.push(row(service, fault, earlier.get(service.definition.name), around.now));
  }
  if (refused.length === 0) return { table, refused };
  const names = new Set(refused.map((one) => one.name));
  const services = new Map([...table.services].filter(([name]) => !names.has(name)));
  return { table: { ...table, services }, refused };
}

/** The resolver's addresses are the node's own, and stay on the machine by that; but it takes hooks to lead away from them. */
function withoutHooks({ name }: ServiceDefinition, { plane }: Surroundings): Fault | undefined {
  if (plane !== 'ipvs') return undefined;
  const cause = 'the hooks of eBPF lead questions to the resolver where no route does; IPVS cannot';
  const hint = 'vipctl mode ebpf, or give containers a route to dns.listen and leave dns.intercept out';
  return { code: 'DNS_INTERCEPT_UNAVAILABLE', object: `service ${name}`, cause, hint };
}

function objection(definition: ServiceDefinition, { local, pools }: Surroundings): Fault | undefined {
  const { name, frontend } = definition;
  const owner = local.get(frontend.address);
  if (owner === undefined && pools.hold(definition)) return undefined;
  const object = `service ${name}`;
  if (owner !== undefined) {
    const cause = `its VIP ${frontend.address} is an address of this node, on ${owner}`;
    return { code: 'VIP_LOCAL', object, cause, hint: 'choose an address that no interface has' };
  }
  // Without a pool's unreachable route its packets would leave the node whenever no program is attached.
  const cause = `its VIP ${frontend.address} is in none of the pools ${pools.prefixes.map(formatPrefix).join(', ')}`;
  return {
    code: 'VIP_OUTSIDE_POOLS',
    object,
    cause,
    hint: "choose another address, or add a prefix to the daemon's pools",
  };
}

function row(service: SourcedService, fault: Fault, before: VipStatus | undefined, now: number): VipStatus {
  const { definition, source } = service;
  const { name, frontend, vipName } = definition;
  const since = before?.backends[0]?.since ?? now;
  const backends = definition.backends.map((backend) => {
    return { ...backend, state: 'down' as const, reason: 'its VIP is not served here', since };
  });
  const named = vipName && { vipName };
  return { key: vipKey(frontend), name, source, frontend, ...named, backends, programmed: 'failed', fault };
}
