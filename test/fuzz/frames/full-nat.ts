import { endText, flowKey } from './flow-record.js';
import { HEADER, word } from './headers.js';
import { natProblem } from './nat.js';
import { tooBigAnswerProblem } from './refusal.js';
import { isNodeSource, linkMtu, type Scene, type SceneVip } from './scene.js';
import type { Setting } from './setting.js';
import type { Sighting } from './sighting.js';

// Full NAT: requests leave from an address and a port of the node, answers come to these.

/** To a backend, from the node, to the next hop. */
export function sendProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { source, destination, addressLength, l4, protocol } = headers;
  const vip = askedFully(seen, scene);
  if (vip === undefined) return 'is not for a VIP with full NAT';
  const to = scene.addressAt(got, destination, addressLength);
  const backend = scene.code(to, word(got, l4 + 2), protocol);
  if (!vip.active.has(backend)) return `went to what is no backend of ${vip.key}`;
  if (!isNodeSource(got, source, addressLength)) return 'does not come from the node';
  const key = flowKey(vip, sent, source, addressLength, l4);
  const known = record.backendOf(key);
  if (known !== undefined && known !== backend) return `left its backend ${vip.backends.get(known)}`;
  const problem = natProblem(seen, { source: true, destination: true, aged: true, nextHop: true });
  return problem ?? record.noteSent(key, backend, endText(got, source, addressLength, l4), headers);
}

/** From a backend, to the node: it goes to the client whose port that is, from the VIP. */
export function sendBackProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers, verdict } = seen;
  const { kind, source, destination, addressLength, l4, protocol } = headers;
  if (kind !== 'flow') return `is ${kind}, no flow`;
  if (!isNodeSource(sent, destination, addressLength)) return 'was not sent to the node';
  const backend = scene.code(scene.addressAt(sent, source, addressLength), word(sent, l4), protocol);
  const vip = scene.vipOf(scene.code(scene.addressAt(got, source, addressLength), word(got, l4), protocol));
  if (vip?.mode !== 'full-nat') return 'does not come from a VIP with full NAT';
  const key = flowKey(vip, got, destination, addressLength, l4 + 2);
  if (!record.answers(key, backend, endText(sent, destination, addressLength, l4 + 2)))
    return `answers no connection to ${vip.key}`;
  record.noteAnswer(key, headers);
  const turned = verdict === 'turned';
  return natProblem(seen, { source: true, destination: true, ...(turned && { aged: true, nextHop: true }) });
}

/** To a backend with another port of its own: the client's is taken by another flow that is tracked exactly. */
export function otherPortProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { kind, source, destination, addressLength, l4, protocol } = headers;
  const end = (bytes: Buffer) =>
    scene.code(scene.addressAt(bytes, destination, addressLength), word(bytes, l4 + 2), protocol);
  const vip = kind === 'flow' ? scene.vipOf(end(sent)) : undefined;
  if (vip?.portsChange !== true) return 'is not for a VIP that may be tracked exactly';
  if (!vip.active.has(end(got))) return `went to what is no backend of ${vip.key}`;
  if (sent.compare(got, source, source + addressLength, source, source + addressLength) !== 0)
    return 'has another source';
  const key = flowKey(vip, sent, source, addressLength, l4);
  const problem = natProblem(seen, { source: true, destination: true });
  return problem ?? record.noteSent(key, end(got), endText(got, source, addressLength, l4), headers);
}

/** An answer to such a port. */
export function otherPortAnswerProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { kind, source, destination, addressLength, l4, protocol } = headers;
  if (kind !== 'flow') return `is ${kind}, no flow`;
  const end = (bytes: Buffer) => scene.code(scene.addressAt(bytes, source, addressLength), word(bytes, l4), protocol);
  const vip = scene.vipOf(end(got));
  if (vip?.portsChange !== true) return 'does not come from a VIP that may be tracked exactly';
  const key = flowKey(vip, got, destination, addressLength, l4 + 2);
  if (!record.answers(key, end(sent), endText(sent, destination, addressLength, l4 + 2)))
    return `answers no connection to ${vip.key}`;
  record.noteAnswer(key, headers);
  return natProblem(seen, { source: true, destination: true });
}

