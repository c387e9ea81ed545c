import { FlowState } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { addressBytes, type Endpoint, familyOf } from '../../../ts/model/address.js';
import type { Frontend } from '../../../ts/model/service.js';
import { type FlowEntry, type FlowPlace, flowHash, tableSlot } from '../flow-hash.js';
import type { ControlModel, ModelBackend, ModelVip } from './control-model.js';
import type { FlowTable, ModelPlace } from './flow-table.js';
import type { PacketMove } from './move.js';

/** What is to come out of a program. */
export type Prediction =
  | { readonly kind: 'untouched' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'rewritten'; readonly src: Endpoint; readonly dst: Endpoint; readonly turned: boolean };

const UNTOUCHED: Prediction = { kind: 'untouched' };
const PROTOCOLS = { tcp: 6, udp: 17 } as const;
/** Entries keep the low four bits of a backend's generation. */
const GENERATIONS = 16;
/** Slots looked at when one names a backend that takes no new connections. */
const ATTEMPTS = 4;

/** What the packet programs do, in plain words over plain tables. */
export class PacketModel {
  /** How often each verdict was counted. */
  readonly verdicts = new Map<string, number>();

  constructor(
    readonly control: ControlModel,
    readonly flows: FlowTable,
    readonly seed: bigint,
  ) {}

  run(move: PacketMove): Prediction {
    if (move.program === 'tc_egress') return this.#answer(move) ?? UNTOUCHED;
    if (this.control.isOurs(move.dst.address)) {
      return this.#ask(move) ?? this.#mirroredAnswer(move) ?? this.#refuse(move, 'unserved');
    }
    return (move.program === 'xdp_ingress' ? this.#answer(move) : undefined) ?? UNTOUCHED;
  }

  /** The backend a client's packets to a VIP go to at the moment; undefined before the first. */
  backendOf(client: Endpoint, frontend: Frontend): ModelBackend | undefined {
    const entry = this.flows.find(this.flows.place(this.#hash(client, frontend)));
    return entry && this.control.backend(entry.backend);
  }

  /** From a client to a VIP; undefined where there is none. */
  #ask(move: PacketMove): Prediction | undefined {
    const vip = this.control.vip({ ...move.dst, protocol: move.protocol });
    if (vip === undefined) return undefined;
    const hash = this.#hash(move.src, vip.frontend);
    const place = this.flows.place(hash);
    const entry = this.flows.find(place);
    const tracked = this.#backendOfFlow(move, vip, entry);
    if (tracked !== undefined) this.#touch(place, entry!, afterAsk(entry!.state, move.flags));
    const overflowed = entry === undefined ? this.flows.findOverflowed(place) : undefined;
    const known = tracked ?? this.#backendOfFlow(move, vip, overflowed);
    if (known === undefined && !this.control.engaged) return this.#counted('disengaged', UNTOUCHED);
    const backend = known ?? this.#choose(vip, hash, !opens(move) && entry === undefined);
    if (backend === undefined) return this.#refuse(move, 'no_backend');
    if (known === undefined) this.#track(move, place, entry, backend);
    const { address, port } = backend;
    if (address !== move.src.address) {
      return this.#counted('forwarded', { kind: 'rewritten', src: move.src, dst: { address, port }, turned: false });
    }
    const src = { address: move.dst.address, port: move.src.port };
    return this.#counted('hairpinned', { kind: 'rewritten', src, dst: { address, port }, turned: true });
  }

  #backendOfFlow(move: PacketMove, vip: ModelVip, entry: FlowEntry | undefined): ModelBackend | undefined {
    const backend = entry && this.control.backend(entry.backend);
    if (backend === undefined || !names(entry, backend) || backend.vip !== vip) return undefined;
    if (!move.flags.includes('S')) return backend;
    // The port of a connection that has ended is free for another; one that was never answered may leave what drains.
    const ended = entry!.state === FlowState.FLOW_CLOSING;
    return ended || (entry!.state === FlowState.FLOW_NEW && backend.weight === 0) ? undefined : backend;
  }

  /** @param again for a packet in the middle of a connection that has no entry: as before the last change, if it can be */
  #choose(vip: ModelVip, hash: bigint, again: boolean): ModelBackend | undefined {
    const before = again ? this.#pick(vip, vip.previous, hash, true) : undefined;
    return before ?? this.#pick(vip, vip.table, hash, false);
  }

