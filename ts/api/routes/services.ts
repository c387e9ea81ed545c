import { LongServiceSchema, ServiceSchema, ServicesFileSchema } from '../../model/schema.js';
import { Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';

const Name = Type.Object({ name: Type.String({ minLength: 1 }) });
const Placed = Type.Object({
  service: Type.String({ minLength: 1 }),
  backend: Type.String({ description: 'ADDRESS:PORT, URL-encoded' }),
});

export const serviceRoutes = {
  services: defineRoute({
    method: 'GET',
    path: '/v1/services',
    summary: 'The services that were set through the API',
    produces: 'json',
    response: Type.Object({ services: Type.Array(LongServiceSchema) }),
  }),
  setService: defineRoute({
    method: 'PUT',
    path: '/v1/services/:name',
    summary: 'Define a service, or replace its definition',
    params: Name,
    // The path names the service; the body may repeat it.
    body: Type.Interface([Type.Omit(ServiceSchema, ['name'])], { name: Type.Optional(ServiceSchema.properties.name) }),
    produces: 'json',
    response: LongServiceSchema,
  }),
  removeService: defineRoute({
    method: 'DELETE',
    path: '/v1/services/:name',
    summary: 'Remove a service that was set through the API',
    params: Name,
    produces: 'json',
    response: Type.Object({ removed: Type.String() }),
  }),
  applyServices: defineRoute({
    method: 'PUT',
    path: '/v1/services',
    summary: 'Define several services at once; all of them or, if one is wrong, none',
    query: Type.Object({
      prune: Type.Optional(Type.Boolean({ default: false, description: "Remove the API's services not named here" })),
    }),
    body: ServicesFileSchema,
    produces: 'json',
    response: Type.Object({ services: Type.Array(Type.String(), { description: 'Names of those defined' }) }),
  }),
  drain: defineRoute({
    method: 'POST',
    path: '/v1/services/:service/backends/:backend/drain',
    summary: 'Send a backend no new connections; established ones go on',
    params: Placed,
    produces: 'json',
    response: Type.Object({ service: Type.String(), backend: Type.String(), drained: Type.Boolean() }),
  }),
  undrain: defineRoute({
    method: 'POST',
    path: '/v1/services/:service/backends/:backend/undrain',
    summary: 'Send a drained backend new connections again',
    params: Placed,
    produces: 'json',
    response: Type.Object({ service: Type.String(), backend: Type.String(), drained: Type.Boolean() }),
  }),
};
