import { Type } from './typebox.js';

const closed = { additionalProperties: false } as const;

export const LocalitySchema = Type.Object(
  {
    prefer: Type.Enum(['node', 'zone']),
    spillover: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: 'Percent of the near backends; with fewer of them usable those farther away join in. Default 50',
      }),
    ),
  },
  closed,
);

const percent = (minimum: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum: 100, description }));
const time = (description: string) => Type.Optional(Type.String({ description }));

export const OutlierSchema = Type.Object(
  {
    consecutive: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Connects that fail in a row, default 5' }),
    ),
    failurePercent: percent(1, 'Or so many percent of those within the window, default 50'),
    minimumConnects: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'of which there must be so many, default 20' }),
    ),
    window: time('Default 30s'),
    ejection: time('How long the first time, default 30s; each next one twice as long'),
    maxEjection: time('and at most, default 10m'),
    maxEjectedPercent: percent(0, 'Of the backends that would serve, at a time; never all. Default 50'),
  },
  closed,
);

const prefixes = (description: string) => Type.Array(Type.String(), { maxItems: 1024, description });

/** The keys of a service that say how its connections are given to backends and carried there. */
export const policyProperties = {
  schedule: Type.Optional(
    Type.Enum(['maglev', 'random', 'round-robin', 'least-connections', 'latency'], {
      description: 'How a backend is chosen for a new connection, default maglev',
    }),
  ),
  affinity: Type.Optional(
    Type.String({ description: 'A client keeps its backend until it has opened no connection for so long: 30m' }),
  ),
  locality: Type.Optional(LocalitySchema),
  outlier: Type.Optional(OutlierSchema),
  allow: Type.Optional(prefixes('Only these sources may connect')),
  deny: Type.Optional(prefixes('These sources may not connect, even if allowed')),
  connectionRate: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'New connections a second from one source address' }),
  ),
  forwarding: Type.Optional(
    Type.Enum(['nat', 'full-nat', 'tunnel', 'direct'], { description: 'How packets get to backends, default nat' }),
  ),
  exact: Type.Optional(Type.Boolean({ description: 'Track connections by all of their ends, with counts' })),
  clampMss: Type.Optional(
    Type.Integer({ minimum: 536, maximum: 65495, description: 'Lower the MSS of SYNs to so many bytes' }),
  ),
};

const PolicySchema = Type.Object(policyProperties);

export type PolicyJson = Type.Static<typeof PolicySchema>;
export type OutlierJson = Type.Static<typeof OutlierSchema>;
export type LocalityJson = Type.Static<typeof LocalitySchema>;
