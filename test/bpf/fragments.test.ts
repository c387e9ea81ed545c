import { rootTest } from '../helpers/needs.js';
import { talks } from './cases/talk.js';
import { dissect } from './dissect.js';
import { fragment } from './fragment.js';
import { openPlane } from './plane.js';
import { program, setup } from './run.js';

/** Far more than the table has room for. */
const DATAGRAMS = 30_000;
/** The latest of them must still be there, whichever sets they share. */
const LATEST = 100;

for (const hook of ['xdp', 'tc'] as const) {
  rootTest(`${hook}: datagrams that never end do not keep others from being put together`, async (t) => {
    const talk = talks.find(({ family, protocol }) => family === 4 && protocol === 'udp')!;
    const plane = await openPlane();
    try {
      await program(plane, setup({ name: '', vips: { [talk.key]: talk.backends(1) }, actions: [] }));
      const datagram = talk.ask('', { payload: 100 }).build();
      const partsOf = (id: number) => fragment(datagram, 64, id);
      const follows = (id: number) => {
        const [, second] = partsOf(id);
        return dissect(plane.run(hook, 'in', second!).data).ip?.dst !== talk.vipAddress;
      };
      for (let id = 0; id < DATAGRAMS; id++) plane.run(hook, 'in', partsOf(id)[0]!);
      const latest = Array.from({ length: LATEST }, (_, i) => DATAGRAMS - 1 - i);
      t.deepEqual(
        latest.filter((id) => !follows(id)),
        [],
      );
      t.false(follows(0), 'the first of 30000 is remembered: this test fills no table');
    } finally {
      await plane.close();
    }
  });
}
