import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Btf, checkEnums } from '../../libbpf/btf.js';
import { type Codec, codecFor } from '../../libbpf/codec.js';
import type { BpfMap } from '../../libbpf/map.js';
import { BpfObject, type LoadedObject } from '../../libbpf/object.js';
import type { BpfProgram } from '../../libbpf/program.js';
import { VipdError } from '../../util/errors.js';
import { bpfObject } from '../../util/paths.js';
import { adoptMap } from './adopt.js';
import { enums, LbSize, type Rodata, type Settings } from './lb.gen.js';
import type { PortRange } from './nat-ports.js';
import { keepPinned, makePinDirectory, unpin } from './pins.js';
import { copyExact, copyExactRest, copyMap, copyRest, isReplaced } from './resize.js';
import { measureHz, shiftOf } from './ticks.js';

/** Most VIPs, backends (summed over all VIPs) and tracked flows. */
export interface Limits {
  readonly vips: number;
  readonly backends: number;
  readonly flows: number;
  /** Flows that are tracked by all of their ends; 65,536 when absent. */
  readonly exactFlows?: number;
}

/** Settings of the programs that no map keeps. */
export interface Asked {
  /** One in so many new connections makes an event; 0 none. */
  readonly sampleConnections: number;
  /** Cookie of the network namespace of the node itself. */
  readonly nodeNamespace: bigint;
  readonly natPorts: PortRange;
}

const OBJECTS = ['sock_lb', 'sock_health', 'tc_lb', 'xdp_lb'] as const;
export type ObjectName = (typeof OBJECTS)[number];

/** Maps that live on without the daemon; the others are scratch space of one object. */
const SHARED = [
  'settings',
  'vip_sets',
  'vips',
  'backends',
  'reply_sets',
  'hops',
  'arrival_sets',
  'tables',
  'flows',
  'fragments',
  'exact_flows',
  'exact_answers',
  'exact_unproven',
  'exact_turns',
  'exact_use',
  'exact_fragments',
  'overflow_flows',
  'vip_counters',
  'backend_counters',
  'backend_connects',
  'vip_turns',
  'affinities',
  'source_rates',
  'source_rules',
  'verdicts',
  'event_budgets',
  'sock_origins',
  'sock_attempts',
  'datagram_origins',
  'workloads',
  'opt_outs',
  'events',
] as const;
export type SharedMap = (typeof SHARED)[number];

/** The data plane's programs and maps, loaded; the maps are pinned, and shared by all programs. */
export interface Loaded {
  map(name: SharedMap): BpfMap;
  program(object: ObjectName, name: string): BpfProgram;
  codec<T>(struct: string): Codec<T>;
  /** Bytes from the start of a struct to one of its fields. */
  offset(struct: string, field: string): number;
  readonly settings: Settings;
  /** Names of maps that keep a size other than the limits ask for, because ids in use would not fit. */
  readonly kept: readonly string[];
  /** Pins the maps again whose pins are gone, and names them. @throws BpfError, or what the file system says */
  keepPinned(): readonly string[];
  /** Names of maps that are replaced by ones of another size; the programs attached so far still use the old ones. */
  readonly replaced: readonly string[];
  /** To be called before any program is attached that knows only the maps that replace others: takes over exact flows. */
  prepare(): void;
  /** To be called when no program is attached any more that knows only the replaced maps: takes over flows and pins. */
  settle(): void;
  close(): void;
}

/**
 * Adopts the maps pinned under `directory`/maps, makes those that are missing, and loads the programs of this version
 * over them. Attaches nothing.
 * @throws VipdError PIN_INCOMPATIBLE when a pinned map has another layout; BpfError from the kernel
 */
