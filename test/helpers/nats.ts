import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
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
