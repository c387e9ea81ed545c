import { type Answer, answerFor } from './answer.js';
import { flag, optSize, plainUdpSize, rcode, rrClass, rrType } from './codes.js';
import { beginAnswer, copyBytes, encodeAnswer, encodeCode, finishAnswer } from './encoder.js';
import type { NameKey } from './name.js';
import { parseQuery, Query } from './question.js';
import type { RecordSet } from './record.js';
import type { Alias, Routing } from './routing.js';

/** Where the first address of a set stands among several: the next one for each question, a random one, or as it is. */
export type Order = 'rotate' | 'random' | 'fixed';

export interface ResponderOptions {
  readonly order: Order;
  /** Most bytes of an answer over UDP, whatever the client can take. */
  readonly udpCeiling: number;
  /** Whether there is a resolver for what the zones do not know. */
  readonly recursion: () => boolean;
}

/** What must be asked elsewhere before there is an answer. */
export interface Elsewhere {
  readonly key: NameKey;
  readonly type: number;
  readonly group: string;
  /** When the question was for another name of the same. */
  readonly alias: Alias | undefined;
  /** What is known already: CNAMEs that lead there. */
  readonly begun: Answer | undefined;
}

/** `length` of the answer, 0 for none at all; or what is to be asked. */
export type Response = number | Elsewhere;

const tcpLimit = 65_535;
/** Up to so many bytes a loop is quicker than a call out of JavaScript. */
const quickCopy = 192;

/** From the bytes of a query to the bytes of the answer, as far as the zones of this node know it. */
export class Responder {
  /** The query that was read last; only valid until the next. */
  readonly query = new Query();
  #turn = 0;

  constructor(
    private readonly options: ResponderOptions,
    private readonly routing: Routing,
  ) {}

  /** @param into for the answer, with room for {@link limit} and the encoder's slack */
  respond(request: Buffer, length: number, udp: boolean, into: Buffer): Response {
    const { query } = this;
    const parsed = parseQuery(request, length, query);
    if (parsed === 'drop') return 0;
    if (parsed !== 'ok') return this.code(request, query, parsed.rcode, into);
    if (query.class === rrClass.ANY) return this.code(request, query, rcode.REFUSED, into);
    return this.#quick(request, udp, into) ?? this.#thorough(request, udp, into);
  }

  /** Most bytes of an answer to this query. */
  limit(query: Query, udp: boolean): number {
    if (!udp) return tcpLimit;
    return query.edns ? Math.max(plainUdpSize, Math.min(query.udpSize, this.options.udpCeiling)) : plainUdpSize;
  }

  code(request: Buffer, query: Query, code: number, into: Buffer): number {
    return encodeCode(request, query, code, into, this.#encoding(plainUdpSize, false));
  }

  /** @param ours whether it is this node that speaks (the AA bit) */
  encode(request: Buffer, query: Query, answer: Answer, udp: boolean, into: Buffer, ours = true): number {
    return encodeAnswer(request, query, answer, into, this.#encoding(this.limit(query, udp), ours));
  }

  /** Addresses of a name in one zone: no more than copying what is there already. */
  #quick(request: Buffer, udp: boolean, into: Buffer): number | undefined {
    const { query } = this;
    if (query.type !== rrType.A && query.type !== rrType.AAAA) return undefined;
    const { to, key } = this.routing.find(query.key);
    if (to.to !== 'zone' || !to.zone.ready) return undefined;
    const set = to.zone.find(key)?.get(query.type);
    if (set?.packed === undefined) return undefined;
    const begin = query.questionEnd;
    if (begin + set.packed.length + optSize > this.limit(query, udp)) return undefined;
    beginAnswer(request, query, into);
    into[6] = set.records.length >> 8;
    into[7] = set.records.length & 0xff;
    this.#rotated(set, into, begin);
    return finishAnswer(query, this.#flags, rcode.NOERROR, into, begin + set.packed.length, this.options.udpCeiling);
  }

  #rotated({ packed, stride, records }: RecordSet, into: Buffer, at: number): void {
    const bytes = packed!;
    const split = (this.#rotation() % records.length) * stride;
    if (bytes.length > quickCopy) {
      bytes.copy(into, at, split);
      if (split > 0) bytes.copy(into, at + bytes.length - split, 0, split);
      return;
    }
    copyBytes(bytes, split, bytes.length, into, at);
    copyBytes(bytes, 0, split, into, at + bytes.length - split);
  }

  #thorough(request: Buffer, udp: boolean, into: Buffer): Response {
    const { query } = this;
    const found = answerFor(this.routing, query.key, query.type);
    if (found.kind === 'unready') return this.code(request, query, rcode.SERVFAIL, into);
    if (found.kind === 'elsewhere') {
      return { key: found.key, type: query.type, group: found.group, alias: found.alias, begun: undefined };
    }
    const { answer } = found;
    if (answer.rest === undefined) return this.encode(request, query, answer, udp, into);
    return { ...answer.rest, type: query.type, alias: undefined, begun: answer };
  }

  get #flags(): number {
    return flag.AA | (this.options.recursion() ? flag.RA : 0);
  }

  #encoding(limit: number, authoritative: boolean) {
    const { recursion, udpCeiling } = this.options;
    return { limit, recursion: recursion(), udpSize: udpCeiling, rotation: this.#rotation(), authoritative };
  }

  #rotation(): number {
    if (this.options.order === 'fixed') return 0;
    if (this.options.order === 'random') return Math.floor(Math.random() * 0x1_0000);
    this.#turn = (this.#turn + 1) & 0xffff;
    return this.#turn;
  }
}
