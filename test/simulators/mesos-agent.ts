import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Guard, readCall } from './call.js';
import { Listener, sendJson, sendText } from './http.js';
import { agentInfo, frameworkMessage, type World } from './world.js';

/** The operator API of one Mesos agent of a world. */
export class MesosAgentSimulator {
  readonly listener: Listener;
  guard: Guard = {};
  /** Answers 503 as while it recovers its tasks, or 404 as before its routes are there. */
  recovering: false | 404 | 503 = false;
  /** Said instead of the state when it is set: whatever a broken agent or proxy may say. */
  instead: ((response: ServerResponse) => unknown) | undefined;
  readonly #world: World;

  constructor(
    world: World,
    readonly id: string,
  ) {
    this.#world = world;
    this.listener = new Listener((request, response, body) => this.#answer(request, response, body));
  }

  get url(): string {
    return this.listener.url;
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): unknown {
    if (this.recovering === 404) return sendText(response, 404, 'Not Found');
    if (this.recovering) return sendText(response, 503, 'Agent has not finished recovery');
    if (this.instead) return this.instead(response);
    const call = readCall(request, response, body, this.guard, () => '');
    if (!call) return undefined;
    if (call.type === 'GET_AGENT') return sendJson(response, { type: 'GET_AGENT', get_agent: this.#agent() });
    if (call.type === 'GET_STATE') return sendJson(response, { type: 'GET_STATE', get_state: this.#state() });
    if (call.type === 'GET_CONTAINERS')
      return sendJson(response, { type: call.type, get_containers: this.#containers() });
    if (call.type === 'GET_HEALTH') return sendJson(response, { type: 'GET_HEALTH', get_health: { healthy: true } });
    return sendText(response, 501, `${call.type} is not implemented`);
  }

  #agent(): object {
    return { agent_info: agentInfo(this.#world.agents.get(this.id)!) };
  }

  #containers(): object {
    const running = this.#world.tasksOf(this.id).filter(({ message }) => message.state !== 'TASK_STAGING');
    const containers = running.map(({ id, frameworkId, message }) => ({
      framework_id: { value: frameworkId },
      executor_id: { value: id },
      container_id: { value: `container-${id}` },
      container_status: message.statuses.at(-1)?.container_status,
    }));
    return containers.length > 0 ? { containers } : {};
  }

  /** Only what this agent runs, and only the frameworks of that. */
  #state(): object {
    const tasks = this.#world.tasksOf(this.id);
    const used = new Set(tasks.map(({ frameworkId }) => frameworkId));
    const frameworks = [...this.#world.frameworks.values()].filter(({ id }) => used.has(id)).map(frameworkMessage);
    const launched = tasks.filter(({ message }) => message.state !== 'TASK_STAGING').map(({ message }) => message);
    const queued = tasks.filter(({ message }) => message.state === 'TASK_STAGING').map(({ message }) => message);
    return {
      get_tasks: {
        ...(launched.length > 0 && { launched_tasks: launched }),
        ...(queued.length > 0 && { queued_tasks: queued }),
      },
      get_executors: {},
      get_frameworks: frameworks.length > 0 ? { frameworks } : {},
    };
  }
}
