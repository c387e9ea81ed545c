import { backendKey, type VipKey } from '../model/service.js';
import type { BackendState, ReconcileStatus, VipStatus } from '../model/status.js';
import { type Collector, counter, gauge, type Measured, single } from '../util/metric.js';

/** Ejections so far, by VIP. */
export type EjectionCounts = ReadonlyMap<VipKey, number>;

export interface Reconciled {
  status(): ReconcileStatus;
  vips(): readonly VipStatus[];
  ejections?(): EjectionCounts;
}

/** How the loop fares, and which backends are in rotation. */
export function reconcileCollector(reconciler: Reconciled): Collector {
  return async () => [
    ...loopFamilies(reconciler.status()),
    ...rotationFamilies(reconciler.vips()),
    ejectionFamily(reconciler.ejections?.() ?? new Map()),
  ];
}

function loopFamilies({ converged, lastPass, passes, drift, faults }: ReconcileStatus): Measured[] {
  const last = lastPass === undefined ? [] : single(lastPass / 1_000);
  return [
    gauge(
      'vipd_reconcile_converged',
      'Whether the kernel held what is desired when last read back',
      single(converged ? 1 : 0),
    ),
    counter('vipd_reconcile_passes_total', 'Completed passes', single(passes)),
    counter('vipd_reconcile_drift_total', 'Differences in the kernel that vipd had not made itself', single(drift)),
    gauge('vipd_reconcile_faults', 'What the last pass could not do', single(faults.length)),
    gauge('vipd_reconcile_last_pass_timestamp_seconds', 'When the last pass was completed, since the epoch', last),
  ];
}

function ejectionFamily(counts: EjectionCounts): Measured {
  const samples = [...counts].map(([vip, value]) => ({ labels: { vip }, value }));
  return counter(
    'vipd_ejections_total',
    'Backends left alone because connects failed, since the daemon started',
    samples,
  );
}

function rotationFamilies(vips: readonly VipStatus[]): Measured[] {
  const totals: Record<BackendState, number> = { active: 0, draining: 0, down: 0, pending: 0, standby: 0, ejected: 0 };
  const active = vips.flatMap((vip) =>
    vip.backends.map((backend) => {
      totals[backend.state] += 1;
      const labels = { vip: vip.key, backend: backendKey(backend) };
      return { labels, value: backend.state === 'active' ? 1 : 0 };
    }),
  );
  const programmed = vips.map((vip) => ({
    labels: { vip: vip.key, name: vip.name },
    value: vip.programmed === 'yes' ? 1 : 0,
  }));
  const states = Object.entries(totals).map(([state, value]) => ({ labels: { state }, value }));
  return [
    gauge('vipd_vip_programmed', 'Whether the kernel holds a VIP as desired', programmed),
    gauge('vipd_backend_active', 'Whether a backend takes new connections', active),
    gauge('vipd_backends', 'Backends by state', states),
  ];
}
