import type { Codec } from '../../libbpf/codec.js';
import type { BpfMap } from '../../libbpf/map.js';
import { addressBytes, addressFromBytes, familyOf } from '../../model/address.js';
import type { Policy } from '../../model/policy.js';
import { type SourceRule, sourceRules } from '../../model/source-rules.js';
import { VipdError } from '../../util/errors.js';
import type { HeldVip } from './held.js';
import type { SourceRule as RuleRecord, SourceRuleKey } from './lb.gen.js';

export interface SourceListCodecs {
  readonly key: Codec<SourceRuleKey>;
  readonly rule: Codec<RuleRecord>;
}

/** An entry as the map has it: its key as text, and its bytes. */
interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly vip: number;
}

/** Bits of a key that stand before the address. */
const VIP_BITS = 32;

/** The rules of `source_rules`: what they should be by the policies of the VIPs, and the kernel's map of them. */
export class SourceLists {
  readonly #wanted = new Map<string, Entry>();
  readonly #byVip = new Map<number, ReadonlySet<string>>();

  constructor(
    readonly map: BpfMap,
    readonly codecs: SourceListCodecs,
  ) {}

  /** Ids of VIPs whose rules the kernel does not hold, or holds besides others; rules nobody wants are taken away. */
  look(): ReadonlySet<number> {
    const held = new Map(this.#held().map((entry) => [text(entry.key), entry]));
    const differing = new Set<number>();
    for (const [key, { vip, value }] of this.#wanted) {
      if (held.get(key)?.value.equals(value) !== true) differing.add(vip);
    }
    for (const [key, entry] of held) {
      if (this.#wanted.has(key)) continue;
      if (this.#byVip.has(entry.vip)) differing.add(entry.vip);
      this.map.delete(entry.key);
    }
    return differing;
  }

  /** Writes what a VIP's policy asks for beside what it had; {@link prune} takes that away. @throws VipdError MAP_FULL */
  add({ id, key: name }: HeldVip, policy: Policy): void {
    const entries = sourceRules(policy).rules.map((rule) => this.#entry(id, rule));
    const room = this.map.info.maxEntries - this.#wanted.size;
    const fresh = entries.filter(({ key }) => !this.#wanted.has(text(key)));
    if (fresh.length > room) {
      const cause = `${fresh.length} more prefixes, there is room for ${room}`;
      throw new VipdError({ code: 'MAP_FULL', object: `allow and deny lists of ${name}`, cause });
    }
    for (const { key, value } of entries) this.map.set(key, value);
    for (const entry of entries) this.#wanted.set(text(entry.key), entry);
    const before = this.#byVip.get(id) ?? new Set();
    this.#byVip.set(id, new Set([...before, ...entries.map(({ key }) => text(key))]));
  }

  /** Leaves of a VIP's rules only those of this policy; none without one. */
  prune(id: number, policy: Policy | undefined): void {
    const kept = new Set(policy && sourceRules(policy).rules.map((rule) => text(this.#entry(id, rule).key)));
    for (const key of this.#byVip.get(id) ?? []) {
      if (kept.has(key)) continue;
      this.map.delete(Buffer.from(key, 'latin1'));
      this.#wanted.delete(key);
    }
    if (kept.size === 0) this.#byVip.delete(id);
    else this.#byVip.set(id, kept);
  }

  /** The lists as the kernel holds them, by id of the VIP, and from now on wanted. */
  adopt(): Map<number, Pick<Policy, 'allow' | 'deny'>> {
    const lists = new Map<number, { allow: SourceRule['prefix'][]; deny: SourceRule['prefix'][] }>();
    for (const entry of this.#held()) {
      const { bits, address } = this.codecs.key.decode(entry.key);
      const text4 = addressFromBytes(address.bytes);
      const width = familyOf(text4) === 4 ? VIP_BITS + 96 : VIP_BITS;
      const list = lists.get(entry.vip) ?? { allow: [], deny: [] };
      const side = this.codecs.rule.decode(entry.value).allowed === 0 ? list.deny : list.allow;
      side.push({ address: text4, bits: bits - width });
      lists.set(entry.vip, list);
      this.#wanted.set(text(entry.key), entry);
      this.#byVip.set(entry.vip, new Set([...(this.#byVip.get(entry.vip) ?? []), text(entry.key)]));
    }
    return lists;
  }

  #held(): Entry[] {
    const { keys, values, count } = this.map.dump();
    const { keySize, valueSize } = this.map.info;
    return Array.from({ length: count }, (_, i) => {
      const key = keys.subarray(i * keySize, (i + 1) * keySize);
      const value = values.subarray(i * valueSize, (i + 1) * valueSize);
      return { key, value, vip: this.codecs.key.decode(key).vip };
    });
  }

  #entry(vip: number, { prefix, allowed }: SourceRule): Entry {
    const width = familyOf(prefix.address) === 4 ? VIP_BITS + 96 : VIP_BITS;
    const key = Buffer.from(
      this.codecs.key.encode({
        bits: prefix.bits + width,
        vip,
        address: { bytes: addressBytes(prefix.address) },
      }),
    );
    const value = Buffer.from(this.codecs.rule.encode({ allowed: allowed ? 1 : 0, reserved: 0 }));
    return { key, value, vip };
  }
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
