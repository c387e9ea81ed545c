import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { Child } from '../../ts/quickstart/child.js';
import { program, rootTest } from '../helpers/needs.js';
import { decoded, query } from '../unit/dns/asking-ours.js';
import { blinks, churnName, names } from './dns-churn-zone.js';

// Names change all the time while dnsperf asks for them; beside it somebody looks at what the answers say.

const churner = fileURLToPath(new URL('dns-churn-program.js', import.meta.url));
const PER_SECOND = 50_000;
const CHECKED = 20_000;
/** Changes of every name, at least, while they are asked for. */
const CHANGES = 2;
const WINDOW = 64;
/** Of the forwarder's cache, and as long as a question of its own may take, milliseconds. */
const slackMs = 1_000 + 5_000;

/** Generations that all names had reached, and when that was heard. */
class Generations {
  readonly #heard: number[] = [];

  constructor(private readonly child: Child) {}

  /** The last that was complete so many milliseconds ago. */
  before(ms: number): number {
    const total = Number(/.*generation (\d+)/s.exec(this.child.output)?.[1] ?? 0);
    while (this.#heard.length < total) this.#heard.push(performance.now());
    return this.#heard.filter((at) => at <= performance.now() - ms).length;
  }
}

interface Asked {
  readonly name: number;
  readonly least: number;
}

/** Asks for names at random, so many at a time, and tells what is wrong with an answer. */
class Checker {
  readonly #socket: Socket = createSocket('udp4');
  readonly #asked = new Map<number, Asked>();
  readonly wrong: string[] = [];
  answers = 0;
  newest = 0;

  constructor(
    private readonly port: number,
    private readonly least: () => number,
    private readonly enough: () => boolean,
  ) {
    this.#socket.on('message', (message) => this.#hear(message));
  }

  /** Resolves when enough answers have come. */
  async run(): Promise<void> {
    for (let id = 0; id < WINDOW; id++) this.#ask(id);
    while (!this.#done) {
      const before = this.answers;
      await new Promise((resolve) => setTimeout(resolve, 500));
      // What was lost is asked again: the kernel may have had no room.
      if (this.answers === before) for (const id of [...this.#asked.keys()]) this.#ask(id);
    }
    this.#socket.close();
  }

  get #done(): boolean {
    return this.wrong.length > 0 || (this.answers >= CHECKED && this.enough());
  }

  #ask(id: number): void {
    const name = Math.floor(Math.random() * names);
    this.#asked.set(id, { name, least: this.least() });
    this.#socket.send(query(churnName(name), { type: 'AAAA', id }), this.port, '127.0.0.1');
  }

  #hear(message: Buffer): void {
    const { id = -1, rcode, questions, answers = [] } = decoded(message);
    const asked = this.#asked.get(id);
    if (asked === undefined || questions?.[0]?.name !== churnName(asked.name)) return;
    this.answers += 1;
    const data = answers.map((one) => ('data' in one ? String(one.data) : ''));
    const problem = this.#problem(asked, rcode, data);
    if (problem !== undefined) this.wrong.push(`${churnName(asked.name)}: ${problem} (${rcode} ${data})`);
    if (!this.#done) this.#ask(id);
  }

  #problem({ name, least }: Asked, rcode: string, [data, ...more]: readonly string[]): string | undefined {
    if (rcode === 'NXDOMAIN') return blinks(name) || least === 0 ? undefined : 'it exists';
    if (rcode !== 'NOERROR' || data === undefined || more.length > 0) return 'no answer to that';
    const words = data
      .split('::')[1]!
      .split(':')
      .map((word) => Number.parseInt(word, 16));
    const [high = 0, low = 0, older = 0, newer = 0] = [0, 0, 0, 0, ...words].slice(-4);
    if (((high << 16) | low) !== name) return 'the address of another';
    const generation = (older << 16) | newer;
    this.newest = Math.max(this.newest, generation);
    return generation < least ? `of generation ${generation}, where ${least} was complete` : undefined;
  }
}

async function started(t: ExecutionContext, ...args: readonly string[]): Promise<{ child: Child; port: number }> {
  const child = Child.start([process.execPath, churner, ...args]);
  t.teardown(() => child.stop());
  await child.wrote('port', 30_000);
  return { child, port: Number(/port (\d+)/.exec(child.output)?.[1]) };
}

/** Asks for all names again and again until it is stopped. */
function perf(t: ExecutionContext, port: number, file: string): Child {
  const argv = ['dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', file, '-c', '4', '-q', '50', '-l', '120'];
  const child = Child.start(argv);
  t.teardown(() => child.stop());
  return child;
}

rootTest(
  'while 50,000 names change in a second no answer is wrong, or older than it may be',
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'vipd-churn-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, 'names');
    writeFileSync(file, Array.from({ length: names }, (_, i) => `${churnName(i)} AAAA\n`).join(''));
    const authority = await started(t, String(PER_SECOND));
    const forwarder = await started(t, 'forward', String(authority.port));
    await authority.child.wrote('generation 1', 60_000);
    const generations = new Generations(authority.child);
    const began = performance.now();
    const first = generations.before(0);
    const loads = [authority, forwarder].map(({ port }) => perf(t, port, file));
    const enough = () => generations.before(0) >= first + CHANGES;
    const direct = new Checker(authority.port, () => generations.before(0), enough);
    const cached = new Checker(forwarder.port, () => generations.before(slackMs), enough);
    await Promise.all([direct.run(), cached.run()]);
    t.deepEqual([...direct.wrong, ...cached.wrong], []);
    const changed = (generations.before(0) - first) * names;
    t.log(`${Math.round(changed / ((performance.now() - began) / 1000))} changes a second`);
    for (const load of loads) load.kill('SIGINT');
    for (const load of loads) {
      await load.exited;
      t.log(/Queries completed.*|Queries lost.*/g.exec(load.output)?.[0], /Response codes.*/.exec(load.output)?.[0]);
      t.notRegex(load.output, /SERVFAIL|REFUSED|FORMERR/);
    }
    t.true(direct.newest <= generations.before(0) + 1);
  },
  program('dnsperf'),
);
