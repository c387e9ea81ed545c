import fc from 'fast-check';
import { addressFromBytes, type Family, formatEndpoint, type Protocol } from '../../ts/model/address.js';
import { vipKey } from '../../ts/model/service.js';
import { type PacketBuilder, packet } from './packet.js';
import { openPlane, type TestPlane } from './plane.js';
import { program, upsert } from './run.js';

/** VIPs of every protocol and family, each with one backend, whose addresses and ports make many kinds of carries. */
const PAIRS = 24;

export interface Pair {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly vip: { address: string; port: number };
  readonly backend: { address: string; port: number };
}

const port = fc.oneof(fc.constantFrom(1, 255, 256, 0xff00, 0xfffe, 0xffff), fc.integer({ min: 1, max: 65535 }));
const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff), fc.nat({ max: 255 }));
const address4 = fc
  .tuple(fc.integer({ min: 1, max: 223 }), byte, byte, byte)
  .filter(([first]) => first !== 127)
  .map((bytes) => bytes.join('.'));
const address6 = fc
  .array(byte, { minLength: 15, maxLength: 15 })
  .map((bytes) => addressFromBytes(Uint8Array.from([0x20, ...bytes])));
const address = (family: Family) => (family === 4 ? address4 : address6);
const end = (family: Family) => fc.record({ address: address(family), port });
const word = fc.oneof(fc.constantFrom(0, 1, 0xff, 0xff00, 0xfffe, 0xffff), fc.nat({ max: 0xffff }));

function pairs(): Pair[] {
  const kinds = [4, 6].flatMap((family) => (['tcp', 'udp'] as const).map((protocol) => ({ family, protocol })));
  return kinds.flatMap(({ family, protocol }) => {
    const ends = fc.record({ vip: end(family as Family), backend: end(family as Family) });
    const unique = fc.uniqueArray(ends, {
      minLength: PAIRS,
      maxLength: PAIRS,
      selector: ({ vip }) => formatEndpoint(vip),
    });
    return fc
      .sample(unique, { numRuns: 1, seed: 7 })
      .flat()
      .map((one) => ({ family: family as Family, protocol, ...one }));
  });
}

/** Calls `use` with a plane that serves all pairs. */
export async function withPairs(use: (plane: TestPlane, pairs: readonly Pair[]) => void): Promise<void> {
  const plane = await openPlane();
  const all = pairs();
  try {
    const steps = all.map(({ protocol, vip, backend }) =>
      upsert(vipKey({ protocol, ...vip }), { [formatEndpoint(backend)]: 1 }),
    );
    await program(plane, steps);
    use(plane, all);
  } finally {
    await plane.close();
  }
}

/** A client and what it says, in 16-bit words. */
export interface Content {
  readonly client: { address: string; port: number };
  readonly words: readonly number[];
}

/** From the client to the VIP, or with `reply` from the backend to the client. */
export function build(pair: Pair, { client, words }: Content, reply = false): PacketBuilder {
  const [from, to] = reply ? [pair.backend, client] : [client, pair.vip];
  const ip = packet().eth().ip({ src: from.address, dst: to.address });
  const ports = { sport: from.port, dport: to.port };
  const header = pair.protocol === 'tcp' ? ip.tcp({ ...ports, flags: reply ? 'SA' : 'S' }) : ip.udp(ports);
  return header.payload(Buffer.from(words.flatMap((one) => [one >> 8, one & 255])));
}

export interface Sample {
  readonly pair: Pair;
  readonly content: Content;
}

/** Any client that is neither the backend nor has the address of a VIP, with any content, at one of the pairs. */
export function samples(all: readonly Pair[], maxLength = 6): fc.Arbitrary<Sample> {
  const contentAt = (pair: Pair) => fc.record({ client: end(pair.family), words: fc.array(word, { maxLength }) });
  const vips = new Set(all.map(({ vip }) => vip.address));
  return fc
    .constantFrom(...all)
    .chain((pair) => contentAt(pair).map((content) => ({ pair, content })))
    .filter(({ pair, content: { client } }) => client.address !== pair.backend.address && !vips.has(client.address));
}
