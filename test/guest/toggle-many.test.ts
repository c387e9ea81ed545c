import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../ts/quickstart/command.js';
import { Daemon } from '../helpers/daemon.js';
import { scene } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { program, rootTest } from '../helpers/needs.js';
import { crowd, roomy, serviceOf, targetOf } from '../helpers/services.js';
import { exchange, HOURS } from '../helpers/users.js';

// The exchange of planes where there is much to program: minutes under emulation, so only `test:kernels` has it.

const VIPS = Number(process.env.VIPD_VIPS ?? 10_000);

/** Asks the daemon for its mode again and again; the returned function ends that and tells the longest wait, milliseconds. */
function waiting(daemon: Daemon): () => Promise<number> {
  let [going, longest] = [true, 0];
  const asking = (async () => {
    while (going) {
      const begun = performance.now();
      await daemon.client.mode();
      longest = Math.max(longest, performance.now() - begun);
      await sleep(20);
    }
  })();
  return async () => {
    going = false;
    await asking;
    return longest;
  };
}

rootTest(
  `toggle: ${VIPS} VIPs of ten backends go over and back, while those who use one notice nothing`,
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const real = serviceOf('real', '11.0.0.80:80', servers);
    const daemon = await Daemon.start(lab, [real], ...roomy, '--mode', 'ebpf');
    const services = [...crowd(VIPS), real];
    await daemon.serve(services);
    const target = targetOf(real);
    const talk = await clients.workload.open('tcp', target);
    const { error, ...first } = await talk.ask();
    t.is(error, undefined);
    const stops = await Promise.all(Object.values(clients).map((client) => client.load('tcp', target, 250)));
    for (let n = 0; n < 2; n++) {
      const begun = performance.now();
      const stopWaiting = waiting(daemon);
      const plane = await exchange(t, daemon, HOURS);
      const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
      t.log(`to ${plane} in ${seconds} s; the daemon answered after ${Math.round(await stopWaiting())} ms at most`);
      if (plane === 'ipvs') t.is(run(lab.node.inside(['ipvsadm', '-Ln'])).match(/^TCP/gm)?.length, services.length);
    }
    for (const stop of stops) t.deepEqual((await stop()).failures, {});
    t.like(await talk.ask(), first);
  },
  guest,
  ipvs,
  program('ipvsadm'),
);
