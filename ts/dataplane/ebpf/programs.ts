import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Btf, checkEnums } from '../../libbpf/btf.js';
import { type Codec, codecFor } from '../../libbpf/codec.js';
import { BpfError } from '../../libbpf/errors.js';
import type { BpfMap } from '../../libbpf/map.js';
import { BpfObject, type LoadedObject } from '../../libbpf/object.js';
import type { BpfProgram } from '../../libbpf/program.js';
import { VipdError } from '../../util/errors.js';
import { bpfObject } from '../../util/paths.js';
import type { FlowLayout } from './convert.js';
import { layoutEntries, writeLayout } from './layouts.js';
import { enums, FlowBits, LbSize, type Rodata, type Settings } from './lb.gen.js';
import type { PortRange } from './nat-ports.js';
import { noteOverflow } from './overflow.js';
import { keepPinned, makePinDirectory, pinsIn, unpin } from './pins.js';
import {
  adoptMaps,
  carried,
  differenceOf,
  exactOf,
  isCopiedEarly,
  lossOf,
  type Old,
  oldExactOf,
  type Replaced,
  servingStill,
} from './replaced.js';
import { clear, copyExact, copyExactRest, copyMap, copyRest } from './resize.js';
import { type Limits, type Maps, SHARED, type SharedMap, type Sizes, sizesOf } from './shared-maps.js';
import { flowAgeNow, measureHz, shiftOf } from './ticks.js';

/** Settings of the programs that no map keeps. */
export interface Asked {
  /** One in so many new connections makes an event; 0 none. */
  readonly sampleConnections: number;
  /** Cookie of the network namespace of the node itself. */
  readonly nodeNamespace: bigint;
  readonly natPorts: PortRange;
}

const OBJECTS = ['sock_lb', 'sock_health', 'tc_lb', 'tc_upkeep', 'xdp_lb'] as const;
export type ObjectName = (typeof OBJECTS)[number];

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
  /** Names of maps that are replaced by ones of another size or layout; the programs attached so far still use the old ones. */
  readonly replaced: readonly string[];
  /** What another version has laid out otherwise, in words, by map. */
  readonly converted: ReadonlyMap<string, string>;
  /** Why what is in a map cannot be carried over, by map. */
  readonly lost: ReadonlyMap<string, string>;
  /** To be called before any program is attached that knows only the maps that replace others: takes over exact flows. */
  prepare(): void;
  /** To be called when no program is attached any more that knows only the replaced maps: takes over flows and pins. */
  settle(): void;
  close(): void;
}

/**
 * Adopts the maps pinned under `directory`/maps, makes those that are missing, and loads the programs of this version
 * over them. What a map of another version holds is carried over to one of this. Attaches nothing.
 * @throws VipdError PIN_INCOMPATIBLE when a pinned map has another layout, PLANE_UNSUPPORTED when the kernel takes a program
 * for wrong; BpfError else
 */
export function loadPrograms(directory: string, limits: Limits, asked: Asked): Loaded {
  const pins = join(directory, 'maps');
  makePinDirectory(pins);
  const objects = new Map(OBJECTS.map((name) => [name, BpfObject.open(readFileSync(bpfObject(name)), name)]));
  const btf = Btf.parse(objects.get('tc_lb')!.btf, 'tc_lb');
  const stale = checkEnums(btf, enums);
  if (stale !== undefined) throw new VipdError(stale);
  const sizes = { ...sizesOf(limits), layout: layoutEntries(objects.get('tc_lb')!.btf, LbSize.LAYOUT_PART) };
  const { maps, old } = adoptMaps(pins, btf, sizes);
  const kept = [...maps].filter(([name, map]) => sizes[name] !== undefined && sizes[name] !== map.info.maxEntries);
  const settingsCodec = codecFor<Settings>(btf, btf.struct('settings'), 'settings');
  const settings = settingsFrom(heldSettings(maps, old), settingsCodec);
  const oldExact = oldExactOf(old);
  const loaded = new Map<ObjectName, LoadedObject>();
  for (const [name, object] of objects) {
    prepare(object, sizes, maps);
    const flows = servingStill(old.get('flows'));
    if (flows !== undefined) object.reuse('old_flows', flows.map);
    for (const [name, map] of oldExact) object.reuse(name, map);
    object.setRodata(
      rodataOf(object, { settings, maps, sizes, ...asked, oldFlows: flows, oldExact: oldExact.length > 0 }),
    );
    const running = load(object);
    loaded.set(name, running);
    adoptNew(running, maps, pins, old, flowAgeNow(settings.hz));
  }
  writeLayout(
    maps.get('layout')!,
    objects.get('tc_lb')!.btf,
    [...maps.values()].map(({ info }) => info.id),
  );
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
    replaced: [...old.keys()].filter((name) => name !== 'layout'),
    converted: new Map([...old].flatMap(([name, { difference }]) => differenceOf(name, difference))),
    lost: new Map([...old].flatMap(([name, one]) => lossOf(name, one))),
    prepare() {
      const flows = exactOf(old, maps);
      if (flows !== undefined) copyExact(flows.map, exact, flows);
      noteOverflow(maps);
    },
    settle() {
      noteOverflow(maps); // what the programs of before have put there until now
      const flows = old.get('flows');
      if (flows !== undefined && carried('flows', flows)) {
        copyRest(flows.map, maps.get('flows')!, { ...flows, age: flowAgeNow(settings.hz) });
      }
      const exactFlows = exactOf(old, maps);
      if (exactFlows !== undefined) copyExactRest(exactFlows.map, exact, exactFlows);
      // Nobody writes there any more; what ends from now on must not be found again.
      for (const [, map] of oldExact.splice(0)) clear(map);
      // The layout goes last: until then it is found by which maps it is of.
      for (const [name, { map }] of [...old].sort(([a], [b]) => Number(a === 'layout') - Number(b === 'layout'))) {
        renameSync(join(pins, next(name)), join(pins, name));
        map.close();
      }
      old.clear();
      for (const name of pinsIn(pins)) if (!SHARED.includes(name as SharedMap)) unpin(join(pins, name));
    },
    close() {
      for (const { map } of old.values()) map.close();
      for (const object of loaded.values()) object.close();
      for (const map of maps.values()) map.close();
    },
  };
}

