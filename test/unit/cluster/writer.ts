import { EntryCodec } from '../../../ts/cluster/entry.js';
import { Identity, Verifier } from '../../../ts/cluster/identity.js';
import {
  type EntryMessage,
  type NodeMessage,
  type SignedMessage,
  schemaVersion,
  type VipMessage,
} from '../../../ts/cluster/wire.js';

export const clusterId = '0123456789abcdef';
export const codec = new EntryCodec(clusterId, new Verifier());

export function identity(number: number): Identity {
  return new Identity(new Uint8Array(32).fill(number));
}

/** Entries of one node, with the numbers the test gives them. */
export class Writer {
  constructor(
    readonly identity: Identity,
    private readonly codecOf = codec,
  ) {}

  vip(key: string, incarnation: number, version: number, vip: Partial<VipMessage> = {}): SignedMessage {
    return this.#seal({ key, incarnation, version, gone: false, vip: { ...vipMessage(key), ...vip } });
  }

  gone(key: string, incarnation: number, version: number): SignedMessage {
    return this.#seal({ key, incarnation, version, gone: true });
  }

  node(incarnation: number, version: number, node: Partial<NodeMessage> = {}): SignedMessage {
    return this.#seal({ key: '', incarnation, version, gone: false, node: { ...nodeMessage, ...node } });
  }

  #seal(content: Omit<EntryMessage, 'schema' | 'owner'>): SignedMessage {
    const head = { schema: schemaVersion, owner: this.identity.publicKey };
    return this.codecOf.seal({ ...head, ...content }, this.identity).signed;
  }
}

export const nodeMessage: NodeMessage = {
  name: 'node',
  addresses: [],
  reach: [],
  neighbours: [],
  leaseMs: 60_000,
  floorIncarnation: 0,
  floorVersion: 0,
  left: false,
  software: '1',
  kernel: '6',
  plane: 'ebpf',
  clockMs: 0,
  startedMs: 0,
  zone: '',
};

/** `tcp/11.0.0.1:80`, with one backend. */
export function vipMessage(key: string): VipMessage {
  const [protocol = '', rest = ''] = key.split('/');
  const [address = '', port = '0'] = rest.split(':');
  const backend = { address: '10.0.0.1', port: 8080, weight: 1, health: 0, reason: '' };
  const named = { label: '', framework: '' };
  return { service: 'web', ...named, address, port: Number(port), protocol, backends: [backend], policy: '' };
}
