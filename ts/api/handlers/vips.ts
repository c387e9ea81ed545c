import type { Counters, VipCounters } from '../../dataplane/dataplane.js';
import { type Connects, quantile, sumOfConnects } from '../../model/connects.js';
import type { ForwardedVip } from '../../model/forwarding.js';
import { vipNameText } from '../../model/name.js';
import { type Policy, samePolicy } from '../../model/policy.js';
import { policyToJson } from '../../model/policy-rules.js';
import { type BackendKey, backendKey, declaredName, formatFrontend } from '../../model/service.js';
import type { BackendStatus, VipStatus } from '../../model/status.js';
import { RequestError } from '../errors.js';
import type { ApiPorts, StatusPort } from '../ports.js';
import type { MemberView } from '../routes/cluster.js';
import type { Frozen } from '../routes/route.js';
import type { Handlers } from '../routes/routes.js';
import type { BackendView, ConnectsView, VipView, vipRoutes } from '../routes/vips.js';

export function vipHandlers(ports: ApiPorts): Handlers<typeof vipRoutes> {
  const { status, plane } = ports;
  const one = async (key: string) => {
    const [view] = await viewsOf(ports, [findVip(status, key)]);
    return view!;
  };
  const all = () => viewsOf(ports, status.vips());
  return {
    vips: async () => ({ vips: await all() }),
    vip: ({ key }) => one(key),
    backends: async () => ({ backends: (await all()).flatMap(placed) }),
    explain: async ({ key }) => {
      const vip = await one(key);
      const [kernel, held] = [await plane.inspect(vip.key), await plane.held(vip.key)];
      const drift = differences(status.desired().vips.get(vip.key), held);
      return {
        vip,
        nodes: shares(vip.backends, ports.cluster.members()),
        drift,
        ...(kernel === undefined ? {} : { kernel: plain(kernel) }),
      };
    },
  };
}

/** The given VIPs with their counters. */
export async function viewsOf({ plane }: ApiPorts, vips: readonly VipStatus[]): Promise<Frozen<VipView>[]> {
  const counters = new Map((await plane.counters()).map((one) => [one.key, one]));
  const connects = await plane.connects(vips.length === 1 ? new Set([vips[0]!.key]) : undefined);
  return vips.map((vip) => vipView(vip, counters.get(vip.key), connects.get(vip.key)));
}

/**
 * By key, else by the name of its service, or of its IPv6 part if that is all, else by ADDRESS:PORT or NAME.FRAMEWORK:PORT
 * of any protocol, else by NAME.FRAMEWORK of any port.
 * @throws RequestError NOT_FOUND
 */
export function findVip(status: Pick<StatusPort, 'vips'>, key: string): VipStatus {
  const vips = status.vips();
  const found =
    vips.find((vip) => vip.key === key) ??
    vips.find((vip) => vip.name === key) ??
    vips.find((vip) => declaredName(vip.name) === key) ??
    vips.find(({ frontend }) => formatFrontend(frontend) === key) ??
    vips.find(({ frontend, vipName }) => vipName && formatFrontend({ ...frontend, name: vipName }) === key) ??
    vips.find(({ vipName }) => vipName && vipNameText(vipName) === key);
  if (found) return found;
  const hint = 'vipctl vips lists what there is';
  throw new RequestError(404, {
    code: 'NOT_FOUND',
    object: `vip ${key}`,
    cause: 'no service has this name or VIP',
    hint,
  });
}

/** The nodes that have backends, by what is known of them; none without a cluster. */
function shares(backends: Frozen<VipView>['backends'], members: readonly Frozen<MemberView>[]) {
  return members.flatMap(({ name, state, heard }) => {
    const own = backends.filter(({ node }) =>
      node === undefined ? state === 'self' : node === name && state !== 'self',
    );
    const active = own.filter((backend) => backend.state === 'active').length;
    return own.length === 0 ? [] : [{ name, state, heard, backends: own.length, active }];
  });
}

/** How the kernel differs from what is desired, one clause each. */
export function differences(desired: ForwardedVip | undefined, held: ForwardedVip | undefined): string[] {
  if (desired === undefined) return held === undefined ? [] : ['the kernel holds a VIP that nothing desires'];
  if (held === undefined) return ['the kernel does not hold the VIP'];
  const wanted = new Map(desired.backends.map((backend) => [backendKey(backend), backend.weight]));
  const found = new Map(held.backends.map((backend) => [backendKey(backend), backend.weight]));
  const missing = [...wanted].flatMap(([key, weight]) => {
    const now = found.get(key);
    if (now === undefined) return [`backend ${key} is missing in the kernel`];
    return now === weight ? [] : [`backend ${key} has weight ${now} in the kernel, ${weight} is desired`];
  });
  const extra = [...found.keys()].filter((key) => !wanted.has(key)).map((key) => `backend ${key} should be gone`);
  const policy = samePolicy(desired.policy, held.policy)
    ? []
    : [`the kernel has policy ${policyText(held.policy)}, ${policyText(desired.policy)} is desired`];
  return [...missing, ...extra, ...policy];
}

function policyText(policy: Policy | undefined): string {
  return JSON.stringify(policyToJson(policy));
}

/** What a data plane shows may hold 64-bit numbers, which JSON has not. */
function plain(kernel: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const text = JSON.stringify(kernel, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
  return JSON.parse(text) as Record<string, unknown>;
}

function placed(vip: Frozen<VipView>) {
  return vip.backends.map((backend) => ({ vip: vip.key, service: vip.name, backend }));
}

function vipView(
  { policy, ...vip }: VipStatus,
  counters: VipCounters | undefined,
  connects: ReadonlyMap<BackendKey, Connects> | undefined,
): Frozen<VipView> {
  const backends = vip.backends.map((one) => {
    const key = backendKey(one);
    return backendView(one, counters?.backends.get(key), connects?.get(key));
  });
  const total = connects && sumOfConnects(connects.values());
  return {
    ...vip,
    backends,
    ...(policy && { policy: policyToJson(policy) }),
    ...(counters && { counters: { ...traffic(counters), refused: Number(counters.refused) } }),
    ...(total && { connects: connectsView(total) }),
  };
}

function backendView(
  backend: BackendStatus,
  counters: Counters | undefined,
  connects: Connects | undefined,
): Frozen<BackendView> {
  return {
    ...backend,
    ...(counters && { counters: traffic(counters) }),
    ...(connects && { connects: connectsView(connects) }),
  };
}

function connectsView(connects: Connects): ConnectsView {
  const { connected, refused, timedOut, unreachable, reset, abandoned, failing, latency } = connects;
  const counts = { connected, refused, timedOut, unreachable, reset, abandoned, failing };
  const [p50, p90, p99] = [quantile(latency, 0.5), quantile(latency, 0.9), quantile(latency, 0.99)];
  return {
    ...mapValues(counts, Number),
    ...(p50 !== undefined && { p50Seconds: p50, p90Seconds: p90!, p99Seconds: p99! }),
  };
}

function mapValues<K extends string, V, W>(record: Readonly<Record<K, V>>, change: (value: V) => W): Record<K, W> {
  return Object.fromEntries(Object.entries<V>(record).map(([key, value]) => [key, change(value)])) as Record<K, W>;
}

/** JSON has doubles: exact up to 2^53, then rounded. */
function traffic({ connections, packets, bytes }: Counters) {
  return { connections: Number(connections), packets: Number(packets), bytes: Number(bytes) };
}
