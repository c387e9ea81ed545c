import { UDP, word } from './headers.js';
import { linkAddresses } from './scene.js';
import type { Sighting } from './sighting.js';
import { difference, updated } from './sums.js';

/** What a treatment may change in a frame, checksums apart. */
export interface Changes {
  readonly source?: true;
  readonly destination?: true;
  /** Ethernet addresses in each other's place. */
  readonly macs?: true;
  /** Addresses only: the ports and the checksum behind them are in another fragment. */
  readonly portless?: true;
  /** A hop less to live. */
  readonly aged?: true;
  /** To the next hop: XDP names it, tc leaves that to the kernel. */
  readonly nextHop?: true;
}

/** Nothing but what may change is changed, and the checksums are the old ones plus the difference: what is wrong, if so. */
export function natProblem(seen: Sighting, changes: Changes): string | undefined {
  if (seen.gotSize !== seen.sentSize) return `has ${seen.gotSize} bytes, had ${seen.sentSize}`;
  for (let at = 0; at < seen.sentSize; at++) {
    if (seen.got[at] !== seen.sent[at] && !mayChange(seen, changes, at)) return `byte ${at} is changed`;
  }
  if (changes.macs && !macsSwapped(seen)) return 'the Ethernet addresses are not swapped';
  if (changes.nextHop && !isForNextHop(seen)) return 'the Ethernet addresses are not those of the next hop';
  if (changes.aged && seen.got[lifeAt(seen)] !== seen.sent[lifeAt(seen)]! - 1) return 'is not one hop older';
  return checksumProblem(seen, changes.portless === true);
}

export function macsSwapped({ sent, got }: Sighting): boolean {
  return got.compare(sent, 6, 12, 0, 6) === 0 && got.compare(sent, 0, 6, 6, 12) === 0;
}

/** XDP writes the addresses, tc leaves that to the kernel. */
export function isForNextHop({ program, sent, got }: Sighting): boolean {
  const wanted = program === 'xdp_ingress' ? linkAddresses : sent;
  return got.compare(wanted, 0, 12, 0, 12) === 0;
}

function lifeAt({ headers }: Pick<Sighting, 'headers'>): number {
  return headers.l3 + (headers.addressLength === 4 ? 8 : 7);
}

function mayChange({ headers }: Pick<Sighting, 'headers'>, changes: Changes, at: number): boolean {
  const { l3, l4, source, destination, addressLength, checksum } = headers;
  const within = (from: number, length: number) => at >= from && at < from + length;
  if (addressLength === 4 && within(l3 + 10, 2)) return true;
  if (changes.source && within(source, addressLength)) return true;
  if (changes.destination && within(destination, addressLength)) return true;
  if ((changes.macs || changes.nextHop) && at < 12) return true;
  if (changes.aged && at === lifeAt({ headers })) return true;
  if (changes.portless) return false;
  return (
    within(checksum, 2) ||
    (changes.source === true && within(l4, 2)) ||
    (changes.destination === true && within(l4 + 2, 2))
  );
}

/** Right sums stay right and wrong ones stay as wrong, for both are changed by the same amount (RFC 1624). */
function checksumProblem({ sent, got, headers }: Sighting, portless: boolean): string | undefined {
  const { l3, l4, source, addressLength, checksum, protocol } = headers;
  const addresses = difference(sent, got, source, 2 * addressLength);
  const life = addressLength === 4 ? difference(sent, got, l3 + 8, 2) : 0;
  if (addressLength === 4 && word(got, l3 + 10) !== updated(word(sent, l3 + 10), addresses + life))
    return 'IPv4 checksum';
  if (portless) return undefined;
  const before = word(sent, checksum);
  const after = word(got, checksum);
  if (protocol === UDP && before === 0) {
    return after === 0 ? undefined : 'UDP had no checksum and has one now';
  }
  const wanted = updated(before, addresses + difference(sent, got, l4, 4));
  const stored = protocol === UDP && wanted === 0 ? 0xffff : wanted;
  return after === stored ? undefined : `transport checksum is ${after}, not ${stored}`;
}
