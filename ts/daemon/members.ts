import type { MemberView } from '../api/routes/cluster.js';
import type { Frozen } from '../api/routes/route.js';
import type { Cluster } from '../cluster/cluster.js';
import { nodeIdOf } from '../cluster/identity.js';
import type { Member } from '../cluster/membership.js';

/** The nodes of the cluster as the API shows them, this one first. */
export function memberViews(cluster: Cluster | undefined, now: number): readonly Frozen<MemberView>[] {
  if (!cluster) return [];
  const self = cluster.self();
  const members = cluster.members();
  const names = new Map<string, string>([
    [self.id, self.node.name],
    ...members.map(({ id, node }) => [id, node.name] as const),
  ]);
  const rtts = new Map(cluster.neighbours().map(({ id, rttMs }) => [id, rttMs]));
  const ofSelf: Member = {
    ...self,
    version: 0,
    state: 'alive',
    since: self.node.startedMs,
    heard: now,
    spoke: 0,
    clockSkewMs: 0,
  };
  return [
    { ...view(ofSelf, names, undefined, cluster.vipsOf(self.id)), state: 'self' },
    ...members.map((member) => view(member, names, rtts.get(member.id), cluster.vipsOf(member.id))),
  ];
}

function view(
  { id, node, state, since, heard, incarnation, clockSkewMs }: Member,
  names: ReadonlyMap<string, string>,
  rttMs: number | undefined,
  vips: number,
): Frozen<MemberView> {
  const neighbours = node.neighbours.map(nodeIdOf).map((one) => names.get(one) ?? one);
  const { name, addresses, plane, kernel, software } = node;
  return {
    ...{ id, name, state, since, heard, incarnation, addresses, neighbours: neighbours.sort() },
    ...(rttMs === undefined ? {} : { rttMs }),
    ...{ clockSkewMs, vips, plane, kernel, software, started: node.startedMs },
  };
}
