import fc from 'fast-check';
import { addressFromBytes, type Family, formatEndpoint, type Protocol } from '../../ts/model/address.js';
import { vipKey } from '../../ts/model/service.js';
import { rootTest } from '../helpers/needs.js';
import { dissect } from './dissect.js';
import { type PacketBuilder, packet } from './packet.js';
import { openPlane, type TestPlane } from './plane.js';
import { program, upsert } from './run.js';

/** VIPs of every protocol and family, each with one backend, whose addresses and ports make many kinds of carries. */
const PAIRS = 24;
const RUNS = 1500;

interface Pair {
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

async function withPairs(use: (plane: TestPlane, pairs: readonly Pair[]) => void): Promise<void> {
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

interface Content {
  readonly client: { address: string; port: number };
  readonly words: readonly number[];
}

function build(pair: Pair, { client, words }: Content, reply = false): PacketBuilder {
  const [from, to] = reply ? [pair.backend, client] : [client, pair.vip];
  const ip = packet().eth().ip({ src: from.address, dst: to.address });
  const ports = { sport: from.port, dport: to.port };
  const header = pair.protocol === 'tcp' ? ip.tcp({ ...ports, flags: reply ? 'SA' : 'S' }) : ip.udp(ports);
  return header.payload(Buffer.from(words.flatMap((one) => [one >> 8, one & 255])));
}

for (const hook of ['xdp', 'tc'] as const) {
  rootTest(`${hook}: checksums are right for any addresses, ports and contents, both ways`, async (t) => {
    await withPairs((plane, all) => {
      const contents = fc.constantFrom(...all).chain((pair) =>
        fc.record({
          pair: fc.constant(pair),
          content: fc.record({ client: end(pair.family), words: fc.array(word, { maxLength: 6 }) }),
        }),
      );
      const right = ({ pair, content }: { pair: Pair; content: Content }) => {
        if (content.client.address === pair.backend.address) return;
        const there = dissect(plane.run(hook, 'in', build(pair, content).build()).data);
        const back = dissect(plane.run(hook, 'out', build(pair, content, true).build()).data);
        t.deepEqual([there.problems, there.ip?.dst], [[], pair.backend.address]);
        t.deepEqual([back.problems, back.ip?.src], [[], pair.vip.address]);
      };
      fc.assert(fc.property(contents, right), { numRuns: RUNS });
    });
  });

  rootTest(`${hook}: a checksum that comes out as 0, 1, fffe or ffff is right too`, async (t) => {
    await withPairs((plane, all) => {
      for (const pair of all) {
        const client = { address: pair.family === 4 ? '192.0.2.7' : '2001:db8::7', port: 40000 };
        for (const wanted of [0, 1, 0xfffe, 0xffff, 0x8000, 0x00ff, 0xff00]) {
          const sent = summingTo(wanted, pair, client);
          const got = plane.run(hook, 'in', sent).data;
          t.deepEqual(dissect(got).problems, [], `${pair.protocol} ${formatEndpoint(pair.backend)} ${wanted}`);
          t.is(got.readUInt16BE(checksumAt(pair)), stored(wanted, pair.protocol));
        }
      }
    });
  });
}

function checksumAt({ family, protocol }: Pair): number {
  return (family === 4 ? 34 : 54) + (protocol === 'tcp' ? 16 : 6);
}

/** Zero has two forms in ones' complement: UDP sends ffff, because 0 means none (RFC 768), TCP sends 0. */
function stored(wanted: number, protocol: Protocol): number {
  if (wanted % 0xffff !== 0) return wanted;
  return protocol === 'udp' ? 0xffff : 0;
}

/** A packet whose payload makes its checksum come out as `wanted` once it is addressed to the backend. */
function summingTo(wanted: number, pair: Pair, client: Content['client']): Buffer {
  const arrived = build({ ...pair, vip: pair.backend }, { client, words: [0] }).build();
  // In ones' complement the checksum falls by as much as the payload grows.
  const word = (arrived.readUInt16BE(checksumAt(pair)) - wanted + 0xffff) % 0xffff;
  return build(pair, { client, words: [word] }).build();
}
