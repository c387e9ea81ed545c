import { spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { type Endpoint, formatEndpoint } from '../model/address.js';
import type { HealthCheck } from '../model/service.js';

/** What a check found: undefined is a success, a text says in a few words what failed. */
export type Finding = string | undefined;

/** Runs one check. Resolves whatever happens, and lets go of everything it took when the signal aborts. */
export type Runner = (check: HealthCheck, backend: Endpoint, signal: AbortSignal) => Promise<Finding>;

export type Runners = Readonly<Record<HealthCheck['kind'], Runner>>;

/** Enough of what a command complains to recognise it. */
const COMPLAINT_BYTES = 1024;
const COMPLAINT_CHARACTERS = 120;

/** Every check has a connection of its own, as a new client would; a kept one would hide a server that accepts no more. */
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });

export const checkTcp: Runner = (check, backend, signal) =>
  new Promise((resolve) => {
    const socket = connect({ host: backend.address, port: check.port ?? backend.port });
    const done = (finding: Finding): void => {
      signal.removeEventListener('abort', aborted);
      // An orderly end, not a reset: there are servers that do not survive an error on a connection they just got.
      socket.destroy();
      resolve(finding);
    };
    const aborted = (): void => done('aborted');
    socket.once('connect', () => done(undefined));
    socket.on('error', (error) => done(reasonOf(error)));
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted);
  });

export const checkHttp: Runner = (check, backend, signal) =>
  new Promise((resolve) => {
    const port = check.port ?? backend.port;
    const headers = {
      host: check.host ?? formatEndpoint({ address: backend.address, port }),
      'user-agent': 'vipd-health',
      connection: 'close',
    };
    const query = request(
      { host: backend.address, port, path: check.path ?? '/', headers, agent, signal, setHost: false },
      (response) => {
        const status = response.statusCode ?? 0;
        response.destroy(); // the status has told; a body may have no end
        resolve(status >= 200 && status < 400 ? undefined : `status ${status}`);
      },
    );
    query.on('error', (error) => resolve(signal.aborted ? 'aborted' : reasonOf(error)));
    query.end();
  });

export const checkCommand: Runner = (check, backend, signal) =>
  new Promise((resolve) => {
    const [program = '', ...args] = unprivileged(check.command ?? []);
    const env = {
      PATH: process.env.PATH,
      VIPD_BACKEND_ADDRESS: backend.address,
      VIPD_BACKEND_PORT: String(backend.port),
    };
    // detached makes it the leader of a process group, so that what it has started ends with it.
    const child = spawn(program, args, { detached: true, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('error', () => {});
    child.stderr.on('data', (bytes: Buffer) => {
      if (complaint.length < COMPLAINT_BYTES) complaint += bytes.toString('utf8');
    });
    const killed = (): void => {
      // Until the exit is seen the process is unreaped, so its number cannot have gone to somebody else.
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    };
    const done = (finding: Finding): void => {
      signal.removeEventListener('abort', killed);
      child.stderr.destroy();
      resolve(finding);
    };
    child.on('error', (error) => done(reasonOf(error)));
    // What it wrote last may be read in the same round as its exit, so the reason is made after that.
    child.on('exit', (code, name) => {
      setImmediate(() => done(code === 0 ? undefined : exitReason(code, name, complaint)));
    });
    if (signal.aborted) killed();
    else signal.addEventListener('abort', killed);
  });

/** Capabilities the daemon was given by its unit must not pass on to what it runs. Root keeps what root has. */
function unprivileged(command: readonly string[]): readonly string[] {
  if (process.getuid?.() === 0) return command;
  return ['setpriv', '--ambient-caps=-all', '--inh-caps=-all', '--', ...command];
}

export const runners: Runners = { tcp: checkTcp, http: checkHttp, command: checkCommand };

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // ESRCH: it ended between the look and the signal.
  }
}

function exitReason(code: number | null, signal: NodeJS.Signals | null, complaint: string): string {
  const line = complaint.trim().split('\n').at(-1)?.slice(0, COMPLAINT_CHARACTERS) ?? '';
  const ending = code === null ? `killed by ${signal}` : `exit status ${code}`;
  return line === '' ? ending : `${ending}, "${line}"`;
}

function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
