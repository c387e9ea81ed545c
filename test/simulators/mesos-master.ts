import type { IncomingMessage, ServerResponse } from 'node:http';
import { encodeEvent } from '../../ts/sources/mesos/protobuf.js';
import { encodeRecord } from '../../ts/sources/mesos/recordio.js';
import { type Encoding, type Guard, readCall } from './call.js';
import { Listener, sendJson, sendText } from './http.js';
import { oldState } from './old-state.js';
import { agentInfo, agentMessage, frameworkMessage, type Json, type MasterEvent, type World } from './world.js';

interface Subscriber {
  readonly response: ServerResponse;
  readonly encoding: Encoding;
}

export interface MasterOptions {
  /** Between two heartbeats, milliseconds; the real one has 15 s. */
  readonly heartbeatMs?: number;
  /** More subscribers close the oldest; the real one has 1,000. */
  readonly maxSubscribers?: number;
  /** Cuts a record into the chunks it is sent in. */
  readonly chunk?: Chunk;
}

export type Chunk = (record: Buffer) => readonly Buffer[];

/** Borders anywhere, also inside the line with the length. */
export const chunks: Readonly<Record<'whole' | 'random' | 'bytes', Chunk>> = {
  whole: (record) => [record],
  bytes: (record) => Array.from(record, (byte) => Buffer.of(byte)),
  random: (record) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < record.length; ) {
      const size = 1 + Math.floor(Math.random() * (at < 8 ? 3 : 1_000));
      pieces.push(record.subarray(at, at + size));
      at += size;
    }
    return pieces;
  },
};

/** The operator API of a Mesos master of a world: the leader, unless it is told to send on to another or to be busy. */
export class MesosMasterSimulator {
  readonly listener: Listener;
  guard: Guard = {};
  /** Where the leader is, when it is another: `//10.0.0.2:5050`. */
  redirect: string | undefined;
  /** Why it answers 503: no leader elected, recovering, agent recovering. */
  busy: string | undefined;
  /** The ids of the frameworks its callers have the right to see, with their tasks. */
  view: 'all' | ReadonlySet<string> = 'all';
  chunk: Chunk;
  /** More subscribers close the oldest. */
  maxSubscribers: number;
  /** Agents it knows from before it took over. */
  readonly recovered = new Set<string>();
  heartbeats = true;
  readonly #world: World;
  readonly #options: MasterOptions;
  readonly #subscribers: Subscriber[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #onEvent = (event: MasterEvent) => this.#tell(event);