/** A fragment behind the first: from a VIP with full NAT to a backend of it, from the node. */
export function laterSentProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { kind, source, destination, addressLength } = headers;
  if (kind !== 'later') return `is ${kind}, no later fragment`;
  if (!isNodeSource(got, source, addressLength)) return 'does not come from the node';
  const known = fully(scene).some((vip) => names(vip, sent, destination, got, destination, addressLength));
  if (!known) return 'does not go from a VIP to its backend';
  return natProblem(seen, { source: true, destination: true, portless: true, aged: true, nextHop: true });
}

/** The same of an answer, which goes on by the stack. */
export function laterSentBackProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { kind, source, destination, addressLength } = headers;
  if (kind !== 'later') return `is ${kind}, no later fragment`;
  if (!isNodeSource(sent, destination, addressLength)) return 'was not sent to the node';
  const known = fully(scene).some((vip) => names(vip, got, source, sent, source, addressLength));
  if (!known) return 'does not come from a backend by its VIP';
  return natProblem(seen, { source: true, destination: true, portless: true });
}

/** Told to its sender: it has no room on the way to the backend. */
export function tooBigProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const vip = askedFully(seen, scene);
  if (vip === undefined) return 'is not for a VIP with full NAT';
  if (seen.headers.length <= linkMtu) return 'would have fit';
  record.noteUnseen(keyOf(seen, vip));
  return tooBigAnswerProblem(seen, linkMtu);
}

/** What cannot go on: its life is at its end, it does not fit and nobody may be told, or XDP cannot send it by itself. */
export function dropProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const vip = askedFully(seen, scene);
  if (vip === undefined) return 'is not for a VIP with full NAT';
  record.noteUnseen(keyOf(seen, vip));
  return cannotGoOn(seen) ? undefined : 'could go on';
}

/** The same of a fragment behind the first: its bytes do not say whether it is for full NAT or for direct server return. */
export function dropLaterProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { headers, sent } = seen;
  if (headers.kind !== 'later') return `is ${headers.kind}, no later fragment`;
  const modes = scene.vips.filter(({ address }) => isAt(address, sent, headers)).map(({ mode }) => mode);
  if (!modes.some((mode) => mode === 'full-nat' || mode === 'tunnel' || mode === 'direct')) return 'is for no such VIP';
  return cannotGoOn(seen) ? undefined : 'could go on';
}

/** The same of an error about a packet of such a flow, or of one that goes to its backend whole. */
export function dropErrorProblem(seen: Sighting): string | undefined {
  if (seen.headers.kind !== 'icmp') return `is ${seen.headers.kind}, no error`;
  return cannotGoOn(seen) ? undefined : 'could go on';
}

function cannotGoOn({ program, headers, sent }: Sighting): boolean {
  const life = sent[headers.l3 + (headers.family === 4 ? 8 : 7)]!;
  const room = linkMtu - HEADER[headers.family];
  return (
    life <= 1 ||
    headers.length > (headers.kind === 'later' ? room : linkMtu) ||
    (program === 'xdp_ingress' && headers.l3 !== 14)
  );
}

/** The VIP with full NAT that a packet is for. */
export function askedFully({ sent, headers }: Sighting, scene: Scene): SceneVip | undefined {
  const { kind, destination, addressLength, l4, protocol } = headers;
  if (kind !== 'flow') return undefined;
  const vip = scene.vipOf(scene.code(scene.addressAt(sent, destination, addressLength), word(sent, l4 + 2), protocol));
  return vip?.mode === 'full-nat' ? vip : undefined;
}

function keyOf({ sent, headers }: Sighting, vip: SceneVip): string {
  return flowKey(vip, sent, headers.source, headers.addressLength, headers.l4);
}

function fully(scene: Scene): readonly SceneVip[] {
  return scene.vips.filter(({ mode }) => mode === 'full-nat');
}

function isAt(address: Uint8Array, bytes: Buffer, { destination, addressLength }: Sighting['headers']): boolean {
  return address.length === addressLength && address.every((byte, i) => bytes[destination + i] === byte);
}

/** Is one the VIP's address and the other that of a backend of it? */
function names(vip: SceneVip, a: Buffer, atVip: number, b: Buffer, atBackend: number, length: number): boolean {
  const same = (address: Uint8Array, bytes: Buffer, at: number) =>
    address.length === length && address.every((byte, i) => bytes[at + i] === byte);
  return same(vip.address, a, atVip) && vip.backendAddresses.some((address) => same(address, b, atBackend));
}
