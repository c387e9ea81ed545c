import { createSocket } from 'node:dgram';
import type dns from 'node:dns';
import { Dns } from '../../ts/dns/dns.js';
import { nameKey } from '../../ts/dns/name.js';
import { address, type RecordData } from '../../ts/dns/record.js';
import type { Zones } from '../../ts/dns/zones.js';
import { Ours, zonesOptions } from '../unit/dns/asking-ours.js';
import { benchName, benchZone, names } from './dns-zone.js';

// dns-program.js native|dgram PORT UPSTREAM_PORT [SOCKETS]: our resolver with the zone of the benchmark, as it is, or over
// the sockets of Node.js.

const [, , kind, port = '', upstream = '', sockets = '1'] = process.argv;
const endpoint = { address: '127.0.0.1', port: Number(port) };
const upstreams = [{ address: '127.0.0.1', port: Number(upstream) }];
const records = Array.from({ length: names }, (_, i) =>
  [1, 2, 3].map((n) => entry(i, address(`10.${n}.${i >> 8}.${i & 255}`))),
).flat();
const zones = { ...zonesOptions, zones: [nameKey(benchZone)], records, tasks: undefined };

function entry(i: number, data: RecordData) {
  return { name: nameKey(benchName(i)), data };
}

function ready(all: Zones): void {
  all.setNames(new Map());
  console.log('ready');
}

if (kind === 'dgram') {
  const ours = new Ours(zones, upstreams, { order: 'rotate' });
  // Peers are addresses: the usual lookup would only put every answer off until the next turn.
  const lookup = (host: string, _: unknown, done: (error: null, address: string, family: number) => void) =>
    done(null, host, 4);
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, lookup: lookup as typeof dns.lookup });
  socket.on('message', (message, peer) => {
    const answer = ours.atOnce(message, true);
    if (answer !== undefined) socket.send(Buffer.from(answer), peer.port, peer.address);
  });
  socket.bind(endpoint.port, endpoint.address, () => ready(ours.zones));
} else {
  const limits = { maxConnections: 1_024, maxPipelined: 1_024, socketsEach: Number(sockets), receiveBuffer: 1 << 20 };
  const recursor = { bytes: 256 << 20, staleMs: 0, serveStale: false, maxQuestions: 10_000, maxWaiting: 50_000 };
  const own = {
    endpoints: [endpoint],
    order: 'rotate',
    udpCeiling: 1232,
    forward: new Map(),
    recursor,
    zones,
  } as const;
  const dns = new Dns({ ...limits, ...own }, { logger: { info: () => {}, warn: (fields) => console.error(fields) } });
  dns.setUpstreams(upstreams);
  await dns.open();
  ready(dns.zones);
}
