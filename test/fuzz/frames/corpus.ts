import { formatEndpoint, parseEndpoint } from '../../../ts/model/address.js';
import { allCases } from '../../bpf/cases/all.js';
import { type Talk, talks } from '../../bpf/cases/talk.js';
import { type PacketBuilder, packet } from '../../bpf/packet.js';
import { packetOf, supposed } from '../../bpf/packet-source.js';
import { partsOf } from '../../bpf/run.js';
import { nodeSources } from '../../bpf/test-surroundings.js';
import { type Scene, sourcePorts } from './scene.js';

/** Frames longer than this are few, for most of their bytes are alike. */
export const SMALL = 256;

/** Frames to begin with: every kind of packet that is handled, refused or left alone. */
export interface Corpus {
  readonly small: readonly Buffer[];
  /** Up to jumbo frames. */
  readonly large: readonly Buffer[];
}

export function corpusFor(scene: Scene): Corpus {
  const builders = [...conversations(scene), ...talks.flatMap(oddities), ...mapped()];
  const frames = [...casePackets(), ...builders.map((one) => one.build()), ...talks.flatMap(tunnels)];
  const unique = [...new Map(frames.map((bytes) => [bytes.toString('latin1'), bytes])).values()];
  const small = unique.filter((bytes) => bytes.length >= 14).map((bytes) => bytes.subarray(0, SMALL));
  return { small, large: [1400, 1420, 3300, 4000, 8900].flatMap(largeFrames) };
}

/** The packets of all cases, the ones that depend on a chosen backend with the first. */
function casePackets(): Buffer[] {
  return allCases.flatMap((one) => {
    const first = supposed(one);
    return one.actions.flatMap((action) => {
      if (action.kind === 'packet') return [packetOf(action.packet, first)];
      return action.kind === 'fragments' ? partsOf(action, packetOf(action.packet, first)) : [];
    });
  });
}

/** Both directions of connections to every VIP of the scene, from clients and from the backends themselves. */
function conversations(scene: Scene): PacketBuilder[] {
  return talks.flatMap((talk) => {
    const vips = scene.vips.filter(({ key, address }) => key.startsWith(talk.protocol) && familyMatches(talk, address));
    return vips.flatMap((vip) => {
      const to = vip.key.slice(vip.key.indexOf('/') + 1);
      const backends = [...vip.backends.values()];
      const clients = [talk.clientAddress, ...backends.map((backend) => parseEndpoint(backend).address)];
      const asked = clients.flatMap((address) => both(talk, formatEndpoint({ address, port: 40000 }), to, backends));
      return vip.mode === 'full-nat' ? [...asked, ...backends.flatMap((backend) => toNode(talk, backend))] : asked;
    });
  });
}

function both(talk: Talk, client: string, vip: string, backends: readonly string[]): PacketBuilder[] {
  const mirrored = formatEndpoint({ address: parseEndpoint(vip).address, port: 40000 });
  const flags = talk.protocol === 'tcp' ? ['S', 'A', 'FA', 'R'] : [''];
  const asks = flags.map((flag) => talk.between(packet().eth(), client, vip, flag, 8));
  const answers = backends.flatMap((backend) => [
    talk.between(packet().eth(), backend, client, 'SA', 8),
    talk.between(packet().eth().vlan(7), backend, client, 'A', 1),
    // As a backend sees itself when it is its own client.
    talk.between(packet().eth(), backend, mirrored, 'A', 8),
  ]);
  return [...asks, ...answers];
}

/** Answers to the ports that full NAT may have taken, in fragments too, and errors about what it sent. */
function toNode(talk: Talk, backend: string): PacketBuilder[] {
  const node = nodeSources[talk.family];
  const ports = Array.from({ length: 16 }, (_, i) => sourcePorts.first + i * 16);
  const answers = ports.flatMap((port) => {
    const to = formatEndpoint({ address: node, port });
    return ['SA', 'A'].map((flags) => talk.between(packet().eth(), backend, to, flags, 8));
  });
  const errors = ports.slice(0, 8).map((port) => {
    const quoted = talk.between(packet(), formatEndpoint({ address: node, port }), backend, 'PA', 8).build();
    const ip = packet()
      .eth()
      .ip({ src: parseEndpoint(backend).address, dst: node });
    if (talk.family === 4) return ip.icmp(3, 4).payload(quoted);
    return ip.payload(Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 5, 0]), quoted]), 58);
  });
  return [...answers, ...errors];
}

function familyMatches(talk: Talk, address: Uint8Array): boolean {
  return address.length === (talk.family === 4 ? 4 : 16);
}

