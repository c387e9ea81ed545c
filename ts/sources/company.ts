import { type BackendDefinition, type DeclaredService, vipKey } from '../model/service.js';

/** What a service became in the company of others, kept with it. */
const opened = new WeakMap<DeclaredService, DeclaredService>();
const renamed = new WeakMap<DeclaredService, DeclaredService>();

/**
 * Fail open: when every backend of a VIP is on a node that cannot be reached, they are all kept. What this node sees may
 * be wrong, and a VIP that refuses is no better than one that may not answer.
 */
export function failOpen(service: DeclaredService): DeclaredService {
  const { backends } = service;
  if (backends.length === 0 || backends.some(({ origin }) => origin?.omitted === undefined)) return service;
  const open = opened.get(service) ?? { ...service, backends: backends.map(kept) };
  opened.set(service, open);
  return open;
}

function kept(backend: BackendDefinition): BackendDefinition {
  const { node, verdict, omitted } = backend.origin!;
  const reason = `${omitted}, and so are all with a backend of this VIP: kept`;
  return { ...backend, origin: { node, verdict: { state: 'healthy', since: 0, ...verdict, reason } } };
}

/** The services of a joining source, told apart by their VIPs where their names are those of other services. */
export function withOwnNames(services: readonly DeclaredService[], taken: Set<string>): readonly DeclaredService[] {
  return services.map((service) => {
    const free = !taken.has(service.name);
    taken.add(service.name);
    if (free) return service;
    const other = renamed.get(service) ?? { ...service, name: `${service.name}@${vipKey(service.frontend)}` };
    renamed.set(service, other);
    return other;
  });
}
