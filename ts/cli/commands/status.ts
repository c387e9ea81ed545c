import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { fillText } from '../../model/fill.js';
import { faultText } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import { age, properties } from '../output.js';
import type { Commands } from '../session.js';

type Status = Output<Routes['status']>;

export function addStatus(commands: Commands): void {
  commands.add('status', 'the node in one view; status 1 when something is wrong').action(
    commands.action(async (session) => {
      const status = await session.client.status();
      session.print(status, () => statusText(status, Date.now()));
      return status.healthy ? exitStatus.ok : exitStatus.failed;
    }),
  );
}

function statusText(status: Status, now: number): string {
  const states = Object.entries(status.backends).map(([state, n]) => `${n} ${state}`);
  return properties([
    ['vipd', `${status.version}, pid ${status.pid}, up ${age(status.started, now)}`],
    ['state', status.healthy ? 'healthy' : 'NOT healthy'],
    ['plane', planeText(status.mode, now)],
    ['hooks', hooksText(status.hooks)],
    ['sources', status.sources.map((source) => sourceText(source, now)).join('\n') || 'none'],
    ['reconcile', reconcileText(status.reconcile, now)],
    ['services', status.faults.map(faultText).join('\n') || 'no conflicts'],
    ['pools', status.pools.join(', ') || 'none'],
    ['vips', status.names === 0 ? String(status.vips) : `${status.vips}, ${status.names} names`],
    ['backends', states.join(', ')],
    ...(status.dns ? ([['dns', dnsText(status.dns)]] as const) : []),
    ...(status.tables.length > 0 ? ([['tables', tablesText(status.tables)]] as const) : []),
    ['verdicts', verdictText(status.verdicts)],
  ]);
}

function planeText(mode: Status['mode'], now: number): string {
  const { plane, wanted, draining, changing, fault } = mode;
  const notes = [
    `mode ${wanted}`,
    ...(changing === undefined ? [] : [`changing to ${changing}`]),
    ...(draining === undefined ? [] : [`${draining.plane} drains, ${seconds(draining.until - now)} at most`]),
  ];
  return [`${plane} (${notes.join(', ')})`, ...(fault === undefined ? [] : [`  ${faultText(fault)}`])].join('\n');
}

function seconds(milliseconds: number): string {
  return `${Math.max(0, Math.ceil(milliseconds / 1_000))} s`;
}

/** One line for all programs of a hook in one place that fare alike. */
function hooksText(hooks: Status['hooks']): string {
  const counts = new Map<string, number>();
  for (const line of hooks.map(hookText)) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].map(([line, n]) => (n === 1 ? line : `${line} (${n} programs)`)).join('\n') || 'none';
}

function hookText(hook: Status['hooks'][number]): string {
  const state = hook.attached ? 'attached' : 'NOT attached';
  const line = `${hook.hook} ${hook.where} (${hook.mode}): ${state}`;
  return hook.fault === undefined ? line : `${line}; ${faultText(hook.fault)}`;
}

function sourceText(source: Status['sources'][number], now: number): string {
  const set = source.reported ? `${source.services} services, ${age(source.updated, now)} old` : 'has not reported yet';
  const note = source.note === undefined ? [] : [`  ${source.note}`];
  return [`${source.name}: ${set}`, ...note, ...source.faults.map((fault) => `  ${faultText(fault)}`)].join('\n');
}

function reconcileText(reconcile: Status['reconcile'], now: number): string {
  const state = reconcile.converged ? 'converged' : 'NOT converged';
  const last = reconcile.lastPass === undefined ? 'no pass yet' : `last pass ${age(reconcile.lastPass, now)} ago`;
  const line = `${state}, ${last}, ${reconcile.passes} passes, ${reconcile.drift} drift repaired`;
  return [line, ...reconcile.faults.map((fault) => `  ${faultText(fault)}`)].join('\n');
}

function dnsText({ listeners, ready, upstreams }: NonNullable<Status['dns']>): string {
  const state = ready ? 'answers' : 'NOT ready: a zone is not filled yet';
  const places = listeners.map(({ endpoint, listening }) => (listening ? endpoint : `${endpoint} NOT listening`));
  return `${state} on ${places.join(', ')}; ${upstreams} upstreams`;
}

function tablesText(tables: Status['tables']): string {
  return tables.map((one) => `${fillText(one)}${one.alarm ? ': ALARM' : ''}`).join('\n');
}

function verdictText(verdicts: Status['verdicts']): string {
  const seen = Object.entries(verdicts).filter(([, n]) => n > 0);
  return seen.map(([name, n]) => `${name} ${n}`).join(', ') || 'none yet';
}
