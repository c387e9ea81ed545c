import { formatPrefix, type Prefix, parsePrefix } from '../../model/address.js';
import { ownTable as tableName } from '../../netlink/firewall.js';
import { type AddressChange, type AddressesBySet, addressSets } from './addresses.js';

/**
 * What our nftables table knows. It lets nobody but IPVS have what is addressed to a pool, and gives packets a source to
 * which the answer comes back through this node.
 */
export interface Firewall {
  readonly pools: readonly Prefix[];
  /** Addresses of VIPs; they answer echo requests, the rest of a pool does not. */
  readonly vips: Set<string>;
  /** Addresses of backends, each of which may be its own client. */
  readonly backends: Set<string>;
  /** Addresses of VIPs whose packets take this node's address on their way to a backend. */
  readonly fullNat: Set<string>;
  readonly gate?: Gate;
}

/**
 * `beside`: what neither begins a connection nor belongs to one of IPVS is dropped instead of refused, for another plane may
 * carry it. `closed`: connections that exist go on, new ones are refused. Without a gate nothing is done to packets.
 */
export type Gate = 'open' | 'beside' | 'closed';

export function noFirewall(): Firewall {
  return { pools: [], vips: new Set(), backends: new Set(), fullNat: new Set() };
}

const sets = ['pools', ...addressSets] as const;
type SetName = (typeof sets)[number];
const families = [
  { suffix: '4', type: 'ipv4_addr', has: (address: string) => !address.includes(':') },
  { suffix: '6', type: 'ipv6_addr', has: (address: string) => address.includes(':') },
] as const;

/** Elements handed over in one statement. */
const PORTION = 1_000;

/**
 * Pure: a script for nft(8) that makes of `before` what `after` says, in one transaction; undefined when they are equal.
 * Without `before` there may be anything.
 */
