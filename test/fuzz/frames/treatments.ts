import { arrivedProblem } from './arrived.js';
import { type FlowRecord, flowKey } from './flow-record.js';
import {
  askedFully,
  dropErrorProblem,
  dropLaterProblem,
  dropProblem,
  laterSentBackProblem,
  laterSentProblem,
  otherPortAnswerProblem,
  otherPortProblem,
  sendBackProblem,
  sendProblem,
  tooBigProblem,
} from './full-nat.js';
import { type Headers, word } from './headers.js';
import { echoProblem, errorProblem } from './icmp.js';
import { laterAnswerProblem, laterRequestProblem, laterTurnedProblem } from './later.js';
import { natProblem } from './nat.js';
import { isAnswerable, refusalProblem } from './refusal.js';
import { type Scene, type SceneVip, sourcePorts } from './scene.js';
import type { Setting } from './setting.js';
import { type Program, programs, type Sighting, type Verdict } from './sighting.js';
import { directProblem, tooBigToCarryProblem, tunnelProblem, uncarriedProblem } from './whole.js';

/** A reason for which a program may change a frame or turn it around. A new kind of handling is a new row. */
export interface Treatment {
  /** As the verdict counter that counts it; refusals have two of them. */
  readonly name: string;
  readonly programs: readonly Program[];
  readonly verdict: Verdict;
  /** Undefined when this is what was done, else why it is not. */
  problem(seen: Sighting, setting: Setting): string | undefined;
}

const translating: ReadonlySet<SceneVip['mode']> = new Set(['nat', 'exact', 'arriving']);
const both: readonly Program[] = ['xdp_ingress', 'tc_ingress'];

export const treatments: readonly Treatment[] = [
  { name: 'forwarded', programs: both, verdict: 'passed', problem: forwardProblem },
  { name: 'hairpinned', programs: both, verdict: 'turned', problem: hairpinProblem },
  { name: 'replied', programs: ['xdp_ingress', 'tc_egress'], verdict: 'passed', problem: replyProblem },
  { name: 'replied', programs: both, verdict: 'turned', problem: turnedReplyProblem },
  { name: 'refused', programs: both, verdict: 'turned', problem: refuseProblem },
  { name: 'forwarded', programs: both, verdict: 'passed', problem: laterRequestProblem },
  { name: 'replied', programs: ['xdp_ingress', 'tc_egress'], verdict: 'passed', problem: laterAnswerProblem },
  { name: 'turned fragment', programs: both, verdict: 'turned', problem: laterTurnedProblem },
  { name: 'echoed', programs: both, verdict: 'turned', problem: echoProblem },
  { name: 'forwarded', programs: both, verdict: 'passed', problem: otherPortProblem },
  { name: 'replied', programs: ['xdp_ingress', 'tc_egress'], verdict: 'passed', problem: otherPortAnswerProblem },
  { name: 'forwarded', programs: both, verdict: 'turned', problem: sendProblem },
  { name: 'forwarded', programs: both, verdict: 'turned', problem: laterSentProblem },
  { name: 'forwarded', programs: both, verdict: 'turned', problem: tooBigProblem },
  { name: 'forwarded', programs: both, verdict: 'dropped', problem: dropProblem },
  { name: 'dropped fragment', programs: both, verdict: 'dropped', problem: dropLaterProblem },
  { name: 'replied', programs, verdict: 'passed', problem: sendBackProblem },
  { name: 'replied', programs, verdict: 'turned', problem: sendBackProblem },
  { name: 'replied', programs, verdict: 'passed', problem: laterSentBackProblem },
  { name: 'tunnelled', programs: both, verdict: 'turned', problem: tunnelProblem },
  { name: 'tunnelled', programs: ['xdp_ingress'], verdict: 'passed', problem: tunnelProblem },
  { name: 'directed', programs: both, verdict: 'turned', problem: directProblem },
  { name: 'arrived', programs: both, verdict: 'passed', problem: arrivingProblem },
  { name: 'arrived', programs: both, verdict: 'turned', problem: arrivingProblem },
  { name: 'arrived', programs: both, verdict: 'dropped', problem: arrivingProblem },
  { name: 'told', programs: both, verdict: 'turned', problem: tooBigToCarryProblem },
  { name: 'not carried', programs: both, verdict: 'dropped', problem: uncarriedProblem },
  { name: 'dropped error', programs: both, verdict: 'dropped', problem: dropErrorProblem },
  { name: 'error_translated', programs, verdict: 'passed', problem: errorProblem },
  { name: 'error_translated', programs: both, verdict: 'turned', problem: errorProblem },
];

/** Why leaving this frame as it is would be wrong; undefined when it is right, or cannot be told from the frame alone. */
export function neglect(program: Program, bytes: Buffer, headers: Headers, { scene }: Setting): string | undefined {
  if (program === 'tc_egress' || headers.kind !== 'flow') return undefined;
  const vip = scene.vipOf(destinationOf(bytes, headers, scene));
  // Without a port of the node or a connection that is known it is refused.
  if (vip?.mode === 'full-nat' && !isAnswerable(bytes, headers)) return undefined;
  if (vip !== undefined && vip.active.size > 0) return `is for ${vip.key} and was not sent to a backend`;
  const ours = vip !== undefined || scene.isOurs(bytes, headers.destination, headers.addressLength);
  return ours && isAnswerable(bytes, headers)
    ? 'is for an address of ours that nobody serves, and was not refused'
    : undefined;
}

function forwardProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const vip = askedVip(seen, scene);
  if (vip === undefined || !translating.has(vip.mode)) return 'is not for a VIP that serves by NAT';
  const backend = destinationOf(got, headers, scene);
  if (!vip.active.has(backend)) return `went to what is no backend of ${vip.key}`;
  if (sameAddress(sent, headers.source, got, headers.destination, headers)) return 'a client got itself';
  return natProblem(seen, { destination: true }) ?? noteFlow(seen, vip, backend, record);
}

