import type { Fault } from '../../util/errors.js';
import type { NodeId } from '../identity.js';
import type { Ban } from './guard.js';
import { endpointText } from './host.js';

/** A node says more than anybody keeps of one. */
export function overLimit(owner: NodeId, cause: string): Fault {
  const hint = 'see what it publishes; its further entries are dropped';
  return { code: 'NODE_OVER_LIMIT', object: `node ${owner}`, cause, hint };
}

/** @param multiaddr where it came from; the port is another one at every attempt */
export function wrongKey(multiaddr: string): Fault {
  const object = `peer ${endpointText(multiaddr)?.replace(/:\d+$/, '') ?? multiaddr}`;
  const cause = 'it tried to connect without a key of this cluster';
  return { code: 'CLUSTER_KEY_WRONG', object, cause, hint: 'give it the key file of this cluster, or keep it away' };
}

export function misbehaves({ peer, reason }: Ban): Fault {
  return { code: 'PEER_MISBEHAVES', object: `node ${peer}`, cause: `it is shut out for five minutes: ${reason}` };
}
