import { familyOf, type Prefix } from '../../model/address.js';
import type { ForwardedBackend, ForwardedVip } from '../../model/forwarding.js';
import { sameVip } from '../../model/forwarding.js';
import { type Policy, samePolicy } from '../../model/policy.js';
import { backendKey, type VipKey, vipKey } from '../../model/service.js';
import { VipdError } from '../../util/errors.js';
import { newlyBeside } from './beside.js';
import { type HeldBackend, type HeldVip, selectable } from './held.js';
import { forwardedOf, type Image } from './image.js';
import { LbSize } from './lb.gen.js';
import { unsupportedIn } from './policies.js';
import { protocolNumber } from './records.js';
import { lastingChecksum, tableSlots } from './selection.js';
import { checksum } from './tables.js';
import { isCarried, isExact } from './ways.js';
import type { Writes } from './writes.js';

/** Backends of one VIP; bounds the size of a selection table. */
const BACKENDS_MAX = 4096;

/**
 * The first half of a step: what it adds and changes. The image is changed, the writes are noted. If it cannot be done,
 * the image is as before.
 * @throws VipdError MAP_FULL | BACKEND_SHARED_TOO_OFTEN | TOO_MANY_BACKENDS
 */
export function planUpsert(image: Image, writes: Writes, vip: ForwardedVip, damaged: boolean): void {
  if (vip.backends.length > BACKENDS_MAX) throw tooMany(vip);
  checkPolicy(image, vip);
  const held = image.vips.get(vipKey(vip.frontend));
  if (held !== undefined && !damaged && sameVip(held.forwarded, vip)) return;
  allOrNothing((undo) => upsert(image, writes, vip, held, damaged, undo));
}

function upsert(
  image: Image,
  writes: Writes,
  vip: ForwardedVip,
  known: HeldVip | undefined,
  damaged: boolean,
  undo: Undo,
): void {
  const held = known ?? createVip(image, writes, vip, undo);
  const before = selectionKey(held);
  const scheduled = scheduleOf(held);
  setPolicy(image, writes, held, vip.policy ?? {}, undo);
  for (const backend of vip.backends) setBackend(image, writes, held, backend, undo);
  const dropped = known === undefined ? [] : dropUnwanted(held, vip, undo);
  if (damaged || selectionKey(held) !== before) changeTable(image, writes, held, damaged, undo);
  // Nothing fails from here on.
  if (scheduled !== scheduleOf(held) && held.previous !== undefined) writes.freedRuns.push(held.previous);
  if (scheduled !== scheduleOf(held)) held.previous = undefined;
  writes.dropped.push(...dropped);
  writes.listed.push(held);
  writes.drained.push(...[...held.backends.values()].filter(({ weight, active }) => active && weight === 0));
  held.forwarded = forwardedOf(held);
  for (const one of newlyBeside(image, held)) {
    one.beside = true;
    image.encodeVip(one);
    writes.mark('vips', one.id);
  }
  image.encodeVip(held);
  image.changed();
  writes.mark('vips', held.id);
}

/** The second half: takes away the backends that the first half left out of the tables. */
export function planCleanup(image: Image, writes: Writes, dropped: readonly HeldBackend[]): void {
  for (const backend of dropped) removeBackend(image, writes, backend);
}

/** Also the second half: those that stay without being in a table drain. */
export function planDrain(image: Image, writes: Writes, drained: readonly HeldBackend[]): void {
  for (const backend of drained) {
    if (image.backendOf[backend.id] !== backend) continue;
    backend.active = backend.weight > 0;
    rewrite(image, writes, backend);
  }
}

export function planRemove(image: Image, writes: Writes, key: VipKey): void {
  const held = image.vips.get(key);
  if (held === undefined) return;
  const set = image.vipSets.remove(held.hash, held.id);
  if (set !== undefined) writes.mark('vipSets', set);
  image.deleteVip(held);
  image.clearVip(held.id);
  image.vipIds.give(held.id);
  writes.mark('vips', held.id);
  leaveAddress(image, writes, held.frontend.address);
  if (isCarried(held)) encodeAddressOf(image, writes, held);
  for (const backend of held.backends.values()) removeBackend(image, writes, backend);
  writes.unlisted.push(held.id);
  for (const run of [held.table, held.previous]) if (run !== undefined) image.chunks.give(run.first, run.chunks);
}

