import test from 'ava';
import { leftoversOf } from '../../../../ts/dataplane/ipvs/leftovers.js';
import type { ForwardedVip } from '../../../../ts/model/forwarding.js';
import type { Tracked } from '../../../../ts/netlink/conntrack.js';

const vip: ForwardedVip = {
  frontend: { protocol: 'tcp', address: '11.0.0.80', port: 80 },
  backends: [{ address: '10.0.0.9', port: 8080, weight: 1 }],
};
const client = { address: '10.0.0.2', port: 40000 };
const [front, backend] = [
  { address: '11.0.0.80', port: 80 },
  { address: '10.0.0.9', port: 8080 },
];

function entry(destination: { address: string; port: number }, answerTo: number, over = false): Tracked {
  const reply = { source: backend, destination: { ...client, port: answerTo } };
  const original = { source: client, destination };
  return { protocol: 'tcp', original, reply, over, name: Buffer.alloc(0), family: 2 };
}

test('of connections to VIPs those that are over, of those to backends those with another port', async (t) => {
  const over = entry(front, 40000, true);
  const shifted = entry(backend, 25466);
  const others = [
    entry(front, 40000),
    entry(backend, 40000),
    entry(backend, 25466, true),
    entry({ ...backend, port: 22 }, 25466),
    { ...shifted, protocol: 'udp' as const },
  ];
  t.deepEqual(await leftoversOf([...others, over, shifted], [vip]), { over: [over], shifted: [shifted] });
});

test('a connection with another address is masqueraded, not shifted', async (t) => {
  const one = entry(backend, 25466);
  const masqueraded = { ...one, reply: { ...one.reply, destination: { address: '10.0.0.1', port: 25466 } } };
  t.deepEqual(await leftoversOf([masqueraded], [vip]), { over: [], shifted: [] });
});
