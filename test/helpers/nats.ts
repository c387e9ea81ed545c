import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';

/** A server of NATS with JetStream on this machine's loopback, its data in a directory of its own. */
export class NatsServer {
  #child: Child | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
  ) {}

  static async start(): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), mkdtempSync(join(tmpdir(), 'vipd-nats-')));
    await server.up();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const program = `PATH=$PATH:/usr/sbin exec nats-server -js -sd ${this.directory} -a 127.0.0.1 -p ${this.port}`;
    this.#child = Child.start(['sh', '-c', program]);
    await until('NATS to answer', 60_000, async () => {
      const connection = await connect({ servers: this.url, reconnect: false }).catch(() => undefined);
      await connection?.close();
      return connection !== undefined;
    });
  }

  async down(): Promise<void> {
    this.#child?.kill('SIGTERM');
    await this.#child?.exited;
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A way to a server that can be cut, for one of its clients alone. */
export class Relay {
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {}

  static async to(target: number): Promise<Relay> {
    const server = createServer((near) => {
      const far = dial(target, '127.0.0.1');
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        relay.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => relay.#sockets.delete(socket));
      }
    });
    const relay = new Relay(await freePort(), server);
    await relay.mend();
    return relay;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  mend(): Promise<void> {
    return new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
  }

  cut(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  async close(): Promise<void> {
    if (this.server.listening) await this.cut();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
