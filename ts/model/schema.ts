import { policyProperties } from './policy-schema.js';
import { Type } from './typebox.js';

/** The form of services in files and in the API. What a form cannot say (addresses, conflicts) is in `rules.ts`. */

const closed = { additionalProperties: false } as const;

export const HealthSchema = Type.Object(
  {
    type: Type.Enum(['tcp', 'http', 'command']),
    interval: Type.Optional(Type.String({ description: 'Time between checks, default 2s' })),
    timeout: Type.Optional(Type.String({ description: 'A check without an answer by then has failed, default 1s' })),
    rise: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Successes in a row, default 1' })),
    fall: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Failures in a row, default 2' })),
    path: Type.Optional(Type.String({ pattern: '^/[\\x21-\\x7e]{0,2047}$', description: 'http: default /' })),
    host: Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,255}$', description: 'http: the Host header' })),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: "tcp, http: else the backend's" })),
    command: Type.Optional(
      Type.Array(Type.String({ minLength: 1, pattern: '^[^\\x00]+$' }), { minItems: 1, maxItems: 64 }),
    ),
  },
  closed,
);

export const BackendSchema = Type.Object(
  {
    address: Type.String({ description: 'ADDRESS:PORT or [ADDRESS]:PORT' }),
    weight: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 256, description: 'Share of new connections, default 1' }),
    ),
    zone: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9._-]{1,63}$', description: 'Where it is, for services with a locality' }),
    ),
  },
  closed,
);

const head = {
  name: Type.String({ pattern: '^[A-Za-z0-9._-]{1,253}$' }),
  vip: Type.String({ description: 'ADDRESS:PORT, [ADDRESS]:PORT or NAME.FRAMEWORK:PORT' }),
  protocol: Type.Optional(Type.Enum(['tcp', 'udp'])),
  health: Type.Optional(HealthSchema),
  ...policyProperties,
};

/** A service whose backends are all in the long form. */
export const LongServiceSchema = Type.Object({ ...head, backends: Type.Array(BackendSchema) }, closed);

/** A VIP whose address follows from its name. */
export const VipNameSchema = Type.Object(
  {
    name: Type.String({ description: 'Becomes labels of the DNS: lower case, _ turns into -, all else is dropped' }),
    framework: Type.String({ description: 'Whose name it is, as marathon' }),
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
  },
  closed,
);

/** A service as people write it: a backend may be just its address, a named VIP may be in parts. */
export const ServiceSchema = Type.Object(
  {
    ...head,
    vip: Type.Union([head.vip, VipNameSchema]),
    backends: Type.Array(Type.Union([Type.String(), BackendSchema])),
  },
  closed,
);

export const ServicesFileSchema = Type.Object({ services: Type.Array(ServiceSchema) }, closed);

export type HealthJson = Type.Static<typeof HealthSchema>;
export type LongServiceJson = Type.Static<typeof LongServiceSchema>;
export type ServiceInput = Type.Static<typeof ServiceSchema>;
