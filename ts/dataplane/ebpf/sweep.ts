import { closeSync, constants, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { familyOf } from '../../model/address.js';
import { type BackendKey, backendKey, type VipKey } from '../../model/service.js';
import { type NetworkNamespace, networkNamespaces } from '../../netlink/namespaces.js';
import {
  type ConnectedSocket,
  DESTINATIONS_MAX,
  endsOf,
  SocketDiag,
  type SocketQuery,
  socketIn,
} from '../../netlink/sockdiag.js';
import { type Fault, faultOf } from '../../util/errors.js';
import { LbSize } from './lb.gen.js';
import type { Given, Origins } from './origins.js';

export interface SweepModules {
  readonly origins: Origins;
  /** Whether sockets that were given this backend have lost it. */
  readonly lost: (given: Given) => boolean;
}

/** What came of one look through the machine. */
export interface Swept {
  readonly severed: readonly { readonly vip: VipKey; readonly backend: BackendKey; readonly sockets: number }[];
  /** Why a namespace, or a part of one, could not be looked through; one of each kind. */
  readonly faults: readonly Fault[];
}

/**
 * Destroys the sockets whose connection was translated to a backend that is lost, in every network namespace. The sock
 * hook's own storage says which they are, so one that connected to the backend directly is never touched.
 * @param among the backends to look for; undefined looks at every connected socket
 */
export async function sweep(
  among: readonly Given[] | undefined,
  modules: SweepModules,
  signal: AbortSignal,
): Promise<Swept> {
  const tally = new Tally();
  const queries = queriesFor(among);
  const { all, hidden } = await networkNamespaces();
  if (hidden > 0) tally.fault(hiddenFault(hidden));
  for (const namespace of all) {
    if (signal.aborted) break;
    const entered = enter(namespace, tally);
    if (entered === undefined) continue;
    for (const query of queries) {
      if (!signal.aborted) await sever(entered, query, modules, tally);
    }
    entered.leave();
  }
  return tally;
}

/** Pure: what to ask each namespace. IPv6 sockets may be connected to IPv4 backends, not the other way round. */
export function queriesFor(among: readonly Given[] | undefined): SocketQuery[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const wanted = among?.filter((given) => given.protocol === protocol).map(({ backend }) => backend);
    const unique = wanted && [...new Map(wanted.map((backend) => [backendKey(backend), backend])).values()];
    if (unique?.length === 0) return [];
    const destinations = unique && unique.length <= DESTINATIONS_MAX ? unique : undefined;
    const ipv4 = unique?.some(({ address }) => familyOf(address) === 4) ?? true;
    const within = destinations?.filter(({ address }) => familyOf(address) === 4);
    const ofIpv6: SocketQuery = { protocol, family: 6, destinations };
    return ipv4 ? [{ protocol, family: 4, destinations: within }, ofIpv6] : [ofIpv6];
  });
}

class Tally implements Swept {
  readonly #severed = new Map<string, { vip: VipKey; backend: BackendKey; sockets: number }>();
  readonly #faults = new Map<string, Fault>();

  count({ vip, backend }: Given): void {
    const id = `${vip} ${backendKey(backend)}`;
    const one = this.#severed.get(id) ?? { vip, backend: backendKey(backend), sockets: 0 };
    one.sockets++;
    this.#severed.set(id, one);
  }

  fault(fault: Fault): void {
    if (!this.#faults.has(fault.code)) this.#faults.set(fault.code, fault);
  }

  get severed(): Swept['severed'] {
    return [...this.#severed.values()];
  }

  get faults(): Swept['faults'] {
    return [...this.#faults.values()];
  }
}

/** A namespace that can be worked in. */
interface Entered {
  readonly diag: SocketDiag;
  /** Stays valid when the process that lent it ends; undefined for the namespace of this process. */
  readonly path: string | undefined;
  leave(): void;
}

/** Undefined when the namespace has ended meanwhile or is closed to us. */
function enter({ own, paths }: NetworkNamespace, tally: Tally): Entered | undefined {
  if (own) {
    const diag = new SocketDiag();
    return { diag, path: undefined, leave: () => diag.close() };
  }
  for (const path of paths) {
    try {
      return enterBy(path);
    } catch (error) {
      if (!isLeftover(error)) tally.fault({ ...faultOf(error, path), object: `network namespace ${path}` });
    }
  }
  return undefined;
}

function enterBy(path: string): Entered {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const held = `/proc/self/fd/${file}`;
  try {
    const diag = new SocketDiag(held);
    const leave = () => {
      diag.close();
      closeSync(file);
    };
    return { diag, path: held, leave };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** ENOENT: its process has ended. EINVAL: a namespace was mounted there, now it is a file like any other. */
function isLeftover(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ENOENT' || code === 'EINVAL';
}

async function sever(entered: Entered, query: SocketQuery, modules: SweepModules, tally: Tally): Promise<void> {
  try {
    for await (const batch of batches(entered.diag, query)) severAmong(batch, entered, modules, tally);
  } catch (error) {
    tally.fault(faultOf(error, `${query.protocol} sockets`));
  }
}

/** In one turn of the event loop: who asks whether a backend is lost must not act on it later. */
function severAmong(batch: readonly ConnectedSocket[], { diag, path }: Entered, modules: SweepModules, tally: Tally) {
  const { origins, lost } = modules;
  for (const [i, given] of origins.of(batch, path).entries()) {
    if (given !== undefined && lost(given) && diag.destroy(batch[i]!)) tally.count(given);
  }
}

/** Sockets that can be asked about together, each lot in a turn of its own, so that others may run between. */
async function* batches(diag: SocketDiag, query: SocketQuery): AsyncGenerator<readonly ConnectedSocket[]> {
  let batch: ConnectedSocket[] = [];
  let together = 0;
  for (const message of await diag.find(query)) {
    const socket = socketIn(message, query.protocol);
    if (socket === undefined) continue;
    const { ifindex } = endsOf(socket);
    if (batch.length === LbSize.SOCK_QUERIES || (batch.length > 0 && ifindex !== together)) {
      yield batch;
      await setImmediate();
      batch = [];
    }
    together = ifindex;
    batch.push(socket);
  }
  if (batch.length > 0) yield batch;
}

function hiddenFault(processes: number): Fault {
  return {
    code: 'NAMESPACES_HIDDEN',
    object: 'network namespaces',
    cause: `those of ${processes} processes could not be told`,
    hint: 'run as root or with CAP_SYS_PTRACE',
  };
}
