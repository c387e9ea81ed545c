import { type Fault, VipdError } from '../util/errors.js';
import { type BtfType, parseTypes, type Struct } from './btf-parse.js';

export type { BtfType, Member, Struct } from './btf-parse.js';

/** A variable of a data section; offset and size in bytes. */
export interface Variable {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly typeId: number;
}

/** Type ids of a map's key and value; absent where the map has none (ring buffers). */
export interface MapTypes {
  readonly key?: number;
  readonly value?: number;
}

/** Values of a C enum by constant name; 64-bit ones are bigint. */
export type EnumValues = Readonly<Record<string, number | bigint>>;

const POINTER_SIZE = 8;

/** The type information of one BPF object or loaded map (Documentation/bpf/btf.rst). Immutable. */
export class Btf {
  /** Byte order of the machine the object was compiled for. */
  readonly littleEndian: boolean;
  readonly #types: readonly BtfType[];
  readonly #byName = new Map<string, number>();

  private constructor(types: readonly BtfType[], littleEndian: boolean) {
    this.#types = types;
    this.littleEndian = littleEndian;
    types.forEach((type, id) => {
      const key = `${type.kind} ${type.name}`;
      if (type.name !== '' && !this.#byName.has(key)) this.#byName.set(key, id);
    });
  }

  /** @param object names the bytes in errors. @throws VipdError BTF_INVALID */
  static parse(bytes: Uint8Array, object = 'BTF'): Btf {
    const { types, littleEndian } = parseTypes(bytes, object);
    return new Btf(types, littleEndian);
  }

  /** Number of types, `void` (id 0) included. */
  get count(): number {
    return this.#types.length;
  }

  /** @throws VipdError BTF_INVALID for an id that does not exist */
  type(id: number): BtfType {
    const type = this.#types[id];
    if (type === undefined) throw invalid(`type ${id} does not exist`);
    return type;
  }

  /** The type behind typedefs and qualifiers. */
  resolve(id: number): BtfType {
    return this.type(this.resolveId(id));
  }

  resolveId(id: number): number {
    for (let steps = 0; steps <= this.#types.length; steps++) {
      const type = this.type(id);
      if (type.kind !== 'alias') return id;
      id = type.target;
    }
    throw invalid(`type ${id} is an alias of itself`);
  }

  /** Names of the typedefs in front of a type, outermost first. */
  typedefs(id: number): string[] {
    const names: string[] = [];
    for (let type = this.type(id); type.kind === 'alias'; type = this.type(type.target)) {
      if (type.typedef) names.push(type.name);
    }
    return names;
  }

  /** Type id of `struct NAME`. @throws VipdError BTF_MISSING */
  struct(name: string): number {
    return this.#find('struct', name);
  }

  /** Every named enum of the object. */
  enums(): ReadonlyMap<string, EnumValues> {
    const named = this.#types.filter((type) => type.kind === 'enum' && type.name !== '');
    return new Map(named.map((type) => [type.name, type.kind === 'enum' ? type.values : {}]));
  }

  /**
   * The variables of a section such as `.rodata`, in address order; empty when the object has none. Offsets are known
   * once libbpf has opened the object: in a file fresh from the compiler they may be 0.
   */
  dataSection(name: string): Variable[] {
    const id = this.#byName.get(`section ${name}`);
    const section = id === undefined ? undefined : this.type(id);
    if (section?.kind !== 'section') return [];
    return section.variables.map(({ typeId, offset, size }) => {
      const variable = this.type(typeId);
      if (variable.kind !== 'variable') throw invalid(`type ${typeId} in ${name} is not a variable`);
      return { name: variable.name, offset, size: size || this.sizeOf(variable.target), typeId: variable.target };
    });
  }

  /** Key and value types of every map declared in `.maps`, by map name. */
  mapTypes(): ReadonlyMap<string, MapTypes> {
    const maps = this.dataSection('.maps').map(({ name, typeId }) => [name, this.#declaredTypes(typeId)] as const);
    return new Map(maps);
  }

  /** Size in bytes. @throws VipdError BTF_INVALID for types without one (functions, forward declarations) */
  sizeOf(id: number): number {
    const type = this.resolve(id);
    switch (type.kind) {
      case 'int':
      case 'float':
      case 'struct':
      case 'union':
      case 'enum':
      case 'section':
        return type.size;
      case 'pointer':
        return POINTER_SIZE;
      case 'array':
        return type.count * this.sizeOf(type.element);
      default:
        throw invalid(`type ${id} (${type.kind} ${type.name}) has no size`);
    }
  }

  /** libbpf declares a map as a struct of pointers: `__type(key, T)` is a member `T *key`. */
  #declaredTypes(definition: number): MapTypes {
    const declaration = this.resolve(definition);
    if (declaration.kind !== 'struct') throw invalid('a variable in .maps is not a struct');
    const key = this.#pointee(declaration, 'key');
    const value = this.#pointee(declaration, 'value');
    return { ...(key === undefined ? {} : { key }), ...(value === undefined ? {} : { value }) };
  }

  #pointee(declaration: Struct, name: string): number | undefined {
    const member = declaration.members.find((one) => one.name === name);
    const type = member === undefined ? undefined : this.resolve(member.typeId);
    return type?.kind === 'pointer' ? type.target : undefined;
  }

  #find(kind: BtfType['kind'], name: string): number {
    const id = this.#byName.get(`${kind} ${name}`);
    if (id !== undefined) return id;
    throw new VipdError({ code: 'BTF_MISSING', object: `${kind} ${name}`, cause: 'not in the BTF of this object' });
  }
}

/**
 * Compares enums as this program was built with them against the object's own; any difference means that one of the two
 * is stale.
 */
export function checkEnums(btf: Btf, generated: Readonly<Record<string, EnumValues>>): Fault | undefined {
  const actual = btf.enums();
  for (const [name, values] of Object.entries(generated)) {
    const cause = enumDifference(values, actual.get(name));
    if (cause !== undefined) {
      const hint = 'the BPF object and this program come from different builds; build again';
      return { code: 'LAYOUT_MISMATCH', object: `enum ${name}`, cause, hint };
    }
  }
  return undefined;
}

function enumDifference(ours: EnumValues, theirs: EnumValues | undefined): string | undefined {
  if (theirs === undefined) return 'not in the BPF object';
  for (const [name, value] of Object.entries(ours)) {
    if (theirs[name] === undefined) return `${name} is not in the BPF object`;
    if (theirs[name] !== value) return `${name} is ${theirs[name]} in the BPF object and ${value} here`;
  }
  const unknown = Object.keys(theirs).find((name) => ours[name] === undefined);
  return unknown === undefined ? undefined : `${unknown} is only in the BPF object`;
}

function invalid(cause: string): VipdError {
  return new VipdError({ code: 'BTF_INVALID', object: 'BTF', cause });
}
