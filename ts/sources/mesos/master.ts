import type { TaskTable } from '../../model/task.js';
import { type Fault, faultOf } from '../../util/errors.js';
import { Wakeup } from '../../util/wakeup.js';
import { Backoff } from '../http/backoff.js';
import type { HttpClient } from '../http/client.js';
import { Vips, type VipsOptions } from '../labels/vips.js';
import type { Report, Source } from '../source.js';
import { Due } from './due.js';
import { type EncodingName, encodings } from './encoding.js';
import { endpointOf, type Masters } from './masters.js';
import { documentedGrace, type Grace, MasterMirror, type Phase } from './mirror.js';
import type { AgentNews } from './news.js';
import { Schedulers } from './schedulers.js';
import { type Stream, subscribe } from './subscription.js';
import type { MasterEvent } from './wire.js';

export interface MesosMasterOptions extends VipsOptions {
  readonly encoding: EncodingName;
  /** Whether the labels of tasks become VIPs, or tasks are only known. */
  readonly vips: boolean;
  readonly grace?: Grace;
  /** First and longest pause before another attempt, milliseconds; default 2 s to 30 s. */
  readonly retryMs?: readonly [number, number];
  /** Between two heartbeats, until the master says so, milliseconds; default 15 s. */
  readonly heartbeatMs?: number;
}

export interface MesosMasterModules {
  readonly http: HttpClient;
  readonly masters: Masters;
  /** Told of every agent whose tasks have changed. */
  readonly news?: AgentNews;
}

/** Long enough for the rest of a burst, milliseconds. */
const COALESCE_MS = 5;

/** What comes after so much quiet is no rest of a burst, and is told at once, milliseconds. */
const QUIET_MS = 50;

/**
 * The tasks of a Mesos cluster, by the event stream of its leading master. When a stream ends, what is known stays until
 * the next one has told everything again.
 */
export class MesosMasterSource implements Source {
  readonly name = 'mesos-master';
  readonly joins = true;
  readonly #options: MesosMasterOptions;
  readonly #modules: MesosMasterModules;
  readonly #vips: Vips;
  #table: TaskTable | undefined;

  constructor(options: MesosMasterOptions, modules: MesosMasterModules) {
    this.#options = options;
    this.#modules = modules;
    this.#vips = new Vips(options);
  }

  /** What it said last of tasks. */
  table(): TaskTable | undefined {
    return this.#table;
  }

  async run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(...(this.#options.retryMs ?? [2_000, 30_000]));
    while (!signal.aborted) {
      const told = (said: Report) => {
        if (signal.aborted) return;
        if (!said.keepLast) backoff.reset();
        report(said);
      };
      const fault = await this.#follow(told, signal);
      if (signal.aborted) break;
      report({ services: [], faults: [fault], keepLast: true });
      await this.#pause(backoff.next(), signal);
    }
  }

  /** No longer than until there are other masters to ask. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const pause = new Wakeup();
    const waiting = new AbortController();
    void this.#modules.masters.changed(waiting.signal).then(() => pause.poke());
    await pause.sleep(ms, signal);
    waiting.abort();
  }

  /** Resolves to why it ended. */
  async #follow(report: (report: Report) => void, signal: AbortSignal): Promise<Fault> {
    const { http, masters } = this.#modules;
    const { encoding, heartbeatMs = 15_000 } = this.#options;
    try {
      const stream = await subscribe(http, masters.urls(), { encoding: encodings[encoding], heartbeatMs }, signal);
      return await this.#mirror(stream, report, signal);
    } catch (error) {
      return faultOf(error, 'Mesos master');
    }
  }

  async #mirror(stream: Stream, report: (report: Report) => void, signal: AbortSignal): Promise<Fault> {
    const mirror = new MasterMirror(this.#table, this.#options.grace ?? documentedGrace);
    let told = Number.NEGATIVE_INFINITY;
    const due = new Due(() => {
      told = performance.now();
      const next = mirror.due(told);
      if (next !== undefined) due.in(next - told + 1);
      this.#tell(mirror, stream, report);
    });
    const ended = new AbortController();
    const during = AbortSignal.any([signal, ended.signal]);
    const schedulers = new Schedulers(this.#modules.http, stream.url, during, (pids) => {
      if (mirror.locate(pids)) due.in(0);
    });
    try {
      for await (const events of stream.events) {
        for (const event of events) this.#apply(event, mirror);
        if (events.every(({ type }) => type === 'HEARTBEAT')) continue;
        due.in(performance.now() - told < QUIET_MS ? COALESCE_MS : 0);
        if (events.some(tellsOfFrameworks)) void schedulers.ask();
      }
      return { code: 'STREAM_ENDED', object: stream.url, cause: 'the master ended the stream' };
    } finally {
      ended.abort();
      due.cancel();
    }
  }

  #apply(event: MasterEvent, mirror: MasterMirror): void {
    const agent = mirror.agentOf(event);
    mirror.apply(event, performance.now());
    if (agent !== undefined) this.#modules.news?.tell(agent);
  }

  #tell(mirror: MasterMirror, { url }: Stream, report: (report: Report) => void): void {
    const now = performance.now();
    const leader = endpointOf(url);
    const known = this.#modules.masters.urls().flatMap((one) => endpointOf(one) ?? []);
    const table = mirror.table(now, { ...(leader && { leader }), masters: known });
    const note = this.#note(mirror, url, mirror.phase(now));
    const faults = [...mirror.book.faults.values()];
    this.#table = table ?? this.#table;
    if (table === undefined) report({ services: NONE, faults, note, keepLast: true });
    else report({ ...this.#labelled(mirror, table), faults, tasks: table, note });
  }

  #labelled(mirror: MasterMirror, table: TaskTable): Pick<Report, 'services' | 'labels'> {
    if (!this.#options.vips) return { services: NONE };
    const { services, shared, homeless } = this.#vips.follow(table.tasks);
    return { services, labels: { rejected: [...mirror.book.rejected(), ...homeless], shared } };
  }

  #note({ book }: MasterMirror, url: string, phase: Phase): string {
    const principal = this.#modules.http.principal();
    const sees = `${count(book.frameworks.size, 'framework')} and ${count(book.agents.size, 'agent')}`;
    const held = {
      subscribing: '',
      agents: '; waits for agents to register again',
      tasks: '; waits for tasks',
      serving: '',
    };
    // A leader that has just taken over knows none yet.
    const blind = phase === 'serving' && book.frameworks.size === 0;
    const rights = blind ? `; has ${principal} the rights VIEW_FRAMEWORK and VIEW_TASK?` : '';
    return `subscribed to ${new URL(url).origin} as ${principal}, sees ${sees}${held[phase]}${rights}`;
  }
}

function tellsOfFrameworks({ subscribed, framework_added, framework_updated }: MasterEvent): boolean {
  return (subscribed ?? framework_added ?? framework_updated) !== undefined;
}

const NONE: Report['services'] = [];

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
