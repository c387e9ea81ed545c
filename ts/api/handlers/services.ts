import { formatEndpoint, parseEndpoint } from '../../model/address.js';
import {
  type BackendKey,
  backendKey,
  type DeclaredService,
  declaredName,
  type VipKey,
  vipKey,
} from '../../model/service.js';
import type { VipStatus } from '../../model/status.js';
import { conflictsAmong } from '../../model/table.js';
import { serviceToJson, validateService } from '../../model/validation.js';
import { RequestError, reading } from '../errors.js';
import type { ApiPorts, StatusPort } from '../ports.js';
import type { Handlers } from '../routes/routes.js';
import type { serviceRoutes } from '../routes/services.js';

export function serviceHandlers({ definitions, status }: ApiPorts): Handlers<typeof serviceRoutes> {
  const foreign = () => status.vips().filter((vip) => vip.source !== definitions.source);
  const staying = (services: readonly DeclaredService[]) => {
    const replaced = new Set(services.map((service) => service.name));
    return status.vips().filter((vip) => vip.source !== definitions.source || !replaced.has(declaredName(vip.name)));
  };
  return {
    services: async () => ({ services: definitions.list().map(serviceToJson) }),
    setService: async ({ name, body }) => {
      const service = namedService(name, body);
      refuseTaken([service], staying([service]));
      await definitions.set(service);
      return serviceToJson(service);
    },
    removeService: async ({ name }) => {
      if (!(await definitions.remove(name))) throw notOurs(status, name);
      return { removed: name };
    },
    applyServices: async ({ body, prune = false }) => {
      const services = distinctServices(body);
      refuseTaken(services, prune ? foreign() : staying(services));
      await definitions.apply(services, prune);
      return { services: services.map((service) => service.name) };
    },
    drain: async ({ service, backend }) => {
      const placed = findBackend(status, service, backend);
      await definitions.drain(placed.service, placed.backend);
      return { ...placed, drained: true };
    },
    undrain: async ({ service, backend }) => {
      const key = backendKeyOf(backend);
      const vip = partsOf(status, service).find((one) => hasBackend(one, key));
      const part = vip?.name ?? service;
      // What was drained may be gone meanwhile, and come back.
      if (!(await definitions.undrain(part, key)) && vip === undefined) findBackend(status, service, backend);
      return { service: part, backend: key, drained: false };
    },
  };
}

/** The path names the service; a body that names another is a mistake, not a rename. */
function namedService(name: string, body: unknown): DeclaredService {
  const object = `service ${name}`;
  const named = (body as { name?: unknown } | null)?.name ?? name;
  if (named !== name) {
    throw new RequestError(400, { code: 'NAME_INVALID', object, cause: `the body names it ${JSON.stringify(named)}` });
  }
  // Whatever is not a map goes through as it is: the model says best what is wrong with it.
  const isMap = typeof body === 'object' && body !== null && !Array.isArray(body);
  return reading(() => validateService(isMap ? { ...body, name } : body, object));
}

/** All of them or none: a set that contradicts itself is refused as a whole. */
function distinctServices(body: unknown): readonly DeclaredService[] {
  const documents = (body as { services?: unknown } | null)?.services;
  if (!Array.isArray(documents)) {
    const cause = 'must be a list of services';
    throw new RequestError(400, {
      code: 'REQUEST_INVALID',
      object: 'services',
      cause,
      hint: 'send {"services": [...]}',
    });
  }
  const services = documents.map((one, i) => reading(() => validateService(one, `services[${i}]`)));
  const conflict = conflictsAmong(services, 'source this request')[0];
  if (conflict !== undefined) throw new RequestError(400, conflict);
  return services;
}

/** What would conflict with a service that stays is refused now, not found in the status later. */
function refuseTaken(services: readonly DeclaredService[], staying: readonly VipStatus[]): void {
  const names = new Map(staying.map((vip) => [declaredName(vip.name), vip]));
  const keys = new Map(staying.map((vip) => [declaredKey(vip), vip]));
  for (const { name, frontend } of services) {
    const sameName = names.get(name);
    if (sameName) throw foreignService(name, sameName);
    const sameVip = keys.get(vipKey(frontend));
    if (sameVip === undefined) continue;
    const cause = `its VIP is taken by service ${sameVip.name}, which is defined by ${sameVip.source}`;
    throw new RequestError(409, { code: 'VIP_OVERLAP', object: `service ${name}`, cause, hint: 'choose another' });
  }
}

function declaredKey({ key, vipName, frontend }: VipStatus): VipKey {
  return vipName ? vipKey({ ...frontend, name: vipName }) : key;
}

function notOurs(status: StatusPort, name: string): RequestError {
  const [vip] = partsOf(status, name);
  return vip === undefined ? notFound(`service ${name}`, 'no service has this name') : foreignService(name, vip);
}

function foreignService(name: string, vip: VipStatus): RequestError {
  const cause = `it is defined by ${vip.source}`;
  return new RequestError(409, { code: 'SERVICE_FOREIGN', object: `service ${name}`, cause, hint: 'change it there' });
}

function findBackend(status: StatusPort, service: string, backend: string): { service: string; backend: string } {
  const parts = partsOf(status, service);
  if (parts.length === 0) throw notFound(`service ${service}`, 'no service has this name');
  const key = backendKeyOf(backend);
  const part = parts.find((vip) => hasBackend(vip, key));
  if (part) return { service: part.name, backend: key };
  throw notFound(`backend ${key}`, `service ${service} has no such backend`);
}

/** One for each family. */
function partsOf(status: StatusPort, name: string): readonly VipStatus[] {
  return status.vips().filter((vip) => vip.name === name || declaredName(vip.name) === name);
}

function hasBackend({ backends }: VipStatus, key: BackendKey): boolean {
  return backends.some((one) => backendKey(one) === key);
}

function backendKeyOf(text: string): string {
  return reading(() => formatEndpoint(parseEndpoint(text)));
}

function notFound(object: string, cause: string): RequestError {
  return new RequestError(404, { code: 'NOT_FOUND', object, cause });
}
