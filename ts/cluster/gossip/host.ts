import './withresolvers.js';
import { createHash } from 'node:crypto';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import { type GossipSub, type GossipsubOpts, gossipsub, type Message, StrictNoSign } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { familyOf, formatEndpoint } from '../../model/address.js';
import { Identity, type NodeId } from '../identity.js';
import { makeCipherRoom } from './cipherroom.js';
import type { ClusterProtector } from './protector.js';
import type { GossipSetup } from './setup.js';

export type Host = Libp2p<{ pubsub: GossipSub }>;

/** Largest gossiped message, bytes. */
const MAX_MESSAGE_BYTES = 1 << 20;

/** To have neighbours keep a message that is here already is worth a message of its own only where it is large. */
const LARGE_BYTES = 8 << 10;

export interface HostModules {
  readonly protector: ClusterProtector;
  /** Whether the node may be talked to at all. */
  readonly admits: (peer: NodeId) => boolean;
}

/**
 * The libp2p node. Differs from the defaults where they do not fit machines of one site: no penalty for many peers behind
 * one address, no limit of five connections a second, a small mesh (every message is verified by every node, so its
 * degree is CPU), and no pings of libp2p's own, which drop connections when a machine is busy.
 */
export async function createHost(setup: GossipSetup, { protector, admits }: HostModules): Promise<Host> {
  makeCipherRoom();
  const { publicKey, seed } = new Identity(setup.seed);
  const denies = (peer: { toString(): string }) => !admits(peer.toString());
  return createLibp2p({
    privateKey: privateKeyFromRaw(Buffer.concat([seed, publicKey])),
    addresses: { listen: [multiaddrText(setup.listen)] },
    transports: [tcp({ outboundSocketInactivityTimeout: 60_000, inboundSocketInactivityTimeout: 60_000 })],
    connectionProtector: () => protector,
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: 256,
      inboundConnectionThreshold: 100,
      maxIncomingPendingConnections: 64,
      dialTimeout: 4_000,
      inboundUpgradeTimeout: 5_000,
      reconnectRetries: 0,
    },
    connectionGater: {
      denyDialMultiaddr: () => false, // the addresses of a site are private ones
      denyInboundEncryptedConnection: denies,
      denyOutboundEncryptedConnection: denies,
    },
    services: { identify: identify({ runOnConnectionOpen: true }), pubsub: gossipsub(gossipOptions) },
  });
}

const gossipOptions: Partial<GossipsubOpts> = {
  globalSignaturePolicy: StrictNoSign, // every entry is signed by its owner
  D: 4,
  Dlo: 3,
  Dhi: 6,
  Dout: 1,
  Dscore: 2,
  Dlazy: 3,
  floodPublish: false,
  fallbackToFloodsub: false,
  allowPublishToZeroTopicPeers: true,
  ignoreDuplicatePublishError: true,
  emitSelf: false,
  maxInboundDataLength: MAX_MESSAGE_BYTES,
  idontwantMinDataSize: LARGE_BYTES,
  scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
  msgIdFn: ({ data }: Message) => createHash('sha1').update(data).digest(),
};

/** `/ip4/10.0.0.1/tcp/61420`; with the id of the node behind it if it must be that one. */
export function multiaddrText(endpoint: { address: string; port: number }, id?: NodeId): string {
  const { address, port } = endpoint;
  return `/ip${familyOf(address)}/${address}/tcp/${port}${id === undefined ? '' : `/p2p/${id}`}`;
}

/** The inverse, as ADDRESS:PORT; undefined for anything else. */
export function endpointText(multiaddr: string): string | undefined {
  const match = /^\/ip[46]\/(?<address>[^/]+)\/tcp\/(?<port>\d+)/.exec(multiaddr);
  const { address, port } = match?.groups ?? {};
  return address === undefined ? undefined : formatEndpoint({ address, port: Number(port) });
}