export function loadPrograms(directory: string, limits: Limits, asked: Asked): Loaded {
  const pins = join(directory, 'maps');
  makePinDirectory(pins);
  const objects = new Map(OBJECTS.map((name) => [name, BpfObject.open(readFileSync(bpfObject(name)), name)]));
  const btf = Btf.parse(objects.get('tc_lb')!.btf, 'tc_lb');
  const stale = checkEnums(btf, enums);
  if (stale !== undefined) throw new VipdError(stale);
  const maps = adoptMaps(pins, btf);
  const sizes = sizesOf(limits);
  const old = takeReplaced(maps, sizes);
  const kept = [...maps].filter(([name, map]) => sizes[name] !== undefined && sizes[name] !== map.info.maxEntries);
  const settingsCodec = codecFor<Settings>(btf, btf.struct('settings'), 'settings');
  const settings = settingsFrom(maps.get('settings'), settingsCodec);
  const loaded = new Map<ObjectName, LoadedObject>();
  for (const [name, object] of objects) {
    prepare(object, sizes, maps);
    const flows = old.get('flows');
    if (flows !== undefined) object.reuse('old_flows', flows);
    object.setRodata(rodataOf(object, { settings, maps, sizes, ...asked, oldFlows: flows }));
    const running = object.load();
    loaded.set(name, running);
    adoptNew(running, maps, pins, old);
  }
  pinPrograms(join(directory, 'programs'), objects, loaded);
  const answerAt = offsetOf(btf, 'exact_flow', 'answer');
  const exact = { flows: maps.get('exact_flows')!, answers: maps.get('exact_answers')!, answerAt };
  maps.get('settings')!.set(Buffer.alloc(4), settingsCodec.encode(settings));
  return {
    map: (name) => maps.get(name)!,
    program: (object, name) => loaded.get(object)!.program(name),
    codec: <T>(struct: string) => codecFor<T>(btf, btf.struct(struct), struct),
    offset: (struct, field) => offsetOf(btf, struct, field),
    settings,
    kept: kept.map(([name]) => name),
    keepPinned: () => keepPinned(makePinDirectory(pins), maps),
    replaced: [...old.keys()],
    prepare() {
      const flows = exactOf(old, maps);
      if (flows !== undefined) copyExact(flows, exact);
    },
    settle() {
      const flows = old.get('flows');
      if (flows !== undefined) copyRest(flows, maps.get('flows')!);
      const exactFlows = exactOf(old, maps);
      if (exactFlows !== undefined) copyExactRest(exactFlows, exact);
      for (const [name, map] of old) {
        renameSync(join(pins, next(name)), join(pins, name));
        map.close();
      }
      old.clear();
    },
    close() {
      for (const map of old.values()) map.close();
      for (const object of loaded.values()) object.close();
      for (const map of maps.values()) map.close();
    },
  };
}

type Maps = Map<SharedMap, BpfMap>;
type Sizes = Readonly<Partial<Record<SharedMap, number>>>;

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, atLeast)));
}

/** Entries of each map; id 0 means none, hence one more than the limit. Each VIP may need a second for its address. */
function sizesOf(limits: Limits): Sizes {
  const { exactFlows = 65_536 } = limits;
  return {
    vips: limits.vips * 2 + 1,
    vip_counters: limits.vips * 2 + 1,
    vip_sets: powerOfTwo(limits.vips),
    backends: limits.backends + 1,
    backend_counters: limits.backends + 1,
    backend_connects: limits.backends + 1,
    vip_turns: limits.vips * 2 + 1,
    reply_sets: powerOfTwo(limits.backends / 2),
    hops: limits.backends + 1,
    arrival_sets: powerOfTwo(limits.backends / 8),
    tables: powerOfTwo(limits.backends * 2),
    flows: powerOfTwo(limits.flows / LbSize.FLOW_SET_WAYS),
    exact_flows: exactFlows,
    exact_answers: exactFlows,
    exact_unproven: powerOfTwo(exactFlows / 4),
  };
}

function adoptMaps(pins: string, btf: Btf): Maps {
  const maps: Maps = new Map();
  for (const name of SHARED) {
    const map = adoptMap(pins, name, btf);
    if (map !== undefined) maps.set(name, map);
  }
  return maps;
}

/** Nothing of ours opens these: they let tools such as bpftool find and measure the programs. */
function pinPrograms(pins: string, objects: Map<ObjectName, BpfObject>, loaded: Map<ObjectName, LoadedObject>): void {
  makePinDirectory(pins);
  for (const [object, { programs }] of objects) {
    for (const { name } of programs) {
      unpin(join(pins, name));
      loaded.get(object)!.program(name).pin(join(pins, name));
    }
  }
}