/** @throws VipdError POOLS_TOO_MANY */
export function planPools(image: Image, writes: Writes, pools: readonly Prefix[]): void {
  if (pools.length > LbSize.POOLS_MAX) {
    const cause = `${pools.length} pools, at most ${LbSize.POOLS_MAX} fit`;
    throw new VipdError({ code: 'POOLS_TOO_MANY', object: 'pools', cause, hint: 'join neighbouring prefixes' });
  }
  image.encodePools(pools);
  writes.mark('settings', 0);
}

/** Gives back the tables that flows without an entry needed for a while after a change. */
export function planRetire(image: Image, writes: Writes, before: number): void {
  for (const held of image.vips.values()) {
    if (held.previous === undefined || held.previous.since > before) continue;
    // The table it had before this batch: the kernel goes on using it until the batch is written.
    if (writes.marked('vips', held.id)) continue;
    image.chunks.give(held.previous.first, held.previous.chunks);
    held.previous = undefined;
    image.encodeVip(held);
    writes.mark('vips', held.id);
  }
}

function createVip(image: Image, writes: Writes, vip: ForwardedVip, undo: Undo): HeldVip {
  const { frontend } = vip;
  const id = image.vipIds.take();
  undo.push(() => image.vipIds.give(id));
  const hash = image.hash(frontend.address, frontend.port, protocolNumber(frontend));
  const set = image.vipSets.add(hash, id);
  undo.push(() => image.vipSets.remove(hash, id));
  const held: HeldVip = {
    id,
    key: vipKey(frontend),
    frontend,
    hash,
    policy: {},
    backends: new Map(),
    nodeDenied: false,
    beside: false,
    table: undefined,
    previous: undefined,
    forwarded: { frontend, backends: [] },
  };
  image.insertVip(held);
  undo.push(() => {
    image.deleteVip(held);
    image.clearVip(id);
  });
  writes.mark('vipSets', set);
  writes.freshVips.push(id);
  enterAddress(image, writes, frontend.address, undo);
  if (isCarried(held)) encodeAddressOf(image, writes, held);
  return held;
}

function setBackend(image: Image, writes: Writes, held: HeldVip, wanted: ForwardedBackend, undo: Undo): void {
  const known = held.backends.get(backendKey(wanted));
  if (known === undefined) {
    addBackend(image, writes, held, wanted, undo);
    return;
  }
  if (known.weight === wanted.weight) return;
  const { weight, active } = known;
  undo.push(() => {
    known.weight = weight;
    known.active = active;
    image.encodeBackend(known);
  });
  known.weight = wanted.weight;
  // While a table names it, it must take what it is given.
  known.active ||= wanted.weight > 0;
  rewrite(image, writes, known);
}

function addBackend(image: Image, writes: Writes, vip: HeldVip, wanted: ForwardedBackend, undo: Undo): void {
  const id = image.backendIds.take();
  const { address, port, weight } = wanted;
  const backend: HeldBackend = {
    id,
    key: backendKey(wanted),
    address,
    port,
    vip,
    weight,
    active: weight > 0,
    generation: image.nextGeneration(id),
    local: false,
  };
  undo.push(() => image.backendIds.give(id));
  const change = image.chains.add(backend);
  vip.backends.set(backend.key, backend);
  image.backendOf[id] = backend;
  undo.push(() => {
    vip.backends.delete(backend.key);
    for (const set of image.arrivals.remove(backend)) writes.mark('arrivalSets', set);
    removeFromChain(image, writes, backend);
    image.backendOf[id] = undefined;
    image.clearBackend(id, backend.generation);
  });
  if (image.encodeBackend(backend)) writes.mark('hops', id);
  setArrival(image, writes, backend);
  writes.mark('freshBackends', id);
  writes.freshBackends.push(id);
  if (change.set !== undefined) writes.mark('replySets', change.set);
  relink(image, writes, change.relinked);
}