  constructor(world: World, options: MasterOptions = {}) {
    this.#world = world;
    this.#options = options;
    this.chunk = options.chunk ?? chunks.whole;
    this.maxSubscribers = options.maxSubscribers ?? 1_000;
    this.listener = new Listener((request, response, body) => this.#answer(request, response, body));
    world.on('event', this.#onEvent);
    this.#timer = setInterval(() => this.#beat(), options.heartbeatMs ?? 15_000);
  }

  get url(): string {
    return this.listener.url;
  }

  get subscribers(): number {
    return this.#subscribers.length;
  }

  /** Ends the streams as a master that stops leading does. */
  drop(): void {
    for (const { response } of this.#subscribers.splice(0)) response.end();
  }

  /** Sends bytes that are not of the protocol to all subscribers. */
  babble(bytes: Buffer): void {
    for (const { response } of this.#subscribers) response.write(bytes);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#world.off('event', this.#onEvent);
    await this.listener.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): unknown {
    if (this.busy !== undefined) return sendText(response, 503, this.busy);
    if (this.redirect !== undefined) return response.writeHead(307, { location: this.redirect + request.url }).end();
    if (request.url === '/master/state' || request.url === '/state') return sendJson(response, oldState(this.#world));
    if (request.url === '/state-summary') return sendJson(response, { frameworks: this.#schedulers() });
    const call = readCall(request, response, body, this.guard, typeOf);
    if (!call) return undefined;
    if (call.type === 'SUBSCRIBE') return this.#subscribe(response, call.encoding);
    if (call.type === 'GET_STATE') return sendJson(response, { type: 'GET_STATE', get_state: this.#state() });
    return sendText(response, 501, `${call.type} is not implemented`);
  }

  #subscribe(response: ServerResponse, encoding: Encoding): void {
    response.writeHead(200, { 'content-type': encoding === 'json' ? 'application/json' : 'application/x-protobuf' });
    const subscriber = { response, encoding };
    this.#subscribers.push(subscriber);
    response.once('close', () => this.#forget(subscriber));
    if (this.#subscribers.length > this.maxSubscribers) this.#subscribers.shift()?.response.end();
    const heartbeat_interval_seconds = (this.#options.heartbeatMs ?? 15_000) / 1_000;
    const subscribed = { get_state: this.#state(), heartbeat_interval_seconds };
    this.#send(subscriber, { type: 'SUBSCRIBED', subscribed });
    this.#send(subscriber, { type: 'HEARTBEAT' });
  }

  #forget(subscriber: Subscriber): void {
    const at = this.#subscribers.indexOf(subscriber);
    if (at >= 0) this.#subscribers.splice(at, 1);
  }

  /** Agents are seen by everybody; what else is not to be seen is left out, and nobody is told so. */
  #state(): Json {
    const agents = [...this.#world.agents.values()].filter(({ registered }) => registered);
    const known = new Set(agents.map(({ id }) => id));
    const tasks = [...this.#world.tasks.values()].filter(
      ({ agentId, frameworkId }) => known.has(agentId) && this.#sees(frameworkId),
    );
    const frameworks = this.#world.knownFrameworks().filter(({ id }) => this.#sees(id));
    const recovered = [...this.recovered].flatMap((id) => this.#world.agents.get(id) ?? []);
    return {
      get_tasks: { tasks: tasks.map((task) => this.#world.atMaster(task)) },
      get_executors: {},
      get_frameworks: { frameworks: frameworks.map(frameworkMessage) },
      get_agents: { agents: agents.map(agentMessage), recovered_agents: recovered.map(agentInfo) },
    };
  }

  /** Without what else the summary says of them. */
  #schedulers(): readonly Json[] {
    const seen = this.#world.knownFrameworks().filter(({ id }) => this.#sees(id));
    return seen.map(({ id, name, pid }) => ({ id, name, ...(pid === undefined ? {} : { pid }) }));
  }

  #sees(frameworkId: string | undefined): boolean {
    return this.view === 'all' || frameworkId === undefined || this.view.has(frameworkId);
  }

  /** An agent that has come back is recovered no more, also if it is lost again. */
  #tell(event: MasterEvent): void {
    for (const { id, registered } of this.#world.agents.values()) if (registered) this.recovered.delete(id);
    if (!this.#sees(frameworkOf(event))) return;
    for (const subscriber of this.#subscribers) this.#send(subscriber, event);
  }

  #beat(): void {
    if (this.heartbeats) for (const subscriber of this.#subscribers) this.#send(subscriber, { type: 'HEARTBEAT' });
  }

  #send({ response, encoding }: Subscriber, event: MasterEvent): void {
    const bytes = encoding === 'json' ? Buffer.from(JSON.stringify(event)) : encodeEvent(event);
    for (const piece of this.chunk(encodeRecord(bytes))) response.write(piece);
  }
}

/** The id of the framework an event is about. */
function frameworkOf({
  task_added,
  task_updated,
  framework_added,
  framework_updated,
}: MasterEvent): string | undefined {
  const { task } = (task_added ?? {}) as { task?: { framework_id: { value: string } } };
  const { framework_id } = (task_updated ?? {}) as { framework_id?: { value: string } };
  const { framework } = (framework_added ?? framework_updated ?? {}) as {
    framework?: { framework_info: { id: { value: string } } };
  };
  return (task?.framework_id ?? framework_id ?? framework?.framework_info.id)?.value;
}

/** Of a Call in protobuf: field 1 is its type, and SUBSCRIBE is 18. */
function typeOf(body: Buffer): string {
  return body.equals(Buffer.from([0x08, 0x12])) ? 'SUBSCRIBE' : 'UNKNOWN';
}
