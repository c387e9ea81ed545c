import { type Endpoint, formatEndpoint } from '../../model/address.js';
import type { ForwardedVip } from '../../model/forwarding.js';
import { forget, type Tracked, tracked } from '../../netlink/conntrack.js';
import { breathing } from '../../util/clock.js';

/** What of the kernel's connection tracking has to do with IPVS, although IPVS carries none of it any more. */
export interface Leftovers {
  /** Of its connections that are over. */
  readonly over: readonly Tracked[];
  /**
   * Connections that have got another source port on their way to a backend. What the kernel tracks of an IPVS connection waits
   * for the same answers as another plane's from the same client port to the same backend; the later of the two gives way. Once
   * the kernel's NAT is gone, with IPVS, its packets would have the port they came with.
   */
  readonly shifted: readonly Tracked[];
}

/** Pure. */
export async function leftoversOf(connections: Iterable<Tracked>, vips: Iterable<ForwardedVip>): Promise<Leftovers> {
  const [frontends, backends] = [new Set<string>(), new Set<string>()];
  for (const { frontend, backends: behind } of vips) {
    frontends.add(nameOf(frontend.protocol, frontend));
    for (const backend of behind) backends.add(nameOf(frontend.protocol, backend));
  }
  const [over, shifted]: [Tracked[], Tracked[]] = [[], []];
  const breathe = breathing();
  for (const one of connections) {
    await breathe();
    const to = nameOf(one.protocol, one.original.destination);
    if (one.over && frontends.has(to)) over.push(one);
    if (!one.over && backends.has(to) && isShifted(one)) shifted.push(one);
  }
  return { over, shifted };
}

/**
 * Forgets connections that are over, so that no more get another port for them, and tells whether there are some that have.
 * @throws NativeError
 */
export async function tidy(vips: Iterable<ForwardedVip>): Promise<boolean> {
  const { over, shifted } = await leftoversOf(await tracked(), vips);
  forget(over);
  return shifted.length > 0;
}

function isShifted({ original, reply }: Tracked): boolean {
  return reply.destination.address === original.source.address && reply.destination.port !== original.source.port;
}

const nameOf = (protocol: string, at: Endpoint) => `${protocol}/${formatEndpoint(at)}`;
