import { createConnection, type Socket } from 'node:net';
import { patient } from '../../../ts/quickstart/until.js';
import type { Echo } from './echo-server.js';

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** How long a connect or an answer may take before it counts as lost. */
const patience = patient(2000);

/** What an echo server said, and who it was as far as the client's socket can tell. */
export type Heard = Echo & { readonly from: Target };

export function coded(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** A TCP connection to an echo server that asks one line at a time. */
export class Conversation {
  /** The error by which the connection ends, whoever is asked what meanwhile. */
  readonly failure: Promise<string>;
  private buffer = '';
  private settle: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => this.take(text));
    this.failure = new Promise((resolve) => socket.on('error', (error) => resolve(codeOf(error))));
    socket.on('error', (error) => this.settle?.reject(error));
    socket.on('timeout', () => this.settle?.reject(coded('TIMEOUT')));
    socket.on('close', () => this.settle?.reject(coded('CLOSED')));
  }

  static open({ address, port }: Target): Promise<Conversation> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: address, port, noDelay: true, timeout: patience });
      socket.once('timeout', () => socket.destroy(coded('TIMEOUT')));
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeAllListeners().setTimeout(0);
        resolve(new Conversation(socket));
      });
    });
  }

  ask(text: string): Promise<Heard> {
    return new Promise<string>((resolve, reject) => {
      this.settle = { resolve, reject };
      this.socket.setTimeout(patience);
      if (this.socket.destroyed) reject(coded('CLOSED'));
      this.socket.write(`${text}\n`);
    }).then((line) => ({ ...(JSON.parse(line) as Echo), from: this.peer }));
  }

  /** As getpeername(2) says. */
  private get peer(): Target {
    return { address: this.socket.remoteAddress ?? '', port: this.socket.remotePort ?? 0 };
  }

  close(): void {
    this.socket.removeAllListeners('error').on('error', () => {});
    this.socket.destroy();
  }

  private take(text: string): void {
    this.buffer += text;
    const end = this.buffer.indexOf('\n');
    if (end < 0) return;
    this.settle?.resolve(this.buffer.slice(0, end));
    this.buffer = this.buffer.slice(end + 1);
  }
}
