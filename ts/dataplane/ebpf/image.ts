import {
  addressBytes,
  addressFromBytes,
  familyOf,
  formatPrefix,
  type Prefix,
  prefixContains,
} from '../../model/address.js';
import { compareBackends, type ForwardedVip, type Forwarding } from '../../model/forwarding.js';
import type { Policy } from '../../model/policy.js';
import { backendKey, type Frontend, type VipKey, vipKey } from '../../model/service.js';
import type { Fault } from '../../util/errors.js';
import { Arrivals } from './arrivals.js';
import { newlyBeside } from './beside.js';
import { Chains } from './chains.js';
import { ChunkPool } from './chunk-pool.js';
import type { HeldBackend, HeldVip } from './held.js';
import { selectable } from './held.js';
import { IdPool } from './id-pool.js';
import { IdSets, idHash } from './id-sets.js';
import { BackendState, ForwardMode, type Settings, VipFlags, VipState } from './lb.gen.js';
import { type FullNatOptions, portsFault, sourceFor } from './nat-ports.js';
import type { Node } from './node.js';
import { policyFields, policyOf } from './policies.js';
import {
  addressRecord,
  backendRecord,
  type Codecs,
  freeBackend,
  freeVip,
  frontendOf,
  poolRecords,
  poolsOf,
  protocolNumber,
  tableSpan,
  vipRecord,
} from './records.js';
import { lastingChecksum, tableSlots } from './selection.js';
import type { SourceLists } from './source-lists.js';
import type { Surroundings, Way } from './surroundings.js';
import { hopRecord, hopText, isCarried, modeName, modeTo, noHop } from './ways.js';
import type { Mirrors } from './writes.js';

/** What everything of an image is made from. */
export interface ImageParts {
  readonly mirrors: Mirrors;
  readonly codecs: Codecs;
  /** Where these are in a record: lets a scan pass over free ones without decoding them. */
  readonly offsets: { readonly vipState: number; readonly backendState: number; readonly backendGeneration: number };
  readonly surroundings: Surroundings;
  /** Size of the `tables` map. */
  readonly chunks: number;
  readonly lists: SourceLists;
  readonly node: Pick<Node, 'denied'>;
  readonly fullNat: FullNatOptions;
}

/**
 * Everything vipd wants the kernel's maps to hold, with the ids it is held under. Adopted from the kernel once, then
 * changed together with it; the mirrors are its bytes.
 */
export class Image {
  readonly vips = new Map<VipKey, HeldVip>();
  /** By id. */
  readonly vipOf: (HeldVip | undefined)[] = [];
  readonly backendOf: (HeldBackend | undefined)[] = [];
  /** Entries for the addresses of VIPs: id by address. */
  readonly addresses = new Map<string, number>();
  readonly vipIds: IdPool;
  readonly backendIds: IdPool;
  readonly chunks: ChunkPool;
  readonly vipSets: IdSets;
  readonly chains: Chains;
  readonly arrivals: Arrivals;
  readonly lists: SourceLists;
  readonly node: Pick<Node, 'denied'>;
  readonly fullNat: FullNatOptions;
  settings: Settings;
  readonly #mirrors: Mirrors;
  readonly #codecs: Codecs;
  readonly #offsets: ImageParts['offsets'];
  readonly #surroundings: Surroundings;
  readonly #noHop: Buffer;
  /** The VIPs of each address. */
  readonly #users = new Map<string, Set<HeldVip>>();
  /** Addresses with an entry that no pool contains. */
  #outside = 0;
  #forwarding: Forwarding | undefined;

  /** Takes over what the mirrors hold, and puts right in them what does not fit together. */
  constructor({ mirrors, codecs, offsets, surroundings, chunks, lists, node, fullNat }: ImageParts) {
    this.lists = lists;
    this.node = node;
    this.fullNat = fullNat;
    this.#mirrors = mirrors;
    this.#offsets = offsets;
    this.#codecs = codecs;
    this.#surroundings = surroundings;
    this.#noHop = codecs.hop.encode(noHop);
    this.vipIds = new IdPool(mirrors.vips.size, 'vips');
    this.backendIds = new IdPool(mirrors.backends.size, 'backends');
    this.chunks = new ChunkPool(chunks);
    this.settings = codecs.settings.decode(mirrors.settings.entry(0));
    this.vipSets = new IdSets(mirrors.vipSets.words());
    this.chains = new Chains(new IdSets(mirrors.replySets.words()), this.settings.set_seed);
    this.arrivals = new Arrivals(new IdSets(mirrors.arrivalSets.words()), this.settings.set_seed);
    // Id 0 means none; nothing belongs there.
    this.clearVip(0);
    this.clearBackend(0, 0);
    this.#adoptVips();
    this.#adoptBackends();
    this.#adoptTables();
    this.#settleAddresses();
  }

