import type { Answer, Item } from './answer.js';
import { flag, headerSize, optSize, rrClass, rrType } from './codes.js';
import { type NameKey, parent, writeName } from './name.js';
import type { Query } from './question.js';
import { type RecordData, type RecordSet, rawAddress } from './record.js';
import { type Alias, asAsked } from './routing.js';

export interface EncodeOptions {
  /** Most bytes of the whole message. */
  readonly limit: number;
  /** Is there a resolver for the rest of the world behind us (the RA bit)? */
  readonly recursion: boolean;
  /** Announced in the OPT record, bytes. */
  readonly udpSize: number;
  /** Where an address set begins; the sets are rings. */
  readonly rotation: number;
  /** The AA bit. */
  readonly authoritative: boolean;
}

/** A record of ours is written before the end is looked at; owner and two names take this much at most. */
export const slack = 1024;

/** Pointers have 14 bits (RFC 1035 §4.1.4). */
const pointerLimit = 0x4000;

/** The bits of the flags that the answer takes over from the question. */
const kept = flag.opcode | flag.RD | flag.CD;

/**
 * Writes the answer to a query as a whole message; `request` holds its bytes, of which the question is taken as it is, the
 * case of its letters included. What does not fit is left out from the end: additional records without a word, others
 * with the TC bit (RFC 2181 §9). `into` must have room for `limit` and {@link slack} bytes. @returns the message's length
 */
export function encodeAnswer(
  request: Buffer,
  query: Query,
  answer: Answer,
  into: Buffer,
  options: EncodeOptions,
): number {
  const writer = new Writer(into, request, query, answer.alias, options);
  const complete = writer.section(answer.answer, 6) && writer.section(answer.authority, 8);
  if (complete) writer.section(answer.additional, 10);
  return writer.finish(answer.rcode, complete);
}

/** An answer without records: the question, if it could be read, and the code. */
export function encodeCode(request: Buffer, query: Query, code: number, into: Buffer, options: EncodeOptions): number {
  const writer = new Writer(into, request, query, undefined, options);
  return writer.finish(code, true);
}

/** For a few dozen bytes quicker than Buffer.copy, which has to leave JavaScript. */
export function copyBytes(from: Uint8Array, begin: number, end: number, into: Uint8Array, at: number): void {
  for (let i = begin, to = at; i < end; i++, to++) into[to] = from[i]!;
}

/** Copies header and question; the counts of the other sections are zero. @returns where the records begin */
export function beginAnswer(request: Buffer, query: Query, into: Buffer): number {
  const end = query.questionEnd;
  copyBytes(request, 0, end, into, 0);
  for (let i = 4; i < headerSize; i++) into[i] = 0;
  if (end > headerSize) into[5] = 1;
  return end;
}

/** Sets the flags and appends an OPT record if the query had one. @returns the length of the message */
export function finishAnswer(
  query: Query,
  flags: number,
  code: number,
  into: Buffer,
  at: number,
  udpSize: number,
): number {
  const bits = flag.QR | (query.flags & kept) | flags | (code & 0xf);
  into[2] = bits >> 8;
  into[3] = bits & 0xff;
  if (!query.edns) return at;
  into[at] = 0;
  into[at + 1] = 0;
  into[at + 2] = rrType.OPT;
  into[at + 3] = udpSize >> 8;
  into[at + 4] = udpSize & 0xff;
  into[at + 5] = code >> 4;
  for (let i = at + 6; i < at + optSize; i++) into[i] = 0;
  // RFC 3225 §3: the DO bit is copied, whatever is made of it.
  if (query.dnssec) into[at + 7] = 0x80;
  into[11] = into[11]! + 1;
  return at + optSize;
}

class Writer {
  #at: number;
  readonly #end: number;
  /** Where a name, or the end of one, has been written. */
  readonly #names = new Map<NameKey, number>();

