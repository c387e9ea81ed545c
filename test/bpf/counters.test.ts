import { rootTest } from '../helpers/needs.js';
import { talks } from './cases/talk.js';
import { program, setup } from './run.js';
import { sharePlane } from './shared-plane.js';

const shared = sharePlane();

for (const hook of ['xdp', 'tc'] as const) {
  for (const talk of talks) {
    rootTest(`${hook}: ${talk.name}: connections, packets and bytes are counted by VIP and backend`, async (t) => {
      const plane = await shared();
      await plane.reset();
      const { key } = talk;
      const backend = talk.backend(1);
      await program(plane, setup({ name: '', vips: { [key]: talk.backends(1) }, actions: [] }));
      const sent = [
        talk.ask('S'),
        talk.ask('S'),
        talk.ask('PA', { payload: 100 }),
        talk.ask('S', { sport: 40001 }),
      ].map((packet) => packet.build());
      for (const packet of sent) plane.run(hook, 'in', packet);
      plane.run(hook, 'out', talk.reply(backend, 'SA').build());
      const [counters] = await plane.counters();
      const bytes = sent.reduce((sum, packet) => sum + packet.length - 14, 0);
      const expected = { connections: 2n, packets: 4n, bytes: BigInt(bytes) };
      t.like(counters, { key, refused: 0n, ...expected });
      t.like(counters?.backends.get(backend), expected);
    });

    rootTest(`${hook}: ${talk.name}: refusals are counted by VIP`, async (t) => {
      const plane = await shared();
      await plane.reset();
      await program(plane, setup({ name: '', vips: { [talk.key]: {} }, actions: [] }));
      for (const sport of [1, 2, 3]) plane.run(hook, 'in', talk.ask('S', { sport }).build());
      t.like((await plane.counters())[0], { refused: 3n, connections: 0n, packets: 0n });
    });
  }
}
