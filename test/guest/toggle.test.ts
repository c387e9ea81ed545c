import { guest, ipvs } from '../helpers/kernel-needs.js';
import { program, rootTest } from '../helpers/needs.js';
import { exchange, HOURS, resent, setToggleScene } from '../helpers/users.js';

// The exchange of eBPF for IPVS and back, seen by clients who know nothing of it: on the node, in a workload, and outside.

const TOGGLES = Number(process.env.VIPD_TOGGLES ?? (process.env.VIPD_THOROUGH !== undefined ? 100 : 4));

rootTest(
  `toggle: ${TOGGLES} exchanges under load, with connections open all the while`,
  async (t) => {
    const { lab, users, tools, daemon, places } = await setToggleScene(t);
    await users.openIdle('under ebpf');
    await users.ask(true);
    tools.begin(places, places.workload);
    const before = resent(lab);
    const begun = performance.now();
    for (let n = 0; n < TOGGLES; n++) {
      const plane = await exchange(t, daemon, HOURS);
      await users.served(`exchange ${n} to ${plane}`);
      if (n === 0) await users.openIdle('under ipvs');
    }
    await users.finish();
    await tools.finish();
    const seconds = Math.round((performance.now() - begun) / 1_000);
    t.log(`${TOGGLES} exchanges in ${seconds} s; ${resent(lab) - before} segments sent again`);
    const { planes, ...mode } = await daemon.client.mode();
    t.like(mode, { plane: TOGGLES % 2 === 0 ? 'ebpf' : 'ipvs', from: 'operator' });
  },
  guest,
  ipvs,
  program('wrk'),
  program('nginx'),
  program('iperf3'),
);
