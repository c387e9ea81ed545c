import { flowKey } from './flow-record.js';
import { ENCAPSULATED, HEADER, word } from './headers.js';
import { isForNextHop, natProblem } from './nat.js';
import { isAnswerable, tooBigAnswerProblem } from './refusal.js';
import { isNodeSource, linkMtu, type Scene, type SceneVip } from './scene.js';
import type { Setting } from './setting.js';
import { type Sighting, without } from './sighting.js';
import { onesSum } from './sums.js';

// Direct server return: packets go to their backend whole, in an outer header or by its MAC address.

const TTL = 64;
const DONT_FRAGMENT = 0x4000;
/** Version and traffic class of an IPv6 header; behind them is the flow label, which says which flow it is. */
const BEFORE_LABEL = 0xfff0_0000;
const ETHERNET = 14;

/** In an outer header to the backend: by XDP itself, by the kernel, or with tags left to the stack, from the client then. */
export function tunnelProblem(seen: Sighting, setting: Setting): string | undefined {
  const { sent, sentSize, got, gotSize, headers } = seen;
  const vip = carriedBy('tunnel', seen, setting.scene);
  if (vip === undefined) return 'is not for a VIP behind a tunnel';
  const [outer, link] = [HEADER[headers.family], linkLength(seen)];
  if (headers.length + outer > linkMtu) return 'does not fit into the tunnel';
  if (gotSize !== sentSize - headers.l3 + link + outer) return `has ${gotSize} bytes, had ${sentSize}`;
  if (sent.compare(got, link + outer, gotSize, headers.l3, sentSize) !== 0) return 'is another packet';
  const problem = linkProblem(seen, link) ?? (headers.family === 4 ? ipv4Problem : ipv6Problem)(seen, link);
  return problem ?? endsProblem(seen, vip, link) ?? noteCarried(seen, vip, setting);
}

/** To the backend's MAC address, one hop older. */
export function directProblem(seen: Sighting, setting: Setting): string | undefined {
  const { headers } = seen;
  const vip = carriedBy('direct', seen, setting.scene);
  if (vip === undefined) return 'is not for a VIP that is reached directly';
  if (headers.length > linkMtu) return 'does not fit';
  const untagged = linkLength(seen) === headers.l3 ? seen : without(seen, 12, headers.l3 - 2);
  return natProblem(untagged, { portless: true, aged: true, nextHop: true }) ?? noteCarried(seen, vip, setting);
}

/** Told to its sender: it has no room on the way to the backend. */
export function tooBigToCarryProblem(seen: Sighting, setting: Setting): string | undefined {
  const vip = carriedBy('tunnel', seen, setting.scene) ?? carriedBy('direct', seen, setting.scene);
  if (vip === undefined || seen.headers.kind !== 'flow') return 'is not for a VIP whose backends get whole packets';
  const fits = roomFor(vip, seen);
  if (seen.headers.length <= fits) return 'would have fit';
  return tooBigAnswerProblem(seen, fits) ?? noteCarried(seen, vip, setting);
}

/** What cannot go on: it does not fit and nobody may be told, its life is at its end, or XDP cannot send it by itself. */
export function uncarriedProblem(seen: Sighting, setting: Setting): string | undefined {
  const { program, sent, headers } = seen;
  const vip = carriedBy('tunnel', seen, setting.scene) ?? carriedBy('direct', seen, setting.scene);
  if (vip === undefined || headers.kind === 'later') return 'is not for a VIP whose backends get whole packets';
  const life = sent[headers.l3 + (headers.family === 4 ? 8 : 7)]!;
  const direct = vip.mode === 'direct' && (life <= 1 || (program === 'xdp_ingress' && headers.l3 !== ETHERNET));
  if (!direct && headers.length <= roomFor(vip, seen)) return 'could go on';
  const odd = headers.odd && headers.family === 6;
  const told = headers.kind === 'flow' && isAnswerable(sent, { ...headers, family: headers.family, odd, flags: 0 });
  if (!direct && told) return 'its sender could have been told';
  return noteCarried(seen, vip, setting);
}