/** What came by a tunnel is for a VIP with a backend here; a client that is this backend meets the VIP all the same. */
function arrivingProblem(seen: Sighting, setting: Setting): string | undefined {
  const here = (problem: typeof forwardProblem) => (inside: Sighting, at: Setting) =>
    askedVip(inside, at.scene)?.mode === 'arriving' ? problem(inside, at) : 'is for no VIP with a backend here';
  return arrivedProblem(seen, setting, [here(forwardProblem), here(ownClientProblem)]);
}

function ownClientProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const vip = askedVip(seen, scene)!;
  const backend = destinationOf(got, headers, scene);
  if (!vip.active.has(backend)) return `went to what is no backend of ${vip.key}`;
  if (!sameAddress(sent, headers.source, got, headers.destination, headers)) return 'the backend is not the client';
  if (!sameAddress(sent, headers.destination, got, headers.source, headers)) return 'does not come from the VIP';
  return natProblem(seen, { source: true, destination: true }) ?? noteFlow(seen, vip, backend, record);
}

function hairpinProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const vip = askedVip(seen, scene);
  if (vip === undefined) return 'is not for a VIP that serves';
  const backend = destinationOf(got, headers, scene);
  if (!vip.active.has(backend)) return `went to what is no backend of ${vip.key}`;
  if (!sameAddress(sent, headers.source, got, headers.destination, headers)) return 'the backend is not the client';
  if (!sameAddress(sent, headers.destination, got, headers.source, headers)) return 'does not come from the VIP';
  if (!keepsPort(vip, word(sent, headers.l4), word(got, headers.l4))) return 'the source port is another';
  const problem = natProblem(seen, { source: true, destination: true, macs: true });
  return problem ?? noteFlow(seen, vip, backend, record);
}

function replyProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { destination, addressLength, l4 } = headers;
  if (headers.kind !== 'flow') return `is ${headers.kind}, no flow`;
  const vip = scene.vipOf(sourceOf(got, headers, scene));
  if (vip === undefined) return 'does not come from a VIP';
  const key = flowKey(vip, sent, destination, addressLength, l4 + 2);
  if (record.backendOf(key) !== sourceOf(sent, headers, scene)) return `answers no connection to ${vip.key}`;
  record.noteAnswer(key, headers);
  return natProblem(seen, { source: true });
}

/** A flow that is tracked exactly may have one of the node's ports in place of its own. */
function keepsPort({ portsChange }: SceneVip, port: number, used: number): boolean {
  return port === used || (portsChange && used >= sourcePorts.first && used <= sourcePorts.last);
}

/** The answer in a hairpinned connection: the client is the backend, which sees the VIP's address on the other side. */
function turnedReplyProblem(seen: Sighting, { scene, record }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { source, destination, addressLength, l4 } = headers;
  if (headers.kind !== 'flow') return `is ${headers.kind}, no flow`;
  const vip = scene.vipOf(sourceOf(got, headers, scene));
  if (vip === undefined) return 'does not come from a VIP';
  if (!sameAddress(sent, destination, got, source, headers)) return 'comes from another VIP than the one spoken to';
  if (!sameAddress(sent, source, got, destination, headers)) return 'does not go back to its sender';
  if (!keepsPort(vip, word(got, l4 + 2), word(sent, l4 + 2))) return 'the destination port is another';
  const key = flowKey(vip, got, destination, addressLength, l4 + 2);
  if (record.backendOf(key) !== sourceOf(sent, headers, scene)) return `answers no connection to ${vip.key}`;
  record.noteAnswer(key, headers);
  return natProblem(seen, { source: true, destination: true, macs: true });
}

function refuseProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, headers } = seen;
  if (headers.kind !== 'flow') return `is ${headers.kind}, no flow`;
  if (!scene.isOurs(sent, headers.destination, headers.addressLength)) return 'is not for an address of ours';
  const full = askedFully(seen, scene);
  if (full === undefined && askedVip(seen, scene) !== undefined) return 'is for a VIP that serves';
  return isAnswerable(sent, headers) ? refusalProblem(seen) : 'must not be answered';
}

/** The VIP a packet is for, if it has a backend to give. */
function askedVip({ sent, headers }: Sighting, scene: Scene): SceneVip | undefined {
  if (headers.kind !== 'flow') return undefined;
  const vip = scene.vipOf(destinationOf(sent, headers, scene));
  return vip !== undefined && vip.active.size > 0 ? vip : undefined;
}

function noteFlow({ sent, headers }: Sighting, vip: SceneVip, backend: number, record: FlowRecord): string | undefined {
  const key = flowKey(vip, sent, headers.source, headers.addressLength, headers.l4);
  const known = record.backendOf(key);
  if (known !== undefined && known !== backend) return `left its backend ${vip.backends.get(known)}`;
  record.note(key, backend, headers);
  return undefined;
}

function sourceOf(bytes: Buffer, headers: Headers, scene: Scene): number {
  const { source, addressLength, l4, protocol } = headers;
  return scene.code(scene.addressAt(bytes, source, addressLength), word(bytes, l4), protocol);
}

function destinationOf(bytes: Buffer, headers: Headers, scene: Scene): number {
  const { destination, addressLength, l4, protocol } = headers;
  return scene.code(scene.addressAt(bytes, destination, addressLength), word(bytes, l4 + 2), protocol);
}

function sameAddress(a: Buffer, atA: number, b: Buffer, atB: number, { addressLength }: Headers): boolean {
  return a.compare(b, atB, atB + addressLength, atA, atA + addressLength) === 0;
}
