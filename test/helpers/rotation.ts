import type { FleetNode } from '../../ts/quickstart/fleet.js';

type Backends = readonly { readonly address: string; readonly port: number; readonly state: string }[];

const activeOf = (backends: Backends) =>
  backends
    .filter(({ state }) => state === 'active')
    .map(({ address, port }) => `${address}:${port}`)
    .sort()
    .join();

/** The backends of a VIP in rotation, sorted, as the kernel of a node has them; empty while it differs from what is wanted. */
export async function rotation(node: FleetNode, key: string): Promise<string> {
  const explained = await node.client.explain({ key }).catch(() => undefined);
  return explained?.vip.programmed === 'yes' && explained.drift.length === 0 ? activeOf(explained.vip.backends) : '';
}

/**
 * Whether these are they. The kernel is read as a whole only where the node says so: asked every few milliseconds, reading
 * takes more of the machine than all that is asked about.
 */
export async function inRotation(node: FleetNode, key: string, backends: readonly string[]): Promise<boolean> {
  const wanted = [...backends].sort().join();
  const vip = await node.client.vip({ key }).catch(() => undefined);
  return vip?.programmed === 'yes' && activeOf(vip.backends) === wanted && (await rotation(node, key)) === wanted;
}