/** The VIP in this mode that a packet is for: by its port, or where that is in another packet by its address alone. */
function carriedBy(mode: SceneVip['mode'], { sent, headers }: Sighting, scene: Scene): SceneVip | undefined {
  const { kind, destination, addressLength, l4, protocol } = headers;
  const address = scene.addressAt(sent, destination, addressLength);
  if (kind === 'flow') {
    const vip = scene.vipOf(scene.code(address, word(sent, l4 + 2), protocol));
    return vip?.mode === mode ? vip : undefined;
  }
  if (kind !== 'later' && kind !== 'icmp') return undefined;
  const at = (vip: SceneVip) => scene.addressAt(vip.address, 0, vip.address.length) === address;
  return scene.vips.find((vip) => vip.mode === mode && at(vip));
}

function roomFor({ mode }: SceneVip, { headers }: Sighting): number {
  return linkMtu - (mode === 'tunnel' ? HEADER[headers.family] : 0);
}

/** The kernel sends frames without the tags they came with; XDP leaves those to the stack as they are. */
function linkLength({ program, headers }: Sighting): number {
  return program === 'xdp_ingress' ? headers.l3 : ETHERNET;
}

function linkProblem(seen: Sighting, link: number): string | undefined {
  const { verdict, sent, got, headers } = seen;
  if ((verdict === 'passed') !== (link !== ETHERNET)) return 'is not sent by itself though it could be, or the reverse';
  if (verdict === 'passed' ? sent.compare(got, 0, 12, 0, 12) !== 0 : !isForNextHop(seen)) return 'Ethernet addresses';
  const from = headers.l3 - link + 12;
  return sent.compare(got, 12, link, from, headers.l3) === 0 ? undefined : 'the VLAN tags or the ethertype are others';
}

/** RFC 2003 §3.1, with the identification of the packet inside. */
function ipv4Problem({ sent, got, headers }: Sighting, at: number): string | undefined {
  const { l3, length } = headers;
  if (got[at] !== 0x45 || got[at + 1] !== sent[l3 + 1]) return 'version, header length or TOS';
  if (word(got, at + 2) !== length + HEADER[4]) return 'length of the outer packet';
  if (word(got, at + 4) !== word(sent, l3 + 4)) return 'identification';
  if (word(got, at + 6) !== (word(sent, l3 + 6) & DONT_FRAGMENT)) return 'fragmentation';
  if (got[at + 8] !== TTL || got[at + 9] !== ENCAPSULATED[4]) return 'TTL or protocol';
  return onesSum(got, at, at + HEADER[4]) === 0xffff ? undefined : 'checksum of the outer header';
}

/** RFC 2473 §3.1. */
function ipv6Problem({ sent, got, headers }: Sighting, at: number): string | undefined {
  const { l3, length } = headers;
  const before = (bytes: Buffer, from: number) => (bytes.readUInt32BE(from) & BEFORE_LABEL) >>> 0;
  if (before(got, at) !== before(sent, l3)) return 'version or traffic class';
  if (word(got, at + 4) !== length) return 'length of the outer packet';
  return got[at + 6] === ENCAPSULATED[6] && got[at + 7] === TTL ? undefined : 'next header or hop limit';
}

/** From the node to a backend; what the stack is to send comes from the client, or it would be taken for a forgery. */
function endsProblem({ verdict, sent, got, headers }: Sighting, vip: SceneVip, at: number): string | undefined {
  const { source, addressLength } = headers;
  const from = at + (addressLength === 4 ? 12 : 8);
  const client = got.compare(sent, source, source + addressLength, from, from + addressLength) === 0;
  if (!(verdict === 'passed' ? client : isNodeSource(got, from, addressLength))) return 'source of the outer packet';
  const to = from + addressLength;
  const known = vip.backendAddresses.some((address) => address.every((byte, i) => got[to + i] === byte));
  return known ? undefined : `goes to what is no backend of ${vip.key}`;
}

/** VIPs in these modes have one backend that takes connections, so that it need not be told from the frame. */
function noteCarried({ sent, headers }: Sighting, vip: SceneVip, { record }: Setting): undefined {
  const { kind, source, addressLength, l4 } = headers;
  const [backend] = vip.active;
  if (kind === 'flow') record.note(flowKey(vip, sent, source, addressLength, l4), backend!, headers);
}
