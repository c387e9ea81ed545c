import type { ExecutionContext } from 'ava';
import type { DataPlane, Step } from '../../ts/dataplane/dataplane.js';
import { parseEndpoint, parsePrefix } from '../../ts/model/address.js';
import { compareBackends, type ForwardedVip } from '../../ts/model/forwarding.js';
import type { Policy } from '../../ts/model/policy.js';
import type { VipKey } from '../../ts/model/service.js';
import type { Action, Backends, Case, Hook, Seen } from './case.js';
import { check } from './check.js';
import { fragment, reassemble } from './fragment.js';
import { packetOf } from './packet-source.js';
import type { TestPlane } from './plane.js';

/** Plays one case on an empty plane and holds every outcome, and at last the counts, against what it says. */
export async function runCase(t: ExecutionContext, plane: TestPlane, one: Case, hook: Hook): Promise<void> {
  plane.surroundings.place(one.ways ?? {});
  await program(plane, setup(one));
  const before = await plane.verdicts();
  let seen: Seen = {};
  for (const [i, action] of one.actions.entries()) {
    seen = await play(t, plane, hook, action, seen, `action ${i + 1}`);
  }
  t.deepEqual(growth(before, await plane.verdicts()), one.verdicts ?? {});
}

/** The steps that bring an empty plane to where a case begins. */
export function setup(one: Case): Step[] {
  const pools = (one.pools ?? []).map(parsePrefix);
  const vips = Object.entries(one.vips ?? {}).map(([key, backends]) => upsert(key, backends, one.policies?.[key]));
  return [{ kind: 'pools', pools }, ...vips];
}

export function upsert(key: VipKey, backends: Backends, policy?: Policy): Step {
  return { kind: 'upsert', vip: { ...forwardedVip(key, backends), ...(policy && { policy }) } };
}

/** Carries out steps. @throws Error with the faults when one could not be */
export async function program(plane: TestPlane, steps: readonly Step[]): Promise<void> {
  const faults = (await plane.apply(steps)).filter((outcome) => outcome !== undefined);
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
}

async function play(
  t: ExecutionContext,
  plane: TestPlane,
  hook: Hook,
  action: Action,
  seen: Seen,
  where: string,
): Promise<Seen> {
  switch (action.kind) {
    case 'packet': {
      const sent = packetOf(action.packet, seen);
      return check(t, sent, plane.run(hook, action.way, sent), action.expect, seen, where);
    }
    case 'fragments': {
      const sent = packetOf(action.packet, seen);
      const parts = partsOf(action, sent);
      const got = parts.map((part) => plane.run(hook, action.way, part));
      if (action.expect.kind === 'untouched') {
        for (const [i, part] of parts.entries()) check(t, part, got[i]!, action.expect, seen, where);
        return seen;
      }
      const verdicts = [...new Set(got.map(({ verdict }) => verdict))];
      t.is(verdicts.length, 1, `${where}: ${verdicts.join(' and ')}`);
      const whole = reassemble(
        got.map(({ data }) => data),
        sent,
      );
      return check(t, sent, { verdict: verdicts[0]!, data: whole }, action.expect, seen, where);
    }
    case 'set': {
      const backends = typeof action.backends === 'function' ? action.backends(seen.chosen ?? '') : action.backends;
      await program(plane, [upsert(action.vip, backends, action.policy)]);
      return seen;
    }
    case 'remove':
      await program(plane, [{ kind: 'remove', key: action.vip }]);
      return seen;
    case 'engage':
      await plane.engage(action.beside && planeWith(action.beside));
      return seen;
    case 'disengage':
      await plane.disengage();
      return seen;
  }
}

/** Another plane that carries one flow. */
function planeWith({ client, vip }: { client: string; vip: VipKey }): Pick<DataPlane, 'flows'> {
  const flow = { vip, client: parseEndpoint(client), backend: '', state: 'established', idleSeconds: 0 } as const;
  return { flows: async (_, wanted = () => true) => [flow].filter(wanted) };
}

/** The fragments of a packet as they come. */
export function partsOf(action: Extract<Action, { kind: 'fragments' }>, packet: Buffer): Buffer[] {
  const parts = fragment(packet, action.size, action.id);
  return (action.order ?? parts.map((_, i) => i)).map((i) => parts[i]!);
}

function forwardedVip(key: VipKey, backends: Backends): ForwardedVip {
  const [protocol, endpoint] = key.split('/') as ['tcp' | 'udp', string];
  const list = Object.entries(backends).map(([name, weight]) => ({ ...parseEndpoint(name), weight }));
  return { frontend: { protocol, ...parseEndpoint(endpoint) }, backends: list.sort(compareBackends) };
}

/** Counts that are not about packets: nobody reads the events here. */
const ASIDE = new Set(['not_ours', 'event_lost']);

/** The counts that grew. */
function growth(before: Readonly<Record<string, bigint>>, after: Readonly<Record<string, bigint>>) {
  const grown = Object.entries(after).map(([name, count]) => [name, Number(count - (before[name] ?? 0n))] as const);
  return Object.fromEntries(grown.filter(([name, count]) => count !== 0 && !ASIDE.has(name)));
}
