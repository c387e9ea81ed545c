import { Apps } from './apps.js';
import { Driver, type Place } from './driver.js';
import { MarathonSimulator } from './marathon.js';
import { MesosAgentSimulator } from './mesos-agent.js';
import { MesosMasterSimulator } from './mesos-master.js';
import { World } from './world.js';

const FRAMEWORK = 'F-0001';

export interface ClusterOptions {
  /** Where its APIs listen. */
  readonly address: string;
  /** The first master's port; the next one is that of the standby. Any when 0. */
  readonly masterPort?: number;
  /** The first Marathon's port, likewise. */
  readonly marathonPort?: number;
  /** Of each agent at its own address; any port of `address` when absent. */
  readonly agentPort?: number;
  readonly graceMs?: number;
  /** How many times as fast as in reality heartbeats, signs of life and checks come; default 1. */
  readonly clock?: number;
}

/** A whole Mesos cluster: two masters, two Marathons, an agent at every place, and real processes for tasks. */
export class Cluster {
  readonly world = new World();
  readonly masters: readonly [MesosMasterSimulator, MesosMasterSimulator];
  readonly marathons: readonly [MarathonSimulator, MarathonSimulator];
  readonly agents: readonly MesosAgentSimulator[];
  readonly driver: Driver;
  #leader: 0 | 1 = 0;
  #leadingMarathon: 0 | 1 = 0;

  private constructor(places: readonly Place[], { clock = 1, graceMs = 1_000 }: ClusterOptions) {
    const master = () => new MesosMasterSimulator(this.world, { heartbeatMs: 15_000 / clock });
    const store = new Apps();
    const marathon = () => new MarathonSimulator({ store, keepAliveMs: 10_000 / clock });
    this.masters = [master(), master()];
    this.marathons = [marathon(), marathon()];
    this.world.addFramework(FRAMEWORK, 'marathon');
    for (const { agent, address } of places) this.world.addAgent({ id: agent, hostname: address, port: 5051 });
    this.agents = places.map(({ agent }) => new MesosAgentSimulator(this.world, agent));
    this.driver = new Driver(this.world, this.marathon, places, { framework: FRAMEWORK, graceMs, clock });
    this.marathons[1].leader = this.marathons[0];
  }

  static async start(places: readonly Place[], options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(places, options);
    const { address, masterPort = 0, marathonPort = 0, agentPort } = options;
    const pairs = [
      [cluster.masters, masterPort],
      [cluster.marathons, marathonPort],
    ] as const;
    for (const [pair, port] of pairs) {
      for (const [i, { listener }] of pair.entries()) await listener.listen(address, port === 0 ? 0 : port + i);
    }
    for (const [i, { listener }] of cluster.agents.entries()) {
      await listener.listen(agentPort === undefined ? address : places[i]!.address, agentPort ?? 0);
    }
    cluster.lead(0);
    return cluster;
  }

  /** The Marathon that leads. */
  get marathon(): MarathonSimulator {
    return this.marathons[this.#leadingMarathon];
  }

  /** The master that leads. */
  get master(): MesosMasterSimulator {
    return this.masters[this.#leader];
  }

  /** Makes this master the leader; the streams of the other end. Agents register with it again one by one. */
  lead(which: 0 | 1): void {
    this.#leader = which;
    const [leader, other] = [this.masters[which], this.masters[which === 0 ? 1 : 0]];
    leader.redirect = undefined;
    other.redirect = leader.url.slice('http:'.length);
    other.drop();
  }

  /** The other master takes over, and knows the agents only from before; the one that led is its standby. */
  failOver(registerAfterMs: number): void {
    const next = this.#leader === 0 ? 1 : 0;
    const before = this.world.takeOver();
    for (const id of before) this.masters[next].recovered.add(id);
    this.lead(next);
    for (const [i, id] of before.entries()) setTimeout(() => this.#register(id), registerAfterMs * (i + 1));
  }

  /** The other Marathon takes over; what checks had found is lost with the memory of the one that led. */
  failOverMarathon(): void {
    const before = this.marathon;
    this.#leadingMarathon = this.#leadingMarathon === 0 ? 1 : 0;
    this.marathon.leader = undefined;
    before.leader = this.marathon;
    before.events.end();
    this.driver.follow(this.marathon);
  }

  /** Unless it was marked gone meanwhile. */
  #register(id: string): void {
    const agent = this.world.agents.get(id);
    if (agent) this.world.addAgent(agent);
  }

  async close(): Promise<void> {
    await this.driver.close();
    await Promise.all([...this.masters, ...this.marathons].map((one) => one.close()));
    await Promise.all(this.agents.map(({ listener }) => listener.close()));
  }
}
