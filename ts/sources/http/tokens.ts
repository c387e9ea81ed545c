import { createPrivateKey } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { VipdError } from '../../util/errors.js';
import type { Credentials, ServiceAccount } from './access.js';
import { bodyOf, type Call, type Opened } from './answer.js';

/** How long the statement with which we log in holds. */
const STATEMENT = '5m';

/** A token is renewed after this share of its life. */
const RENEW_AT = 0.75;

/** Of a token that does not say when it ends. */
const UNKNOWN_LIFE_MS = 3_600_000;

/** Longest answer to a login, bytes. */
const MAX_ANSWER = 64 * 1024;

type Send = (url: string, call: Call, signal: AbortSignal) => Promise<Opened>;

/** The Authorization header for any credentials; a service account logs in when it has no token, and before it ends. */
export class Tokens {
  #held: { readonly token: string; readonly user: string; readonly renewAt: number } | undefined;

  constructor(
    private readonly send: Send,
    private readonly now: () => number = Date.now,
  ) {}

  async header(credentials: Credentials, signal: AbortSignal): Promise<string | undefined> {
    if (credentials.kind === 'none') return undefined;
    if (credentials.kind === 'basic') {
      return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;
    }
    const held = this.#held?.user === credentials.user && this.now() < this.#held.renewAt ? this.#held : undefined;
    return `token=${held?.token ?? (await this.#login(credentials, signal))}`;
  }

  /** The token was refused. Whether there was one, so that another may do. */
  forget(): boolean {
    const had = this.#held !== undefined;
    this.#held = undefined;
    return had;
  }

  async #login(account: ServiceAccount, signal: AbortSignal): Promise<string> {
    const body = JSON.stringify({ uid: account.user, token: await statement(account) });
    const headers = { 'content-type': 'application/json' };
    const answer = await this.send(account.loginUrl, { method: 'POST', headers, body }, signal);
    const text = (await bodyOf(account.loginUrl, answer, MAX_ANSWER)).toString();
    const token = answer.status === 200 ? tokenIn(text) : undefined;
    if (token === undefined) throw failed(account, `the login answered ${answer.status} without a token`);
    this.#held = { token, user: account.user, renewAt: this.#renewAt(token) };
    return token;
  }

  #renewAt(token: string): number {
    const now = this.now();
    return now + RENEW_AT * ((endOf(token) ?? now + UNKNOWN_LIFE_MS) - now);
  }
}

async function statement(account: ServiceAccount): Promise<string> {
  try {
    const key = createPrivateKey(account.privateKey);
    const claims = new SignJWT({ uid: account.user }).setProtectedHeader({ alg: 'RS256', typ: 'JWT' });
    return await claims.setExpirationTime(STATEMENT).sign(key);
  } catch (error) {
    throw failed(account, `its private key cannot sign: ${(error as Error).message}`);
  }
}

function tokenIn(text: string): string | undefined {
  try {
    const { token } = JSON.parse(text) as { token?: unknown };
    // Whatever else would break the header it goes into.
    return typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds since the epoch, or undefined when the token does not say. */
function endOf(token: string): number | undefined {
  try {
    const { exp } = decodeJwt(token);
    return exp === undefined ? undefined : exp * 1000;
  } catch {
    return undefined;
  }
}

function failed({ user, loginUrl }: ServiceAccount, cause: string): VipdError {
  const hint = `is ${user} known there, with the public part of this key?`;
  return new VipdError({ code: 'LOGIN_FAILED', object: loginUrl, cause, hint });
}
