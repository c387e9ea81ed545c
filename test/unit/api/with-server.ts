import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Client, createClient } from '../../../ts/api/client.js';
import { createHandlers } from '../../../ts/api/handlers/handlers.js';
import { createServer } from '../../../ts/api/server.js';
import { unixTransport } from '../../../ts/api/unix.js';
import { FakePorts } from './fake-ports.js';

export interface Served {
  readonly ports: FakePorts;
  readonly client: Client;
  readonly socket: string;
}

/** A real server over fake ports, on a unix socket of its own that goes away with the test. */
export async function serve(t: ExecutionContext): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-api-'));
  const socket = join(directory, 'vipd.sock');
  const ports = new FakePorts();
  const options = { version: '1.2.3', keepAliveMs: 10_000, bodyLimit: 1 << 20 };
  const server = await createServer(options, createHandlers(ports));
  await server.listen({ path: socket });
  t.teardown(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return { ports, client: createClient(unixTransport(socket)), socket };
}
