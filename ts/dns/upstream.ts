import { type Endpoint, formatEndpoint } from '../model/address.js';
import { AskingSocket, type Outcome } from './asking.js';
import { flag } from './codes.js';
import { type Asked, buildQuery, randomWord } from './message.js';
import { answersQuestion, isUseful, type Reply, readReply } from './reply.js';
import { Score } from './score.js';
import { TcpAsking } from './tcp-asking.js';

export type Protocol = 'udp' | 'tcp';

/** Why a server was of no help. */
export type FailureReason = 'timeout' | 'unreachable' | 'malformed' | 'unhelpful';

/** What happens at a server, for those who count. */
export interface UpstreamObserver {
  upstreamAnswered(protocol: Protocol, server: string, seconds: number): void;
  upstreamFailed(protocol: Protocol, server: string, reason: FailureReason): void;
}

/** Gets the answer, useful or not; without one the reason why. */
export type Done = (reply: Reply | undefined, reason?: FailureReason) => void;

const socketsEach = 8;

/** Another resolver. */
export class Upstream {
  readonly name: string;
  readonly score = new Score();
  /** Messages that answered nothing we had asked: somebody guesses, or a late answer. */
  mismatches = 0;
  asked = 0;
  failures = 0;
  lastFailure: FailureReason | undefined;
  readonly #sockets: (AskingSocket | undefined)[] = Array.from({ length: socketsEach });
  readonly #tcp: TcpAsking;
  /** Whether it gives questions back letter by letter, as servers should. */
  #keepsCase = true;

  constructor(
    readonly server: Endpoint,
    private readonly observer: UpstreamObserver,
  ) {
    this.name = formatEndpoint(server);
    this.#tcp = new TcpAsking(server);
  }

  /** Asks by UDP, and by TCP what does not fit or may be forged. `done` is called once. */
  ask(asked: Asked, timeoutMs: number, done: Done): void {
    const { message, questionEnd } = buildQuery(asked, this.#keepsCase);
    const started = performance.now();
    this.asked += 1;
    this.#socket().ask(message, questionEnd, timeoutMs, (outcome) => {
      const left = timeoutMs - (performance.now() - started);
      const again = typeof outcome === 'string' ? outcome === 'recased' : (outcome.readUInt16BE(2) & flag.TC) !== 0;
      if (again && left > 0) this.#askByTcp(asked, left, done);
      else this.#judge('udp', outcome, questionEnd, started, done);
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket?.close();
    this.#tcp.close();
  }

  #askByTcp(asked: Asked, timeoutMs: number, done: Done): void {
    const { message, questionEnd } = buildQuery(asked, true);
    const started = performance.now();
    this.#tcp.ask(message, questionEnd, timeoutMs, (outcome) => {
      // Nobody can have slipped this in, so that is how the server is: its UDP answers can only be told by id and port.
      if (typeof outcome !== 'string') this.#keepsCase = answersQuestion(outcome, message.subarray(0, questionEnd));
      this.#judge('tcp', outcome, questionEnd, started, done);
    });
  }

  #judge(protocol: Protocol, outcome: Outcome, questionEnd: number, started: number, done: Done): void {
    const ms = performance.now() - started;
    const reply = typeof outcome === 'string' ? undefined : readReply(outcome, questionEnd);
    if (reply !== undefined) this.observer.upstreamAnswered(protocol, this.name, ms / 1000);
    const reason = reasonOf(outcome, reply);
    if (reason === undefined) this.score.succeeded(ms, Date.now());
    else this.#failed(protocol, reason);
    done(reply, reason);
  }

  #failed(protocol: Protocol, reason: FailureReason): void {
    this.failures += 1;
    this.lastFailure = reason;
    this.score.failed(Date.now());
    this.observer.upstreamFailed(protocol, this.name, reason);
  }

  #socket(): AskingSocket {
    const at = randomWord() % socketsEach;
    let socket = this.#sockets[at];
    if (socket === undefined || socket.worn) {
      socket?.retire();
      socket = new AskingSocket(this.server, () => {
        this.mismatches += 1;
      });
      this.#sockets[at] = socket;
    }
    return socket;
  }
}

function reasonOf(outcome: Outcome, reply: Reply | undefined): FailureReason | undefined {
  if (outcome === 'timeout' || outcome === 'unreachable') return outcome;
  if (reply === undefined) return 'malformed';
  return isUseful(reply) ? undefined : 'unhelpful';
}