function settingsFrom(map: BpfMap | undefined, codec: Codec<Settings>): Settings {
  const held = map?.get(Buffer.alloc(4));
  const settings = codec.decode(held ?? Buffer.alloc(codec.size));
  if (settings.flow_seed !== 0n && settings.hz !== 0) return settings;
  const seeds = randomBytes(12);
  return {
    ...settings,
    flow_seed: seeds.readBigUInt64LE(0) | 1n,
    set_seed: seeds.readUInt32LE(8),
    hz: measureHz(),
  };
}

function prepare(object: BpfObject, sizes: Sizes, maps: Maps): void {
  for (const { name } of object.maps) {
    const shared = name as SharedMap;
    const existing = maps.get(shared);
    if (existing !== undefined) object.reuse(name, existing);
    else if (sizes[shared] !== undefined) object.resize(name, sizes[shared]);
  }
}

/** Leaves out of `maps`, and gives, those that are to be made anew in another size. */
function takeReplaced(maps: Maps, sizes: Sizes): Maps {
  const old = new Map([...maps].filter(([name, map]) => isReplaced(name, map.info.maxEntries, sizes[name])));
  for (const name of old.keys()) maps.delete(name);
  return old;
}

/** Where a map that replaces another is pinned until the programs use it; left by a daemon that did not come that far. */
const next = (name: string) => `next_${name}`; // bpffs takes no dots

/** The first object that is loaded makes the maps; the next ones reuse them. */
function adoptNew(object: LoadedObject, maps: Maps, pins: string, old: Maps): void {
  for (const name of SHARED) {
    if (maps.has(name)) continue;
    const map = object.map(name);
    const replaced = old.get(name);
    const pin = join(pins, replaced === undefined ? name : next(name));
    unpin(join(pins, next(name)));
    map.pin(pin);
    chmodSync(pin, 0o600);
    maps.set(name, map);
    if (replaced !== undefined) copyMap(name, replaced, map);
  }
}

/** The flows to be taken over when they or their answers have another map now. */
function exactOf(old: Maps, maps: Maps): BpfMap | undefined {
  return old.get('exact_flows') ?? (old.has('exact_answers') ? maps.get('exact_flows') : undefined);
}

interface RodataInput extends Asked {
  readonly settings: Settings;
  readonly maps: Maps;
  readonly sizes: Sizes;
  readonly oldFlows: BpfMap | undefined;
}

function rodataOf(object: BpfObject, input: RodataInput): Buffer {
  const { settings, maps, sizes, sampleConnections, nodeNamespace, natPorts, oldFlows } = input;
  const mask = (map: SharedMap) => (maps.get(map)?.info.maxEntries ?? sizes[map]!) - 1;
  const values: Rodata = {
    vip_set_mask: mask('vip_sets'),
    reply_set_mask: mask('reply_sets'),
    arrival_set_mask: mask('arrival_sets'),
    flow_set_mask: mask('flows'),
    old_flow_set_mask: oldFlows === undefined ? 0 : oldFlows.info.maxEntries - 1,
    set_seed: settings.set_seed,
    flow_seed: settings.flow_seed,
    age_shift: shiftOf(settings.hz * 16),
    second_shift: shiftOf(settings.hz),
    hz: settings.hz,
    node_namespace: nodeNamespace,
    sample_connections: sampleConnections,
    exact_unproven_mask: mask('exact_unproven'),
    nat_port_first: natPorts.first,
    nat_ports: natPorts.last - natPorts.first + 1,
    events_per_second: 256,
  };
  const image = object.rodata();
  const btf = Btf.parse(object.btf);
  for (const { name, offset, typeId } of btf.dataSection('.rodata')) {
    const value = values[name as keyof Rodata];
    if (value !== undefined) codecFor(btf, typeId, name).encode(value, image, offset);
  }
  return image;
}

function offsetOf(btf: Btf, struct: string, field: string): number {
  const type = btf.resolve(btf.struct(struct));
  const member = type.kind === 'struct' ? type.members.find(({ name }) => name === field) : undefined;
  if (member !== undefined) return member.bitOffset / 8;
  throw new VipdError({ code: 'LAYOUT_MISMATCH', object: `struct ${struct}`, cause: `no field ${field}` });
}
