import type { EbpfDataPlane } from '../../ts/dataplane/ebpf/ebpf.js';
import { type Endpoint, familyOf, formatEndpoint, parseEndpoint } from '../../ts/model/address.js';
import type { BackendKey, Frontend } from '../../ts/model/service.js';
import { dissect } from '../bpf/dissect.js';
import { packet } from '../bpf/packet.js';

/** Return codes of an XDP program, linux/bpf.h. */
const XDP_PASS = 2;
const XDP_TX = 3;

/** The backend a packet was sent on to; or it was answered that nobody is there; or it went its way. */
export type Met = BackendKey | 'refused' | 'passed';

/** A conversation with a VIP, before its first packet; another client every time. */
export class Client {
  static #made = 0;
  readonly #address: string;
  readonly #port: number;

  constructor(readonly target: Frontend) {
    const number = Client.#made++;
    const host = 1 + (Math.floor(number / 60_000) % 250);
    this.#address = familyOf(target.address) === 4 ? `192.0.2.${host}` : `2001:db8::${host.toString(16)}`;
    this.#port = 1024 + (number % 60_000);
  }

  /** @param flags of TCP, `S` for a first packet; UDP has none */
  ask(plane: EbpfDataPlane, flags = 'S'): Met {
    const sent = this.#frame(this.#self, this.target, flags);
    const { retval, data } = plane.testRun('xdp_ingress', sent);
    if (retval === XDP_TX) return 'refused';
    const dst = endOf(data, 'dst');
    return retval === XDP_PASS && dst !== formatEndpoint(this.target) ? dst : 'passed';
  }

  /** Who a packet of the backend seems to come from. */
  answer(plane: EbpfDataPlane, backend: BackendKey, flags = 'SA'): string {
    const { data } = plane.testRun('xdp_ingress', this.#frame(parseEndpoint(backend), this.#self, flags));
    return endOf(data, 'src');
  }

  get #self(): Endpoint {
    return { address: this.#address, port: this.#port };
  }

  #frame(from: Endpoint, to: Endpoint, flags: string): Buffer {
    const ip = packet().eth().ip({ src: from.address, dst: to.address });
    const ports = { sport: from.port, dport: to.port };
    return (this.target.protocol === 'tcp' ? ip.tcp({ ...ports, flags }) : ip.udp(ports)).build();
  }
}

function endOf(data: Buffer, end: 'src' | 'dst'): string {
  const { ip, transport, problems } = dissect(data);
  if (problems.length > 0) throw new Error(problems.join(', '));
  if (ip === undefined || transport === undefined || transport.kind === 'icmp') throw new Error('no ports');
  return formatEndpoint({ address: ip[end], port: end === 'src' ? transport.sport : transport.dport });
}
