import { run } from '../../ts/quickstart/command.js';
import type { FleetNode } from '../../ts/quickstart/fleet.js';

/**
 * Loses packets between nodes of a fleet, in one direction, where they arrive: `percent` of those that come to `to` from
 * `from`. Replaces what was lost there before; without nodes to come from nothing is any more.
 */
export function lose(to: FleetNode, from: readonly FleetNode[] = [], percent = 100): void {
  const share = percent === 100 ? '' : `numgen random mod 100 < ${percent} `;
  const sources = from.map(({ address }) => address).join(', ');
  const lines = [
    'add table inet lost',
    'delete table inet lost',
    ...(from.length === 0
      ? []
      : [
          'add table inet lost',
          'add chain inet lost input { type filter hook input priority 0; }',
          `add rule inet lost input ip saddr { ${sources} } ${share}drop`,
        ]),
  ];
  run(to.namespace.inside(['nft', '-f', '-']), `${lines.join('\n')}\n`);
}
