import test from 'ava';
import type { Service } from '../../../../ts/dataplane/ipvs/messages.js';
import { Tally } from '../../../../ts/dataplane/ipvs/tally.js';

function counted(port: number, packetsIn: bigint, packets = packetsIn * 2n): Service {
  const totals = { connections: 1n, bytes: 0n, packets, packetsIn };
  return { address: '11.0.0.1', port, protocol: 'tcp', scheduler: 'mh', flags: 0, timeout: 0, totals };
}

test('what is removed, or removed and made again, is not lost', (t) => {
  const tally = new Tally();
  tally.sum([counted(1, 5n), counted(2, 7n)]);
  t.deepEqual(tally.sum([counted(1, 2n)]), { packets: 28n, packetsIn: 14n });
  t.deepEqual(tally.sum([counted(1, 3n)]), { packets: 30n, packetsIn: 15n }, 'counted once');
});
