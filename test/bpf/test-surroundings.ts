import type { Surroundings, Way } from '../../ts/dataplane/ebpf/surroundings.js';
import { familyOf } from '../../ts/model/address.js';

/** MAC addresses of the next hop and of the interface, where a test says nothing else. */
export const nextHopMac = '02:00:00:00:0b:0e';
export const ownMac = '02:00:00:00:00:02';

/** Test runs come from interface 1. */
const INTERFACE = 1;

export const nodeSources = { 4: '10.9.9.9', 6: 'fd09::9' } as const;

/** A node whose routes a test says; whatever it leaves out is on the link, and its MAC address known. */
export class TestSurroundings implements Surroundings {
  #ways: Readonly<Record<string, Partial<Way>>> = {};
  readonly #listeners = new Set<() => void>();

  place(ways: Readonly<Record<string, Partial<Way>>>): void {
    this.#ways = ways;
    for (const listener of this.#listeners) listener();
  }

  wayTo(address: string): Way {
    return {
      local: false,
      onLink: true,
      gateway: address,
      source: nodeSources[familyOf(address)],
      ifindex: INTERFACE,
      mtu: 1500,
      macs: { gateway: macBytes(nextHopMac), own: macBytes(ownMac) },
      redirectable: false,
      ...this.#ways[address],
    };
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function macBytes(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}
