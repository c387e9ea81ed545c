import { createParser } from 'eventsource-parser';
import { NO_TASKS, type TaskTable } from '../../model/task.js';
import { faultOf, VipdError } from '../../util/errors.js';
import { Wakeup } from '../../util/wakeup.js';
import { good, type Opened } from '../http/answer.js';
import { Backoff } from '../http/backoff.js';
import { type HttpClient, place } from '../http/client.js';
import { Vips } from '../labels/vips.js';
import { type Resolve, resolveBySystem } from '../mesos/agents.js';
import { redirected } from '../mesos/masters.js';
import { readAddress } from '../mesos/task.js';
import type { Report, Source } from '../source.js';
import { hostsOf, type MarathonInfo, translate } from './translate.js';

export interface MarathonOptions {
  /** Origins, as `http://10.0.0.1:8080`; the first that answers is asked. */
  readonly urls: readonly string[];
  readonly ipv6: boolean;
  /** Whether the labels of apps become VIPs, or their tasks are only known. */
  readonly vips: boolean;
  /** First and longest pause after a failure, milliseconds; default 2 s to 30 s. */
  readonly retryMs?: readonly [number, number];
  /** Between two readings for events, milliseconds; default 500. */
  readonly readMs?: number;
  /** From a reading for an event to another without one, milliseconds; default 2 s. */
  readonly confirmMs?: number;
  /** Of silence until a stream is given up, milliseconds; Marathon sends something about every 10 s; default 45 s. */
  readonly silenceMs?: number;
}

export interface MarathonModules {
  readonly http: HttpClient;
  readonly resolve?: Resolve;
  /** Tasks as a master of Mesos tells them, where one is followed. */
  readonly heard?: () => TaskTable | undefined;
}

/** What of a cluster changes with these is read anew. */
const EVENTS = [
  'status_update_event',
  'instance_changed_event',
  'instance_health_changed_event',
  'health_status_changed_event',
  'api_post_event',
  'app_terminated_event',
  'pod_created_event',
  'pod_updated_event',
  'pod_deleted_event',
  'deployment_success',
  'deployment_failed',
  'deployment_step_success',
  'group_change_success',
];

/** Of one answer: ten thousand tasks with their apps. */
const MAX_ANSWER = 256 * 1024 * 1024;

/** Events can be lost; this often everything is read without one, milliseconds. */
const REREAD_MS = 60_000;

/** Of a stream, before an event must have ended. */
const MAX_EVENT = 16 * 1024 * 1024;

/**
 * Apps and pods of Marathon, and the VIPs their labels ask for. Its events only say that something has changed: they come
 * in no order and can be lost, so what counts is read.
 */
export class MarathonSource implements Source {
  readonly name = 'marathon';
  readonly joins = true;
  readonly #options: MarathonOptions;
  readonly #modules: MarathonModules;
  readonly #vips: Vips;
  #table: TaskTable = NO_TASKS;

  constructor(options: MarathonOptions, modules: MarathonModules) {
    this.#options = options;
    this.#modules = modules;
    this.#vips = new Vips({ ipv6: options.ipv6 });
  }

  async run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(...(this.#options.retryMs ?? [2_000, 30_000]));
    const pause = new Wakeup();
    for (let at = 0; !signal.aborted; at += 1) {
      const url = this.#options.urls[at % this.#options.urls.length]!;
      const told = (said: Report) => {
        if (signal.aborted) return;
        backoff.reset();
        report(said);
      };
      const error = await this.#follow(url, told, signal).catch((error: unknown) => error);
      if (signal.aborted) return;
      report({ services: [], faults: [faultOf(error, url)], keepLast: true });
      await pause.sleep(backoff.next(), signal);
    }
  }

  /** Reads after every event until the stream ends; then rejects with the reason. */
  async #follow(url: string, report: (report: Report) => void, outer: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const end = () => ending.abort();
    outer.addEventListener('abort', end);
    const news = new Wakeup();
    try {
      const events = await this.#subscribe(url, ending.signal);
      await Promise.all([
        this.#listen(events, news).finally(end),
        this.#read(url, report, news, ending.signal).finally(end),
      ]);
    } finally {
      end();
      outer.removeEventListener('abort', end);
    }
  }

