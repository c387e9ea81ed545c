import { type Endpoint, formatEndpoint } from '../model/address.js';
import { AskingSocket } from './asking.js';
import { flag } from './codes.js';
import { type Asked, buildQuery, randomWord } from './message.js';
import type { Outcome, Patience } from './pending.js';
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

/** Gets the answer, useful or not, if there is one. */
export type Done = (reply: Reply | undefined) => void;

interface Judged {
  readonly protocol: Protocol;
  readonly outcome: Outcome;
  readonly end: number;
  readonly since: number;
  /** For being late, so that its score has suffered already. */
  readonly blamed: boolean;
}

type Judge = (protocol: Protocol, outcome: Outcome, end: number, since: number) => void;

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
  ask(asked: Asked, patience: Patience, done: Done): void {
    const { message, questionEnd } = buildQuery(asked, this.#keepsCase);
    const started = performance.now();
    this.asked += 1;
    let blamed = false;
    const late = () => {
      if (!blamed) this.score.failed(Date.now());
      blamed = true;
      return patience.late();
    };
    const judge = (protocol: Protocol, outcome: Outcome, end: number, since: number) =>
      this.#judge({ protocol, outcome, end, since, blamed }, done);
    this.#socket().ask(message, questionEnd, { waitMs: patience.waitMs, late }, (outcome) => {
      const again = typeof outcome === 'string' ? outcome === 'recased' : (outcome.readUInt16BE(2) & flag.TC) !== 0;
      if (again) this.#askByTcp(asked, { waitMs: patience.waitMs, late }, judge);
      else judge('udp', outcome, questionEnd, started);
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket?.close();
    this.#tcp.close();
  }

  #askByTcp(asked: Asked, patience: Patience, judge: Judge): void {
    const { message, questionEnd } = buildQuery(asked, true);
    const started = performance.now();
    this.#tcp.ask(message, questionEnd, patience, (outcome) => {
      // Nobody can have slipped this in, so that is how the server is: its UDP answers can only be told by id and port.
      if (typeof outcome !== 'string') this.#keepsCase = answersQuestion(outcome, message.subarray(0, questionEnd));
      judge('tcp', outcome, questionEnd, started);
    });
  }

  #judge({ protocol, outcome, end, since, blamed }: Judged, done: Done): void {
    const ms = performance.now() - since;
    const reply = typeof outcome === 'string' ? undefined : readReply(outcome, end);
    if (reply !== undefined) this.observer.upstreamAnswered(protocol, this.name, ms / 1000);
    const reason = reasonOf(outcome, reply);
    if (reason === undefined) this.score.succeeded(ms, Date.now());
    else this.#failed(protocol, reason, blamed);
    done(reply);
  }

  /** @param blamed already, for being late */
  #failed(protocol: Protocol, reason: FailureReason, blamed: boolean): void {
    this.failures += 1;
    this.lastFailure = reason;
    if (!blamed) this.score.failed(Date.now());
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
