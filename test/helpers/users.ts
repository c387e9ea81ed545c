import type { ExecutionContext } from 'ava';
import { run } from '../../ts/quickstart/command.js';
import { Agent, type OpenDialogue } from './agent.js';
import { Daemon } from './daemon.js';
import { Lab, type Site } from './lab.js';
import { startEcho } from './servers.js';
import { serviceOf, targetOf } from './services.js';
import { Tools } from './tools.js';

/** Between two requests of a client, milliseconds: an emulated processor has more to do than to ask itself. */
const PAUSE = 250;
/** Milliseconds; longer than any test. */
export const HOURS = 4 * 3_600_000;

export type Plane = 'ebpf' | 'ipvs';
export const other = (plane: string): Plane => (plane === 'ebpf' ? 'ipvs' : 'ebpf');

/** Clients that ask anew without pause, and connections of each that stay open, two of which say nothing for long. */
export class Users {
  readonly #idle: { readonly who: string; readonly talk: OpenDialogue; readonly server: string }[] = [];
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(
    readonly t: ExecutionContext,
    readonly clients: Readonly<Record<string, Agent>>,
    readonly target: { readonly address: string; readonly port: number },
  ) {}

  static async start(t: ExecutionContext, lab: Lab, places: Places, target: Users['target']): Promise<Users> {
    const clients = {
      local: await Agent.start(lab, lab.node, lab.cgroup),
      workload: await Agent.start(lab, places.workload.namespace),
      outside: await Agent.start(lab, places.outside.namespace),
    };
    return new Users(t, clients, target);
  }

  async ask(streams: boolean): Promise<void> {
    for (const [who, client] of Object.entries(this.clients)) {
      const stopLoad = await client.load('tcp', this.target, PAUSE);
      this.#stops.push(async () => {
        const { answers, failures } = await stopLoad();
        this.t.log(`${who}: ${JSON.stringify(answers)}`);
        this.t.deepEqual(failures, {}, `requests of ${who}`);
        this.t.deepEqual(Object.keys(answers).sort(), ['one', 'two'], who);
      });
      if (!streams) continue;
      const stopStream = await client.stream(this.target, PAUSE);
      this.#stops.push(async () => {
        const { bytes, error } = await stopStream();
        this.t.log(`${who}: ${bytes} bytes over one connection`);
        this.t.is(error, undefined, `stream of ${who}`);
        this.t.true(bytes > 0);
      });
    }
  }

  /** Each opens a connection, and says nothing more over it until {@link finish}. */
  async openIdle(when: string): Promise<void> {
    for (const [name, client] of Object.entries(this.clients)) {
      const talk = await client.open('tcp', this.target);
      const answer = await talk.ask();
      this.#idle.push({ who: `${name}, opened ${when}`, talk, server: answer.error ?? answer.name });
    }
  }

  /** Each is answered some times, whatever else it does. */
  async served(when: string): Promise<void> {
    const tallies = Object.entries(this.clients).map(async ([who, client]) => {
      const tally = await client.tally('tcp', this.target, 3);
      const strange = Object.keys(tally).filter((name) => name !== 'one' && name !== 'two');
      this.t.deepEqual(strange, [], `${who}, ${when}`);
    });
    await Promise.all(tallies);
  }

  /** Connections that are open are still with the server they began with. */
  async stay(when: string): Promise<void> {
    for (const { who, talk, server } of this.#idle) this.t.like(await talk.ask(), { name: server }, `${who}, ${when}`);
  }

  async finish(): Promise<void> {
    await this.stay('at the end');
    for (const { talk } of this.#idle) await talk.close();
    for (const stop of this.#stops) await stop();
  }
}

/** Where clients are, a place for each hook. */
type Places = {
  readonly node: 'node';
  readonly workload: Site;
  readonly outside: Site;
};

/** A client's ports come again within seconds, as they do on a busy machine: no plane may take a port for what it was. */
function withFewPorts(site: Site): Site {
  site.namespace.sysctl('ipv4/ip_local_port_range', '40000 40255');
  site.namespace.sysctl('ipv4/tcp_tw_reuse', 1);
  return site;
}

/** Two servers, a client for each hook, and a daemon that begins with eBPF. */
export async function setToggleScene(t: ExecutionContext) {
  const lab = Lab.create(t);
  const servers = await Promise.all(['one', 'two'].map((name) => startEcho(lab, lab.site(name), name)));
  const web = serviceOf('web', '11.0.0.80:80', servers);
  const { tools, services: more } = await Tools.serve(t, lab, servers);
  const services = [web, serviceOf('web6', '[fd01:c::80]:80', servers), ...more];
  const places: Places = {
    node: 'node',
    workload: withFewPorts(lab.site('workload')),
    outside: withFewPorts(lab.site('outside', 'uplink')),
  };
  const users = await Users.start(t, lab, places, targetOf(web));
  const daemon = await Daemon.start(lab, services, '--mode', 'ebpf');
  return { lab, places, users, tools, daemon, services };
}

/** Exchanges the plane for the other, and looks that it is so. */
export async function exchange(t: ExecutionContext, daemon: Daemon, drainMs: number): Promise<Plane> {
  const mode = other((await daemon.client.mode()).plane);
  const after = await daemon.client.setMode({ body: { mode, drainMs } });
  t.like(after, { plane: mode, draining: { plane: other(mode) } });
  t.true((await daemon.client.status()).healthy, `healthy with ${mode}`);
  return mode;
}

/** Segments the namespaces' TCP had to send again: what was lost on the way, and hidden. */
export function resent(lab: Lab): number {
  const names = run(['ip', 'netns', 'list'])
    .split('\n')
    .flatMap((line) => line.split(' ')[0] ?? []);
  const mine = names.filter((name) => name.startsWith(lab.id));
  return mine.reduce((sum, name) => {
    const [heads, numbers] = run(['ip', 'netns', 'exec', name, 'cat', '/proc/net/snmp'])
      .split('\n')
      .filter((line) => line.startsWith('Tcp:'))
      .map((line) => line.split(' '));
    return sum + Number(numbers?.[heads?.indexOf('RetransSegs') ?? -1] ?? 0);
  }, 0);
}
