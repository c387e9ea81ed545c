import type { ExecutionContext } from 'ava';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import type { Agent, OpenDialogue } from '../helpers/agent.js';
import { Daemon } from '../helpers/daemon.js';
import { scene, services } from '../helpers/ipvs-scene.js';
import { guest, ipvs } from '../helpers/kernel-needs.js';
import { program, rootTest } from '../helpers/needs.js';
import { targetOf } from '../helpers/services.js';

// What becomes of the plane that was exchanged: it carries what it has until that ends or its time is over, then it is gone.

interface Talk {
  readonly who: string;
  readonly talk: OpenDialogue;
  readonly server: string;
}

/** A connection and a connected UDP socket each, of which the answers tell whether they stay with their server. */
async function talks(t: ExecutionContext, clients: Readonly<Record<string, Agent>>, when: string): Promise<Talk[]> {
  const [tcp, , udp] = services([]);
  const all: Talk[] = [];
  for (const [name, client] of Object.entries(clients)) {
    for (const [manner, service] of [['tcp', tcp!] as const, ['udp-connected', udp!] as const]) {
      const talk = await client.open(manner, targetOf(service));
      const answer = await talk.ask();
      t.is(answer.error, undefined, `${name} ${manner} ${when}`);
      all.push({ who: `${name} ${manner}, opened ${when}`, talk, server: answer.error ?? answer.name });
    }
  }
  return all;
}

async function stay(t: ExecutionContext, all: readonly Talk[], now: string): Promise<void> {
  for (const { who, talk, server } of all) t.like(await talk.ask(), { name: server }, `${who}, ${now}`);
}

/** Waits until the plane that drained has gone. */
function drained(daemon: Daemon): Promise<unknown> {
  return until('the end of the drain', 120_000, async () => (await daemon.client.mode()).draining === undefined);
}

rootTest(
  'drain: what began under a plane stays with it, over TCP and UDP, until it ends or the time is over; then the plane is gone',
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const { workload, outside } = clients;
    const inside = (...argv: string[]) => run(lab.node.inside(argv));
    inside('modprobe', 'ip_vs');
    const before = [inside('ip', 'route', 'show', 'table', 'local'), inside('nft', 'list', 'ruleset')];
    const all = services(servers);
    const daemon = await Daemon.start(lab, all, '--mode', 'ebpf');

    const underEbpf = await talks(t, { workload, outside }, 'under ebpf');
    await daemon.client.setMode({ body: { mode: 'ipvs', drainMs: 600_000 } });
    const underIpvs = await talks(t, { workload, outside }, 'under ipvs');
    await stay(t, underEbpf, 'while ebpf drains');
    for (const { talk } of underEbpf) await talk.close();
    await drained(daemon);
    t.is(inside('ls', `${lab.bpffs}`).trim(), '', 'nothing is pinned any more');
    await stay(t, underIpvs, 'under ipvs alone');

    await daemon.client.setMode({ body: { mode: 'ebpf', drainMs: 600_000 } });
    await stay(t, underIpvs, 'while ipvs drains');
    const again = await talks(t, { workload, outside }, 'while ipvs drains');
    await daemon.client.setMode({ body: { mode: 'ipvs', drainMs: 600_000 } });
    await stay(t, [...underIpvs, ...again], 'back again');
    // Time that is over ends them: who would wait for an idle connection for ever?
    await daemon.client.setMode({ body: { mode: 'ebpf', drainMs: 1_000 } });
    await drained(daemon);
    t.deepEqual([inside('ip', 'route', 'show', 'table', 'local'), inside('nft', 'list', 'ruleset')], before);
    t.notRegex(inside('ipvsadm', '-Ln'), /11\.0\.0\.80/);
    await stay(t, again, 'under ebpf alone');
    for (const client of [workload, outside]) {
      const tally = await client.tally('tcp', targetOf(all[0]!), 5);
      t.deepEqual(
        Object.keys(tally).filter((name) => name !== 'one' && name !== 'two'),
        [],
      );
    }
  },
  guest,
  ipvs,
  program('ipvsadm'),
);

rootTest(
  'an exchange that cannot be made names the reason and leaves all as it was; one during another waits for it',
  async (t) => {
    const { lab, servers, clients } = await scene(t);
    const { workload } = clients;
    const inside = (...argv: string[]) => run(lab.node.inside(argv));
    inside('modprobe', 'ip_vs');
    const all = services(servers);
    const daemon = await Daemon.start(lab, all, '--mode', 'ebpf');
    const open = await talks(t, { workload }, 'before');
    inside('ipvsadm', '-A', '-t', '11.0.0.80:80', '-s', 'rr');
    const error = await t.throwsAsync(daemon.client.setMode({ body: { mode: 'ipvs' } }));
    t.regex(
      error?.message ?? '',
      /mode ipvs: stays as it was, because IPVS service tcp\/11\.0\.0\.80:80: another program/,
    );
    t.like(await daemon.client.mode(), { plane: 'ebpf', wanted: 'ebpf', fault: { code: 'TOGGLE_FAILED' } });
    t.is(inside('ipvsadm', '-Ln').match(/^(TCP|UDP)/gm)?.length, 1, 'only what was there');
    await stay(t, open, 'after an exchange that failed');
    t.like(await workload.ask('tcp', targetOf(all[0]!)), { from: targetOf(all[0]!) });

    inside('ipvsadm', '-D', '-t', '11.0.0.80:80');
    const drainMs = 600_000;
    await Promise.all((['ipvs', 'ebpf'] as const).map((mode) => daemon.client.setMode({ body: { mode, drainMs } })));
    t.like(await daemon.client.mode(), { plane: 'ebpf', draining: { plane: 'ipvs' } });
    await stay(t, open, 'after two exchanges at once');
  },
  guest,
  ipvs,
  program('ipvsadm'),
);
