import type { Btf, BtfType, Member } from './btf.js';

/**
 * The first field in which two types of different objects are laid out differently, as one clause; undefined when bytes
 * of one mean the same in the other. Compares names, offsets, sizes, signs and byte order; type names do not matter.
 * `a` is "here", `b` is "there".
 */
export function describeDifference(a: Btf, aType: number, b: Btf, bType: number): string | undefined {
  if (a.littleEndian !== b.littleEndian) return 'compiled for another byte order there';
  return compare({ btf: a, id: aType, path: '' }, { btf: b, id: bType, path: '' });
}

/** A type, and the path of the field that has it. */
interface Place {
  readonly btf: Btf;
  readonly id: number;
  readonly path: string;
}

function compare(a: Place, b: Place): string | undefined {
  const [here, there] = [shape(a), shape(b)];
  const types = [a.btf.resolve(a.id), b.btf.resolve(b.id)] as const;
  if (isStruct(types[0]) && isStruct(types[1]))
    return compareMembers(a, types[0].members, b, types[1].members) ?? sizes(a, b);
  if (here !== there) return `${subject(a)} is ${here} here and ${there} there`;
  if (types[0].kind === 'array' && types[1].kind === 'array') {
    return compare({ ...a, id: types[0].element, path: `${a.path}[]` }, { ...b, id: types[1].element });
  }
  return undefined;
}

function compareMembers(a: Place, ours: readonly Member[], b: Place, theirs: readonly Member[]): string | undefined {
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const difference = compareMember(a, ours[i], b, theirs[i]);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function compareMember(a: Place, ours: Member | undefined, b: Place, theirs: Member | undefined): string | undefined {
  const here = place(a, ours);
  const there = place(b, theirs);
  if (ours === undefined) return `${position(there, theirs)} is only there`;
  if (theirs === undefined) return `${position(here, ours)} is only here`;
  if (ours.name !== theirs.name || ours.bitOffset !== theirs.bitOffset || ours.bits !== theirs.bits) {
    return `${position(here, ours)} here is ${position(there, theirs)} there`;
  }
  return compare(here, there);
}

function place(parent: Place, member: Member | undefined): Place {
  if (member === undefined) return parent;
  const path = parent.path === '' ? member.name : `${parent.path}.${member.name}`;
  return { btf: parent.btf, id: member.typeId, path };
}

function position(at: Place, member: Member | undefined): string {
  const offset = (member?.bitOffset ?? 0) / 8;
  return `field ${at.path} (offset ${offset}, ${at.btf.sizeOf(at.id)} bytes)`;
}

function sizes(a: Place, b: Place): string | undefined {
  const [here, there] = [a.btf.sizeOf(a.id), b.btf.sizeOf(b.id)];
  return here === there ? undefined : `${subject(a)} is ${here} bytes here and ${there} bytes there`;
}

function subject(at: Place): string {
  return at.path === '' ? 'the whole' : `field ${at.path}`;
}

/** What decides how the bytes of a type are read, as words. */
function shape({ btf, id }: Place): string {
  const type = btf.resolve(id);
  const order = btf.typedefs(id).find((name) => name.startsWith('__be'));
  switch (type.kind) {
    case 'int':
      return order ?? `${type.signed ? 'a signed' : 'an unsigned'} ${type.size * 8}-bit integer`;
    case 'enum':
      return `an enum of ${type.size} bytes`;
    case 'array':
      return `an array of ${type.count}`;
    default:
      return `a ${type.kind}`;
  }
}

function isStruct(type: BtfType): type is Extract<BtfType, { kind: 'struct' | 'union' }> {
  return type.kind === 'struct' || type.kind === 'union';
}
