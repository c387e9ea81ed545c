import fc from 'fast-check';
import { compareBackends } from '../../../ts/model/forwarding.js';
import type { HealthCheck, ServiceDefinition } from '../../../ts/model/service.js';

const v4 = fc.integer({ min: 1, max: 250 });
const weight = fc.integer({ min: 0, max: 256 });
const text = fc.stringMatching(/^[a-z/]{1,8}$/);
const timing = {
  intervalMs: fc.integer({ min: 1, max: 100_000 }),
  timeoutMs: fc.integer({ min: 1, max: 100_000 }),
  rise: fc.integer({ min: 1, max: 100 }),
  fall: fc.integer({ min: 1, max: 100 }),
};
const port = fc.integer({ min: 1, max: 65_535 });

export const healthCheck: fc.Arbitrary<HealthCheck> = fc.oneof(
  fc.record({ kind: fc.constant('tcp' as const), ...timing, port }, { noNullPrototype: true }),
  fc.record(
    { kind: fc.constant('http' as const), ...timing, path: text.map((one) => `/${one}`), host: text },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('command' as const), ...timing, command: fc.array(text, { minLength: 1, maxLength: 4 }) },
    { noNullPrototype: true },
  ),
);

/** Valid services out of a small world, so that names, VIPs and backends of two often collide. */
export const service: fc.Arbitrary<ServiceDefinition> = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e.f-g_h'),
    family: fc.constantFrom(4, 6),
    host: fc.integer({ min: 1, max: 4 }),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    far: fc.boolean(),
    backends: fc.uniqueArray(fc.record({ host: v4, weight }, { noNullPrototype: true }), {
      selector: ({ host }) => host,
      maxLength: 5,
    }),
    health: fc.option(healthCheck, { nil: undefined }),
  })
  .map(({ name, family, host, protocol, far, backends, health }) => {
    // VIPs are 11.0.0.1 to .4 and so are the near backends: services loop into each other.
    const at = (network: number, n: number): string =>
      family === 4 ? `${network}.0.0.${n}` : `fd${network}::${n.toString(16)}`;
    const address = (n: number): string => at(far ? 10 : 11, n);
    const others = backends.filter((backend) => backend.host !== host);
    return {
      name,
      frontend: { address: at(11, host), port: 80, protocol },
      backends: others
        .map((backend) => ({ address: address(backend.host), port: 80, weight: backend.weight }))
        .sort(compareBackends),
      ...(health ? { health } : {}),
    };
  });
