import type { ExecutionContext } from 'ava';
import { parsePrefix } from '../../ts/model/address.js';
import { rootTest } from '../helpers/needs.js';
import type { Hook } from './case.js';
import { type Talk, talks } from './cases/talk.js';
import { dissect } from './dissect.js';
import { type PacketBuilder, packet } from './packet.js';
import { openPlane, type TestPlane } from './plane.js';
import { program, upsert } from './run.js';

// A receiver spreads tunnelled packets over its queues by the outer addresses, and for IPv6 by the flow label as well.

const prefixes = { 4: '10.200.0.0/16', 6: 'fd00:200::/64' } as const;

/** What of the outer header tells a receiver's queues apart: its source, and the word with the flow label. */
function outerOf(plane: TestPlane, hook: Hook, data: Buffer): string {
  const { ip } = dissect(plane.run(hook, 'in', data).data);
  return ip?.family === 6 ? `${ip.src} ${ip.rest.slice(0, 8)}` : `${ip?.src}`;
}

function within(source: string, family: 4 | 6): boolean {
  return source.startsWith(family === 4 ? '10.200.' : 'fd00:200::');
}

async function spread(t: ExecutionContext, hook: Hook, talk: Talk): Promise<void> {
  const plane = await openPlane({}, undefined, undefined, { tunnelSources: [parsePrefix(prefixes[talk.family])] });
  try {
    await program(plane, [
      { kind: 'pools', pools: [parsePrefix(talk.pool)] },
      upsert(talk.key, talk.backends(1), { forwarding: 'tunnel' }),
    ]);
    const ways = [
      (sport: number) => talk.ask('S', { sport }).build(), // decided anew
      (sport: number) => talk.ask('A', { sport }).build(), // known
      (sport: number) => talk.ask('PA', { sport, payload: 9 }).build(),
      (sport: number) => talk.transport(odd(talk), sport, 80, 'A').build(),
    ];
    const sources = Array.from({ length: 64 }, (_, i) => {
      const ofOne = new Set(ways.map((way) => outerOf(plane, hook, way(40_000 + i))));
      t.is(ofOne.size, 1, `port ${40_000 + i}: ${[...ofOne].join(', ')}`);
      return [...ofOne][0]!;
    });
    t.true(sources.every((source) => within(source, talk.family)));
    t.true(new Set(sources).size > 60, `${new Set(sources).size} outer headers for 64 flows`);
  } finally {
    await plane.close();
  }
}

/** With headers that take another way through the programs. */
function odd({ family, clientAddress: src, vipAddress: dst }: Talk): PacketBuilder {
  const link = packet().eth();
  return family === 4 ? link.ipv4({ src, dst, options: [1, 1, 1, 1] }) : link.ipv6({ src, dst }).extension('options');
}

for (const hook of ['xdp', 'tc'] as const) {
  for (const talk of talks) {
    rootTest(`${hook}: ${talk.name}: outer headers differ by flow, and are the same for all of one`, (t) =>
      spread(t, hook, talk),
    );
  }
}
