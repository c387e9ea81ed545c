import type { ServiceInput } from '../../ts/model/schema.js';
import { Agent } from './agent.js';
import { Daemon } from './daemon.js';
import { Lab, type Owner } from './lab.js';
import { type EchoServer, startEcho } from './servers.js';

/** Where in the kernel a client's traffic meets its VIP; decided by where the client is. */
export const hooks = ['sock', 'tc', 'xdp'] as const;
export type Hook = (typeof hooks)[number];

/** A client whose traffic is taken by this hook: on the node itself, on a workload, or beyond an uplink. */
export function clientBy(hook: Hook, lab: Lab): Promise<Agent> {
  switch (hook) {
    case 'sock':
      return Agent.start(lab, lab.node, lab.cgroup);
    case 'tc':
      return Agent.start(lab, lab.site('client').namespace);
    case 'xdp':
      return Agent.start(lab, lab.site('client', 'uplink').namespace);
  }
}

/** A lab with echo servers, a client and the daemon. */
export interface Scene {
  readonly lab: Lab;
  readonly servers: readonly EchoServer[];
  readonly client: Agent;
  readonly daemon: Daemon;
}

/** Sets the scene: a server of each name on a site of its own, and the services made of them. */
export async function setScene(
  owner: Owner,
  hook: Hook,
  names: readonly string[],
  services: (servers: readonly EchoServer[]) => readonly ServiceInput[],
  ...flags: readonly string[]
): Promise<Scene> {
  const lab = Lab.create(owner);
  const servers = await Promise.all(names.map((name) => startEcho(lab, lab.site(name), name)));
  const [client, daemon] = await Promise.all([clientBy(hook, lab), Daemon.start(lab, services(servers), ...flags)]);
  return { lab, servers, client, daemon };
}
