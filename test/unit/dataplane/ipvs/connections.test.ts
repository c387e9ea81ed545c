import test from 'ava';
import { connectionIn } from '../../../../ts/dataplane/ipvs/connections.js';

const timeouts = { tcp: 7_440, tcpFin: 120, udp: 300 };

test('a line of IPv4', (t) => {
  const line = 'TCP 0A4D0202 B3CE 0B000050 0050 0A4D0102 1B58 ESTABLISHED     7401';
  t.deepEqual(connectionIn(line, timeouts), {
    vip: 'tcp/11.0.0.80:80',
    backend: '10.77.1.2:7000',
    state: 'established',
    idleSeconds: 39,
    client: { address: '10.77.2.2', port: 0xb3ce },
  });
});

test('a line of IPv6, and states that end or begin', (t) => {
  const line = (state: string) =>
    `TCP fd77:0002:0000:0000:0000:0000:0000:0002 B3CE fd01:000c:0000:0000:0000:0000:0000:0080 0050 fd77:0001:0000:0000:0000:0000:0000:0002 1B58 ${state}      60`;
  t.like(connectionIn(line('SYN_RECV'), timeouts), {
    vip: 'tcp/[fd01:c::80]:80',
    backend: '[fd77:1::2]:7000',
    state: 'new',
    idleSeconds: 0,
  });
  t.like(connectionIn(line('TIME_WAIT'), timeouts), { state: 'closing', idleSeconds: 60 });
  t.like(connectionIn(line('FIN_WAIT'), timeouts), { state: 'closing', idleSeconds: 60 });
});

test('templates of persistence, headings and other protocols are no connections', (t) => {
  t.is(connectionIn('TCP 0A4D0202 0000 0B000050 0050 0A4D0102 1B58 NONE 60', timeouts), undefined);
  t.is(
    connectionIn('Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData', timeouts),
    undefined,
  );
  t.is(connectionIn('SCTP 0A4D0202 B3CE 0B000050 0050 0A4D0102 1B58 ESTABLISHED 60', timeouts), undefined);
  t.is(connectionIn('', timeouts), undefined);
});

test('an answer to a SYN that IPVS has not seen is no connection of its own, and holds no drain up', (t) => {
  t.is(connectionIn('TCP 0A4D0402 9CCE 0B000050 0050 0A4D0102 1B58 SYN_SENT 119', timeouts), undefined);
});

test('how long a UDP flow has been silent', (t) => {
  const line = 'UDP 0A4D0202 B3CE 0B000050 0050 0A4D0102 1B58 UDP         297';
  t.like(connectionIn(line, timeouts), { vip: 'udp/11.0.0.80:80', state: 'established', idleSeconds: 3 });
  t.like(connectionIn(line, { ...timeouts, udp: 30 }), { idleSeconds: 0 }, 'kept from longer timeouts before');
});
