import type { Codec } from '../../libbpf/codec.js';
import type { BpfProgram } from '../../libbpf/program.js';
import { addressFromBytes, type Endpoint, type Protocol } from '../../model/address.js';
import { type VipKey, vipKey } from '../../model/service.js';
import { u32Bytes } from '../../netlink/message.js';
import { type ConnectedSocket, endsOf } from '../../netlink/sockdiag.js';
import type { SockQuery } from './lb.gen.js';
import { protocolName, protocolNumber } from './records.js';

/** A VIP's backend, as a socket was given it. */
export interface Given {
  readonly protocol: Protocol;
  readonly vip: VipKey;
  readonly backend: Endpoint;
}

/** Bytes of an Ethernet header, which a program of this type finds before its data. */
const FRAME_HEADER = 14;
/** linux/bpf.h: struct __sk_buff */
const skBuff = { size: 192, ifindex: 40 };
const NO_ADDRESS = { bytes: new Uint8Array(16) };
const NO_ORIGIN = {
  vip_address: NO_ADDRESS,
  backend_address: NO_ADDRESS,
  vip_port: 0,
  backend_port: 0,
  backend: 0,
  generation: 0,
  vip: 0,
  since: 0n,
  tried: 0,
  tried_generation: 0,
};

/** Asks the sock hook's storage which VIP a socket's connection was made to. */
export class Origins {
  constructor(
    readonly program: BpfProgram,
    readonly codec: Codec<SockQuery>,
  ) {}

  /**
   * One answer a socket; undefined for one that was never translated, or is connected to something else by now.
   * @param sockets bound to one interface or to none, at most SOCK_QUERIES
   * @param namespace path of their network namespace, undefined for that of this process
   * @throws BpfError ENODEV when the interface is gone
   */
  of(sockets: readonly ConnectedSocket[], namespace: string | undefined): (Given | undefined)[] {
    const data = Buffer.alloc(FRAME_HEADER + sockets.length * this.codec.size);
    for (const [i, socket] of sockets.entries()) this.codec.encode(queryOf(socket), data, this.#offset(i));
    // A socket that is bound to an interface is found by packets from there only.
    const ctx = Buffer.alloc(skBuff.size);
    for (const { ifindex } of sockets.slice(0, 1).map(endsOf)) ctx.set(u32Bytes(ifindex), skBuff.ifindex);
    const answer = this.program.testRun({ data, ctx, dataOutSize: data.length, namespace }).data;
    return sockets.map((_, i) => givenIn(this.codec.decode(answer, this.#offset(i))));
  }

  #offset(query: number): number {
    return FRAME_HEADER + query * this.codec.size;
  }
}

function queryOf(socket: ConnectedSocket): SockQuery {
  const { local, localPort, remote, remotePort } = endsOf(socket);
  return {
    local: { bytes: local },
    remote: { bytes: remote },
    local_port: localPort,
    remote_port: remotePort,
    protocol: protocolNumber(socket),
    pad: new Uint8Array(3),
    origin: NO_ORIGIN,
  };
}

/** Pure: reads an answer. */
export function givenIn({ protocol: number, remote, remote_port, origin }: SockQuery): Given | undefined {
  const protocol = protocolName(number);
  const sameAddress = Buffer.compare(remote.bytes, origin.backend_address.bytes) === 0;
  if (protocol === undefined || !sameAddress || remote_port !== origin.backend_port) return undefined;
  const vip = { address: addressFromBytes(origin.vip_address.bytes), port: origin.vip_port, protocol };
  return { protocol, vip: vipKey(vip), backend: { address: addressFromBytes(remote.bytes), port: remote_port } };
}
