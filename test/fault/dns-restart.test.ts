import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { times } from '../helpers/thorough.js';

const server = '198.51.100.1';
const fqdn = 'web.marathon.l4lb.thisdcos.directory';
/** Questions under way at a time, and for how long each is waited for, seconds. */
const WINDOW = 20;
const PATIENCE = 1;
const KILLS = times(2, 3);
/** Longer than a question is under way, on a machine with other work too, milliseconds. */
const FLIGHT = 500;
const asker = fileURLToPath(new URL('dns-asking-program.js', import.meta.url));

interface Absence {
  readonly killed: number;
  readonly back: number;
}

rootTest(
  'when the daemon is killed what was in flight is lost, and nothing else; nobody hears that a name does not exist',
  async (t) => {
    const lab = Lab.create(t);
    const service = { name: 'web', vip: 'web.marathon:80', backends: ['10.0.0.1:80'] };
    const records = ['--dns-zone', 'lab.example', '--dns-record', 'www.lab.example A 192.0.2.1'];
    const daemon = await Daemon.start(lab, [service], '--dns', 'true', '--dns-sockets', '2', ...records);
    const file = `${lab.directory}/questions`;
    writeFileSync(file, `${fqdn} A\nwww.lab.example A\n`);
    const limits = ['-c', '4', '-q', String(WINDOW), '-t', String(PATIENCE), '-l', '600'];
    const perf = Child.start(lab.node.inside(['dnsperf', '-s', server, '-d', file, ...limits]));
    t.teardown(() => perf.stop());
    let away = 0;
    for (let i = 0; i < KILLS; i++) {
      await answers(lab, 'www.lab.example');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const began = performance.now();
      await daemon.end('SIGKILL');
      await daemon.restart();
      await answers(lab, fqdn);
      away += (performance.now() - began) / 1000;
    }
    perf.kill('SIGINT');
    await perf.exited;
    const number = (pattern: RegExp) => Number(pattern.exec(perf.output)?.[1] ?? 0);
    const [sent, completed] = [number(/sent:\s+(\d+)/), number(/completed:\s+(\d+)/)];
    const lost = number(/lost:\s+(\d+)/);
    const codes = /Response codes:.*/.exec(perf.output)?.[0] ?? '';
    t.log(`${KILLS} kills, ${away.toFixed(1)} s away; ${sent} sent, ${lost} lost; ${codes}`);
    t.true(completed > 0 && lost > 0);
    // One windowful for each time that all of it was waited for, and one at each kill.
    t.true(lost <= WINDOW * (away / PATIENCE + KILLS), perf.output);
    t.notRegex(codes, /NXDOMAIN|REFUSED|FORMERR/);
  },
  program('dnsperf'),
  program('dig'),
);

rootTest(
  'every question that is lost was in flight when the daemon was killed, or asked while it was away',
  async (t) => {
    const lab = Lab.create(t);
    const records = ['--dns-zone', 'lab.example', '--dns-record', 'www.lab.example A 192.0.2.1'];
    const daemon = await Daemon.start(lab, [], '--dns', 'true', ...records);
    await answers(lab, 'www.lab.example');
    const child = Child.start(lab.node.inside([process.execPath, asker, server, 'www.lab.example']));
    t.teardown(() => child.stop());
    await child.wrote('asking', 30_000);
    const absences: Absence[] = [];
    for (let i = 0; i < KILLS; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const killed = Date.now();
      await daemon.end('SIGKILL');
      await daemon.restart();
      await answers(lab, 'www.lab.example');
      absences.push({ killed, back: Date.now() });
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    child.kill('SIGINT');
    await child.exited;
    const asked = JSON.parse(/^\[.*\]$/m.exec(child.output)![0]) as { sent: number; code?: string }[];
    const lost = asked.filter(({ code }) => code === undefined);
    const inFlight = lost.filter(({ sent }) => !absences.some(({ killed, back }) => sent >= killed && sent <= back));
    t.log(`${asked.length} asked, ${lost.length} lost, ${inFlight.length} of them sent before a kill`);
    t.true(lost.length > 0);
    t.deepEqual(
      inFlight.filter(({ sent }) => !absences.some(({ killed }) => sent < killed && sent >= killed - FLIGHT)),
      [],
    );
    t.true(asked.length - lost.length > 50);
    t.deepEqual([...new Set(asked.map(({ code }) => code ?? 'lost'))].sort(), ['NOERROR', 'lost']);
  },
  program('dig'),
);

/** Waits until a name has its address. */
async function answers(lab: Lab, name: string): Promise<void> {
  await until(`an answer for ${name}`, 60_000, async () => {
    const dig = Child.start(lab.node.inside(['dig', `@${server}`, '+short', '+tries=1', '+time=1', name]));
    await dig.exited;
    return /^\d+\.\d+\.\d+\.\d+$/m.test(dig.output) && !dig.output.includes(';;');
  });
}
