import test from 'ava';
import { connectionIn } from '../../../../ts/dataplane/ipvs/connections.js';

test('a line of IPv4', (t) => {
  const line = 'TCP 0A4D0202 B3CE 0B000050 0050 0A4D0102 1B58 ESTABLISHED     898';
  t.deepEqual(connectionIn(line), {
    vip: 'tcp/11.0.0.80:80',
    backend: '10.77.1.2:7000',
    state: 'established',
    idleSeconds: 0,
    client: { address: '10.77.2.2', port: 0xb3ce },
  });
});

test('a line of IPv6, and states that end or begin', (t) => {
  const line = (state: string) =>
    `TCP fd77:0002:0000:0000:0000:0000:0000:0002 B3CE fd01:000c:0000:0000:0000:0000:0000:0080 0050 fd77:0001:0000:0000:0000:0000:0000:0002 1B58 ${state}      60`;
  t.like(connectionIn(line('SYN_RECV')), { vip: 'tcp/[fd01:c::80]:80', backend: '[fd77:1::2]:7000', state: 'new' });
  t.like(connectionIn(line('TIME_WAIT')), { state: 'closing' });
});

test('templates of persistence, headings and other protocols are no connections', (t) => {
  t.is(connectionIn('TCP 0A4D0202 0000 0B000050 0050 0A4D0102 1B58 NONE 60'), undefined);
  t.is(connectionIn('Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData'), undefined);
  t.is(connectionIn('SCTP 0A4D0202 B3CE 0B000050 0050 0A4D0102 1B58 ESTABLISHED 60'), undefined);
  t.is(connectionIn(''), undefined);
});
