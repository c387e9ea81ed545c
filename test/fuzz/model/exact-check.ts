import { isDeepStrictEqual } from 'node:util';
import type { ExactFlow, ExactKey } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { addressFromBytes, type Endpoint, formatEndpoint } from '../../../ts/model/address.js';
import { natPorts } from '../../bpf/case.js';
import { codecOf } from '../../bpf/codec.js';
import { dissect, type Frame } from '../../bpf/dissect.js';
import type { TestPlane } from '../../bpf/plane.js';
import { nextHopMac, ownMac } from '../../bpf/test-surroundings.js';
import type { Sighting } from '../frames/sighting.js';
import type { ExactEntry, ExactTable } from './exact-model.js';
import type { Prediction } from './packet-model.js';

/** Holds a packet of a client against its flow; a port that was not known is now. */
export function exactProblem(
  table: ExactTable,
  { entry, sent, turned }: Extract<Prediction, { kind: 'exact' }>,
  seen: Sighting,
): string | undefined {
  if (seen.verdict !== (sent || turned ? 'turned' : 'passed')) return 'goes the other way';
  const [before, got] = [dissect(Buffer.from(seen.sent)), dissect(Buffer.from(seen.got))];
  const port = got.transport?.kind === 'icmp' ? 0 : (got.transport?.sport ?? 0);
  if (entry.source.port === 0) {
    if (port < natPorts.first || port > natPorts.last) return `has port ${port}, which is none of the node's`;
    if (!table.adopt(entry, port)) return `shares port ${port} with another flow`;
  }
  const wanted = withEnds(before, entry.source, entry.backend, sent ? 1 : 0);
  const macs = sent ? got.macs : turned ? { src: before.macs.dst, dst: before.macs.src } : before.macs;
  if (sent && !isNextHop(before, got)) return 'goes to another next hop';
  const predicted = { ...wanted, macs };
  return isDeepStrictEqual(got, predicted) ? undefined : `is ${JSON.stringify(got)}, not ${JSON.stringify(predicted)}`;
}

function withEnds(frame: Frame, src: Endpoint, dst: Endpoint, hops: number): Frame {
  const { ip, transport } = frame;
  if (ip === undefined || transport === undefined || transport.kind === 'icmp') return frame;
  return {
    ...frame,
    ip: { ...ip, src: src.address, dst: dst.address, ttl: ip.ttl - hops },
    transport: { ...transport, sport: src.port, dport: dst.port },
  };
}

/** tc leaves the link header to the kernel. */
function isNextHop(before: Frame, got: Frame): boolean {
  const wanted = { src: ownMac.replaceAll(':', ''), dst: nextHopMac.replaceAll(':', '') };
  return [before.macs, wanted].some(({ src, dst }) => got.macs.src === src && got.macs.dst === dst);
}

export function exactText({ client, frontend, backend, source, state }: ExactEntry): string {
  const ends = [client, frontend, source].map(formatEndpoint).join(' > ');
  return `${ends} > ${formatEndpoint(backend)} ${backend.id} ${state}`;
}

/** What the kernel holds, in the same form. */
export function heldExactly(plane: TestPlane): string[] {
  const map = plane.openMap('exact_flows');
  const { keys, values, count } = map.dump();
  map.close();
  const [key, flow] = [codecOf<ExactKey>('exact_key'), codecOf<ExactFlow>('exact_flow')];
  return Array.from({ length: count }, (_, i) => {
    const { src, dst, src_port, dst_port } = key.decode(keys, i * key.size);
    const { answer, backend, state } = flow.decode(values, i * flow.size);
    const client = textOf(src.bytes, src_port);
    const [vip, source, end] = [
      textOf(dst.bytes, dst_port),
      textOf(answer.dst.bytes, answer.dst_port),
      textOf(answer.src.bytes, answer.src_port),
    ];
    return `${client} > ${vip} > ${source} > ${end} ${backend} ${state}`;
  });
}

function textOf(bytes: Uint8Array, port: number): string {
  return formatEndpoint({ address: addressFromBytes(bytes), port });
}
