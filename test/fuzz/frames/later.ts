import { natProblem } from './nat.js';
import type { SceneVip } from './scene.js';
import type { Setting } from './setting.js';
import type { Sighting } from './sighting.js';

// Fragments behind the first have no ports: only that addresses of one VIP and its backends take each other's place can
// be told from their bytes.

export function laterRequestProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  if (headers.kind !== 'later') return `is ${headers.kind}, no later fragment`;
  const vips = scene.vips.filter((vip) => isAt(vip.address, sent, headers.destination, headers.addressLength));
  if (!vips.some((vip) => hasBackendAt(seen, vip, got, headers.destination)))
    return 'does not go from a VIP to its backend';
  return natProblem(seen, { destination: true, portless: true });
}

export function laterAnswerProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  if (headers.kind !== 'later') return `is ${headers.kind}, no later fragment`;
  const vips = scene.vips.filter((vip) => isAt(vip.address, got, headers.source, headers.addressLength));
  if (!vips.some((vip) => hasBackendAt(seen, vip, sent, headers.source)))
    return 'does not come from a backend by its VIP';
  return natProblem(seen, { source: true, portless: true });
}

/** Of a client that is its own backend: it gets back what it sent, from the VIP; out of a tunnel by the stack. */
export function laterTurnedProblem(seen: Sighting, { scene }: Setting): string | undefined {
  const { sent, got, headers } = seen;
  const { kind, source, destination, addressLength } = headers;
  if (kind !== 'later') return `is ${kind}, no later fragment`;
  const vips = scene.vips.filter((vip) => isAt(vip.address, sent, destination, addressLength));
  if (!vips.some((vip) => hasBackendAt(seen, vip, sent, source))) return 'is not from a backend to its VIP';
  const swapped =
    sent.compare(got, destination, destination + addressLength, source, source + addressLength) === 0 &&
    sent.compare(got, source, source + addressLength, destination, destination + addressLength) === 0;
  if (!swapped) return 'the addresses are not swapped';
  const turned = seen.verdict === 'turned';
  return natProblem(seen, { source: true, destination: true, portless: true, ...(turned && { macs: true }) });
}

function isAt(address: Uint8Array, bytes: Buffer, at: number, length: number): boolean {
  return address.length === length && address.every((byte, i) => bytes[at + i] === byte);
}

function hasBackendAt({ headers }: Sighting, vip: SceneVip, bytes: Buffer, at: number): boolean {
  return vip.backendAddresses.some((address) => isAt(address, bytes, at, headers.addressLength));
}