  async #subscribe(url: string, signal: AbortSignal): Promise<Opened & { readonly url: string }> {
    const { http } = this.#modules;
    const call = { headers: { accept: 'text/event-stream' }, silenceMs: this.#options.silenceMs ?? 45_000 };
    const query = EVENTS.map((type) => `event_type=${type}`).join('&');
    let target = `${url}/v2/events?${query}`;
    for (let hop = 0; hop < 3; hop += 1) {
      const answer = await http.open(target, call, signal);
      if (answer.status < 300 || answer.status >= 400)
        return { url: place(target), ...(await good(place(target), answer, http.principal())) };
      await answer.body.dump();
      target = redirected(target, answer.headers.location);
    }
    throw new VipdError({ code: 'NO_LEADER', object: url, cause: 'is the begin of more than 3 redirects' });
  }

  async #listen({ url, body }: Opened & { readonly url: string }, news: Wakeup): Promise<void> {
    const parser = createParser({ onEvent: () => news.poke() });
    const decoder = new TextDecoder();
    let unfinished = 0;
    for await (const piece of body) {
      unfinished = piece.includes(0x0a) ? 0 : unfinished + piece.length;
      if (unfinished > MAX_EVENT)
        throw new VipdError({ code: 'EVENT_TOO_LARGE', object: url, cause: 'an event does not end' });
      parser.feed(decoder.decode(piece, { stream: true }));
    }
    throw new VipdError({ code: 'STREAM_ENDED', object: url, cause: 'Marathon ended the stream' });
  }

  async #read(url: string, report: (report: Report) => void, news: Wakeup, signal: AbortSignal): Promise<void> {
    const pause = new Wakeup();
    const { readMs = 500, confirmMs = 2_000 } = this.#options;
    let told = false;
    while (!signal.aborted) {
      report(await this.#state(url, signal));
      await pause.sleep(readMs, signal);
      // An event may come before what it tells of can be read.
      told = await news.sleep(told ? confirmMs : REREAD_MS, signal);
    }
  }

  async #state(url: string, signal: AbortSignal): Promise<Report> {
    const embed = ['apps.tasks', 'apps.readiness', 'apps.deployments'].map((one) => `embed=${one}`).join('&');
    const [info, apps, pods] = await Promise.all([
      this.#json(`${url}/v2/info`, signal),
      this.#json(`${url}/v2/apps?${embed}`, signal),
      this.#pods(url, signal),
    ]);
    const listed = (apps as { apps?: unknown } | null)?.apps;
    if (!Array.isArray(listed))
      throw new VipdError({ code: 'ANSWER_INVALID', object: url, cause: 'the answer to /v2/apps has no list of apps' });
    const hosts = await this.#hosts(hostsOf(listed, pods));
    const { table, rejected, faults } = translate(listed, pods, infoOf(info), {
      hosts,
      before: this.#table,
      heard: this.#modules.heard?.() ?? NO_TASKS,
    });
    this.#table = table;
    const note = `reads ${url} as ${this.#modules.http.principal()}, sees ${listed.length} apps and ${pods.length} pods`;
    if (!this.#options.vips) return { services: NONE, faults, tasks: table, note };
    const { services, shared, homeless } = this.#vips.follow(table.tasks);
    return { services, faults, tasks: table, note, labels: { rejected: [...rejected, ...homeless], shared } };
  }

  /** Marathon before 1.4 has none and answers 404. */
  async #pods(url: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const target = `${url}/v2/pods/::status`;
    const pods = await this.#json(target, signal).catch((error: unknown) => {
      if (faultOf(error, target).cause.startsWith('answered 404')) return [];
      throw error;
    });
    return Array.isArray(pods) ? pods : [];
  }

  async #hosts(names: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    const { resolve = resolveBySystem } = this.#modules;
    const found = await Promise.all(
      [...names].map(async (name) => [name, readAddress(name) ?? (await resolve(name))] as const),
    );
    return new Map(found.flatMap(([name, address]) => (address === undefined ? [] : [[name, address] as const])));
  }

  async #json(url: string, signal: AbortSignal): Promise<unknown> {
    const text = (await this.#modules.http.read(url, { maxBytes: MAX_ANSWER }, signal)).toString();
    try {
      return JSON.parse(text);
    } catch {
      throw new VipdError({ code: 'ANSWER_INVALID', object: url, cause: `is not JSON: ${text.slice(0, 100)}` });
    }
  }
}

const NONE: Report['services'] = [];

function infoOf(raw: unknown): MarathonInfo {
  const { name, frameworkId } = (raw ?? {}) as { name?: unknown; frameworkId?: unknown };
  return {
    name: typeof name === 'string' && name !== '' ? name : 'marathon',
    frameworkId: typeof frameworkId === 'string' ? frameworkId : 'marathon',
  };
}
