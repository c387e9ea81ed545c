import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
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

/** @throws VipdError CLUSTER_KEY_UNWRITABLE */
export function writeClusterKeys(path: string, keys: ClusterKeys): void {
  writeSecret(path, clusterKeysText(keys));
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
  writeSecret(path, `${Buffer.from(identity.seed).toString('hex')}\n`);
  return identity;
}

function writeSecret(path: string, text: string): void {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    writeFileSync(temporary, text, { mode: 0o600 });
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
  } catch (error) {
    const cause = `cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
    throw new VipdError({ code: 'CLUSTER_KEY_UNWRITABLE', object: path, cause }, { cause: error });
  }
}