/** Leaves them out of the VIP, not yet out of the kernel: their flows go on until the tables no longer name them. */
function dropUnwanted(held: HeldVip, vip: ForwardedVip, undo: Undo): HeldBackend[] {
  const wanted = new Set(vip.backends.map(backendKey));
  const dropped = [...held.backends.values()].filter(({ key }) => !wanted.has(key));
  for (const { key } of dropped) held.backends.delete(key);
  undo.push(() => {
    for (const backend of dropped) held.backends.set(backend.key, backend);
  });
  return dropped;
}

function removeBackend(image: Image, writes: Writes, backend: HeldBackend): void {
  for (const set of image.arrivals.remove(backend)) writes.mark('arrivalSets', set);
  removeFromChain(image, writes, backend);
  image.backendOf[backend.id] = undefined;
  image.clearBackend(backend.id, backend.generation);
  image.backendIds.give(backend.id);
  writes.mark('goneBackends', backend.id);
  writes.gone.push(backend);
}

function removeFromChain(image: Image, writes: Writes, backend: HeldBackend): void {
  const { set, relinked } = image.chains.remove(backend);
  if (set !== undefined) writes.mark('replySets', set);
  relink(image, writes, relinked);
}

function relink(image: Image, writes: Writes, id: number | undefined): void {
  const backend = id === undefined ? undefined : image.backendOf[id];
  if (backend !== undefined) rewrite(image, writes, backend);
}

function rewrite(image: Image, writes: Writes, backend: HeldBackend): void {
  if (image.encodeBackend(backend)) writes.mark('hops', backend.id);
  writes.mark('changedBackends', backend.id);
}

/** A backend of this node is to be found by what comes in tunnels, if its VIP's packets may come so. */
function setArrival(image: Image, writes: Writes, backend: HeldBackend): void {
  const wanted = backend.local && isCarried(backend.vip);
  if (wanted === image.arrivals.has(backend)) return;
  const touched = wanted ? image.arrivals.add(backend) : image.arrivals.remove(backend);
  for (const set of touched) writes.mark('arrivalSets', set);
}

/** The lists are in the kernel before the record that asks for them. */
function setPolicy(image: Image, writes: Writes, held: HeldVip, policy: Policy, undo: Undo): void {
  const { policy: before, nodeDenied } = held;
  image.lists.add(held, policy);
  const carriage = !samePolicy(carriageOf(before), carriageOf(policy));
  undo.push(() => {
    image.lists.prune(held.id, before);
    held.policy = before;
    held.nodeDenied = nodeDenied;
    if (carriage) redirectAll(image, writes, held);
  });
  held.policy = policy;
  // Those of its flows that are tracked exactly go on.
  held.beside ||= isExact(before) && !isExact(policy);
  held.nodeDenied = image.node.denied(policy, familyOf(held.frontend.address));
  if (carriage) redirectAll(image, writes, held);
}

/** How packets get to the backends follows from this part of a policy. */
function carriageOf({ forwarding, exact, clampMss }: Policy): Policy {
  return { ...(forwarding && { forwarding }), ...(exact && { exact }), ...(clampMss && { clampMss }) };
}

function redirectAll(image: Image, writes: Writes, held: HeldVip): void {
  for (const backend of held.backends.values()) redirect(image, writes, backend);
  encodeAddressOf(image, writes, held);
}

function redirect(image: Image, writes: Writes, backend: HeldBackend): void {
  rewrite(image, writes, backend);
  setArrival(image, writes, backend);
}

function encodeAddressOf(image: Image, writes: Writes, { frontend }: HeldVip): void {
  const id = image.addresses.get(frontend.address);
  if (id === undefined) return;
  image.encodeAddress(id, frontend.address);
  writes.mark('vips', id);
}

/**
 * Routes or neighbours have changed: the ways to the backends that depend on them are worked out anew. What changes by
 * that, a selection table too, is noted.
 */
export function planWays(image: Image, writes: Writes): void {
  for (const held of image.vips.values()) {
    if (held.policy.forwarding === undefined) continue;
    allOrNothing((undo) => {
      const before = selectionKey(held);
      for (const backend of held.backends.values()) redirect(image, writes, backend);
      if (selectionKey(held) === before) return;
      changeTable(image, writes, held, false, undo);
      image.encodeVip(held);
      writes.mark('vips', held.id);
    });
  }
}

