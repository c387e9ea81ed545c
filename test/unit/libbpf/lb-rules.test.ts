import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { enums } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { Btf, checkEnums, type Member, type Struct } from '../../../ts/libbpf/btf.js';
import { describeDifference } from '../../../ts/libbpf/codec.js';
import { BpfObject } from '../../../ts/libbpf/object.js';
import { packageRoot } from '../../../ts/util/paths.js';

const objects = join(packageRoot, 'out/bpf');
const header = ['lb.h', 'lb_flow.h'].map((name) => readFileSync(join(packageRoot, 'bpf', name), 'utf8')).join('\n');

/** The types that user space and programs share: those of map keys, of map values and of settings. */
interface Shared {
  readonly name: string;
  readonly btf: Btf;
  readonly structs: ReadonlyMap<number, Struct>;
  readonly keys: readonly number[];
}

function sharedOf(name: string): Shared {
  const object = BpfObject.open(readFileSync(join(objects, name)), name);
  const btf = Btf.parse(object.btf, name);
  object.close();
  const structs = new Map<number, Struct>();
  const maps = [...btf.mapTypes().values()];
  const keys = maps.flatMap(({ key }) => key ?? []);
  const values = maps.flatMap(({ value }) => value ?? []);
  const settings = btf.dataSection('.rodata').map(({ typeId }) => typeId);
  for (const id of [...keys, ...values, ...settings]) reach(btf, id, structs);
  return { name, btf, structs, keys };
}

function reach(btf: Btf, id: number, found: Map<number, Struct>): void {
  const type = btf.resolve(id);
  if (type.kind === 'array') reach(btf, type.element, found);
  if ((type.kind !== 'struct' && type.kind !== 'union') || found.has(btf.resolveId(id))) return;
  found.set(btf.resolveId(id), type);
  for (const member of type.members) reach(btf, member.typeId, found);
}

const shared = readdirSync(objects)
  .filter((name) => name.endsWith('.bpf.o'))
  .map(sharedOf);

/** Every field of every shared struct, as `struct.field`. */
const fields = shared.flatMap(({ name, btf, structs }) =>
  [...structs.values()].flatMap((struct) =>
    struct.members.map((member) => ({ path: `${name}: ${struct.name}.${member.name}`, btf, member, struct })),
  ),
);

/** Type names of a field's elements, outermost first. */
function typeNames(btf: Btf, id: number): string[] {
  const type = btf.resolve(id);
  return type.kind === 'array' ? typeNames(btf, type.element) : btf.typedefs(id);
}

function elementKind(btf: Btf, id: number): string {
  const type = btf.resolve(id);
  return type.kind === 'array' ? elementKind(btf, type.element) : type.kind;
}

test('every struct and enum of lb.h can be found in the BTF of an object', (t) => {
  const declared = [...header.matchAll(/^(?:struct|enum) (\w+) \{/gm)].map((match) => match[1]);
  const structs = shared.flatMap(({ structs }) => [...structs.values()].map(({ name }) => name));
  const known = new Set([...structs, ...Object.keys(enums)]);
  t.deepEqual(
    declared.filter((name) => name !== undefined && !known.has(name)),
    [],
  );
});

test('fields have fixed-width types', (t) => {
  const fixed = /^__(u|s|be)(8|16|32|64)$/;
  const loose = fields.filter(({ btf, member }) => {
    return elementKind(btf, member.typeId) === 'int' && !typeNames(btf, member.typeId).some((name) => fixed.test(name));
  });
  t.deepEqual(
    loose.map(({ path }) => path),
    [],
  );
});

test('ports are in network order and say so', (t) => {
  const ports = fields.filter(({ member }) => /(^|_)port$/.test(member.name));
  t.true(ports.length > 0);
  for (const { path, btf, member } of ports) t.is(typeNames(btf, member.typeId)[0], '__be16', path);
});

test('no unions, no bit fields, no pointers, no unnamed fields', (t) => {
  for (const { path, btf, member } of fields) {
    t.true(['int', 'struct', 'enum'].includes(elementKind(btf, member.typeId)), path);
    t.is(member.bits, 0, path);
    t.not(member.name, '', path);
  }
});

test('no holes: padding is a field, so that it is always written', (t) => {
  const end = (btf: Btf, member: Member) => member.bitOffset / 8 + btf.sizeOf(member.typeId);
  for (const { name, btf, structs, keys } of shared) {
    for (const struct of structs.values()) {
      const holes = struct.members.filter((member, i) => {
        const before = struct.members[i - 1];
        return member.bitOffset / 8 !== (before === undefined ? 0 : end(btf, before));
      });
      const last = struct.members.at(-1);
      t.deepEqual(
        holes.map((member) => `in front of ${struct.name}.${member.name}`),
        [],
        name,
      );
      t.is(last === undefined ? 0 : end(btf, last), struct.size, `${name}: behind ${struct.name}`);
    }
    t.true(keys.length > 0);
  }
});

test('constants are enums, and lb.gen.ts has their values', (t) => {
  t.deepEqual(header.match(/^#define .*/gm) ?? [], []);
  for (const { name, btf } of shared) t.is(checkEnums(btf, enums), undefined, name);
});

test('objects agree on every map they share', (t) => {
  const first = new Map<string, { btf: Btf; id: number }>();
  for (const { name, btf } of shared) {
    for (const [map, { value: id }] of btf.mapTypes()) {
      if (id === undefined) continue;
      const known = first.get(map) ?? { btf, id };
      t.is(describeDifference(known.btf, known.id, btf, id), undefined, `${map} in ${name}`);
      first.set(map, known);
    }
  }
});
