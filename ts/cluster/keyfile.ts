import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { VipdError } from '../util/errors.js';
import { Identity } from './identity.js';

/** What makes a cluster: whoever has it may take part. */
export interface ClusterKeys {
  /** Of the cluster, for good: what is signed for one cluster is void in another. */
  readonly id: string;
  /** 32 bytes each; the first is used, the others are still accepted. */
  readonly keys: readonly Uint8Array[];
}

const HEAD = `# Key of a vipd cluster. Whoever has this file can join the cluster: keep it secret, the same on every node.
# Of several keys the first is used and all are accepted: \`vipctl cluster key rotate\` and \`retire\`.
`;

export function newClusterKeys(): ClusterKeys {
  return { id: randomBytes(8).toString('hex'), keys: [randomBytes(32)] };
}

/** With a new key in front; those before stay valid. */
export function rotated(keys: ClusterKeys): ClusterKeys {
  return { ...keys, keys: [randomBytes(32), ...keys.keys] };
}

/** With the first key alone. */
export function retired({ id, keys }: ClusterKeys): ClusterKeys {
  return { id, keys: keys.slice(0, 1) };
}

/** undefined where there is no file. @throws VipdError CLUSTER_KEY_INVALID, CLUSTER_KEY_UNREADABLE, CLUSTER_KEY_EXPOSED */
export function readClusterKeys(path: string): ClusterKeys | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    if ((statSync(path).mode & 0o007) !== 0) {
      const cause = 'everybody on this machine may read or write it';
      throw new VipdError({ code: 'CLUSTER_KEY_EXPOSED', object: path, cause, hint: `chmod 600 ${path}` });
    }
  } catch (error) {
    if (error instanceof VipdError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new VipdError({ code: 'CLUSTER_KEY_UNREADABLE', object: path, cause: `cannot be read: ${code}` });
  }
  return parseClusterKeys(text, path);
}

/** @throws VipdError CLUSTER_KEY_INVALID */
export function parseClusterKeys(text: string, object: string): ClusterKeys {
  const invalid = (cause: string) =>
    new VipdError({ code: 'CLUSTER_KEY_INVALID', object, cause, hint: 'copy the file of another node as it is' });
  let value: { cluster?: unknown; keys?: unknown } | null;
  try {
    value = parse(text) as typeof value;
  } catch {
    throw invalid('it is no YAML');
  }
  const { cluster, keys } = value ?? {};
  if (typeof cluster !== 'string' || !/^[0-9a-f]{16}$/.test(cluster)) throw invalid('its cluster is no 16 hex digits');
  if (!Array.isArray(keys) || keys.length === 0) throw invalid('it has no keys');
  return {
    id: cluster,
    keys: keys.map((key, i) => {
      if (typeof key === 'string' && /^[0-9a-f]{64}$/.test(key)) return Buffer.from(key, 'hex');
      throw invalid(`its key ${i + 1} is no 64 hex digits`);
    }),
  };
}

export function clusterKeysText({ id, keys }: ClusterKeys): string {
  // Quoted: digits alone would be a number to YAML.
  return (
    HEAD +
    stringify(
      { cluster: id, keys: keys.map((key) => Buffer.from(key).toString('hex')) },
      { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' },
    )
  );
}

/** For root, and for the group the daemon runs as where there is one. @throws VipdError CLUSTER_KEY_UNWRITABLE */
export function writeClusterKeys(path: string, keys: ClusterKeys): void {
  const gid = process.geteuid?.() === 0 ? groupId('vipd') : undefined;
  writeSecret(path, clusterKeysText(keys), gid === undefined ? {} : { uid: 0, gid, mode: 0o640 });
}

/** From /etc/group, see group(5); undefined where there is no such group. */
function groupId(name: string): number | undefined {
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${name}:`));
    return line === undefined ? undefined : Number(line.split(':')[2]);
  } catch {
    return undefined;
  }
}

/** The cluster this node has left by order, if any: its key alone is then no reason to take part again. */
export function leftCluster(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, 'left'), 'utf8').trim();
  } catch {
    return undefined;
  }
}

export function markLeft(directory: string, clusterId: string): void {
  writeSecret(join(directory, 'left'), `${clusterId}\n`);
}

export function unmarkLeft(directory: string): void {
  rmSync(join(directory, 'left'), { force: true });
}

/** The key of this node, made when there is none. @throws VipdError */
export function nodeIdentity(directory: string): Identity {
  const path = join(directory, 'node.key');
  try {
    const seed = Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
    if (seed.length === 32) return new Identity(seed);
    const cause = 'it is no 64 hex digits';
    throw new VipdError({ code: 'NODE_KEY_INVALID', object: path, cause, hint: 'remove it to become a new node' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const identity = Identity.random();
  // Made by root for a daemon that is not root: it belongs to whom the state directory does.
  const owner = ownerOf(dirname(directory));
  writeSecret(path, `${Buffer.from(identity.seed).toString('hex')}\n`, owner);
  return identity;
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
}

function ownerOf(directory: string): Owner {
  if (process.geteuid?.() !== 0) return {};
  try {
    const { uid, gid } = statSync(directory);
    return { uid, gid };
  } catch {
    return {};
  }
}

function writeSecret(path: string, text: string, { uid, gid, mode = 0o600 }: Owner = {}): void {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    const made = mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    writeFileSync(temporary, text, { mode: 0o600 });
    if (uid !== undefined && gid !== undefined) {
      chownSync(temporary, uid, gid);
      if (made !== undefined && mode === 0o600) chownSync(dirname(path), uid, gid);
    }
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    const cause = `cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
    throw new VipdError({ code: 'CLUSTER_KEY_UNWRITABLE', object: path, cause }, { cause: error });
  }
}
