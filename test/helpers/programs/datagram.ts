import { createSocket, type Socket } from 'node:dgram';
import { Conversation, coded, type Heard, type Target } from './conversation.js';
import type { Echo } from './echo-server.js';

const patience = 2000;

/** A UDP socket that asks one datagram at a time: connected to its target, or naming it in every call. */
export class Datagrams {
  private constructor(
    private readonly socket: Socket,
    private readonly target: Target,
    private readonly connected: boolean,
  ) {}

  static async open(target: Target, connected: boolean): Promise<Datagrams> {
    const socket = createSocket(target.address.includes(':') ? 'udp6' : 'udp4');
    if (connected) {
      await new Promise<void>((resolve, reject) => {
        const done = (error?: Error) => (error ? reject(error) : resolve());
        socket.connect(target.port, target.address, done as () => void);
      });
    }
    return new Datagrams(socket, target, connected);
  }

  ask(text: string): Promise<Heard> {
    return new Promise<Heard>((resolve, reject) => {
      const timer = setTimeout(() => reject(coded('TIMEOUT')), patience);
      this.socket.removeAllListeners();
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

export type Dialogue = Conversation | Datagrams;

/** How a client speaks: `udp-connected` calls connect() first and then send(), `udp` calls sendto() each time. */
export type Manner = 'tcp' | 'udp' | 'udp-connected';

export function openDialogue(manner: Manner, target: Target): Promise<Dialogue> {
  return manner === 'tcp' ? Conversation.open(target) : Datagrams.open(target, manner === 'udp-connected');
}
