import test from 'ava';
import fc from 'fast-check';
import { nameMatches } from '../../../../ts/dataplane/ebpf/hooks.js';
import { holds } from './holds.js';

const cases: readonly [pattern: string, name: string, matches: boolean][] = [
  ['eth0', 'eth0', true],
  ['eth0', 'eth01', false],
  ['eth0', 'xeth0', false],
  ['veth*', 'veth', true],
  ['veth*', 'veth1234', true],
  ['veth*', 'eth0', false],
  ['*', 'anything', true],
  ['en*np*', 'enp3s0np1', true],
  ['en*np*', 'enp3s0', false],
  ['*.100', 'eth0.100', true],
  ['*.100', 'eth0x100', false],
  ['br-[a]', 'br-a', false],
  ['br-[a]', 'br-[a]', true],
];

for (const [pattern, name, matches] of cases) {
  test(`the pattern ${pattern} ${matches ? 'takes' : 'leaves'} ${name}`, (t) => {
    t.is(nameMatches([pattern], name), matches);
  });
}

test('one pattern of several is enough, none takes nothing', (t) => {
  t.true(nameMatches(['lxc*', 'veth*'], 'veth1'));
  t.false(nameMatches([], 'veth1'));
});

test('without a star a pattern is the very name, whatever is in it', (t) => {
  const name = fc.string({ minLength: 1, maxLength: 15 }).filter((text) => !text.includes('*'));
  holds(
    t,
    fc.property(name, name, (pattern, other) => nameMatches([pattern], other) === (pattern === other)),
  );
  holds(
    t,
    fc.property(name, name, (start, rest) => nameMatches([`${start}*`], start + rest)),
  );
});