/** What is not the easy packet: about a connection, or looking like one. */
function oddities(talk: Talk): PacketBuilder[] {
  const ends = { src: talk.clientAddress, dst: talk.vipAddress };
  const ports = { sport: 40000, dport: 80, flags: 'PA' };
  const backend = parseEndpoint(talk.backend(1));
  const inner = talk
    .between(packet(), talk.backend(1), formatEndpoint({ address: talk.clientAddress, port: 40000 }), 'PA', 8)
    .build();
  const outer = () => packet().eth().ip({ src: '192.0.2.77', dst: backend.address });
  if (talk.family === 4) {
    const v4 = () => packet().eth().ipv4(ends);
    return [
      ...[3, 4, 5, 11, 12].map((type) =>
        outer()
          .icmp(type, type === 3 ? 4 : 0)
          .payload(inner),
      ),
      v4().icmp(8).payload(16),
      v4().icmp(0).payload(16),
      v4().payload(inner, 4),
      v4().payload(Buffer.concat([Buffer.from([0, 0, 8, 0]), inner]), 47),
      talk.transport(
        packet()
          .eth()
          .ipv4({ ...ends, more: true }),
        40000,
        80,
        'PA',
        24,
      ),
      packet()
        .eth()
        .ipv4({ ...ends, offset: 4 })
        .payload(24, talk.protocol === 'tcp' ? 6 : 17),
      packet()
        .eth()
        .ipv4({ ...ends, options: [7, 7, 4, 0, 0, 0, 0, 0] })
        .udp(ports)
        .payload(4),
    ];
  }
  const v6 = () => packet().eth().ipv6(ends);
  const error = (type: number) => Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 0, 5, 0]), inner]);
  return [
    ...[1, 2, 3, 4].map((type) =>
      packet().eth().ipv6({ src: '2001:db8::77', dst: backend.address }).payload(error(type), 58),
    ),
    v6().payload(Buffer.from([128, 0, 0, 0, 0, 1, 0, 1]), 58),
    talk.transport(v6().extension('hopByHop'), 40000, 80, 'PA', 8),
    talk.transport(v6().extension('hopByHop').extension('routing').extension('options'), 40000, 80, 'S', 8),
    talk.transport(v6().extension('options').fragment(0, true), 40000, 80, 'PA', 16),
    v6()
      .fragment(3, true)
      .payload(24, talk.protocol === 'tcp' ? 6 : 17),
    // A fragment that is the whole packet (RFC 6946).
    talk.transport(v6().fragment(0, false), 40000, 80, 'PA', 16),
    v6().payload(inner, 41),
    v6()
      .udp({ ...ports, checksum: 'none' })
      .payload(8),
  ];
}

/** Packets in an outer header: to this node's backend for VIPs of all kinds, with and without a sign of congestion. */
function tunnels(talk: Talk): Buffer[] {
  const src = talk.family === 4 ? '10.9.9.1' : 'fd09::1';
  const dst = parseEndpoint(talk.backend(10)).address;
  const around = (inner: PacketBuilder, congested = false) => {
    const frame = packet()
      .eth()
      .ip({ src, dst })
      .payload(inner.build(), talk.family === 4 ? 4 : 41)
      .build();
    if (congested) frame[15]! |= talk.family === 4 ? 3 : 0x30;
    return frame;
  };
  const client = formatEndpoint({ address: talk.clientAddress, port: 40000 });
  const asked = (port: number, flags: string, from = client) =>
    talk.between(packet(), from, talk.vip.replace(/80$/, `${port}`), flags, 8);
  const fragment =
    talk.family === 4 ? packet().ipv4({ src: talk.clientAddress, dst: talk.vipAddress, offset: 4 }) : undefined;
  return [
    ...['S', 'A', 'FA', 'R'].flatMap((flags) => [around(asked(88, flags)), around(asked(88, flags), true)]),
    ...[80, 82, 84, 85, 86, 87].map((port) => around(asked(port, 'S'))),
    around(asked(88, 'A', talk.backend(10))),
    ...(fragment === undefined ? [] : [around(fragment.payload(24, talk.protocol === 'tcp' ? 6 : 17))]),
  ];
}

/** IPv4 addresses in IPv6 headers: nothing may come by that name on a wire (RFC 4291 §2.5.5.2 is for sockets). */
function mapped(): PacketBuilder[] {
  return talks
    .filter(({ family }) => family === 4)
    .flatMap((talk) => {
      const [client, vip, backend] = [talk.clientAddress, talk.vipAddress, parseEndpoint(talk.backend(1)).address];
      const over = (src: string, dst: string, sport: number, dport: number) =>
        talk.transport(
          packet()
            .eth()
            .ipv6({ src: `::ffff:${src}`, dst: `::ffff:${dst}` }),
          sport,
          dport,
          'S',
          8,
        );
      return [over(client, vip, 40000, 80), over(client, talk.unserved, 40000, 80), over(backend, client, 8080, 40000)];
    });
}

function largeFrames(payload: number): Buffer[] {
  return talks.flatMap((talk) => [
    talk.reply(talk.backend(1), 'PA', { payload }).build(),
    ...[80, 82, 86, 87].map((port) => talk.ask('PA', { payload, to: talk.vip.replace(/80$/, `${port}`) }).build()),
  ]);
}
