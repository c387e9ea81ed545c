import { createRequire } from 'node:module';
import { VipdError } from '../util/errors.js';
import { addonFile } from '../util/paths.js';

// Signatures of the addon's exports. It knows bytes and file descriptors; names, sizes and policy belong to the classes
// on top, the only ones that call it. Every failure is an Error with the properties of NativeFailure (errors.ts).

interface Handle {
  pin(path: string): void;
  close(): void;
  closed(): boolean;
}

export interface NativeMapInfo {
  id: number;
  type: number;
  name: string;
  keySize: number;
  valueSize: number;
  valueStride: number;
  maxEntries: number;
  flags: number;
  btfId: number;
  keyTypeId: number;
  valueTypeId: number;
}

export interface NativeMap extends Handle {
  info(): NativeMapInfo;
  get(key: Uint8Array): Buffer | undefined;
  set(key: Uint8Array, value: Uint8Array, flags: number): void;
  delete(key: Uint8Array): boolean;
  setBatch(keys: Uint8Array, values: Uint8Array, count: number): void;
  deleteBatch(keys: Uint8Array, count: number): void;
  dump(): { keys: Buffer; values: Buffer; count: number };
  readArray(first: number, count: number, values: Uint8Array): void;
}

export interface NativeProgram extends Handle {
  info(): { id: number; type: number; name: string; tag: string; instructions: number; jitedBytes: number };
  testRun(
    data: Uint8Array,
    ctx: Uint8Array | undefined,
    repeat: number,
    dataOutSize: number,
    namespace?: string,
  ): { retval: number; data: Buffer; durationNs: number };
  testRunMany(data: Uint8Array, dataStride: number, out: Uint8Array, outStride: number, runs: Uint8Array): void;
}

export interface NativeObject {
  btf(): Buffer;
  maps(): {
    name: string;
    type: number;
    keySize: number;
    valueSize: number;
    maxEntries: number;
    flags: number;
    keyTypeId: number;
    valueTypeId: number;
  }[];
  programs(): { name: string; section: string; type: number }[];
  rodata(): Buffer;
  setRodata(image: Uint8Array): void;
  resize(map: string, maxEntries: number): void;
  reuse(map: string, existing: NativeMap): void;
  autoload(program: string, on: boolean): void;
  load(): void;
  map(name: string): NativeMap;
  program(name: string): NativeProgram;
  close(): void;
}

export interface NativeLink extends Handle {
  info(): { id: number; type: number; progId: number; ifindex?: number; cgroupId?: bigint; attachType?: number };
  update(program: NativeProgram): void;
  detach(): void;
}

export interface NativeRingBuffer {
  close(): void;
}

export interface NativeNetlink {
  request(type: number, flags: number, payload: Uint8Array): Buffer;
  requestAside(type: number, flags: number, payload: Uint8Array): Promise<Buffer>;
  listen(group: number, onChange: () => void): void;
  close(): void;
}

/** Slots of a batch, one behind the other: datagrams of 4,096 bytes, answers of 6,144, 32-bit lengths, peers of 28 bytes. */
export interface DatagramMemory {
  readonly in: Buffer;
  readonly inLengths: Buffer;
  readonly out: Buffer;
  readonly outLengths: Buffer;
  readonly peers: Buffer;
}

export interface NativeDatagram {
  readonly memory: DatagramMemory;
  send(bytes: Uint8Array, peer: Uint8Array): boolean;
  port(): number;
  dropped(): { received: number; sent: number };
  close(): void;
}

export interface Addon {
  Object: new (bytes: Uint8Array, name: string) => NativeObject;
  Map: { openPinned(path: string): NativeMap };
  Program: { openPinned(path: string): NativeProgram };
  Link: {
    attachCgroup(program: NativeProgram, path: string, attachType: number): NativeLink;
    attachInterface(program: NativeProgram, ifindex: number, attachType: number, flags: number): NativeLink;
    openPinned(path: string): NativeLink;
  };
  RingBuffer: new (map: NativeMap, onEvents: (events: Buffer, lengths: Uint32Array) => void) => NativeRingBuffer;
  Datagram: new (
    address: Uint8Array,
    port: number,
    shared: boolean,
    receiveBuffer: number,
    threaded: boolean,
    onBatch: (count: number) => void,
  ) => NativeDatagram;
  Netlink: new (protocol: number, namespace?: string) => NativeNetlink;
  attachClsact(program: NativeProgram, ifindex: number, egress: boolean, handle: number, priority: number): void;
  detachClsact(ifindex: number, egress: boolean, handle: number, priority: number): void;
  removeClsact(ifindex: number): void;
  attachedToInterface(ifindex: number, attachType: number): number[];
  attachedToCgroup(path: string, attachType: number): number[];
  programName(id: number): string | undefined;
  probeProgramType(type: number): boolean;
  probeMapType(type: number): boolean;
  probeHelper(programType: number, helper: number): boolean;
  kernelFunctions(names: readonly string[]): boolean[];
  kernelBtf(id: number): Buffer;
  possibleCpus(): number;
  notify(path: string, message: string): void;
  mountBpffs(path: string): void;
  namespaceCookie(): bigint;
}

/** Where a class keeps its native half: reachable for its neighbours in this package, for nobody by accident. */
export const native: unique symbol = Symbol('native');

let loaded: Addon | undefined;

/**
 * The addon, loaded at the first call so that what needs no kernel needs no build of it either.
 * @throws VipdError ADDON_UNAVAILABLE when it is not built, a library is missing, or in a worker thread
 */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  try {
    return createRequire(import.meta.url)(addonFile);
  } catch (error) {
    throw new VipdError(
      {
        code: 'ADDON_UNAVAILABLE',
        object: addonFile,
        cause: error instanceof Error ? error.message.split('\n')[0]! : String(error),
        hint: 'build it with `npm run build:native`; it needs the packages libbpf1 and libnl-3-200',
      },
      { cause: error },
    );
  }
}