  get pools(): readonly Prefix[] {
    return poolsOf(this.settings);
  }

  hash(address: string, port: number, protocol: number): number {
    return idHash(addressBytes(address), port, protocol, this.settings.set_seed);
  }

  /** Whether there is a VIP of UDP. */
  servesUdp(): boolean {
    return [...this.vips.values()].some(({ frontend }) => frontend.protocol === 'udp');
  }

  /** In model terms; the same object while nothing changes. */
  forwarding(): Forwarding {
    this.#forwarding ??= {
      pools: this.pools,
      vips: new Map([...this.vips].map(([key, { forwarded }]) => [key, forwarded])),
    };
    return this.#forwarding;
  }

  changed(): void {
    this.#forwarding = undefined;
  }

  /** How many VIPs have this address. */
  users(address: string): number {
    return this.#users.get(address)?.size ?? 0;
  }

  insertVip(vip: HeldVip): void {
    this.vips.set(vip.key, vip);
    this.vipOf[vip.id] = vip;
    const { address } = vip.frontend;
    this.#users.set(address, (this.#users.get(address) ?? new Set<HeldVip>()).add(vip));
    this.changed();
  }

  deleteVip(vip: HeldVip): void {
    this.vips.delete(vip.key);
    this.vipOf[vip.id] = undefined;
    const { address } = vip.frontend;
    this.#users.get(address)?.delete(vip);
    if (this.users(address) === 0) this.#users.delete(address);
    this.changed();
  }

  /** Gives an address its entry. */
  insertAddress(address: string, id: number): void {
    this.addresses.set(address, id);
    if (this.#isOutside(address)) this.#outside++;
    this.encodeAddress(id, address);
  }

  deleteAddress(address: string, id: number): void {
    this.addresses.delete(address);
    if (this.#isOutside(address)) this.#outside--;
    this.clearVip(id);
    this.vipIds.give(id);
  }

  /** Generation for the next owner of a backend id. */
  nextGeneration(id: number): number {
    const { backends } = this.#mirrors;
    return (backends.bytes.readUInt32LE(backends.offset(id) + this.#offsets.backendGeneration) + 1) >>> 0;
  }

  /** Whether the id of a backend that is gone has, or has had, another owner since. */
  passedOn({ id, generation }: HeldBackend): boolean {
    return this.backendOf[id] !== undefined || this.nextGeneration(id) !== (generation + 1) >>> 0;
  }

  encodeVip(vip: HeldVip): void {
    const policy = policyFields(vip.policy, this.settings.hz, vip.nodeDenied);
    const flags = policy.flags | (vip.beside ? VipFlags.VIP_BESIDE_EXACT : 0);
    const record = vipRecord(vip.frontend, selectable(vip).length, vip.table, vip.previous, { ...policy, flags });
    this.#codecs.vip.encode(record, this.#mirrors.vips.bytes, this.#mirrors.vips.offset(vip.id));
  }

  encodeAddress(id: number, address: string): void {
    const carried = [...(this.#users.get(address) ?? [])].some(isCarried);
    this.#codecs.vip.encode(addressRecord(address, carried), this.#mirrors.vips.bytes, this.#mirrors.vips.offset(id));
  }

  clearVip(id: number): void {
    this.#codecs.vip.encode(freeVip, this.#mirrors.vips.bytes, this.#mirrors.vips.offset(id));
  }

  /** @returns whether the way there is another now, so that its hop is to be written too */
  encodeBackend(backend: HeldBackend): boolean {
    const { address, port, weight, active, generation, vip } = backend;
    const protocol = protocolNumber(vip.frontend);
    const next = this.chains.next(backend);
    const way = vip.policy.forwarding === undefined ? undefined : this.#surroundings.wayTo(address);
    backend.local = way?.local === true;
    const forwarding = modeTo(vip.policy, way);
    const clampMss = vip.policy.clampMss ?? 0;
    this.#codecs.backend.encode(
      backendRecord({ address, port, protocol, weight, active, generation, vip: vip.id, next, forwarding, clampMss }),
      this.#mirrors.backends.bytes,
      this.#mirrors.backends.offset(backend.id),
    );
    const source = forwarding === ForwardMode.FORWARD_FULL_NAT ? sourceFor(this.fullNat, familyOf(address)) : undefined;
    return this.#encodeHop(backend.id, way, source);
  }

  /** Why full NAT cannot have its ports. */
  natFault(): Fault | undefined {
    return portsFault(this.fullNat.ports);
  }

  /** How packets get to a backend from this node, for people. */
  carriageOf({ id }: HeldBackend): Record<string, unknown> {
    const { forwarding } = this.#codecs.backend.decode(this.#mirrors.backends.entry(id));
    const hop = this.#codecs.hop.decode(this.#mirrors.hops.entry(id));
    const source = forwarding === ForwardMode.FORWARD_FULL_NAT ? { source: addressFromBytes(hop.source.bytes) } : {};
    return { forwarding: modeName(forwarding), ...source, ...hopText(hop) };
  }

  #encodeHop(id: number, way: Way | undefined, source: string | undefined): boolean {
    const { hops } = this.#mirrors;
    const entry = hops.entry(id);
    const hop = way === undefined ? this.#noHop : this.#codecs.hop.encode(hopRecord(way, source));
    if (entry.subarray(0, hop.length).equals(hop)) return false;
    hop.copy(entry);
    return true;
  }

  clearBackend(id: number, generation: number): void {
    this.#codecs.backend.encode(
      freeBackend(generation),
      this.#mirrors.backends.bytes,
      this.#mirrors.backends.offset(id),
    );
  }

  encodeSettings(change: Partial<Settings>): void {
    this.settings = { ...this.settings, outside: this.#outside, ...change };
    this.#codecs.settings.encode(this.settings, this.#mirrors.settings.bytes, 0);
    this.changed();
  }

  encodePools(pools: readonly Prefix[]): void {
    this.#outside = [...this.addresses.keys()].filter((address) => this.#isOutside(address, pools)).length;
    this.encodeSettings({ pools: pools.length, pool: poolRecords(pools) });
  }

  #isOutside(address: string, pools = this.pools): boolean {
    return !pools.some((pool) => prefixContains(pool, address));
  }

  #adoptVips(): void {
    const lists = this.lists.adopt();
    const blank = Buffer.alloc(this.#mirrors.vips.entry(0).length);
    for (let id = 1; id < this.#mirrors.vips.size; id++) {
      const entry = this.#mirrors.vips.entry(id);
      const state = entry[this.#offsets.vipState];
      if (state === VipState.VIP_FREE && entry.equals(blank)) continue;
      const record = this.#codecs.vip.decode(entry);
      const frontend = frontendOf(record);
      const address = addressFromBytes(record.address.bytes);
      if (state === VipState.VIP_ADDRESS && !this.addresses.has(address)) {
        this.vipIds.adopt(id);
        this.insertAddress(address, id);
        continue;
      }
      if (state !== VipState.VIP_SERVING || frontend === undefined || this.vips.has(vipKey(frontend))) {
        this.clearVip(id);
        continue;
      }
      const hash = this.hash(frontend.address, frontend.port, record.protocol);
      const key = vipKey(frontend);
      const forwarded = { frontend, backends: [] };
      const policy = { ...policyOf(record, this.settings.hz), ...listsIn(record.flags, lists.get(id)) };
      const tables = { table: undefined, previous: undefined };
      const beside = (record.flags & VipFlags.VIP_BESIDE_EXACT) !== 0;
      const held = { id, key, frontend, hash, backends: new Map(), beside, ...tables, forwarded };
      this.insertVip({ ...held, policy, nodeDenied: this.node.denied(policy, familyOf(frontend.address)) });
      this.vipIds.adopt(id);
    }
  }

  #adoptBackends(): void {
    const { backends } = this.#mirrors;
    const blank = Buffer.alloc(backends.entry(0).length);
    for (let id = 1; id < backends.size; id++) {
      const entry = backends.entry(id);
      const state = entry[this.#offsets.backendState];
      if (state === BackendState.BACKEND_FREE && entry.equals(blank)) continue;
      const record = this.#codecs.backend.decode(entry);
      const vip = state === BackendState.BACKEND_FREE ? undefined : this.vipOf[record.vip];
      const endpoint = frontendOf(record);
      const key = endpoint === undefined ? '' : backendKey(endpoint);
      if (vip === undefined || endpoint === undefined || !belongs(endpoint, vip) || vip.backends.has(key)) {
        this.clearBackend(id, record.generation);
        continue;
      }
      const { address, port } = endpoint;
      const weight = record.state === BackendState.BACKEND_ACTIVE ? Math.max(1, record.weight) : 0;
      const active = weight > 0;
      const held = { id, key, address, port, vip, generation: record.generation, weight, active, local: false };
      this.backendIds.adopt(id);
      this.backendOf[id] = held;
      vip.backends.set(key, held);
      this.chains.adopt(held, record.next);
    }
    this.chains.settle(this.backendOf);
    for (const vip of this.vips.values()) for (const one of newlyBeside(this, vip)) one.beside = true;
    for (const backend of this.backendOf) {
      if (backend === undefined) continue;
      this.encodeBackend(backend);
      if (backend.local && isCarried(backend.vip)) this.arrivals.add(backend);
    }
  }

  /** The table a VIP should have is known from its backends; whether it has it, a comparison tells. */
  #adoptTables(): void {
    for (const vip of this.vips.values()) {
      vip.forwarded = forwardedOf(vip);
      const record = this.#codecs.vip.decode(this.#mirrors.vips.entry(vip.id));
      const current = tableSpan(record.current);
      const slots = tableSlots(vip);
      if (current !== undefined && slots.length > 0 && this.chunks.adopt(current.first, current.chunks)) {
        vip.table = { ...current, checksum: lastingChecksum(vip, slots) };
      }
      const previous = tableSpan(record.previous);
      if (previous !== undefined && this.chunks.adopt(previous.first, previous.chunks)) {
        vip.previous = { ...previous, since: 0 };
      }
      this.encodeVip(vip);
    }
  }

  #settleAddresses(): void {
    for (const [address, id] of this.addresses) if (this.users(address) === 0) this.deleteAddress(address, id);
    for (const { frontend } of this.vips.values()) {
      const { address } = frontend;
      // Where there is no room for its entry, a VIP serves without: not to open at all would be worse.
      if (!this.addresses.has(address) && !this.vipIds.full) this.insertAddress(address, this.vipIds.take());
    }
    const wanted = new Map([...this.vips.values()].map(({ id, hash }) => [id, hash]));
    for (const [address, id] of this.addresses) wanted.set(id, this.hash(address, 0, 0));
    this.vipSets.settle(wanted);
    for (const [address, id] of this.addresses) this.encodeAddress(id, address);
    this.encodeSettings({});
  }
}

function belongs(backend: Frontend, { frontend }: HeldVip): boolean {
  return backend.protocol === frontend.protocol && familyOf(backend.address) === familyOf(frontend.address);
}

export function forwardedOf(vip: HeldVip): ForwardedVip {
  const backends = [...vip.backends.values()].map(({ address, port, weight }) => ({ address, port, weight }));
  const policy = Object.keys(vip.policy).length === 0 ? {} : { policy: vip.policy };
  return { frontend: vip.frontend, backends: backends.sort(compareBackends), ...policy };
}

/** The lists found for a VIP, as far as its record says that they count. */
function listsIn(flags: number, found: Pick<Policy, 'allow' | 'deny'> = {}): Pick<Policy, 'allow' | 'deny'> {
  const only = (flags & VipFlags.VIP_LISTED_ONLY) !== 0;
  return {
    ...(only && { allow: inOrder(found.allow) }),
    ...(found.deny !== undefined && found.deny.length > 0 && { deny: inOrder(found.deny) }),
  };
}

function inOrder(prefixes: readonly Prefix[] = []): readonly Prefix[] {
  return prefixes.toSorted((a, b) => (formatPrefix(a) < formatPrefix(b) ? -1 : 1));
}