export function firewallScript(before: Firewall | undefined, after: Firewall): string | undefined {
  const lines = [
    ...(before === undefined ? [`add table inet ${tableName}`, `delete table inet ${tableName}`, ...emptyTable()] : []),
    ...sets.flatMap((name) => differences(name, elements(before ?? noFirewall(), name), elements(after, name))),
    ...(before?.gate === after.gate ? [] : chains(before?.gate, after.gate)),
  ];
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

/** Pure: the same for addresses alone; empty without a change. */
export function addressScript(changes: AddressesBySet<AddressChange>): string {
  const lines = addressSets.flatMap((name) => [
    ...statements('delete', name, changes[name].gone),
    ...statements('add', name, changes[name].fresh),
  ]);
  return lines.map((line) => `${line}\n`).join('');
}

/** Pure: what `nft -j list table` says; undefined when it is not the table of this version. */
export function firewallIn(json: string): Firewall | undefined {
  const items: Item[] = JSON.parse(json).nftables;
  const found = new Map(items.flatMap(({ set }) => (set ? [[set.name, set.elem ?? []] as const] : [])));
  const both = (name: SetName) => families.map(({ suffix }) => found.get(`${name}${suffix}`));
  if (sets.some((name) => both(name).includes(undefined))) return undefined;
  const texts = (name: SetName) => both(name).flatMap((elem) => (elem ?? []).map(elementText));
  const names = new Set(items.flatMap(({ chain }) => chain?.name ?? []));
  const gate = gateIn(names);
  const rules = items.filter(({ rule }) => rule !== undefined).length;
  if (rules !== ruleCount(gate)) return undefined;
  return {
    // A prefix of all bits is shown as an address.
    pools: texts('pools').map((text) =>
      parsePrefix(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`),
    ),
    vips: new Set(texts('vips')),
    backends: new Set(texts('backends')),
    fullNat: new Set(texts('fullNat')),
    ...(gate === undefined ? {} : { gate }),
  };
}

interface Item {
  readonly set?: { readonly name: string; readonly elem?: readonly Element[] };
  readonly chain?: { readonly name: string };
  readonly rule?: object;
}

type Element =
  | string
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly concat: readonly string[] };

function elementText(element: Element): string {
  if (typeof element === 'string') return element;
  return 'prefix' in element ? `${element.prefix.addr}/${element.prefix.len}` : (element.concat[0] ?? '');
}

function gateIn(chains: ReadonlySet<string>): Gate | undefined {
  if (chains.has('shut_input')) return 'closed';
  if (chains.has('spare_input')) return 'beside';
  return chains.has('refuse_input') ? 'open' : undefined;
}

function elements(firewall: Firewall, name: SetName): ReadonlySet<string> {
  return name === 'pools' ? new Set(firewall.pools.map(formatPrefix)) : firewall[name];
}

function emptyTable(): string[] {
  const made = sets.flatMap((name) =>
    families.map(({ suffix, type }) => {
      const shape =
        name === 'pools'
          ? `type ${type}; flags interval;`
          : name === 'backends'
            ? `type ${type} . ${type};`
            : `type ${type};`;
      return `add set inet ${tableName} ${name}${suffix} { ${shape} }`;
    }),
  );
  return [`add table inet ${tableName}`, ...made];
}

function differences(name: SetName, before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  if (before === after) return [];
  const gone = [...before].filter((element) => !after.has(element));
  const fresh = [...after].filter((element) => !before.has(element));
  return [...statements('delete', name, gone), ...statements('add', name, fresh)];
}

function statements(verb: 'add' | 'delete', name: SetName, all: readonly string[]): string[] {
  return families.flatMap(({ suffix, has }) => {
    const mine = all.filter(has).map((element) => (name === 'backends' ? `${element} . ${element}` : element));
    const portions = Array.from({ length: Math.ceil(mine.length / PORTION) }, (_, i) =>
      mine.slice(i * PORTION, (i + 1) * PORTION),
    );
    return portions.map((part) => `${verb} element inet ${tableName} ${name}${suffix} { ${part.join(', ')} }`);
  });
}

interface Chain {
  readonly name: string;
  /** Undefined for one that others jump to. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

const toPools = (rest: string) => [`ip daddr @pools4 ${rest}`, `ip6 daddr @pools6 ${rest}`];

/**
 * IPVS takes its packets at priority 99 of input and -98 of output (linux/netfilter/ipvs/ip_vs_core.c): what comes behind
 * it was not wanted by it, and port mappings of others, at -100, must find the address translated already: to itself.
 */
const engaged: readonly Chain[] = [
  {
    name: 'refuse',
    rules: [
      // To a process of this node, whose own address is the VIP too.
      'ct direction reply accept',
      'icmp type echo-request ip daddr @vips4 accept',
      'icmpv6 type echo-request ip6 daddr @vips6 accept',
      'meta l4proto tcp reject with tcp reset',
      'reject with icmpx port-unreachable',
    ],
  },
  // What a process of this node sends comes by here too: refused on its way out it would be told EPERM.
  { name: 'refuse_input', hook: 'type filter hook input priority 150', rules: toPools('jump refuse') },
  ...['prerouting', 'output'].map((hook) => ({
    name: `claim_${hook}`,
    hook: `type nat hook ${hook} priority -101`,
    rules: ['ip daddr @pools4 dnat ip to ip daddr', 'ip6 daddr @pools6 dnat ip6 to ip6 daddr'],
  })),
  {
    name: 'source',
    hook: 'type nat hook postrouting priority 99',
    rules: [
      // A process of this node has the VIP as its source, for that is a local address; a backend must not see it.
      'ct original ip daddr @pools4 fib saddr type local masquerade',
      'ct original ip6 daddr @pools6 fib saddr type local masquerade',
      'ct original ip daddr @pools4 ip saddr . ip daddr @backends4 masquerade',
      'ct original ip6 daddr @pools6 ip6 saddr . ip6 daddr @backends6 masquerade',
      'ct original ip daddr @fullNat4 masquerade',
      'ct original ip6 daddr @fullNat6 masquerade',
    ],
  },
];

const shut: readonly Chain[] = [
  ...(
    [
      ['input', 0],
      ['output', -150],
    ] as const
  ).map(([hook, priority]) => ({
    name: `shut_${hook}`,
    hook: `type filter hook ${hook} priority ${priority}`,
    // What is sent again, or never answered, belongs to a connection that IPVS has: it was let through once.
    rules: toPools('ct state new ct status & confirmed == 0 jump refuse'),
  })),
];

/** Behind IPVS, before what is refused. A RST would end a connection that another plane has lost sight of for a moment. */
const spare: readonly Chain[] = [
  {
    name: 'spare_input',
    hook: 'type filter hook input priority 149',
    rules: [
      // Where tracking knows of no connection there is no direction either.
      ...toPools('ct state invalid drop'),
      ...toPools('ct direction original tcp flags & (syn | ack) != syn drop'),
    ],
  },
];

const chainsBy: Readonly<Record<Gate, readonly Chain[]>> = {
  open: engaged,
  beside: [...engaged, ...spare],
  closed: [...engaged, ...shut],
};

function chainsOf(gate: Gate | undefined): readonly Chain[] {
  return gate === undefined ? [] : chainsBy[gate];
}

function ruleCount(gate: Gate | undefined): number {
  return chainsOf(gate).reduce((sum, { rules }) => sum + rules.length, 0);
}

function chains(before: Gate | undefined, after: Gate | undefined): string[] {
  const gone = chainsOf(before).filter((chain) => !chainsOf(after).includes(chain));
  const fresh = chainsOf(after).filter((chain) => !chainsOf(before).includes(chain));
  const chain = (name: string) => `chain inet ${tableName} ${name}`;
  return [
    ...gone.map(({ name }) => `flush ${chain(name)}`),
    ...gone.toReversed().map(({ name }) => `delete ${chain(name)}`),
    ...fresh.map(({ name, hook }) => `add ${chain(name)}${hook === undefined ? '' : ` { ${hook}; }`}`),
    ...fresh.flatMap(({ name, rules }) => rules.map((rule) => `add rule inet ${tableName} ${name} ${rule}`)),
  ];
}