  #pick(vip: ModelVip, table: readonly number[], hash: bigint, draining: boolean): ModelBackend | undefined {
    if (table.length === 0) return undefined;
    const first = tableSlot(hash, table.length);
    for (let i = 0; i < ATTEMPTS; i++) {
      const backend = this.control.backend(table[(first + i) % table.length]!);
      if (backend?.vip === vip && (draining || backend.weight > 0)) return backend;
    }
    return undefined;
  }

  #track(move: PacketMove, place: ModelPlace, stale: FlowEntry | undefined, { id, generation }: ModelBackend): void {
    if (ends(move.flags)) return;
    const entry = { tag: place.tag, backend: id, generation: generation % GENERATIONS, state: FlowState.FLOW_NEW };
    if (stale !== undefined) {
      this.flows.replace(place, entry);
      return;
    }
    const how = this.flows.insert(place, entry);
    if (how !== 'inserted') this.#count(how);
  }

  /** From a backend to a client. */
  #answer(move: PacketMove): Prediction | undefined {
    const backend = this.control.chain(move.src, move.protocol).find((one) => this.#answers(move, move.dst, one));
    if (backend === undefined) return undefined;
    const { address, port } = backend.vip.frontend;
    return this.#counted('replied', { kind: 'rewritten', src: { address, port }, dst: move.dst, turned: false });
  }

  /** From a backend to a VIP's address: the other half of a connection that a backend has to itself. */
  #mirroredAnswer(move: PacketMove): Prediction | undefined {
    const client = { address: move.src.address, port: move.dst.port };
    const backend = this.control
      .chain(move.src, move.protocol)
      .find((one) => one.vip.frontend.address === move.dst.address && this.#answers(move, client, one));
    if (backend === undefined) return undefined;
    const { address, port } = backend.vip.frontend;
    return this.#counted('replied', { kind: 'rewritten', src: { address, port }, dst: client, turned: true });
  }

  /** Does the client have a connection to the backend's VIP that this backend serves? */
  #answers(move: PacketMove, client: Endpoint, backend: ModelBackend): boolean {
    const place = this.flows.place(this.#hash(client, backend.vip.frontend));
    const entry = this.flows.find(place);
    if (entry === undefined) return names(this.flows.findOverflowed(place), backend);
    if (!names(entry, backend)) return false;
    this.#touch(place, entry, afterAnswer(entry.state, move.flags));
    return true;
  }

  #refuse(move: PacketMove, verdict: 'no_backend' | 'unserved'): Prediction {
    if (!this.control.engaged) return UNTOUCHED;
    return this.#counted(verdict, move.flags.includes('R') ? UNTOUCHED : { kind: 'refused' });
  }

  #touch(place: FlowPlace, entry: FlowEntry, state: number): void {
    this.flows.replace(place, { ...entry, state });
  }

  #hash(client: Endpoint, { protocol, address, port }: Frontend): bigint {
    const key = { clientPort: client.port, vipPort: port, protocol: PROTOCOLS[protocol] };
    return flowHash({ ...key, client: bytesOf(client.address), vip: bytesOf(address) }, this.seed);
  }

  #counted(verdict: string, prediction: Prediction): Prediction {
    this.#count(verdict);
    return prediction;
  }

  #count(verdict: string): void {
    this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1);
  }
}

function names(entry: FlowEntry | undefined, { id, generation }: ModelBackend): boolean {
  return entry?.backend === id && entry.generation === generation % GENERATIONS;
}

function ends(flags: string): boolean {
  return flags.includes('F') || flags.includes('R');
}

function opens({ protocol, flags }: PacketMove): boolean {
  return protocol === 'udp' || (flags.includes('S') && !flags.includes('A'));
}

function afterAsk(state: number, flags: string): number {
  if (ends(flags)) return FlowState.FLOW_CLOSING;
  return state === FlowState.FLOW_REPLIED && !flags.includes('S') ? FlowState.FLOW_ESTABLISHED : state;
}

function afterAnswer(state: number, flags: string): number {
  if (ends(flags)) return FlowState.FLOW_CLOSING;
  return state === FlowState.FLOW_NEW ? FlowState.FLOW_REPLIED : state;
}

function bytesOf(address: string): Uint8Array {
  return familyOf(address) === 4 ? addressBytes(address).subarray(12) : addressBytes(address);
}
