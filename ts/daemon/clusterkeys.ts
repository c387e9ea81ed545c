import { readFileSync } from 'node:fs';
import {
  type ClusterKeys,
  leftCluster,
  newClusterKeys,
  nodeIdentity,
  parseClusterKeys,
  readClusterKeys,
  retired,
  rotated,
  unmarkLeft,
  writeClusterKeys,
} from '../cluster/keyfile.js';
import { VipdError } from '../util/errors.js';
import { clusterDirectory } from './clustering.js';
import type { DaemonOptions } from './options.js';

export const clusterVerbs = ['init', 'join', 'rotate', 'retire', 'id'] as const;
export type ClusterVerb = (typeof clusterVerbs)[number];

/** What is done to the key file of this node; resolves to what to tell the operator. @throws VipdError */
export function clusterCommand(verb: ClusterVerb, options: DaemonOptions, file?: string): string {
  const path = options['cluster.keyFile'];
  switch (verb) {
    case 'init':
      return init(path);
    case 'join':
      return joinBy(path, file ?? '-', clusterDirectory(options));
    case 'rotate': {
      const keys = rotated(existing(path));
      writeClusterKeys(path, keys);
      return `${path} has a new key in front; copy the file to every node, then run: vipctl cluster key retire, and copy it again`;
    }
    case 'retire': {
      const keys = existing(path);
      writeClusterKeys(path, retired(keys));
      return `${path} has the first of its ${keys.keys.length} keys left; copy the file to every node`;
    }
    case 'id':
      return nodeIdentity(clusterDirectory(options)).id;
  }
}

function init(path: string): string {
  if (readClusterKeys(path)) {
    const hint = 'to join another cluster remove it first';
    throw new VipdError({ code: 'CLUSTER_KEY_EXISTS', object: path, cause: 'there is a cluster key already', hint });
  }
  const keys = newClusterKeys();
  writeClusterKeys(path, keys);
  return `cluster ${keys.id}: its key is ${path}; copy it to every node, by hand or with vipctl cluster join, and restart vipd there`;
}

function joinBy(path: string, file: string, directory: string): string {
  const keys = parseClusterKeys(textOf(file), file === '-' ? 'standard input' : file);
  const before = readClusterKeys(path);
  const left = leftCluster(directory);
  if (before && before.id !== keys.id && before.id !== left) {
    const cause = `this node is in cluster ${before.id}, the key is of ${keys.id}`;
    const hint = 'vipctl cluster leave first: two clusters are never made one';
    throw new VipdError({ code: 'CLUSTER_OTHER', object: path, cause, hint });
  }
  writeClusterKeys(path, keys);
  unmarkLeft(directory);
  if (left === keys.id) return `this node is in cluster ${keys.id} again once vipd is restarted`;
  return before?.id === keys.id
    ? `${path} has the keys of ${file}; a running daemon takes them within seconds`
    : `${path} is the key of cluster ${keys.id}; restart vipd`;
}

function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause = code === 'ENOENT' ? 'there is no such file' : message;
    const hint = 'give the key file of a node that is in the cluster';
    throw new VipdError({ code: 'CLUSTER_KEY_UNREADABLE', object: file, cause, hint });
  }
}

function existing(path: string): ClusterKeys {
  const keys = readClusterKeys(path);
  if (keys) return keys;
  const hint = 'vipctl cluster init makes one';
  throw new VipdError({ code: 'CLUSTER_KEY_MISSING', object: path, cause: 'there is no cluster key', hint });
}