/** What the table is made from. */
function selectionKey(held: HeldVip): string {
  const parts = selectable(held).map(({ id, weight }) => `${id}*${weight}`);
  return [scheduleOf(held), ...parts.sort()].join();
}

function scheduleOf({ policy }: HeldVip): string {
  return policy.schedule ?? 'maglev';
}

/** A new run of chunks, so that no packet sees half a table. The old one is kept for a while, unless it is damaged. */
function changeTable(image: Image, writes: Writes, held: HeldVip, damaged: boolean, undo: Undo): void {
  const slots = tableSlots(held);
  const chunks = slots.length / LbSize.TABLE_CHUNK_SLOTS;
  const { table } = held;
  if (damaged && table?.checksum === checksum(slots) && table.chunks === chunks) {
    // The same again: written over itself it changes nothing but what is wrong, and needs no room.
    writes.tables.push({ first: table.first, slots });
    return;
  }
  if (damaged && table !== undefined) {
    // It serves nobody well: the new one may have its room.
    image.chunks.give(table.first, table.chunks);
    undo.push(() => image.chunks.adopt(table.first, table.chunks));
  }
  const first = chunks === 0 ? 0 : takeChunks(image, writes, chunks);
  if (held.previous !== undefined) writes.freedRuns.push(held.previous);
  held.table = chunks === 0 ? undefined : { first, chunks, checksum: lastingChecksum(held, slots) };
  held.previous = table === undefined || damaged ? undefined : { ...table, since: Date.now() };
  if (chunks > 0) writes.tables.push({ first, slots });
}

/** Tables kept only for a while give way when there is no room. */
function takeChunks(image: Image, writes: Writes, chunks: number): number {
  try {
    return image.chunks.take(chunks);
  } catch {
    planRetire(image, writes, Number.POSITIVE_INFINITY);
    return image.chunks.take(chunks);
  }
}

/** While a VIP has it, an address has an entry of its own. */
function enterAddress(image: Image, writes: Writes, address: string, undo: Undo): void {
  if (image.addresses.has(address)) return;
  const id = image.vipIds.take();
  image.insertAddress(address, id);
  undo.push(() => dropAddress(image, writes, address, id));
  writes.mark('vips', id);
  writes.mark('vipSets', image.vipSets.add(image.hash(address, 0, 0), id));
  image.encodeSettings({});
  writes.mark('settings', 0);
}

function leaveAddress(image: Image, writes: Writes, address: string): void {
  const id = image.addresses.get(address);
  if (id !== undefined && image.users(address) === 0) dropAddress(image, writes, address, id);
}

function dropAddress(image: Image, writes: Writes, address: string, id: number): void {
  image.deleteAddress(address, id);
  writes.mark('vips', id);
  const set = image.vipSets.remove(image.hash(address, 0, 0), id);
  if (set !== undefined) writes.mark('vipSets', set);
  image.encodeSettings({});
  writes.mark('settings', 0);
}

type Undo = (() => void)[];

/** Runs a change; if it throws, what it has noted as undo runs, the last first. */
function allOrNothing(change: (undo: Undo) => void): void {
  const undo: Undo = [];
  try {
    change(undo);
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw error;
  }
}

function checkPolicy(image: Image, { frontend, policy = {} }: ForwardedVip): void {
  const ports = policy.forwarding === 'full-nat' ? image.natFault() : undefined;
  if (ports !== undefined) throw new VipdError(ports);
  const field = unsupportedIn(policy);
  if (field === undefined) return;
  const cause = `the ebpf data plane cannot do ${field}`;
  const hint = 'leave it out; exact goes with nat and full-nat';
  throw new VipdError({ code: 'POLICY_UNSUPPORTED', object: `vip ${vipKey(frontend)}`, cause, hint });
}

function tooMany(vip: ForwardedVip): VipdError {
  const cause = `${vip.backends.length} backends, at most ${BACKENDS_MAX} fit`;
  return new VipdError({ code: 'TOO_MANY_BACKENDS', object: `vip ${vipKey(vip.frontend)}`, cause });
}
