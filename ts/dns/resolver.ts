import type { Answer } from './answer.js';
import { flag, rcode } from './codes.js';
import { slack } from './encoder.js';
import type { Asked } from './message.js';
import type { Query } from './question.js';
import { itemsOf, looseRecords } from './records-in.js';
import type { Origin, Outcome, Recursor } from './recursor.js';
import type { Elsewhere, Responder } from './responder.js';
import { serveReply } from './serve.js';
import type { Transport } from './udp.js';

/** How a query ended, for those who count. */
export interface ResolverObserver {
  /** @param origin `local` when the zones of this node knew it */
  answered(udp: boolean, code: number, origin: Origin | 'local'): void;
  /** What was for others. @param seconds it took, when they were asked */
  forwarded(group: string, origin: Origin, seconds: number | undefined): void;
  /** A message that gets no answer. */
  dropped(udp: boolean): void;
  /** An answer was cut to fit. */
  truncated(): void;
}

export interface ResolverModules {
  readonly responder: Responder;
  readonly recursor: Recursor;
  readonly observer: ResolverObserver;
}

/** The largest answer, over TCP, and what the encoder needs beside. */
export const largestAnswer = 65_535 + slack;

/** Answers queries: from the zones of this node, from what others said, by asking others. */
export class Resolver {
  /** For answers that come later. */
  readonly #late = Buffer.alloc(largestAnswer);

  constructor(
    private readonly options: { readonly udpCeiling: number },
    private readonly modules: ResolverModules,
  ) {}

  /** See {@link Handler} of udp.ts. */
  handle(request: Buffer, length: number, into: Buffer, transport: Transport): number {
    const { responder, observer } = this.modules;
    const response = responder.respond(request, length, transport.udp, into);
    if (typeof response !== 'number') return this.#elsewhere(request, responder.query, response, into, transport);
    if (response === 0) observer.dropped(transport.udp);
    else this.#count(into, transport.udp, 'local');
    return response;
  }

  #elsewhere(request: Buffer, query: Query, what: Elsewhere, into: Buffer, transport: Transport): number {
    const { responder, recursor } = this.modules;
    if ((query.flags & flag.RD) === 0 || !recursor.knows(what.group)) {
      const begun = this.#begun(request, query, what, into, transport.udp);
      const length = begun ?? responder.code(request, query, rcode.REFUSED, into);
      this.#count(into, transport.udp, 'local');
      return length;
    }
    let late: ((outcome: Outcome) => void) | undefined;
    const outcome = recursor.resolve(what.group, askedOf(what, query), (later) => late?.(later));
    if (outcome !== undefined) return this.#write(request, query, what, outcome, into, transport.udp, undefined);
    late = this.#deferred(request, query, what, transport);
    return 0;
  }

  /** All that has to be kept until the answer is there. */
  #deferred(request: Buffer, query: Query, what: Elsewhere, transport: Transport): (outcome: Outcome) => void {
    const { udp } = transport;
    const question = Buffer.from(request.subarray(0, query.questionEnd));
    const [kept, reply, started] = [query.copy(), transport.defer(), performance.now()];
    return (outcome) => {
      const seconds = (performance.now() - started) / 1000;
      const length = this.#write(question, kept, what, outcome, this.#late, udp, seconds);
      reply(this.#late.subarray(0, length));
    };
  }

  #write(
    request: Buffer,
    query: Query,
    what: Elsewhere,
    outcome: Outcome,
    into: Buffer,
    udp: boolean,
    seconds: number | undefined,
  ): number {
    const length = this.#encoded(request, query, what, outcome, into, udp);
    this.#count(into, udp, outcome.origin);
    this.modules.observer.forwarded(what.group, outcome.origin, seconds);
    return length;
  }

  #encoded(request: Buffer, query: Query, what: Elsewhere, outcome: Outcome, into: Buffer, udp: boolean): number {
    const { responder } = this.modules;
    if (outcome.reply === undefined) return responder.code(request, query, rcode.SERVFAIL, into);
    if (what.begun !== undefined || what.alias !== undefined) {
      const answer = composed(what, outcome);
      if (answer === undefined) return responder.code(request, query, rcode.SERVFAIL, into);
      return responder.encode(request, query, answer, udp, into, what.begun !== undefined);
    }
    const { age, ttl, reply } = outcome;
    const limit = responder.limit(query, udp);
    return serveReply(request, query, reply, into, { limit, udpSize: this.options.udpCeiling, age, ttl });
  }

  /** What is known without asking: a CNAME that leads out of our zones. */
  #begun(request: Buffer, query: Query, { begun }: Elsewhere, into: Buffer, udp: boolean): number | undefined {
    return begun === undefined ? undefined : this.modules.responder.encode(request, query, begun, udp, into);
  }

  #count(answer: Buffer, udp: boolean, origin: Origin | 'local'): void {
    const { observer } = this.modules;
    observer.answered(udp, answer[3]! & 0xf, origin);
    if (answer[2]! & (flag.TC >> 8)) observer.truncated();
  }
}

function askedOf({ key, type }: Elsewhere, { dnssec, flags }: Query): Asked {
  return { key, type, dnssec, unchecked: (flags & flag.CD) !== 0 };
}

/** Our CNAMEs and the answer of others behind them; or their answer under the name that was asked. */
function composed({ begun, alias }: Elsewhere, { reply, age, ttl }: Outcome): Answer | undefined {
  const sections = ([0, 1, 2] as const).map((section) => looseRecords(reply!, section, alias));
  const [answers, authorities, additionals] = sections;
  if (answers === undefined || authorities === undefined) return undefined;
  const items = (records: typeof answers) =>
    itemsOf(ttl === undefined ? records : records.map((one) => ({ ...one, ttl })), age);
  const answer = [...(begun?.answer ?? []), ...items(answers)];
  const authority = answers.length === 0 ? items(authorities) : [];
  const additional = items(additionals ?? []);
  return { rcode: reply!.rcode, answer, authority, additional, alias: begun?.alias ?? alias };
}
