import { get } from 'node:http';
import { connect } from 'node:net';
import { Child } from '../../ts/quickstart/child.js';
import type { Json } from './world.js';

/** Of an app's `healthChecks` or `readinessChecks`. */
export interface CheckDefinition {
  readonly protocol?: string;
  readonly path?: string;
  /** Into the app's ports. */
  readonly portIndex?: number;
  /** Wins over the index. */
  readonly port?: number;
  readonly command?: { readonly value: string };
  readonly intervalSeconds?: number;
  readonly timeoutSeconds?: number;
  /** After so many an instance is replaced; 0 for never. */
  readonly maxConsecutiveFailures?: number;
  readonly httpStatusCodesForReady?: readonly number[];
}

/** What is asked, and from where. */
export interface Target {
  /** `ADDRESS:PORT/PROTOCOL`, in the order of the app's ports. */
  readonly sockets: readonly string[];
  /** The command that runs `argv` where the task does. */
  inside(argv: readonly string[]): readonly string[];
}

/** As Marathon says it: alive when there was a success and no later failure. */
export interface CheckResult extends Json {
  readonly alive: boolean;
  readonly consecutiveFailures: number;
}

/** Asks a task once; resolves to why it failed, or undefined. */
export async function probe(check: CheckDefinition, { sockets, inside }: Target): Promise<string | undefined> {
  const ms = 1_000 * (check.timeoutSeconds ?? 20);
  if (check.protocol === 'COMMAND') {
    const result = await Child.start(inside(['sh', '-c', check.command?.value ?? 'true'])).exited;
    return result === 0 ? undefined : `ended with ${result}`;
  }
  const [, address = '', own] = /^(.*):(\d+)\/\w+$/.exec(sockets[check.portIndex ?? 0] ?? '') ?? [];
  const port = check.port ?? Number(own);
  if (/TCP$/.test(check.protocol ?? '')) return tcp(address, port, ms);
  const codes = check.httpStatusCodesForReady;
  return http(`http://${address}:${port}${check.path ?? '/'}`, ms, (status) =>
    codes ? codes.includes(status) : status >= 200 && status < 400,
  );
}

function tcp(host: string, port: number, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout });
    const done = (cause?: string) => {
      socket.destroy();
      resolve(cause);
    };
    socket.once('connect', () => done());
    socket.once('timeout', () => done('no answer'));
    socket.once('error', ({ message }) => done(message));
  });
}

function http(url: string, timeout: number, good: (status: number) => boolean): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { timeout }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(good(status) ? undefined : `answered ${status}`);
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', ({ message }) => resolve(message));
  });
}

/** The next result after this one. */
export function resultOf(
  before: CheckResult | undefined,
  failure: string | undefined,
  instanceId: string,
): CheckResult {
  const now = new Date().toISOString();
  const last = {
    firstSuccess: null,
    lastSuccess: null,
    lastFailure: null,
    lastFailureCause: null,
    ...before,
    instanceId,
  };
  if (failure === undefined)
    return { ...last, alive: true, consecutiveFailures: 0, firstSuccess: last.firstSuccess ?? now, lastSuccess: now };
  const consecutiveFailures = (before?.consecutiveFailures ?? 0) + 1;
  return { ...last, alive: false, consecutiveFailures, lastFailure: now, lastFailureCause: failure };
}
