import type { Wakeup } from '../../util/wakeup.js';

/**
 * Where a master's stream tells that something has happened to tasks of an agent, and who asks that agent itself listens: it
 * then asks at once instead of when its time has come. What has happened is for the agent to say; it knew before the master.
 */
export class AgentNews {
  readonly #listeners = new Map<string, Wakeup>();

  /** One listener an agent: the daemon has one agent. */
  listen(agentId: string, wakeup: Wakeup): void {
    this.#listeners.set(agentId, wakeup);
  }

  tell(agentId: string): void {
    this.#listeners.get(agentId)?.poke();
  }
}
