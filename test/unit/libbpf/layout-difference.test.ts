import test from 'ava';
import { Btf } from '../../../ts/libbpf/btf.js';
import { describeDifference } from '../../../ts/libbpf/codec.js';
import { BtfWriter, type FieldSpec } from './btf-writer.js';

type Fields = (w: BtfWriter, u16: number, u32: number) => FieldSpec[];

function layout(fields: Fields, name = 'vip', size?: number, littleEndian = true): { btf: Btf; id: number } {
  const w = new BtfWriter();
  const u16 = w.int('unsigned short', 2);
  const u32 = w.int('unsigned int', 4);
  const id = w.struct(name, fields(w, u16, u32), size);
  return { btf: Btf.parse(w.bytes(littleEndian)), id };
}

function difference(here: Fields, there: Fields): string | undefined {
  const [a, b] = [layout(here), layout(there)];
  return describeDifference(a.btf, a.id, b.btf, b.id);
}

const base: Fields = (w, u16, u32) => [
  { name: 'id', type: u32 },
  { name: 'port', type: w.alias('typedef', u16, '__be16') },
  { name: 'weight', type: u16 },
  { name: 'tables', type: w.array(w.struct('table', [{ name: 'first', type: u32 }]), 2) },
];

test('equal layouts have no difference, whatever their types are called', (t) => {
  t.is(difference(base, base), undefined);
  const [a, b] = [layout(base), layout(base, 'frontend')];
  t.is(describeDifference(a.btf, a.id, b.btf, b.id), undefined);
});

test('the first field that differs is named', (t) => {
  const swapped: Fields = (w, u16, u32) => {
    const [id, port, weight, tables] = base(w, u16, u32) as [FieldSpec, FieldSpec, FieldSpec, FieldSpec];
    return [id, weight, port, tables];
  };
  const moved: Fields = (w, u16, u32) => base(w, u16, u32).map((f) => (f.name === 'weight' ? { ...f, at: 8 } : f));
  const host: Fields = (w, u16, u32) => base(w, u16, u32).map((f) => (f.name === 'port' ? { ...f, type: u16 } : f));
  const shorter: Fields = (w, u16, u32) => base(w, u16, u32).slice(0, 3);
  const longer: Fields = (w, u16, u32) =>
    base(w, u16, u32).map((f) => (f.name === 'tables' ? { ...f, type: w.array(u32, 2) } : f));
  t.is(difference(base, swapped), 'field port (offset 4, 2 bytes) here is field weight (offset 4, 2 bytes) there');
  t.is(difference(base, moved), 'field weight (offset 6, 2 bytes) here is field weight (offset 8, 2 bytes) there');
  t.is(difference(base, host), 'field port is __be16 here and an unsigned 16-bit integer there');
  t.is(difference(base, shorter), 'field tables (offset 8, 8 bytes) is only here');
  t.is(difference(shorter, base), 'field tables (offset 8, 8 bytes) is only there');
  t.is(difference(base, longer), 'field tables[] is a struct here and an unsigned 32-bit integer there');
});

test('sizes, nested fields and byte orders count', (t) => {
  const nested =
    (name: string): Fields =>
    (w, _, u32) => [{ name: 'current', type: w.struct('table', [{ name, type: u32 }]) }];
  t.is(
    difference(nested('first'), nested('chunk')),
    'field current.first (offset 0, 4 bytes) here is field current.chunk (offset 0, 4 bytes) there',
  );
  const [a, wide, big] = [layout(base), layout(base, 'vip', 32), layout(base, 'vip', undefined, false)];
  t.is(describeDifference(a.btf, a.id, wide.btf, wide.id), 'the whole is 16 bytes here and 32 bytes there');
  t.is(describeDifference(a.btf, a.id, big.btf, big.id), 'compiled for another byte order there');
});
