import { type Endpoint, formatEndpoint, type Protocol } from '../../../ts/model/address.js';
import type { Frontend, VipKey } from '../../../ts/model/service.js';
import type { Backends } from '../../bpf/case.js';
import type { Program } from '../frames/sighting.js';

export interface PacketMove {
  readonly kind: 'packet';
  readonly program: Program;
  readonly protocol: Protocol;
  readonly src: Endpoint;
  readonly dst: Endpoint;
  /** Of `FSRPAU`; empty for UDP. */
  readonly flags: string;
  /** It answers this connection: to whatever its backend takes for the client, once that is known. */
  readonly of?: { readonly client: Endpoint; readonly frontend: Frontend };
}

/** One thing that happens to the programs: a packet, or a change by the control plane. */
export type Move =
  | PacketMove
  | { readonly kind: 'set'; readonly vip: VipKey; readonly backends: Backends }
  | { readonly kind: 'remove'; readonly vip: VipKey }
  | { readonly kind: 'pools'; readonly pools: readonly string[] }
  | { readonly kind: 'engage' }
  | { readonly kind: 'disengage' };

/** For people. */
export function moveText(move: Move): string {
  switch (move.kind) {
    case 'packet': {
      const ends = `${formatEndpoint(move.src)} > ${formatEndpoint(move.dst)}`;
      return `${move.program}: ${move.protocol} ${ends} ${move.flags}`.trim();
    }
    case 'set': {
      const backends = Object.entries(move.backends).map(([name, weight]) => `${name}*${weight}`);
      return `set ${move.vip} to ${backends.join(' ') || 'nothing'}`;
    }
    case 'remove':
      return `remove ${move.vip}`;
    case 'pools':
      return `pools ${move.pools.join(' ') || 'none'}`;
    default:
      return move.kind;
  }
}
