import { createSocket, type Socket } from 'node:dgram';
import { patient } from '../../../ts/quickstart/until.js';
import { Conversation, coded, codeOf, type Heard, type Target } from './conversation.js';
import type { Echo } from './echo-server.js';

const patience = patient(2000);

/** A UDP socket that asks one datagram at a time: connected to its target, or naming it in every call. */
export class Datagrams {
  /** The first error of the socket, whoever is asked what meanwhile. */
  readonly failure: Promise<string>;

  private constructor(
    private readonly socket: Socket,
    private readonly target: Target,
    private readonly connected: boolean,
  ) {
    this.failure = new Promise((resolve) => socket.on('error', (error) => resolve(codeOf(error))));
  }

  static async open(target: Target, connected: boolean): Promise<Datagrams> {
    const socket = createSocket(target.address.includes(':') ? 'udp6' : 'udp4');
    if (connected) await connect(socket, target);
    return new Datagrams(socket, target, connected);
  }

  /** Connects the same socket to somebody else. */
  async redirect(target: Target): Promise<void> {
    this.socket.disconnect();
    await connect(this.socket, target);
  }

  ask(text: string): Promise<Heard> {
    return new Promise<Heard>((resolve, reject) => {
      const timer = setTimeout(() => reject(coded('TIMEOUT')), patience);
      this.socket.removeAllListeners('message');
      this.socket.once('error', reject);
      this.socket.once('message', (message, { address, port }) => {
        clearTimeout(timer);
        resolve({ ...(JSON.parse(message.toString()) as Echo), from: { address, port } });
      });
      this.send(text, (error) => error && reject(error));
    });
  }

  close(): void {
    this.socket.removeAllListeners().on('error', () => {});
    this.socket.close();
  }

  private send(text: string, done: (error: Error | null) => void): void {
    if (this.connected) this.socket.send(text, done);
    else this.socket.send(text, this.target.port, this.target.address, done);
  }
}

function connect(socket: Socket, { address, port }: Target): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error) => (error ? reject(error) : resolve());
    socket.connect(port, address, done as () => void);
  });
}

export type Dialogue = Conversation | Datagrams;

/** How a client speaks: `udp-connected` calls connect() first and then send(), `udp` calls sendto() each time. */
export type Manner = 'tcp' | 'udp' | 'udp-connected';

export function openDialogue(manner: Manner, target: Target): Promise<Dialogue> {
  return manner === 'tcp' ? Conversation.open(target) : Datagrams.open(target, manner === 'udp-connected');
}
