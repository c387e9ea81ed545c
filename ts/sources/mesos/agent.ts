import type { Agent } from '../../model/task.js';
import { faultOf, VipdError } from '../../util/errors.js';
import { Wakeup } from '../../util/wakeup.js';
import { Backoff } from '../http/backoff.js';
import type { HttpClient } from '../http/client.js';
import { Vips, type VipsOptions } from '../labels/vips.js';
import type { Report, Source } from '../source.js';
import { agentOf, frameworkOf, type Resolve, resolveBySystem } from './agents.js';
import { keyOf, TaskBook } from './book.js';
import type { AgentNews } from './news.js';
import { type AgentAnswer, readers } from './wire.js';

export interface MesosAgentOptions extends VipsOptions {
  /** `http://10.0.0.1:5051` */
  readonly url: string;
  /** Between two polls, milliseconds. */
  readonly intervalMs: number;
}

export interface MesosAgentModules {
  readonly http: HttpClient;
  readonly resolve?: Resolve;
  /** Cuts the pause between two polls short. */
  readonly news?: AgentNews;
}

/** After news, for the rest of a burst, milliseconds. */
const COALESCE_MS = 10;

/** Longest pause after failures, milliseconds. */
const LONGEST_PAUSE_MS = 60_000;

/** Of one answer: some thousand tasks with much to say. */
const MAX_ANSWER = 64 * 1024 * 1024;

/**
 * The tasks of the Mesos agent on this node, by its v1 operator API, and the VIPs their labels ask for. The agent is
 * asked itself: its VIPs follow its tasks while no master can be reached. While it cannot be asked, what it said last
 * stays.
 */
export class MesosAgentSource implements Source {
  readonly name = 'mesos-agent';
  readonly joins = true;
  readonly #options: MesosAgentOptions;
  readonly #modules: MesosAgentModules;
  readonly #news = new Wakeup();

  constructor(options: MesosAgentOptions, modules: MesosAgentModules) {
    this.#options = options;
    this.#modules = modules;
  }

  async run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    const book = new TaskBook();
    const vips = new Vips(this.#options);
    const rest = new Wakeup();
    const { intervalMs } = this.#options;
    const backoff = new Backoff(intervalMs, LONGEST_PAUSE_MS);
    let last: Report | undefined;
    while (!signal.aborted) {
      const next = await this.#poll(book, vips, last, signal).catch((error: unknown) => this.#failed(error));
      if (signal.aborted) return;
      report(next);
      if (!next.keepLast) last = next;
      if (next.keepLast) await rest.sleep(backoff.next(), signal);
      else if (await this.#news.sleep(backoff.reset(), signal)) await rest.sleep(COALESCE_MS, signal);
    }
  }

  async #poll(book: TaskBook, vips: Vips, last: Report | undefined, signal: AbortSignal): Promise<Report> {
    const state = await this.#ask('GET_STATE', signal);
    const agent = await this.#agent(await this.#ask('GET_AGENT', signal));
    book.setAgent(agent);
    this.#modules.news?.listen(agent.id, this.#news);
    for (const one of state.get_state?.get_frameworks?.frameworks ?? []) {
      const framework = readers.framework.Check(one) ? frameworkOf(one) : undefined;
      if (framework) book.setFramework(framework);
    }
    const { queued_tasks = [], launched_tasks = [] } = state.get_state?.get_tasks ?? {};
    const own = [...queued_tasks, ...launched_tasks].filter((one) => agentIdOf(one) === agent.id);
    for (const one of own) book.put(one);
    book.retain(new Set(own.map((one) => keyOf(one as object))));
    const who = `asks ${this.#options.url} as ${this.#modules.http.principal()}`;
    return { ...reportOf(book, vips, last), note: `${who}, sees ${own.length} task${own.length === 1 ? '' : 's'}` };
  }

  async #agent({ get_agent }: AgentAnswer): Promise<Agent> {
    const info = get_agent?.agent_info;
    if (readers.agentInfo.Check(info)) {
      const { resolve = resolveBySystem } = this.#modules;
      const agent = agentOf(info) ?? agentOf({ ...info, hostname: (await resolve(info.hostname ?? '')) ?? '' });
      if (agent) return agent;
    }
    const cause =
      'the answer to GET_AGENT has no id and no host name with an address: the agent has not registered yet';
    throw new VipdError({ code: 'AGENT_UNKNOWN', object: this.#options.url, cause });
  }

  async #ask(type: 'GET_STATE' | 'GET_AGENT', signal: AbortSignal): Promise<AgentAnswer> {
    const url = `${this.#options.url}/api/v1`;
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const call = { method: 'POST', headers, body: JSON.stringify({ type }), maxBytes: MAX_ANSWER } as const;
    const text = (await this.#modules.http.read(url, call, signal)).toString();
    const answer = parsed(text);
    if (readers.agentAnswer.Check(answer)) return answer;
    const cause = `is no answer to ${type}: ${text.slice(0, 100)}`;
    throw new VipdError({ code: 'ANSWER_INVALID', object: url, cause });
  }

  #failed(error: unknown): Report {
    const fault = faultOf(error, this.#options.url);
    return { services: [], faults: [fault], keepLast: true };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function agentIdOf(raw: unknown): unknown {
  return (raw as { agent_id?: { value?: unknown } } | null)?.agent_id?.value;
}

/** The parts of the last report themselves where nothing changed: polls mostly bring no news. */
function reportOf(book: TaskBook, vips: Vips, last: Report | undefined): Report {
  const faults = [...book.faults.values()];
  if (last && !book.changed()) return { ...last, faults };
  const tasks = book.table({ masters: [] });
  const { services, shared, homeless } = vips.follow(tasks.tasks);
  return { services, faults, tasks, labels: { rejected: [...book.rejected(), ...homeless], shared } };
}
