import { type Family, familyOf } from '../../model/address.js';
import type { Policy } from '../../model/policy.js';
import { admits, sourceRules } from '../../model/source-rules.js';
import { addresses } from '../../netlink/addresses.js';
import { namespaceCookie } from '../../netlink/namespaces.js';
import type { Image } from './image.js';
import type { Writes } from './writes.js';

/** The network namespace of the node itself, as the sock hook has to know it. */
export class Node {
  #addresses: readonly string[] | undefined;

  /** Cookie of its network namespace; 0, which none has, where the kernel does not tell. */
  get cookie(): bigint {
    try {
      return namespaceCookie();
    } catch {
      return 0n;
    }
  }

  /** Looks again at the next question. */
  refresh(): void {
    this.#addresses = undefined;
  }

  /** Whether the lists of a policy admit none of the node's own addresses, any of which a process on it may take. */
  denied(policy: Policy, family: Family): boolean {
    if (policy.allow === undefined && policy.deny === undefined) return false;
    this.#addresses ??= addresses()
      .filter(({ scope }) => scope !== 'host' && scope !== 'link')
      .map(({ address }) => address);
    const rules = sourceRules(policy);
    return !this.#addresses.some((address) => familyOf(address) === family && admits(rules, address));
  }
}

/** Lists are asked about the node's own addresses, which come and go. */
export function followAddresses(image: Image, node: Node, writes: Writes): void {
  node.refresh();
  for (const vip of image.vips.values()) {
    const denied = node.denied(vip.policy, familyOf(vip.frontend.address));
    if (denied === vip.nodeDenied) continue;
    vip.nodeDenied = denied;
    image.encodeVip(vip);
    writes.mark('vips', vip.id);
  }
}
