import { dropLaterProblem, laterSentProblem } from './full-nat.js';
import { ENCAPSULATED, word } from './headers.js';
import { errorProblem } from './icmp.js';
import { laterRequestProblem, laterTurnedProblem } from './later.js';
import { isAnswerable, refusalProblem } from './refusal.js';
import type { Scene, SceneVip } from './scene.js';
import type { Setting } from './setting.js';
import { type Sighting, without } from './sighting.js';
import { difference, updated } from './sums.js';

// The other end of a tunnel: what another node sent to a backend of this one, for a VIP, in an outer header.

const CONGESTED = 3;

/** How a packet that stood in the frame itself would be treated. */
type Inner = (seen: Sighting, setting: Setting) => string | undefined;

/** A later fragment goes the way of the first, which may have come by another road. */
const others = [laterRequestProblem, laterSentProblem, laterTurnedProblem, errorProblem, refusedProblem, leftProblem];

/** The packet inside is forwarded, translated or refused, or left to the stack as it is. */
export function arrivedProblem(seen: Sighting, setting: Setting, forwarding: readonly Inner[]): string | undefined {
  const vip = tunnelEnd(seen, setting.scene);
  if (vip === undefined) return 'is no tunnel to a backend of this node';
  const inside = unwrapped(seen);
  if (!isForVip(inside, seen.headers.family, setting.scene)) return 'what is in it is for no VIP';
  const reasons: string[] = [];
  const ways = seen.verdict === 'dropped' ? [dropLaterProblem] : [...forwarding, ...others];
  for (const way of ways) {
    const problem = way(inside, setting);
    if (problem === undefined) return undefined;
    reasons.push(problem);
  }
  return `came out of a tunnel, and ${reasons.join(', and ')}`;
}

/** The VIP whose backend of this node the outer header names. */
function tunnelEnd({ sent, headers }: Sighting, scene: Scene): SceneVip | undefined {
  const { kind, family, protocol, options, odd, destination, addressLength } = headers;
  if (kind !== 'other' || protocol !== ENCAPSULATED[family] || options || odd) return undefined;
  const is = (address: Uint8Array) =>
    address.length === addressLength && address.every((byte, i) => sent[destination + i] === byte);
  return scene.vips.find((vip) => vip.mode === 'arriving' && vip.backendAddresses.some(is));
}

/** Of the same family as the tunnel, to the address of a VIP; whatever else it may be. */
function isForVip({ sent, sentSize, headers }: Sighting, family: 4 | 6, scene: Scene): boolean {
  const [at, length] = family === 4 ? [headers.l3 + 16, 4] : [headers.l3 + 24, 16];
  if (sent[headers.l3]! >> 4 !== family || sentSize < at + length) return false;
  const address = scene.addressAt(sent, at, length);
  return scene.vips.some((vip) => scene.addressAt(vip.address, 0, vip.address.length) === address);
}

/** The same without the outer header, whose sign of congestion is one for the packet inside (RFC 6040 §4.2). */
function unwrapped(seen: Sighting): Sighting {
  const { l3, l4, family } = seen.headers;
  const inside = without(seen, l3, l4);
  if (congestion(seen.sent, l3, family) === CONGESTED && congestion(inside.sent, l3, family) !== 0) {
    mark(inside.sent, l3, family);
  }
  return inside;
}

function congestion(bytes: Buffer, l3: number, family: 4 | 6): number {
  return family === 4 ? bytes[l3 + 1]! & 3 : (bytes[l3 + 1]! >> 4) & 3;
}

function mark(bytes: Buffer, l3: number, family: 4 | 6): void {
  const before = Buffer.from(bytes);
  bytes[l3 + 1]! |= family === 4 ? CONGESTED : CONGESTED << 4;
  if (family === 4) bytes.writeUInt16BE(updated(word(bytes, l3 + 10), difference(before, bytes, l3, 2)), l3 + 10);
}

/** Only what comes for a VIP that has a backend here is served. */
function refusedProblem(inside: Sighting, { scene }: Setting): string | undefined {
  const { sent, headers, verdict } = inside;
  if (verdict !== 'turned' || headers.kind !== 'flow') return 'is not refused';
  if (!scene.isOurs(sent, headers.destination, headers.addressLength)) return 'is not for an address of ours';
  return isAnswerable(sent, headers) ? refusalProblem(inside) : 'must not be answered';
}

function leftProblem({ verdict, sent, sentSize, got, gotSize }: Sighting): string | undefined {
  const same = gotSize === sentSize && sent.compare(got, 0, gotSize, 0, sentSize) === 0;
  return verdict === 'passed' && same ? undefined : 'is not left as it is';
}
