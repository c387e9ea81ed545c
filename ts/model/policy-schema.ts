import Type from 'typebox';

/** The keys of a service that say how its connections are given to backends and carried there. */
export const policyProperties = {
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
