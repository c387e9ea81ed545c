import { readFileSync } from 'node:fs';
import { type Message, parseAttributes, textIn } from './message.js';
import { isAbsent, NETLINK_NETFILTER, nfgenmsg } from './netfilter.js';
import { NetlinkSocket } from './socket.js';

/** A chain of nftables at a hook of the kernel, iptables' own included where it is built on nftables. */
export interface BaseChain {
  readonly family: number;
  readonly table: string;
  readonly name: string;
  /** `filter`, `nat` or `route`. */
  readonly type: string;
  /** `enum nf_inet_hooks` of linux/netfilter.h. */
  readonly hook: number;
  readonly drops: boolean;
  readonly rules: number;
}

/** The table that IPVS needs, in the family inet. It is about pools alone, and no firewall. */
export const ownTable = 'vipd';

// linux/netfilter/nf_tables.h
const NFT_MSG_NEWCHAIN = (10 << 8) | 3;
const NFT_MSG_GETCHAIN = (10 << 8) | 4;
const NFT_MSG_GETGEN = (10 << 8) | 16;
const NFTA_GEN_ID = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_USE = 6;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NF_DROP = 0;
/** linux/netfilter.h: IPv4, IPv6, both, bridges */
const FAMILIES = [2, 10, 1, 7];
const NFPROTO_INET = 1;
const NF_INET_PRE_ROUTING = 0;
const NF_INET_FORWARD = 2;
const NF_INET_POST_ROUTING = 4;

/** Empty where the kernel has no nftables. @throws NativeError EPERM */
export function baseChains(): BaseChain[] {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    return socket
      .dump('nftables chains', NFT_MSG_GETCHAIN, Buffer.alloc(nfgenmsg.size))
      .filter(({ type }) => type === NFT_MSG_NEWCHAIN)
      .flatMap((message) => chainIn(message) ?? []);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  } finally {
    socket.close();
  }
}

/**
 * A number that is another after every change, by anybody, to the nftables of the namespace this process is in; undefined
 * where the kernel tells none.
 */
export function rulesetGeneration(): number | undefined {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    const [answer] = socket.ask('nftables generation', NFT_MSG_GETGEN, Buffer.alloc(nfgenmsg.size));
    const id = answer && parseAttributes(answer.payload, nfgenmsg.size).get(NFTA_GEN_ID);
    return id?.length === 4 ? id.readUInt32BE() : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

/** Pure: reads an NFT_MSG_NEWCHAIN message; undefined for a chain that no hook calls. */
export function chainIn({ payload }: Message): BaseChain | undefined {
  const attributes = parseAttributes(payload, nfgenmsg.size);
  const hook = attributes.get(NFTA_CHAIN_HOOK);
  if (hook === undefined) return undefined;
  const number = (value: Buffer | undefined) => (value?.length === 4 ? value.readUInt32BE() : undefined);
  return {
    family: payload[nfgenmsg.family]!,
    table: textIn(attributes, NFTA_CHAIN_TABLE) ?? '',
    name: textIn(attributes, NFTA_CHAIN_NAME) ?? '',
    type: textIn(attributes, NFTA_CHAIN_TYPE) ?? '',
    hook: number(parseAttributes(hook).get(NFTA_HOOK_HOOKNUM)) ?? -1,
    drops: number(attributes.get(NFTA_CHAIN_POLICY)) === NF_DROP,
    rules: number(attributes.get(NFTA_CHAIN_USE)) ?? 0,
  };
}

/**
 * What of the node's firewall looks at packets that are forwarded, in words; undefined when nothing does. NAT alone is
 * none: it is about addresses of others.
 */
export function forwardFirewall(): string | undefined {
  const chain = baseChains().find(filtersForwarded);
  if (chain !== undefined) return `nftables chain ${chain.table} ${chain.name}`;
  const legacy = Object.entries(LEGACY).find(([file]) => linesOf(`/proc/net/${file}`).includes('filter'));
  return legacy === undefined ? undefined : `the filter table of ${legacy[1]}`;
}

/**
 * What of the node's firewall looks at packets that are forwarded to other nodes, or changes them: source NAT too. In words;
 * undefined when nothing does.
 */
export function departureFirewall(): string | undefined {
  const chain = baseChains().find(meetsForwarded);
  if (chain !== undefined) return `nftables chain ${chain.table} ${chain.name}`;
  for (const [file, tool] of Object.entries(LEGACY)) {
    const table = linesOf(`/proc/net/${file}`).find((line) => line !== '');
    if (table !== undefined) return `the ${table} table of ${tool}`;
  }
  return undefined;
}

const LEGACY = { ip_tables_names: 'iptables', ip6_tables_names: 'ip6tables' } as const;

/** Pure. */
export function meetsForwarded(chain: BaseChain): boolean {
  return counts(chain) && [NF_INET_PRE_ROUTING, NF_INET_FORWARD, NF_INET_POST_ROUTING].includes(chain.hook);
}

/** Pure. */
export function filtersForwarded(chain: BaseChain): boolean {
  const { type, hook } = chain;
  if (!counts(chain)) return false;
  if (hook === NF_INET_FORWARD) return true;
  return type === 'filter' && (hook === NF_INET_PRE_ROUTING || hook === NF_INET_POST_ROUTING);
}

/** Does it look at packets, and is it the operator's? */
function counts({ family, table, drops, rules }: BaseChain): boolean {
  if (family === NFPROTO_INET && table === ownTable) return false;
  return FAMILIES.includes(family) && (rules > 0 || drops);
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}
