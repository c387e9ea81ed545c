import { ExactState, FlowState } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { addressBytes, type Endpoint, familyOf } from '../../../ts/model/address.js';
import type { Policy } from '../../../ts/model/policy.js';
import { type Frontend, type VipKey, vipKey } from '../../../ts/model/service.js';
import { nodeSources } from '../../bpf/test-surroundings.js';
import { type FlowEntry, type FlowPlace, flowHash, tableSlot } from '../flow-hash.js';
import type { ControlModel, ModelBackend, ModelVip } from './control-model.js';
import { type ExactEntry, type ExactTable, exactAfter } from './exact-model.js';
import type { FlowTable, ModelPlace } from './flow-table.js';
import type { PacketMove } from './move.js';

/** What is to come out of a program. */
export type Prediction =
  | { readonly kind: 'untouched' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'rewritten'; readonly src: Endpoint; readonly dst: Endpoint; readonly turned: boolean }
  /** One hop older to the next hop, or on to the network stack; of a flow whose port may be to be learned. */
  | { readonly kind: 'exact'; readonly entry: ExactEntry; readonly sent: boolean; readonly turned: boolean };

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
    readonly exact: ExactTable,
    /** Of the VIPs that have one. */
    readonly policies: Readonly<Record<VipKey, Policy>> = {},
  ) {}

  run(move: PacketMove): Prediction {
    if (move.program === 'tc_egress') return this.#answer(move) ?? this.#exactAnswer(move) ?? UNTOUCHED;
    if (this.control.isOurs(move.dst.address)) {
      const answered = () => this.#mirroredAnswer(move) ?? this.#exactAnswer(move, true);
      return this.#ask(move) ?? answered() ?? this.#refuse(move, 'unserved');
    }
    return (move.program === 'xdp_ingress' ? this.#answer(move) : undefined) ?? this.#exactAnswer(move) ?? UNTOUCHED;
  }

  /** The backend a client's packets to a VIP go to at the moment; undefined before the first. */
  backendOf(client: Endpoint, frontend: Frontend): ModelBackend | undefined {
    const exact = this.exact.find(client, frontend);
    if (exact !== undefined) return exact.backend;
    const entry = this.flows.find(this.flows.place(this.#hash(client, frontend)));
    return entry && this.control.backend(entry.backend);
  }

  /** From a client to a VIP; undefined where there is none. */
  #ask(move: PacketMove): Prediction | undefined {
    const vip = this.control.vip({ ...move.dst, protocol: move.protocol });
    if (vip === undefined) return undefined;
    const policy = this.policies[vipKey(vip.frontend)];
    if (policy !== undefined) return this.#askExactly(move, vip, policy.forwarding === 'full-nat');
    if (vip.beside && this.exact.find(move.src, vip.frontend)) return this.#askExactly(move, vip, false);
    const hash = this.#hash(move.src, vip.frontend);
    const place = this.flows.place(hash);
    const entry = this.flows.find(place);
    const tracked = this.#backendOfFlow(move, vip, entry);
    if (tracked !== undefined) this.#touch(place, entry!, afterAsk(entry!.state, move.flags));
    const overflowed = entry === undefined ? this.flows.findOverflowed(place) : undefined;
    const known = tracked ?? this.#backendOfFlow(move, vip, overflowed);
    if (known === undefined && !this.control.engaged) {
      if (entry !== undefined) this.flows.remove(place); // whatever comes behind is the other plane's too
      return this.#counted('disengaged', UNTOUCHED);
    }
    const backend = known ?? this.#choose(vip, hash, !opens(move) && entry === undefined);
    if (backend === undefined) return this.#refuse(move, 'no_backend');
    if (known === undefined && vip.beside && this.exact.answered(move.protocol, backend, ownSource(move, backend))) {
      this.flows.forget(place);
      return this.#openExactly(move, vip, backend, false);
    }
    if (known === undefined) this.#track(move, place, entry, backend);
    const { address, port } = backend;
    if (address !== move.src.address) {
      return this.#counted('forwarded', { kind: 'rewritten', src: move.src, dst: { address, port }, turned: false });
    }
    const src = { address: move.dst.address, port: move.src.port };
    return this.#counted('hairpinned', { kind: 'rewritten', src, dst: { address, port }, turned: true });
  }

  /** What the backend of a flow that is tracked by all of its ends takes for its client. */
  sourceOf(client: Endpoint, frontend: Frontend): Endpoint | undefined {
    return this.exact.find(client, frontend)?.source;
  }

  #askExactly(move: PacketMove, vip: ModelVip, full: boolean): Prediction {
    const known = this.exact.find(move.src, vip.frontend);
    if (known !== undefined && this.#stillServes(move, vip, known)) return this.#askedExactly(move, known);
    if (known !== undefined) this.exact.remove(known);
    if (!this.control.engaged) return this.#counted('disengaged', UNTOUCHED);
    if (full && !opens(move)) return this.#refuse(move, 'untracked');
    const backend = this.#choose(vip, this.#hash(move.src, vip.frontend), !opens(move) && known === undefined);
    if (backend === undefined) return this.#refuse(move, 'no_backend');
    return this.#openExactly(move, vip, backend, full);
  }

  #openExactly(move: PacketMove, vip: ModelVip, backend: ModelBackend, full: boolean): Prediction {
    const entry = { client: move.src, frontend: vip.frontend, backend, full, state: ExactState.EXACT_NEW };
    const made = { ...entry, source: this.#sourceFor(move, backend, full) };
    this.exact.insert(made);
    return this.#askedExactly(move, made);
  }

  #stillServes(move: PacketMove, vip: ModelVip, { backend, state }: ExactEntry): boolean {
    if (this.control.backend(backend.id) !== backend || backend.vip !== vip) return false;
    if (!move.flags.includes('S')) return true;
    return state < ExactState.EXACT_CLIENT_DONE && (state !== ExactState.EXACT_NEW || backend.weight > 0);
  }

  /** Its own where no other flow of the backend has that; port 0 is one of the node's. */
  #sourceFor(move: PacketMove, backend: ModelBackend, full: boolean): Endpoint {
    if (full) return { address: nodeSources[familyOf(backend.address)], port: 0 };
    const own = ownSource(move, backend);
    const taken = this.exact.answered(move.protocol, backend, own) !== undefined || this.#ordinary(move, backend, own);
    return taken ? { ...own, port: 0 } : own;
  }

  /** Does an ordinary flow, of whichever VIP of this backend, have its answers from there? */
  #ordinary(move: PacketMove, backend: ModelBackend, { address }: Endpoint): boolean {
    const chain = this.control.chain(backend, move.protocol);
    const alike = chain.filter(({ vip }) => address === move.src.address || vip.frontend.address === address);
    const tracked = alike.some((one) => {
      const place = this.flows.place(this.#hash(move.src, one.vip.frontend));
      return names(this.flows.find(place) ?? this.flows.findOverflowed(place), one);
    });
    return chain.length > 1 && tracked;
  }

  #askedExactly(move: PacketMove, entry: ExactEntry): Prediction {
    entry.state = exactAfter(entry.state, move.flags, true);
    const turned = entry.source.address !== move.src.address && !entry.full;
    return this.#counted(turned ? 'hairpinned' : 'forwarded', { kind: 'exact', entry, sent: entry.full, turned });
  }

  /** `mirrored`: to a VIP's address. tc translates what is not full NAT where it leaves. */
  #exactAnswer(move: PacketMove, mirrored = false): Prediction | undefined {
    const entry = this.exact.answered(move.protocol, move.src, move.dst);
    if (entry === undefined || this.control.backend(entry.backend.id) !== entry.backend) return undefined;
    if (!entry.full && !mirrored && move.program === 'tc_ingress') return undefined;
    // What a client answers that is its own backend goes back to it, and nothing else does.
    if (!entry.full && mirrored !== (entry.client.address === move.src.address)) return undefined;
    // The client has begun anew, with the backend itself.
    if (!entry.full && entry.state >= ExactState.EXACT_CLIENT_DONE && move.flags.includes('S')) {
      this.exact.remove(entry);
      return undefined;
    }
    entry.state = exactAfter(entry.state, move.flags, false);
    const { address, port } = entry.frontend;
    const ends = { src: { address, port }, dst: entry.client };
    return this.#counted('replied', { kind: 'rewritten', ...ends, turned: mirrored && !entry.full });
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
      .find((one) => one.vip.frontend.address === move.dst.address && this.#answers(move, client, one, true));
    if (backend === undefined) return undefined;
    const { address, port } = backend.vip.frontend;
    return this.#counted('replied', { kind: 'rewritten', src: { address, port }, dst: client, turned: true });
  }

  /** Does the client have a connection to the backend's VIP that this backend serves? */
  #answers(move: PacketMove, client: Endpoint, backend: ModelBackend, mirrored = false): boolean {
    const place = this.flows.place(this.#hash(client, backend.vip.frontend));
    const entry = this.flows.find(place);
    if (entry === undefined) return names(this.flows.findOverflowed(place), backend);
    if (!names(entry, backend)) return false;
    // A SYN answered in a connection that is over: of a later one, to the backend directly.
    if (!mirrored && entry.state === FlowState.FLOW_CLOSING && answersSyn(move.flags)) {
      this.flows.replace(place, undefined);
      return false;
    }
    this.#touch(place, entry, afterAnswer(entry.state, move.flags));
    return true;
  }

  #refuse(move: PacketMove, verdict: 'no_backend' | 'unserved' | 'untracked'): Prediction {
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

/** What a backend takes for the client, if nothing else is in the way: itself it would answer directly. */
function ownSource({ src, dst }: PacketMove, backend: ModelBackend): Endpoint {
  return backend.address === src.address ? { ...src, address: dst.address } : src;
}

function names(entry: FlowEntry | undefined, { id, generation }: ModelBackend): boolean {
  return entry?.backend === id && entry.generation === generation % GENERATIONS;
}

function ends(flags: string): boolean {
  return flags.includes('F') || flags.includes('R');
}

function answersSyn(flags: string): boolean {
  return flags.includes('S') && flags.includes('A');
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
