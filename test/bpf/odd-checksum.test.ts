import fc from 'fast-check';
import { rootTest } from '../helpers/needs.js';
import type { Hook, Way } from './case.js';
import { dissect, type Frame } from './dissect.js';
import { fragment, reassemble } from './fragment.js';
import { type PacketBuilder, packet } from './packet.js';
import { build, type Pair, type Sample, samples, withPairs } from './pairs.js';
import type { TestPlane } from './plane.js';

const RUNS = 500;

/** Fragments of 24 bytes: the TCP header and little else fits into the first. */
const SIZE = 24;

/** An error that quotes a frame. */
function error(pair: Pair, src: string, dst: string, about: PacketBuilder): Buffer {
  const ip = packet().eth().ip({ src, dst });
  const icmp = pair.family === 4 ? ip.icmp(3, 4, 1280) : ip.icmpv6(2, 0, 1280);
  return icmp.payload(about.build().subarray(14)).build();
}

/** The packet that an error quotes, as a frame. */
function quoted(frame: Buffer): Frame {
  const ipv4 = frame.readUInt16BE(12) === 0x0800;
  return dissect(Buffer.concat([frame.subarray(0, 14), frame.subarray(14 + (ipv4 ? 28 : 48))]));
}

/** Behind destination options, where the family has such a thing. */
function extended(pair: Pair, sample: Sample): Buffer {
  const plain = build(pair, sample.content).build();
  if (pair.family === 4) return plain;
  const frame = Buffer.concat([
    plain.subarray(0, 54),
    Buffer.from([plain[20]!, 0, 1, 4, 0, 0, 0, 0]),
    plain.subarray(54),
  ]);
  frame.writeUInt16BE(frame.length - 54, 18);
  frame.writeUInt8(60, 20);
  return frame;
}

let id = 0;

/** What becomes of a packet that goes through the plane in parts. */
function inParts(plane: TestPlane, hook: Hook, way: Way, frame: Buffer): Frame {
  id = (id + 1) % 0x10000;
  const parts = fragment(frame, SIZE, id).map((part) => plane.run(hook, way, part).data);
  return dissect(reassemble(parts, frame));
}

for (const hook of ['xdp', 'tc'] as const) {
  rootTest(
    `${hook}: checksums of errors and of what they quote are right for any addresses, ports and contents`,
    async (t) => {
      await withPairs((plane, all) => {
        const right = ({ pair, content }: Sample) => {
          const { client } = content;
          plane.run(hook, 'in', build(pair, content).build());
          const sent = build({ ...pair, vip: pair.backend }, content);
          const back = plane.run(hook, 'out', error(pair, pair.backend.address, client.address, sent)).data;
          t.deepEqual([dissect(back).problems, dissect(back).ip?.src], [[], pair.vip.address]);
          t.deepEqual([quoted(back).problems, quoted(back).ip?.dst], [[], pair.vip.address]);
          const answer = build({ ...pair, backend: pair.vip }, content, true);
          const there = plane.run(hook, 'in', error(pair, client.address, pair.vip.address, answer)).data;
          t.deepEqual([dissect(there).problems, dissect(there).ip?.dst], [[], pair.backend.address]);
          t.deepEqual([quoted(there).problems, quoted(there).ip?.src], [[], pair.backend.address]);
        };
        fc.assert(fc.property(samples(all), right), { numRuns: RUNS });
      });
    },
  );

  rootTest(`${hook}: checksums of fragments and behind extension headers are right as well`, async (t) => {
    await withPairs((plane, all) => {
      const right = (sample: Sample) => {
        const { pair, content } = sample;
        const there = inParts(plane, hook, 'in', build(pair, content).build());
        const back = inParts(plane, hook, 'out', build(pair, content, true).build());
        const behind = dissect(plane.run(hook, 'in', extended(pair, sample)).data);
        t.deepEqual([there.problems, there.ip?.dst], [[], pair.backend.address]);
        t.deepEqual([back.problems, back.ip?.src], [[], pair.vip.address]);
        t.deepEqual([behind.problems, behind.ip?.dst], [[], pair.backend.address]);
      };
      fc.assert(fc.property(samples(all, 40), right), { numRuns: RUNS });
    });
  });

  rootTest(`${hook}: replies to echo requests with every checksum there is have the right one`, async (t) => {
    await withPairs((plane, all) => {
      for (const pair of [all.find(({ family }) => family === 4)!, all.find(({ family }) => family === 6)!]) {
        const ends = { src: pair.family === 4 ? '192.0.2.7' : '2001:db8::7', dst: pair.vip.address };
        const ip = packet().eth().ip(ends);
        const request = (pair.family === 4 ? ip.icmp(8, 0, 0) : ip.icmpv6(128, 0, 0)).build();
        const checksum = request.readUInt16BE(request.length - 6);
        for (let id = 0; id < 0xffff; id++) {
          request.writeUInt16BE(id, request.length - 2);
          request.writeUInt16BE((checksum - id + 0xffff) % 0xffff, request.length - 6);
          const got = plane.run(hook, 'in', request);
          if (got.verdict !== 'turned' || dissect(got.data).problems.length > 0) t.fail(`${pair.family} ${id}`);
        }
      }
      t.pass();
    });
  });
}
