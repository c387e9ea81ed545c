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
  readonly marathonPort?: number;
  /** Of each agent at its own address; any port of `address` when absent. */
  readonly agentPort?: number;
  readonly graceMs?: number;
}

/** A whole Mesos cluster with Marathon: two masters, an agent at every place, and real processes for tasks. */
export class Cluster {
  readonly world = new World();
  readonly marathon = new MarathonSimulator();
  readonly masters = [new MesosMasterSimulator(this.world), new MesosMasterSimulator(this.world)] as const;
  readonly agents: readonly MesosAgentSimulator[];
  readonly driver: Driver;

  private constructor(places: readonly Place[], options: ClusterOptions) {
    this.world.addFramework(FRAMEWORK, 'marathon');
    for (const { agent, address } of places) this.world.addAgent({ id: agent, hostname: address, port: 5051 });
    this.agents = places.map(({ agent }) => new MesosAgentSimulator(this.world, agent));
    this.driver = new Driver(this.world, this.marathon, places, {
      framework: FRAMEWORK,
      graceMs: options.graceMs ?? 1_000,
    });
  }

  static async start(places: readonly Place[], options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(places, options);
    const { address, masterPort = 0, marathonPort = 0, agentPort } = options;
    for (const [i, master] of cluster.masters.entries()) {
      await master.listener.listen(address, masterPort === 0 ? 0 : masterPort + i);
    }
    for (const [i, { listener }] of cluster.agents.entries()) {
      await listener.listen(agentPort === undefined ? address : places[i]!.address, agentPort ?? 0);
    }
    await cluster.marathon.listener.listen(address, marathonPort);
    cluster.lead(0);
    return cluster;
  }

  /** Makes this master the leader; the streams of the other end. Agents register with it again one by one. */
  lead(which: 0 | 1): void {
    const [leader, other] = [this.masters[which], this.masters[which === 0 ? 1 : 0]];
    leader.redirect = undefined;
    other.redirect = leader.url.slice('http:'.length);
    other.drop();
  }

  /** The leader is gone: the other one takes over, and knows the agents only from before. */
  failOver(registerAfterMs: number): void {
    for (const agent of this.world.agents.values()) {
      if (agent.registered) this.masters[1].recovered.add(agent.id);
      agent.registered = false;
    }
    this.lead(1);
    this.masters[0].busy = 'No leader elected';
    for (const [i, id] of [...this.masters[1].recovered].entries()) {
      setTimeout(() => this.world.addAgent(this.world.agents.get(id)!), registerAfterMs * (i + 1));
    }
  }

  async close(): Promise<void> {
    await this.driver.close();
    await Promise.all([...this.masters.map((one) => one.close()), this.marathon.close()]);
    await Promise.all(this.agents.map(({ listener }) => listener.close()));
  }
}
