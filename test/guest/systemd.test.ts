import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Child } from '../../ts/quickstart/child.js';
import { run } from '../../ts/quickstart/command.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { Agent } from '../helpers/agent.js';
import { guest } from '../helpers/kernel-needs.js';
import { Lab } from '../helpers/lab.js';
import { type Need, rootTest } from '../helpers/needs.js';
import { startEcho } from '../helpers/servers.js';
import { serviceOf, targetOf } from '../helpers/services.js';

// The unit as its user meets it: installed by the README's own lines, under a systemd that is process 1 of a namespace.

const manager = '/lib/systemd/systemd';
const units = '/etc/systemd/system';
const systemd: Need = {
  name: 'systemd',
  there: readdirSync('/lib/systemd', { withFileTypes: true }).some(({ name }) => name === basename(manager)),
  expected: guest.there,
};
/** Milliseconds for what takes a moment on a machine, under emulation. */
const PATIENCE = 120_000;
/** Verifying the programs makes each start the better part of a minute there: `npm test` has the fewest that will do. */
const thorough = process.env.VIPD_THOROUGH !== undefined;

class Systemd {
  private constructor(
    private readonly child: Child,
    private readonly pid: string,
  ) {}

  /** Starts it without the units of the machine whose root this guest shares. */
  static async start(t: ExecutionContext): Promise<Systemd> {
    for (const unit of unitsWanted()) symlinkSync('/dev/null', join(units, unit));
    const environment = ['env', 'container=vipd', manager, '--system', '--unit=basic.target', '--log-target=null'];
    const namespaces = ['unshare', '--fork', '--pid', '--mount', '--mount-proc', '--kill-child'];
    const child = Child.start([...namespaces, ...environment]);
    t.teardown(() => child.stop());
    let pid = '';
    await until('process 1 of the namespace', PATIENCE, async () => {
      pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
      return pid !== '';
    });
    const one = new Systemd(child, pid);
    await until('systemd', PATIENCE, async () =>
      /^(starting|running|degraded)$/.test(one.tells('systemctl is-system-running')),
    );
    return one;
  }

  /** Runs a line of shell beside it. @throws VipdError COMMAND_FAILED */
  run(line: string): string {
    return run(['nsenter', '--target', this.pid, '--pid', '--mount', `--wd=${packageRoot}`, 'sh', '-ec', line]).trim();
  }

  /** What a command says, whatever its exit status; systemctl tells states so. */
  tells(line: string): string {
    return this.run(`{ ${line}; } 2>&1 || true`);
  }

  async isActive(unit: string): Promise<void> {
    await until(`${unit} to be active`, PATIENCE, async () => {
      if (this.child.result !== undefined) throw new Error(this.child.output);
      return this.tells(`systemctl is-active ${unit}`) === 'active';
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.tells(`systemctl status ${unit}; journalctl -u ${unit}`)}`);
    });
  }
}

/** All that a start would pull in, but the journal. */
function unitsWanted(): string[] {
  const targets = ['sysinit', 'local-fs', 'sockets', 'timers', 'multi-user', 'basic'];
  const wanted = targets.flatMap((target) => {
    try {
      return readdirSync(`/usr/lib/systemd/system/${target}.target.wants`);
    } catch {
      return [];
    }
  });
  const there = new Set(readdirSync(units));
  return [...new Set(wanted)].filter((unit) => !unit.includes('journald') && !there.has(unit));
}

/** The lines of the README's installation, as they are. */
function installation(): string[] {
  const section = readFileSync(join(packageRoot, 'README.md'), 'utf8').split('### As a service of systemd')[1] ?? '';
  return (/```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? '').trim().split('\n');
}

rootTest(
  'installed as the README says vipd serves under systemd, and through restarts, kills and stops of its unit',
  async (t) => {
    const lab = Lab.create(t);
    const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name), name)));
    const client = await Agent.start(lab, lab.node); // the sock hook at the root of the cgroups takes every process
    const service = serviceOf('tcp4', '11.0.0.80:80', servers);
    const serves = async (when: string) => {
      const tally = await client.tally('tcp', targetOf(service), 20);
      t.deepEqual(Object.keys(tally).sort(), ['one', 'two'], `${when}: ${JSON.stringify(tally)}`);
    };
    const [copy = '', ...lines] = installation();
    t.regex(copy, /^cp -r \. \/opt\/vipd /);
    mkdirSync('/opt/vipd', { recursive: true });
    run(['mount', '--bind', packageRoot, '/opt/vipd']); // a copy would be read through the emulated disk
    const host = await Systemd.start(t);

    // Under emulation, on a busy machine, a start takes longer than the unit allows.
    host.run('mkdir -p /run/systemd/system/vipd.service.d');
    host.run("printf '[Service]\\nTimeoutStartSec=600\\n' > /run/systemd/system/vipd.service.d/emulated.conf");
    try {
      for (const line of lines) t.log(host.run(line));
    } catch (error) {
      t.log(host.tells('systemctl status vipd; journalctl -u vipd'));
      throw error;
    }
    t.is(host.tells('systemctl is-active vipd'), 'active', 'enabling waits until the daemon has said it is ready');
    const pid = host.run('systemctl show --value -p MainPID vipd');
    t.is(host.run(`ps -o user= -p ${pid}`), 'vipd');
    t.regex(host.run(`cat /proc/${pid}/status`), /^CapEff:\t000000c000001400$/m);

    writeFileSync('/etc/vipd/services/web.json', JSON.stringify({ services: [service] }));
    await until('the VIP', PATIENCE, async () => /web|tcp4/.test(host.tells('vipctl vips')));
    await serves('started');
    for (const end of [...(thorough ? ['restart vipd'] : []), 'kill --signal SIGKILL vipd', 'stop vipd']) {
      host.run(`systemctl ${end}`);
      await serves(end);
      if (!end.startsWith('stop')) await host.isActive('vipd');
    }
    t.is(host.tells('systemctl is-active vipd'), 'inactive');
    if (thorough) {
      host.run('systemctl start vipd && vipctl mode ipvs --drain 0s');
      t.regex(host.run('vipctl status'), /state +healthy\nplane +ipvs/, 'its capabilities are enough for IPVS too');
    }
    host.run('systemctl disable --now vipd && vipd uninstall');
    t.like(await client.ask('tcp', targetOf(service)), { error: 'EHOSTUNREACH' });
  },
  guest,
  systemd,
);