/** What is in the way of a load beside the programs themselves. */
const PASSING = ['EPERM', 'ENOMEM', 'EMFILE', 'ENFILE', 'EAGAIN'];

function load(object: BpfObject): LoadedObject {
  try {
    return object.load();
  } catch (error) {
    if (!(error instanceof BpfError) || PASSING.includes(error.errnoName)) throw error;
    const { cause, hint = 'another kernel, or mode: ipvs' } = error.fault;
    const fault = { object: 'data plane ebpf', cause: `the kernel refuses ${error.fault.object}: ${cause}`, hint };
    throw new VipdError({ code: 'PLANE_UNSUPPORTED', ...fault }, { cause: error });
  }
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

function heldSettings(maps: Maps, old: Replaced): Buffer | undefined {
  const { map, conversion } = old.get('settings') ?? { map: maps.get('settings') };
  const held = map?.get(Buffer.alloc(4));
  return held === undefined ? undefined : (conversion?.value(held) ?? held);
}

function settingsFrom(held: Buffer | undefined, codec: Codec<Settings>): Settings {
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

/** Where a map that replaces another is pinned until the programs use it; left by a daemon that did not come that far. */
const next = (name: string) => `next_${name}`; // bpffs takes no dots

/** The first object that is loaded makes the maps; the next ones reuse them. */
function adoptNew(object: LoadedObject, maps: Maps, pins: string, old: Replaced, age: number): void {
  for (const name of SHARED) {
    if (maps.has(name)) continue;
    const map = object.map(name);
    const replaced = old.get(name);
    const pin = join(pins, replaced === undefined ? name : next(name));
    unpin(join(pins, next(name)));
    map.pin(pin);
    chmodSync(pin, 0o600);
    maps.set(name, map);
    if (replaced !== undefined && isCopiedEarly(name, replaced)) copyMap(name, replaced.map, map, { ...replaced, age });
  }
}

interface RodataInput extends Asked {
  readonly settings: Settings;
  readonly maps: Maps;
  readonly sizes: Sizes;
  readonly oldFlows: Old | undefined;
  readonly oldExact: boolean;
}

function rodataOf(object: BpfObject, input: RodataInput): Buffer {
  const { settings, maps, sizes, sampleConnections, nodeNamespace, natPorts, oldFlows, oldExact } = input;
  const mask = (map: SharedMap) => (maps.get(map)?.info.maxEntries ?? sizes[map]!) - 1;
  const values: Rodata = {
    vip_set_mask: mask('vip_sets'),
    reply_set_mask: mask('reply_sets'),
    arrival_set_mask: mask('arrival_sets'),
    flow_set_mask: mask('flows'),
    old_flow_set_mask: oldFlows === undefined ? 0 : oldFlows.map.info.maxEntries - 1,
    old_flow_layout: layoutForPrograms(oldFlows?.flowLayout ?? FlowBits),
    set_seed: settings.set_seed,
    flow_seed: settings.flow_seed,
    age_shift: shiftOf(settings.hz * 16),
    second_shift: shiftOf(settings.hz),
    hz: settings.hz,
    node_namespace: nodeNamespace,
    sample_connections: sampleConnections,
    old_exact: oldExact ? 1 : 0,
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

function layoutForPrograms(layout: FlowLayout): Rodata['old_flow_layout'] {
  return {
    tag_shift: layout.FLOW_TAG_SHIFT,
    backend_shift: layout.FLOW_BACKEND_SHIFT,
    backend_bits: layout.FLOW_BACKEND_BITS,
    generation_shift: layout.FLOW_GENERATION_SHIFT,
    state_shift: layout.FLOW_STATE_SHIFT,
  };
}

function offsetOf(btf: Btf, struct: string, field: string): number {
  const type = btf.resolve(btf.struct(struct));
  const member = type.kind === 'struct' ? type.members.find(({ name }) => name === field) : undefined;
  if (member !== undefined) return member.bitOffset / 8;
  throw new VipdError({ code: 'LAYOUT_MISMATCH', object: `struct ${struct}`, cause: `no field ${field}` });
}
