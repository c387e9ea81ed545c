import { addon, type NativeObject, native } from '../native/binding.js';
import { about, checkLength } from './errors.js';
import { BpfMap } from './map.js';
import { BpfProgram } from './program.js';

/** A map as the object file declares it; data sections are maps too, by their section's name: `.rodata`. */
export interface MapSpec {
  readonly name: string;
  /** `enum bpf_map_type` of linux/bpf.h. */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Type ids in the object's BTF; 0 where a map declares only a size. */
  readonly keyTypeId: number;
  readonly valueTypeId: number;
}

export interface ProgramSpec {
  readonly name: string;
  readonly section: string;
  /** `enum bpf_prog_type` of linux/bpf.h. */
  readonly type: number;
}

/** The blueprint in an object file. Everything but `load` is pure and needs no privilege. */
export class BpfObject {
  readonly btf: Uint8Array;
  readonly maps: readonly MapSpec[];
  readonly programs: readonly ProgramSpec[];
  readonly #handle: NativeObject;
  readonly #object: string;

  private constructor(handle: NativeObject, object: string) {
    this.#handle = handle;
    this.#object = object;
    this.btf = about(object, () => handle.btf());
    this.maps = handle.maps();
    this.programs = handle.programs();
  }

  /** @param name for messages: `xdp_lb`. @throws BpfError when the bytes are no BPF object with BTF */
  static open(bytes: Uint8Array, name: string): BpfObject {
    const object = `object ${name}`;
    // libbpf begins the names of data sections with the object's; a dot in it would hide where the section begins.
    const handle = about(object, () => new (addon().Object)(bytes, name.split('.')[0]!));
    return new BpfObject(handle, object);
  }

  /** A copy of the `.rodata` section. @throws BpfError ENOENT when there is none */
  rodata(): Buffer {
    return about(this.#object, () => this.#handle.rodata());
  }

  /** Replaces the whole section. @throws BpfError EINVAL for another length */
  setRodata(bytes: Uint8Array): void {
    checkLength(this.#object, 'set rodata', 'image', bytes, this.rodata().byteLength);
    about(this.#object, () => this.#handle.setRodata(bytes));
  }

  resize(map: string, maxEntries: number): void {
    about(this.#object, () => this.#handle.resize(map, maxEntries));
  }

  /** Loads with a map that exists already, instead of a new one. @throws BpfError EINVAL when it has another shape */
  reuse(map: string, existing: BpfMap): void {
    about(`${this.#object} map ${map}`, () => this.#handle.reuse(map, existing[native]));
  }

  /** Whether `load` loads this program; it does unless told otherwise. */
  autoload(program: string, on: boolean): void {
    about(this.#object, () => this.#handle.autoload(program, on));
  }

  /**
   * Creates the maps and loads the programs; an object can be loaded once.
   * @throws BpfError with the verifier's last lines in the message and all of it in `log`; the object is closed then
   */
  load(): LoadedObject {
    about(this.#object, () => this.#handle.load());
    return new LoadedObject(this.#handle, this.#object);
  }

  close(): void {
    this.#handle.close();
  }
}

/** An object whose maps and programs are in the kernel. Handles taken from it live on when it is closed. */
export class LoadedObject {
  readonly #handle: NativeObject;
  readonly #object: string;
  readonly #maps = new Map<string, BpfMap>();
  readonly #programs = new Map<string, BpfProgram>();

  constructor(handle: NativeObject, object: string) {
    this.#handle = handle;
    this.#object = object;
  }

  /** The same handle at every call until it is closed. @throws BpfError ENOENT */
  map(name: string): BpfMap {
    return reopened(
      this.#maps,
      name,
      () =>
        new BpfMap(
          about(this.#object, () => this.#handle.map(name)),
          name,
        ),
    );
  }

  /** The same handle at every call until it is closed. @throws BpfError ENOENT, also for what autoload left out */
  program(name: string): BpfProgram {
    const open = () =>
      new BpfProgram(
        about(this.#object, () => this.#handle.program(name)),
        name,
      );
    return reopened(this.#programs, name, open);
  }

  close(): void {
    this.#handle.close();
  }
}

function reopened<T extends { closed: boolean }>(known: Map<string, T>, name: string, open: () => T): T {
  const existing = known.get(name);
  if (existing !== undefined && !existing.closed) return existing;
  const handle = open();
  known.set(name, handle);
  return handle;
}
