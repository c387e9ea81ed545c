import { type Endpoint, familyOf } from '../model/address.js';
import type { DeclaredService } from '../model/service.js';
import type { Source } from '../sources/source.js';

/** Its services are of this node alone: they are neither told to others nor do they need a pool. */
export const interceptionName = 'resolver';

/**
 * Services that lead questions to the resolver's addresses to another of its addresses, so that containers without a route to
 * the former are answered, by the hooks and as if from there.
 * @param listen where they ask @param target where they can get to; of each family one
 */
export function interception(listen: readonly Endpoint[], target: readonly Endpoint[]): Source {
  const services = listen.flatMap((place) => {
    const backend = target.find(({ address }) => familyOf(address) === familyOf(place.address));
    const same = backend?.address === place.address && backend.port === place.port;
    return backend === undefined || same ? [] : [service('udp', place, backend), service('tcp', place, backend)];
  });
  return {
    name: interceptionName,
    run: (report, signal) => {
      report({ services, faults: [] });
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
}

function service(protocol: 'udp' | 'tcp', { address, port }: Endpoint, backend: Endpoint): DeclaredService {
  return {
    name: `dns-${protocol}-${address.replaceAll(':', '-')}-${port}`,
    frontend: { protocol, address, port },
    backends: [{ ...backend, weight: 1 }],
  };
}
