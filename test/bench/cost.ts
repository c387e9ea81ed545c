import { join } from 'node:path';
import { Child } from '../../ts/quickstart/child.js';
import { packageRoot } from '../../ts/util/paths.js';
import { packet } from '../bpf/packet.js';
import { cost } from './tools.js';

const wrapper = join(packageRoot, 'out/test/wrap.bpf.o');
const FRAME_BYTES = 96;

/** Frames that are alike but for the client's end. */
export interface Stream {
  readonly hook: 'xdp' | 'tc';
  /** Path of the pinned program that gets them. */
  readonly program: string;
  readonly protocol?: 'tcp' | 'udp';
  /** Of a TCP header; `A` when absent. */
  readonly flags?: string;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Which end is the client's and varies. */
  readonly client: 'source' | 'destination';
  /** A power of two. */
  readonly flows: number;
  /** Bytes of the header that the program puts in front of the packet; 0 when absent. */
  readonly outer?: number;
}

export interface Measured {
  /** ns of a run less what the wrapper takes with an empty program, of the calmest batches. */
  readonly net: readonly number[];
  /** ns of the wrapper with an empty program around them. */
  readonly floor: readonly number[];
  /** `net` of all batches. */
  readonly all: readonly number[];
  readonly verdict: number;
}

/** Runs each flow of a stream so often that its state is known, without measuring. */
export async function pass(stream: Stream, times = 1): Promise<void> {
  await Child.start([cost, ...keys(stream), 'batches=0', `repeat=${stream.flows * times}`]).success();
}

/** Measures a stream, on CPU 0; with a rival another CPU gives the program other flows of its kind meanwhile. */
export async function measure(stream: Stream, rival = false): Promise<Measured> {
  const size = [`batches=${BATCHES}`, `repeat=${REPEAT}`, `rival=${rival ? 1 : -1}`];
  const lines = (await Child.start([cost, ...keys(stream), ...size]).success()).trim().split('\n');
  const verdict = Number(lines.pop());
  const batches = lines.map((line) => batchOf(line.split(' ').map(Number) as [number, number, number]));
  const calm = batches.toSorted((a, b) => a.noise - b.noise).slice(0, CALM);
  return {
    ...{ net: calm.map(({ net }) => net), floor: calm.map(({ floor }) => floor) },
    ...{ all: batches.map(({ net }) => net), verdict },
  };
}

/** Whoever shares the core slows the empty program as well: it tells how calm a batch was. */
function batchOf([before, whole, behind]: [number, number, number]) {
  const floor = (before + behind) / 2;
  return { net: whole - floor, floor, noise: Math.max(before, behind) };
}

const BATCHES = 210;
const REPEAT = 50_000;
/** So many of them are taken, those at which the machine was calmest. */
const CALM = 21;

function keys(stream: Stream): string[] {
  const { hook, program, flows, client, outer = 0 } = stream;
  const ipv6 = stream.source.includes(':');
  const address = (ipv6 ? 36 : 28) + (client === 'source' ? 0 : ipv6 ? 16 : 4);
  const port = (ipv6 ? 54 : 34) + (client === 'source' ? 0 : 2);
  return [
    ...[`wrapper=${wrapper}`, `hook=${hook}`, `target=${program}`, `frame=${frameOf(stream).toString('hex')}`],
    ...[`flows=${flows}`, `address=${address}`, `port=${port}`],
    ...[`ipv6=${ipv6 ? 1 : 0}`, `udp=${stream.protocol === 'udp' ? 1 : 0}`, `outer=${outer}`],
  ];
}

/** Headers, and room behind them up to the size the wrapper wants. */
function frameOf(stream: Stream): Buffer {
  const { source: src, destination: dst, sourcePort: sport = 1024, destinationPort: dport = 80, flags = 'A' } = stream;
  const ends = packet().eth();
  const ip = src.includes(':') ? ends.ipv6({ src, dst }) : ends.ipv4({ src, dst });
  const headers = (stream.protocol === 'udp' ? ip.udp({ sport, dport }) : ip.tcp({ sport, dport, flags })).build();
  const frame = Buffer.alloc(FRAME_BYTES);
  headers.copy(frame);
  return frame;
}
