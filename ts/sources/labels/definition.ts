import { familyOf } from '../../model/address.js';
import { compareBackends } from '../../model/forwarding.js';
import {
  type BackendDefinition,
  backendKey,
  type DeclaredService,
  type Frontend,
  formatFrontend,
  isNamed,
  MAX_BACKENDS_PER_VIP,
  type NamedFrontend,
} from '../../model/service.js';

/** What one task puts behind one VIP. */
export interface Contribution {
  readonly frontend: Frontend | NamedFrontend;
  readonly backends: readonly BackendDefinition[];
  /** Framework and name of the task: the application, as people know it. */
  readonly app: string;
}

/** The VIP of all these, which have one frontend. What is more than a VIP can have is left out, by address. */
export function definitionOf(contributions: readonly Contribution[]): DeclaredService {
  const { frontend } = contributions[0]!;
  const backends = new Map<string, BackendDefinition>();
  for (const backend of contributions.flatMap((one) => one.backends)) {
    const key = backendKey(backend);
    const other = backends.get(key);
    // An address that was taken over by the next task while the last one still ends takes connections.
    if (!other || other.weight < backend.weight) backends.set(key, backend);
  }
  const sorted = [...backends.values()].sort(compareBackends).slice(0, MAX_BACKENDS_PER_VIP);
  return { name: labelledName(frontend), frontend, backends: sorted };
}

/** `web.marathon_80`, `1.2.3.4_53_udp`, `fd01-c--12_80`: no name in the DNS has an underscore, so no two VIPs share one. */
export function labelledName(frontend: Frontend | NamedFrontend): string {
  const { port, protocol } = frontend;
  const text = formatFrontend(frontend);
  const host = text.slice(0, text.lastIndexOf(':'));
  const left = !isNamed(frontend) && familyOf(frontend.address) === 6 ? frontend.address.replaceAll(':', '-') : host;
  return `${left}_${port}${protocol === 'tcp' ? '' : `_${protocol}`}`;
}
