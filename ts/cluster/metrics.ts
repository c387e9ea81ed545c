import { type Collector, counter, gauge, single } from '../util/metric.js';
import type { Cluster } from './cluster.js';
import type { MemberState } from './membership.js';

const STATES: readonly MemberState[] = ['alive', 'unconfirmed', 'unreachable', 'stale', 'left', 'refused'];

const helpOf: Readonly<Record<string, readonly [name: string, help: string]>> = {
  published: ['messages_published', 'Messages this node has gossiped of its own'],
  bytesPublished: ['published_bytes', 'Bytes of these'],
  publishFailures: ['publish_failures', 'Messages that reached no neighbour'],
  received: ['messages_received', 'Gossiped messages received'],
  bytesReceived: ['received_bytes', 'Bytes of these'],
  fresh: ['entries_fresh', 'Entries received that were news'],
  old: ['entries_old', 'Entries received that were known or overtaken'],
  bad: ['entries_bad', 'Entries received that were forged, malformed or over a limit'],
  shut: ['messages_shut', 'Messages of peers that are shut out'],
  refusedKeys: ['refused_keys', 'Connections without a key of the cluster'],
  dials: ['dials', 'Attempts to connect to a node'],
  dialFailures: ['dial_failures', 'Attempts in vain'],
  lost: ['neighbours_lost', 'Neighbours that were gone'],
  lateWrites: ['late_writes', 'Writes to connections that had just been closed'],
  comparisons: ['comparisons', 'Comparisons with a neighbour'],
  comparisonFailures: ['comparison_failures', 'Comparisons that broke off'],
  repairs: ['repairs', 'Comparisons that found a difference'],
  bytesCompared: ['compared_bytes', 'Bytes of comparisons in both directions'],
};

/** Membership, replication and its traffic; nothing while this node is in no cluster. */
export function clusterCollector(current: () => Cluster | undefined): Collector {
  return async () => {
    const cluster = current();
    if (!cluster) return [];
    const { counters, gauges } = await cluster.stats();
    const { owners, entries, bytes } = cluster.size();
    const members = cluster.members();
    const rtts = cluster.neighbours().flatMap(({ id, rttMs }) => (rttMs === undefined ? [] : [{ id, rttMs }]));
    const states = STATES.map((state) => ({
      labels: { state },
      value: members.filter((member) => member.state === state).length,
    }));
    return [
      gauge('vipd_cluster_members', 'Other nodes by how they are', states),
      gauge('vipd_cluster_neighbours', 'Nodes this one talks to', single(cluster.neighbours().length)),
      gauge(
        'vipd_cluster_rtt_seconds',
        'Round trip to a neighbour',
        rtts.map(({ id, rttMs }) => ({ labels: { node: id }, value: rttMs / 1000 })),
      ),
      gauge('vipd_cluster_owners', 'Nodes of which something is kept', single(owners)),
      gauge('vipd_cluster_entries', 'Entries kept', single(entries)),
      gauge('vipd_cluster_bytes', 'Bytes of these', single(bytes)),
      gauge('vipd_cluster_streams', 'Streams open to neighbours', single(gauges.streams ?? 0)),
      gauge('vipd_cluster_queued_bytes', 'Bytes waiting to be sent to them', single(gauges.queued ?? 0)),
      gauge(
        'vipd_cluster_untold',
        'Entries heard that the loop of the daemon does not have yet',
        single(gauges.untold ?? 0),
      ),
      gauge('vipd_cluster_unsent', 'Entries of this node that no server of NATS has yet', single(gauges.unsent ?? 0)),
      gauge('vipd_cluster_bans', 'Peers that are shut out', single(gauges.bans ?? 0)),
      ...Object.entries(counters).flatMap(([key, value]) => {
        const [name, help] = helpOf[key] ?? [];
        return name === undefined ? [] : [counter(`vipd_cluster_${name}_total`, help!, single(value))];
      }),
    ];
  };
}
