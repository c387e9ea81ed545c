import test from 'ava';
import { nearest } from '../../../ts/model/nearest.js';

const KEYS = ['name', 'vip', 'protocol', 'backends', 'health'];

for (const [typed, meant] of [
  ['nmae', 'name'],
  ['Name', 'name'],
  ['vips', 'vip'],
  ['backend', 'backends'],
  ['protcol', 'protocol'],
] as const) {
  test(`${typed} was meant to be ${meant}`, (t) => t.is(nearest(typed, KEYS), meant));
}

for (const typed of ['timeout', '', 'x'.repeat(10_000)]) {
  test(`${typed.slice(0, 10) || 'nothing'} is near to none`, (t) => t.is(nearest(typed, KEYS), undefined));
}
