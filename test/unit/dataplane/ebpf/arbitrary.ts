import fc from 'fast-check';
import { addressFromBytes, type Endpoint, maskedBytes, type Prefix } from '../../../../ts/model/address.js';
import { compareBackends, type ForwardedBackend, type ForwardedVip } from '../../../../ts/model/forwarding.js';
import type { Frontend } from '../../../../ts/model/service.js';

/** IPv4 and IPv6 addresses, in canonical text; any bits. */
export const address: fc.Arbitrary<string> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => [...bytes].join('.')),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(addressFromBytes),
);

export const port: fc.Arbitrary<number> = fc.integer({ min: 1, max: 65_535 });

export const frontend: fc.Arbitrary<Frontend> = fc.record(
  { address, port, protocol: fc.constantFrom('tcp', 'udp') },
  { noNullPrototype: true },
);

export const prefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }))
    .map(([bytes, bits]) => ({ address: [...maskedBytes(bytes, bits)].join('.'), bits })),
  fc
    .tuple(fc.uint8Array({ minLength: 15, maxLength: 15 }), fc.integer({ min: 8, max: 128 }))
    // 0xfd first: never an IPv4-mapped address, whatever is masked away.
    .map(([bytes, bits]) => ({ address: addressFromBytes(maskedBytes(Uint8Array.of(0xfd, ...bytes), bits)), bits })),
);

/** Backends with distinct endpoints, in the order the model wants. */
export function backendsOf(
  endpoint: fc.Arbitrary<Endpoint>,
  weight: fc.Arbitrary<number>,
  maxLength: number,
): fc.Arbitrary<ForwardedVip['backends']> {
  return fc
    .uniqueArray(fc.record({ endpoint, weight }), {
      selector: ({ endpoint }) => `${endpoint.address} ${endpoint.port}`,
      maxLength,
    })
    .map((list) =>
      list.map(({ endpoint, weight }): ForwardedBackend => ({ ...endpoint, weight })).sort(compareBackends),
    );
}
