import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { VipdError } from '../util/errors.js';

/** How long an answer under way may still take once the daemon ends. */
const graceMs = 1_000;

/** Room in sockaddr_un, see unix(7); of a longer path Node would take the beginning. */
const longestPath = 107;

/** Serves on a unix socket that root and the group vipd, if there is one, may use. @throws VipdError SOCKET_UNUSABLE */
export async function listenUnix(server: FastifyInstance, path: string): Promise<() => Promise<void>> {
  const length = Buffer.byteLength(path);
  if (length > longestPath) throw unusable(path, `a path of ${length} bytes, a socket may have ${longestPath}`);
  try {
    await listen(server, path);
  } catch (error) {
    throw error instanceof VipdError ? error : unusable(path, (error as Error).message, error);
  }
  return () => close(server);
}

async function listen(server: FastifyInstance, path: string): Promise<void> {
  const made = mkdirSync(dirname(path), { recursive: true }) !== undefined;
  await clearSocket(path);
  await server.listen({ path });
  if (made) giveToGroup(dirname(path), 0o750);
  giveToGroup(path, 0o660);
}

function unusable(path: string, cause: string, error?: unknown): VipdError {
  return new VipdError({ code: 'SOCKET_UNUSABLE', object: `socket ${path}`, cause }, { cause: error });
}

function giveToGroup(path: string, mode: number): void {
  const group = groupId('vipd');
  if (group !== undefined && group !== process.getgid?.()) chownSync(path, process.getuid?.() ?? 0, group);
  chmodSync(path, mode);
}

/**
 * Removes the socket a killed daemon left; one that somebody answers on, or that is no socket, stays.
 * @throws VipdError SOCKET_UNUSABLE
 */
export async function clearSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw unusable(path, 'something else has this name');
  if (await answers(path)) {
    const object = `socket ${path}`;
    const hint = 'give this one another --socket, --bpffs and --state-dir';
    throw new VipdError({ code: 'SOCKET_UNUSABLE', object, cause: 'another process listens there', hint });
  }
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
}

/** From /etc/group; the daemon must start without a name service. */
function groupId(name: string): number | undefined {
  const id = new RegExp(`^${name}:[^:]*:(\\d+):`, 'm').exec(readFileSync('/etc/group', 'utf8'))?.[1];
  return id === undefined ? undefined : Number(id);
}

async function close(server: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), graceMs);
  await server.close();
  clearTimeout(timer);
}