  constructor(
    private readonly into: Buffer,
    request: Buffer,
    private readonly query: Query,
    private readonly alias: Alias | undefined,
    private readonly options: EncodeOptions,
  ) {
    this.#at = beginAnswer(request, query, into);
    this.#end = options.limit - (query.edns ? optSize : 0);
    if (query.questionEnd > headerSize) this.#remember(query.key, headerSize);
  }

  /** @param countAt where the section's count is. @returns whether all of it fitted */
  section(items: readonly Item[], countAt: number): boolean {
    let count = 0;
    for (const { owner, set } of items) {
      const written = this.#set(asAsked(owner, this.alias), set);
      count += written;
      this.into.writeUInt16BE(count, countAt);
      if (written < set.records.length) return false;
    }
    return true;
  }

  finish(code: number, complete: boolean): number {
    const { recursion, authoritative, udpSize } = this.options;
    const flags = (complete ? 0 : flag.TC) | (recursion ? flag.RA : 0) | (authoritative ? flag.AA : 0);
    return finishAnswer(this.query, flags, code, this.into, this.#at, udpSize);
  }

  /** @returns how many records fitted */
  #set(owner: NameKey, { records, ttl }: RecordSet): number {
    const size = records.length;
    for (let i = 0; i < size; i++) {
      if (!this.#record(owner, ttl, records[(i + this.options.rotation) % size]!)) return i;
    }
    return size;
  }

  #record(owner: NameKey, ttl: number, data: RecordData): boolean {
    const start = this.#at;
    if ('raw' in data && start + data.raw.length > this.#end) return false;
    this.#name(owner);
    let at = this.#at;
    at = this.into.writeUInt16BE(data.type, at);
    at = this.into.writeUInt16BE(rrClass.IN, at);
    at = this.into.writeUInt32BE(ttl, at);
    this.#at = at + 2;
    this.#data(data);
    this.into.writeUInt16BE(this.#at - at - 2, at);
    if (this.#at <= this.#end) return true;
    this.#forget(start);
    return false;
  }

  #data(data: RecordData): void {
    if ('address' in data) this.#bytes(rawAddress(data));
    else if ('raw' in data) this.#bytes(data.raw);
    else if (data.type === rrType.TXT) this.#text(data.text);
    else if (data.type === rrType.SRV) {
      for (const value of [data.priority, data.weight, data.port]) this.#at = this.into.writeUInt16BE(value, this.#at);
      // Not compressed: RFC 2782 forbids it.
      this.#at = writeName(asAsked(data.target, this.alias), this.into, this.#at);
    } else if (data.type === rrType.SOA) {
      this.#name(data.mname);
      this.#name(data.rname);
      const { serial, refresh, retry, expire, minimum } = data;
      for (const n of [serial, refresh, retry, expire, minimum]) this.#at = this.into.writeUInt32BE(n, this.#at);
    } else this.#name(asAsked(data.target, this.alias));
  }

  #bytes(bytes: Uint8Array): void {
    this.into.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** One character string of at most 255 octets. */
  #text(text: string): void {
    const bytes = Buffer.from(text).subarray(0, 255);
    this.into[this.#at++] = bytes.length;
    this.#bytes(bytes);
  }

  #name(key: NameKey): void {
    for (let rest = key; rest !== ''; rest = parent(rest)) {
      const known = this.#names.get(rest);
      if (known !== undefined) {
        this.#at = this.into.writeUInt16BE(0xc000 | known, this.#at);
        return;
      }
      if (this.#at < pointerLimit) this.#names.set(rest, this.#at);
      const size = 1 + rest.charCodeAt(0);
      this.into.write(rest.slice(0, size), this.#at, 'latin1');
      this.#at += size;
    }
    this.into[this.#at++] = 0;
  }

  #remember(key: NameKey, at: number): void {
    for (let rest = key; rest !== ''; rest = parent(rest)) this.#names.set(rest, at + key.length - rest.length);
  }

  /** Takes back what begins at `start`, names included: nothing may point there. */
  #forget(start: number): void {
    this.#at = start;
    for (const [name, at] of this.#names) if (at >= start) this.#names.delete(name);
  }
}
