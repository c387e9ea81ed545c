import fc from 'fast-check';
import type { Step } from '../../ts/dataplane/dataplane.js';
import { type Endpoint, familyOf, type Prefix, parsePrefix } from '../../ts/model/address.js';
import type { ForwardedVip } from '../../ts/model/forwarding.js';
import { type Frontend, vipKey } from '../../ts/model/service.js';
import { backendsOf } from '../unit/dataplane/ebpf/arbitrary.js';
import { DAMAGEABLE, type Damage } from './kernel.js';

/** One thing that happens in a history. */
export type Act =
  | { readonly act: 'apply'; readonly steps: readonly Step[] }
  | { readonly act: 'reopen' }
  | { readonly act: 'talk'; readonly frontend: Frontend }
  | { readonly act: 'damage'; readonly damages: readonly Damage[]; readonly reopen: boolean };

/** A small world, so that VIPs meet on addresses and share backends, and maps fill up. */
const ADDRESSES = ['11.0.0.1', '11.0.0.2', '12.0.0.1', 'fd11::1', 'fd12::1'];

export const FRONTENDS: readonly Frontend[] = ADDRESSES.flatMap((address) => [
  { address, port: 80, protocol: 'tcp' },
  { address, port: 80, protocol: 'udp' },
  { address, port: 81, protocol: 'tcp' },
]);

const POOLS: readonly (readonly Prefix[])[] = [
  [],
  ['11.0.0.0/8'],
  ['fd11::/16', '12.0.0.0/8'],
  ['11.0.0.0/31', '12.0.0.1/32', 'fd00::/8'],
].map((pools) => pools.map(parsePrefix));

const weight = fc.constantFrom(0, 1, 1, 1, 2, 3, 40, 256);

function endpoint({ address }: Frontend): fc.Arbitrary<Endpoint> {
  const host = (n: number) => (familyOf(address) === 4 ? `10.0.0.${n}` : `fd00::${n}`);
  return fc.record(
    { address: fc.integer({ min: 1, max: 6 }).map(host), port: fc.constantFrom(8080, 8081) },
    { noNullPrototype: true },
  );
}

const upsert: fc.Arbitrary<Step> = fc.constantFrom(...FRONTENDS).chain((frontend) =>
  backendsOf(endpoint(frontend), weight, 7).map((backends): Step => {
    const vip: ForwardedVip = { frontend, backends };
    return { kind: 'upsert', vip };
  }),
);
const remove: fc.Arbitrary<Step> = fc
  .constantFrom(...FRONTENDS)
  .map((frontend) => ({ kind: 'remove', key: vipKey(frontend) }));
const pools: fc.Arbitrary<Step> = fc.constantFrom(...POOLS).map((pools) => ({ kind: 'pools', pools }));

/** At most one step for each VIP, and one for the pools. */
const steps = fc.uniqueArray(
  fc.oneof({ arbitrary: upsert, weight: 5 }, { arbitrary: remove, weight: 2 }, { arbitrary: pools, weight: 1 }),
  { selector: subject, minLength: 1, maxLength: 5 },
);

export function subject(step: Step): string {
  if (step.kind === 'pools') return 'pools';
  return step.kind === 'remove' ? step.key : vipKey(step.vip.frontend);
}

const damage: fc.Arbitrary<Damage> = fc.record(
  {
    map: fc.constantFrom(...DAMAGEABLE),
    entry: fc.nat(63),
    word: fc.nat(63),
    value: fc.oneof(fc.constant(0), fc.nat(9), fc.integer({ min: 0, max: 0xffff_ffff })),
  },
  { noNullPrototype: true },
);

export const history: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.oneof(
    { arbitrary: steps.map((steps): Act => ({ act: 'apply', steps })), weight: 12 },
    { arbitrary: fc.constantFrom(...FRONTENDS).map((frontend): Act => ({ act: 'talk', frontend })), weight: 8 },
    {
      arbitrary: fc
        .tuple(fc.array(damage, { minLength: 1, maxLength: 6 }), fc.nat(3))
        .map(([damages, n]): Act => ({ act: 'damage', damages, reopen: n === 0 })),
      weight: 3,
    },
    { arbitrary: fc.constant<Act>({ act: 'reopen' }), weight: 1 },
  ),
  { minLength: 1, maxLength: 40, size: 'max' },
);
