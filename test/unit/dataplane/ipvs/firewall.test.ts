import test from 'ava';
import { type Firewall, firewallIn, firewallScript, noFirewall } from '../../../../ts/dataplane/ipvs/firewall.js';
import { parsePrefix } from '../../../../ts/model/address.js';

const some: Firewall = {
  pools: ['11.0.0.0/8', 'fd01:c::/64'].map(parsePrefix),
  vips: new Set(['11.0.0.80', 'fd01:c::80']),
  backends: new Set(['10.0.0.1']),
  fullNat: new Set(),
  gate: 'open',
};

test('where nothing is known the table is made anew, with what is in it', (t) => {
  const script = firewallScript(undefined, some) ?? '';
  const lines = script.split('\n');
  t.deepEqual(lines.slice(0, 3), ['add table inet vipd', 'delete table inet vipd', 'add table inet vipd']);
  t.true(lines.includes('add element inet vipd pools6 { fd01:c::/64 }'));
  t.true(lines.includes('add element inet vipd backends4 { 10.0.0.1 . 10.0.0.1 }'));
  t.true(lines.includes('add chain inet vipd source { type nat hook postrouting priority 99; }'));
});

test('answers to a process of the node, which has the VIP as its address, are let in before anything is refused', (t) => {
  const rules = (firewallScript(undefined, some) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('add rule inet vipd refuse '));
  t.is(rules[0], 'add rule inet vipd refuse ct direction reply accept');
  t.is(rules.at(-1), 'add rule inet vipd refuse reject with icmpx port-unreachable');
});

test('a change says no more than itself, and none says nothing', (t) => {
  t.is(firewallScript(some, some), undefined);
  const more = { ...some, vips: new Set(['11.0.0.81', 'fd01:c::80']) };
  t.is(
    firewallScript(some, more),
    'delete element inet vipd vips4 { 11.0.0.80 }\nadd element inet vipd vips4 { 11.0.0.81 }\n',
  );
});

test('shutting the gate only adds, opening it takes that away again', (t) => {
  const shut = firewallScript(some, { ...some, gate: 'closed' }) ?? '';
  t.true(shut.split('\n').every((line) => line === '' || line.startsWith('add ')));
  t.regex(shut, /shut_input ip daddr @pools4 ct state new ct status & confirmed == 0 jump refuse/);
  t.deepEqual((firewallScript({ ...some, gate: 'closed' }, some) ?? '').trim().split('\n'), [
    'flush chain inet vipd shut_input',
    'flush chain inet vipd shut_output',
    'delete chain inet vipd shut_output',
    'delete chain inet vipd shut_input',
  ]);
});

test('beside another plane nothing is reset that may be its; shutting takes that rule away', (t) => {
  const beside = firewallScript(some, { ...some, gate: 'beside' }) ?? '';
  t.regex(beside, /spare_input ip6 daddr @pools6 ct state invalid drop/);
  t.regex(beside, /spare_input ip daddr @pools4 ct direction original tcp flags & \(syn \| ack\) != syn drop/);
  t.true(beside.split('\n').every((line) => line === '' || line.startsWith('add ')));
  const shut = firewallScript({ ...some, gate: 'beside' }, { ...some, gate: 'closed' }) ?? '';
  t.regex(shut, /delete chain inet vipd spare_input/);
  t.regex(shut, /shut_output ip6 daddr @pools6 ct state new ct status & confirmed == 0 jump refuse/);
});

test('thousands of elements go in portions', (t) => {
  const many = { ...noFirewall(), vips: new Set(Array.from({ length: 2_500 }, (_, i) => `11.1.${i >> 8}.${i & 255}`)) };
  t.is(firewallScript(noFirewall(), many)?.match(/add element inet vipd vips4/g)?.length, 3);
});

test('a table with another number of rules is not ours as it should be', (t) => {
  const sets = ['pools', 'vips', 'backends', 'fullNat'].flatMap((name) =>
    ['4', '6'].map((suffix) => ({ set: { name: `${name}${suffix}` } })),
  );
  const json = (...rest: object[]) => JSON.stringify({ nftables: [...sets, ...rest] });
  t.deepEqual(firewallIn(json()), noFirewall());
  t.is(firewallIn(json({ rule: {} })), undefined);
  t.is(firewallIn(json({ chain: { name: 'refuse_input' } })), undefined);
  t.is(firewallIn(JSON.stringify({ nftables: sets.slice(1) })), undefined);
  const pools = { set: { name: 'pools4', elem: ['11.0.0.1', { prefix: { addr: '12.0.0.0', len: 8 } }] } };
  t.deepEqual(firewallIn(JSON.stringify({ nftables: [pools, ...sets.slice(1)] }))?.pools, [
    parsePrefix('11.0.0.1/32'),
    parsePrefix('12.0.0.0/8'),
  ]);
});
