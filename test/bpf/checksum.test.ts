import fc from 'fast-check';
import { formatEndpoint, type Protocol } from '../../ts/model/address.js';
import { rootTest } from '../helpers/needs.js';
import { dissect } from './dissect.js';
import { build, type Content, type Pair, type Sample, samples, withPairs } from './pairs.js';

const RUNS = 1500;

for (const hook of ['xdp', 'tc'] as const) {
  rootTest(`${hook}: checksums are right for any addresses, ports and contents, both ways`, async (t) => {
    await withPairs((plane, all) => {
      const right = ({ pair, content }: Sample) => {
        const there = dissect(plane.run(hook, 'in', build(pair, content).build()).data);
        const back = dissect(plane.run(hook, 'out', build(pair, content, true).build()).data);
        t.deepEqual([there.problems, there.ip?.dst], [[], pair.backend.address]);
        t.deepEqual([back.problems, back.ip?.src], [[], pair.vip.address]);
      };
      fc.assert(fc.property(samples(all), right), { numRuns: RUNS });
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
