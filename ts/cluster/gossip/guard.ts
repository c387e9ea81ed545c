import type { NodeId } from '../identity.js';

export interface GuardLimits {
  /** Bad messages a peer may send in a window before it is shut out. */
  readonly bad: number;
  /** Messages of any kind in a window. */
  readonly messages: number;
  /** Bytes in a window. */
  readonly bytes: number;
  /** Comparisons it may begin in a window. */
  readonly comparisons: number;
  readonly windowMs: number;
  readonly banMs: number;
}

export const guardLimits: GuardLimits = {
  bad: 10,
  messages: 20_000,
  bytes: 64 << 20,
  comparisons: 200,
  windowMs: 10_000,
  banMs: 300_000,
};

export interface Ban {
  readonly peer: NodeId;
  /** One clause. */
  readonly reason: string;
  /** By the clock that was given, milliseconds. */
  readonly until: number;
}

interface Account {
  since: number;
  bad: number;
  messages: number;
  bytes: number;
  comparisons: number;
  lastBad: string;
}

/** Counts what each peer sends and shuts out those that send rubbish, or more than any healthy node would. */
export class Guard {
  readonly #accounts = new Map<NodeId, Account>();
  readonly #bans = new Map<NodeId, Ban>();

  constructor(
    private readonly onBan: (ban: Ban) => void,
    private readonly limits: GuardLimits = guardLimits,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** False when the peer is shut out, from now on or before. */
  message(peer: NodeId, bytes: number): boolean {
    const account = this.#account(peer);
    account.messages += 1;
    account.bytes += bytes;
    const { messages, bytes: most, windowMs } = this.limits;
    if (account.messages > messages) this.#ban(peer, `more than ${messages} messages in ${windowMs / 1000} s`);
    else if (account.bytes > most) this.#ban(peer, `more than ${most >> 20} MiB in ${windowMs / 1000} s`);
    return !this.banned(peer);
  }

  /** The same for a peer that wants everything compared: that is as much work as many messages. */
  comparison(peer: NodeId): boolean {
    const account = this.#account(peer);
    account.comparisons += 1;
    const { comparisons, windowMs } = this.limits;
    if (account.comparisons > comparisons)
      this.#ban(peer, `more than ${comparisons} comparisons in ${windowMs / 1000} s`);
    return !this.banned(peer);
  }

  bad(peer: NodeId, reason: string): void {
    const account = this.#account(peer);
    account.bad += 1;
    account.lastBad = reason;
    if (account.bad > this.limits.bad) this.#ban(peer, `${account.bad} bad messages, the last ${reason}`);
  }

  banned(peer: NodeId): boolean {
    const ban = this.#bans.get(peer);
    if (ban && ban.until <= this.now()) this.#bans.delete(peer);
    return this.#bans.has(peer);
  }

  bans(): readonly Ban[] {
    return [...this.#bans.values()].filter(({ peer }) => this.banned(peer));
  }

  #ban(peer: NodeId, reason: string): void {
    if (this.banned(peer)) return;
    const ban = { peer, reason, until: this.now() + this.limits.banMs };
    this.#bans.set(peer, ban);
    this.#accounts.delete(peer);
    this.onBan(ban);
  }

  #account(peer: NodeId): Account {
    const now = this.now();
    const known = this.#accounts.get(peer);
    if (known && now - known.since < this.limits.windowMs) return known;
    if (this.#accounts.size > MAX_ACCOUNTS) this.#accounts.clear();
    const fresh = { since: now, bad: 0, messages: 0, bytes: 0, comparisons: 0, lastBad: '' };
    this.#accounts.set(peer, fresh);
    return fresh;
  }
}

const MAX_ACCOUNTS = 4096;
