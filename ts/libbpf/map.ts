import { addon, type NativeMap, native } from '../native/binding.js';
import { about, checkLength } from './errors.js';

export interface MapInfo {
  readonly id: number;
  /** `enum bpf_map_type` of linux/bpf.h. */
  readonly type: number;
  /** As the kernel keeps it: cut to 15 characters. */
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel's copy of the BTF the type ids refer to; 0 when it has none. */
  readonly btfId: number;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
}

/**
 * A map in the kernel. Owns a file descriptor: `close()` gives it back at once, the garbage collector sooner or later.
 * Every method throws a BpfError; EBADF after `close()`, EINVAL for bytes of a wrong length.
 */
export class BpfMap {
  readonly [native]: NativeMap;
  readonly info: MapInfo;
  /**
   * Bytes of one value as user space sees it: `valueSize`; for per-CPU types one slot per possible CPU, each rounded up
   * to 8 bytes.
   */
  readonly valueStride: number;
  readonly #object: string;

  /** For the classes of this folder; others get maps from `LoadedObject` or `openPinned`. */
  constructor(handle: NativeMap, name?: string) {
    const { valueStride, ...info } = handle.info();
    this[native] = handle;
    this.info = info;
    this.valueStride = valueStride;
    this.#object = `map ${name ?? info.name}`;
  }

  /** @throws BpfError ENOENT when nothing is pinned there, EINVAL when it is no map */
  static openPinned(path: string): BpfMap {
    return new BpfMap(about(`map ${path}`, () => addon().Map.openPinned(path)));
  }

  get closed(): boolean {
    return this[native].closed();
  }

  /** A copy of the value, `valueStride` bytes; undefined when the key is absent. */
  get(key: Uint8Array): Buffer | undefined {
    checkLength(this.#object, 'lookup', 'key', key, this.info.keySize);
    return about(this.#object, () => this[native].get(key));
  }

  /** @param flags BPF_ANY 0, BPF_NOEXIST 1, BPF_EXIST 2. @throws BpfError E2BIG when the map is full */
  set(key: Uint8Array, value: Uint8Array, flags = 0): void {
    checkLength(this.#object, 'update', 'key', key, this.info.keySize);
    checkLength(this.#object, 'update', 'value', value, this.valueStride);
    about(this.#object, () => this[native].set(key, value, flags));
  }

  /** False when the key was absent. */
  delete(key: Uint8Array): boolean {
    checkLength(this.#object, 'delete', 'key', key, this.info.keySize);
    return about(this.#object, () => this[native].delete(key));
  }

  /** Keys and values one behind the other. @throws BpfError whose `done` says how many were written */
  setBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    checkLength(this.#object, 'update', 'keys', keys, count * this.info.keySize);
    checkLength(this.#object, 'update', 'values', values, count * this.valueStride);
    about(this.#object, () => this[native].setBatch(keys, values, count));
  }

  /** Absent keys are passed over. @throws BpfError whose `done` says how many keys are gone */
  deleteBatch(keys: Uint8Array, count: number): void {
    checkLength(this.#object, 'delete', 'keys', keys, count * this.info.keySize);
    about(this.#object, () => this[native].deleteBatch(keys, count));
  }

  /** All entries, one behind the other; while the map changes, an entry may be missing or appear twice. */
  dump(): { keys: Buffer; values: Buffer; count: number } {
    return about(this.#object, () => this[native].dump());
  }

  /** Entries `first` and following of an array map, as many as `into` holds. @throws BpfError EINVAL past the end */
  readArray(first: number, into: Uint8Array): void {
    const count = Math.floor(into.byteLength / this.valueStride);
    checkLength(this.#object, 'read', 'values', into, count * this.valueStride);
    about(this.#object, () => this[native].readArray(first, count, into));
  }

  /** Keeps the map alive under a path on a bpf filesystem. @throws BpfError EEXIST */
  pin(path: string): void {
    about(`${this.#object} at ${path}`, () => this[native].pin(path));
  }

  close(): void {
    this[native].close();
  }

  /**
   * The raw BTF its type ids refer to, from the kernel: the layout a pinned map was made with. Undefined when it has none.
   * @throws BpfError EPERM without CAP_SYS_ADMIN
   */
  btf(): Buffer | undefined {
    if (this.info.btfId === 0) return undefined;
    return about(this.#object, () => addon().kernelBtf(this.info.btfId));
  }
}

/** How many slots a per-CPU value has. */
export function possibleCpus(): number {
  return addon().possibleCpus();
}
