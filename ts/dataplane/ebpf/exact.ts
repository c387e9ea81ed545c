import type { Codec } from '../../libbpf/codec.js';
import type { BpfMap } from '../../libbpf/map.js';
import type { BpfProgram } from '../../libbpf/program.js';
import { addressFromBytes, type Endpoint } from '../../model/address.js';
import type { Fill } from '../../model/fill.js';
import type { Flow } from '../dataplane.js';
import type { Image } from './image.js';
import { type ExactFlow, type ExactKey, ExactState, ExactTimeout, ForwardMode, LbSize } from './lb.gen.js';
import { type PortRange, PortUse } from './nat-ports.js';
import type { Loaded } from './programs.js';
import { protocolNumber } from './records.js';
import { type Clock, clockOf } from './tracking.js';

/** Bytes of an Ethernet header, which a program of this type finds before its data. */
const FRAME_HEADER = 14;
/** The bits of the kernel's tick count that user space is told. */
const TICKS = 2 ** 31;
const UDP = protocolNumber({ protocol: 'udp' });

/** Flows that are tracked by all of their ends: the kernel's maps of them, read, and cleared of what has expired. */
export class ExactFlows {
  readonly #flows: BpfMap;
  readonly #use: BpfMap;
  readonly #expire: BpfProgram;
  readonly #codecs: { readonly key: Codec<ExactKey>; readonly flow: Codec<ExactFlow> };

  constructor(
    readonly loaded: Loaded,
    readonly ports: PortRange,
  ) {
    this.#flows = loaded.map('exact_flows');
    this.#use = loaded.map('exact_use');
    this.#expire = loaded.program('tc_upkeep', 'tc_expire');
    this.#codecs = { key: loaded.codec<ExactKey>('exact_key'), flow: loaded.codec<ExactFlow>('exact_flow') };
  }

  /** Packets are looked up here only once this was called; before the first VIP that wants it is programmed. */
  use(): void {
    this.#use.set(Buffer.alloc(4), Buffer.from([1, 0, 0, 0]));
  }

  /** Takes away what has expired; the program looks again, so that no packet is in between. @returns how full it is then */
  sweep(): Fill[] {
    const clock = clockOf(this.loaded);
    const { keys, values, count } = this.#flows.dump();
    const expired: Buffer[] = [];
    const ports = new PortUse();
    for (let i = 0; i < count; i++) {
      const flow = this.#codecs.flow.decode(values, i * this.#flows.info.valueSize);
      if (idleTicks(flow, clock) > patience(flow) * clock.hz) expired.push(keyAt(keys, i, this.#flows.info.keySize));
      else if (flow.forwarding === ForwardMode.FORWARD_FULL_NAT) ports.add(flow.answer);
    }
    let gone = 0;
    for (let at = 0; at < expired.length; at += LbSize.EXACT_QUERIES) {
      const some = expired.slice(at, at + LbSize.EXACT_QUERIES);
      gone += this.#expire.testRun({ data: Buffer.concat([Buffer.alloc(FRAME_HEADER), ...some]) }).retval;
    }
    const { first, last } = this.ports;
    const fill = { table: 'exact_flows', used: count - gone, limit: this.#flows.info.maxEntries };
    return [fill, { table: 'nat_ports', used: 0, limit: last - first + 1, ...ports.most }];
  }

  read(image: Image, limit: number, wanted: (flow: Flow) => boolean): Flow[] {
    const clock = clockOf(this.loaded);
    const { keys, values, count } = this.#flows.dump();
    const flows: Flow[] = [];
    for (let i = 0; i < count && flows.length < limit; i++) {
      const key = this.#codecs.key.decode(keys, i * this.#flows.info.keySize);
      const record = this.#codecs.flow.decode(values, i * this.#flows.info.valueSize);
      const flow = flowOf(key, record, image, clock);
      if (flow !== undefined && wanted(flow)) flows.push(flow);
    }
    return flows;
  }
}

function keyAt(keys: Buffer, index: number, size: number): Buffer {
  return keys.subarray(index * size, (index + 1) * size);
}

/** Pure: seconds, as exact_patience() in bpf/exact.h. */
export function patience({ state, answer }: Pick<ExactFlow, 'state' | 'answer'>): number {
  if (state === ExactState.EXACT_NEW) return ExactTimeout.EXACT_OPENING;
  if (answer.protocol === UDP)
    return state === ExactState.EXACT_REPLIED ? ExactTimeout.EXACT_UDP_ANSWERED : ExactTimeout.EXACT_UDP_IDLE;
  if (state === ExactState.EXACT_ESTABLISHED) return ExactTimeout.EXACT_TCP_IDLE;
  if (state === ExactState.EXACT_REPLIED) return ExactTimeout.EXACT_HANDSHAKE;
  return state === ExactState.EXACT_CLOSED ? ExactTimeout.EXACT_TCP_CLOSED : ExactTimeout.EXACT_TCP_CLOSING;
}

function ticksSince(then: bigint, { ticks }: Clock): number {
  return (ticks - Number(then % BigInt(TICKS)) + TICKS) % TICKS;
}

/** A packet that came after the clock was read makes it negative: that one is not idle at all. */
function idleTicks({ used }: ExactFlow, clock: Clock): number {
  const idle = ticksSince(used, clock);
  return idle > TICKS / 2 ? 0 : idle;
}

/** Undefined when its backend is gone: the next packet will choose anew. */
function flowOf(key: ExactKey, record: ExactFlow, image: Image, clock: Clock): Flow | undefined {
  const backend = image.backendOf[record.backend];
  if (backend === undefined || backend.generation !== record.generation) return undefined;
  return {
    vip: backend.vip.key,
    backend: backend.key,
    state: stateName(record.state),
    idleSeconds: Math.round(idleTicks(record, clock) / clock.hz),
    client: endpoint(key.src.bytes, key.src_port),
    exact: {
      source: endpoint(record.answer.dst.bytes, record.answer.dst_port),
      ageSeconds: Math.round(ticksSince(record.opened, clock) / clock.hz),
      sent: { packets: Number(record.packets_in), bytes: Number(record.bytes_in) },
      received: { packets: Number(record.packets_out), bytes: Number(record.bytes_out) },
    },
  };
}

function endpoint(bytes: Uint8Array, port: number): Endpoint {
  return { address: addressFromBytes(bytes), port };
}

function stateName(state: number): Flow['state'] {
  if (state === ExactState.EXACT_ESTABLISHED) return 'established';
  return state > ExactState.EXACT_ESTABLISHED ? 'closing' : 'new';
}
