import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { freshSeed, Random } from '../fuzz/random.js';
import type { Daemon } from '../helpers/daemon.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { rootTest } from '../helpers/needs.js';
import { exchange, HOURS, other, type Plane, setToggleScene } from '../helpers/users.js';

// A daemon that is killed in the midst of an exchange of planes: no user notices, and its next start finishes or undoes it.

const KILLS = Number(process.env.VIPD_KILLS ?? (process.env.VIPD_THOROUGH !== undefined ? 20 : 4));
const SEED = Number(process.env.VIPD_SEED ?? freshSeed());

interface Before {
  readonly plane: Plane;
  readonly draining?: Plane;
}

async function modeOf(daemon: Daemon): Promise<Before> {
  const { plane, draining } = await daemon.client.mode();
  return { plane: plane as Plane, ...(draining ? { draining: draining.plane as Plane } : {}) };
}

/** Begins an exchange and ends the daemon after so many milliseconds, wherever it then is. */
async function killedIn(daemon: Daemon, to: Plane, after: number): Promise<void> {
  const asked = daemon.client.setMode({ body: { mode: to, drainMs: HOURS } }).catch(() => undefined);
  await sleep(after);
  await daemon.end('SIGKILL');
  await asked;
}

/** What the start makes of it: the one or the other, whole, and no exchange of its own. */
async function recovered(t: ExecutionContext, daemon: Daemon, before: Before, when: string): Promise<Before> {
  const to = other(before.plane);
  await until(`a healthy node, ${when}`, 60_000, async () => {
    const { healthy, reconcile, mode } = await daemon.client.status();
    return healthy && reconcile.converged && mode.changing === undefined;
  });
  const after = await modeOf(daemon);
  const { output } = daemon.child!;
  if (after.plane === to) t.is(after.draining, before.plane, `${when}: finished\n${output}`);
  else t.deepEqual(after, before, `${when}: undone\n${output}`);
  t.like(await daemon.client.mode(), { wanted: after.plane, from: 'operator' }, when);
  t.notRegex(output, /data plane exchanged/, when);
  return after;
}

rootTest(
  `toggle: ${KILLS} kills in the midst of exchanges, each made good by the next start`,
  async (t) => {
    const random = new Random(SEED);
    const { lab, users, daemon, services } = await setToggleScene(t);
    await users.openIdle('under ebpf');
    await users.ask(false);
    const drained = () => until('the end of the drain', 60_000, async () => !(await modeOf(daemon)).draining);
    let span = 0;
    const back = async () => {
      const begun = performance.now();
      await exchange(t, daemon, HOURS);
      span = performance.now() - begun;
    };
    await back(); // there
    await back();
    await drained(); // of the connections that lasted none has begun under IPVS yet
    for (let n = 0; n < KILLS; n++) {
      if (n === KILLS >> 1) {
        await back();
        await users.openIdle('under ipvs'); // from here on each plane carries something of its own
      }
      const before = await modeOf(daemon);
      const after = random.below(Math.ceil(span));
      const when = `kill ${n} of seed ${SEED}, after ${after} of ${Math.ceil(span)} ms from ${before.plane}`;
      await killedIn(daemon, other(before.plane), after);
      await users.served(`${when}, without a daemon`);
      await users.stay(`${when}, without a daemon`);
      await daemon.restart();
      await daemon.holds(services);
      const now = await recovered(t, daemon, before, when);
      t.log(`${when}: ${now.plane === before.plane ? 'undone' : 'finished'}, ${JSON.stringify(now)}`);
      await users.served(when);
      if (n >= KILLS >> 1) continue;
      if (now.plane === 'ipvs') await back();
      await drained();
      t.notRegex(run(lab.node.inside(['ipvsadm', '-Ln'])), /11\.0\.0\.80/, `${when}: nothing is left of IPVS`);
      t.is(run(lab.node.inside(['nft', 'list', 'tables'])).trim(), '', when);
    }
    await users.finish();
  },
  guest,
  ipvs,
);
