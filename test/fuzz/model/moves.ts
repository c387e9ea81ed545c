import { type Endpoint, familyOf, type Protocol } from '../../../ts/model/address.js';
import type { VipKey } from '../../../ts/model/service.js';
import type { Backends } from '../../bpf/case.js';
import { nodeSources } from '../../bpf/test-surroundings.js';
import { type Program, programs } from '../frames/sighting.js';
import type { Random } from '../random.js';
import type { ModelVip } from './control-model.js';
import type { Move, PacketMove } from './move.js';
import type { PacketModel } from './packet-model.js';
import type { Stage } from './stage.js';

const ASKING = ['S', 'S', 'S', 'A', 'A', 'PA', 'PA', 'FA', 'R', 'RA', 'SA', 'SF', 'SR', ''];
const ANSWERING = ['SA', 'SA', 'A', 'PA', 'PA', 'FA', 'R', 'S', ''];
const WEIGHTS = [0, 1, 1, 1, 2, 5];

/** What was asked, for something to be answered. */
interface Asked {
  readonly client: Endpoint;
  readonly vip: ModelVip;
}

/** Makes up moves one by one, looking at the model so that most of them find a connection to be part of. */
export class MoveMaker {
  readonly #asked: Asked[] = [];
  /** What is left of a handshake. */
  #planned: (() => Move)[] = [];

  constructor(
    readonly stage: Stage,
    readonly model: PacketModel,
    readonly random: Random,
  ) {}

  /** What every sequence begins with. */
  opening(): Move[] {
    return [{ kind: 'pools', pools: this.stage.pools }, ...this.stage.vips.map((vip) => this.#set(vip))];
  }

  next(): Move {
    const planned = this.#planned.shift();
    if (planned !== undefined) return planned();
    const dice = this.random.below(100);
    if (dice < 35) return this.#ask();
    if (dice < 50) return this.#handshake();
    if (dice < 80) return this.#answer();
    if (dice < 86) return this.#stray();
    if (dice < 97) return this.#set(this.random.pick(this.stage.vips));
    return this.#rare();
  }

  #ask(): Move {
    const vips = [...this.model.control.vips.values()];
    if (vips.length === 0) return this.#stray();
    // Once more the same connection, or perhaps a new one.
    const { client, vip } =
      this.#asked.length > 0 && !this.random.oneIn(3) ? this.random.pick(this.#asked.slice(-6)) : this.#newAsk(vips);
    this.#asked.push({ client, vip });
    return this.#packet(vip.frontend.protocol, client, vip.frontend, ASKING);
  }

  /** A new connection, until both sides have spoken on it; nothing else fills a set with what does not give way. */
  #handshake(): Move {
    const vips = [...this.model.control.vips.values()];
    if (vips.length === 0) return this.#stray();
    const asked = this.#newAsk(vips);
    this.#asked.push(asked);
    const ask = (flags: string) => this.#packet(asked.vip.frontend.protocol, asked.client, asked.vip.frontend, [flags]);
    this.#planned = [() => this.#answerTo(asked, ['SA']), () => ask('A')];
    return ask('S');
  }

  #newAsk(vips: readonly ModelVip[]): Asked {
    const vip = this.random.pick(vips);
    return { vip, client: this.#client(vip.frontend.address) };
  }

  #answer(): Move {
    if (this.#asked.length === 0) return this.#stray();
    return this.#answerTo(this.random.pick(this.#asked.slice(-8)), ANSWERING);
  }

  #answerTo({ client, vip }: Asked, flags: readonly string[]): Move {
    const { address, protocol } = vip.frontend;
    const chosen = this.random.oneIn(8) ? undefined : this.model.backendOf(client, vip.frontend);
    const { address: from, port } = chosen ?? this.random.pick(this.#alike(this.stage.backends, address));
    // A backend that serves itself sees the VIP on the other side.
    const to = from === client.address ? { address, port: client.port } : client;
    const source = this.model.sourceOf(client, vip.frontend);
    if (source === undefined) return this.#packet(protocol, { address: from, port }, to, flags);
    const of = { client, frontend: vip.frontend };
    return { ...this.#packet(protocol, { address: from, port }, source, flags), of };
  }

  /** To where nobody listens, from a backend by itself, straight to a backend. */
  #stray(): Move {
    const protocol = this.random.oneIn(3) ? 'udp' : 'tcp';
    const dst = this.random.pick([...this.stage.nowhere, ...this.stage.backends]);
    const own = this.#alike(this.stage.backends, dst.address);
    const src = own.length > 0 && this.random.oneIn(3) ? this.random.pick(own) : this.#client(dst.address);
    return this.#packet(protocol, src, dst, ASKING);
  }

  #rare(): Move {
    const kind = this.random.pick(['remove', 'remove', 'pools', 'engage', 'engage', 'disengage'] as const);
    if (kind === 'remove') return { kind, vip: this.random.pick(this.stage.vips) };
    if (kind !== 'pools') return { kind };
    return { kind, pools: this.stage.pools.filter(() => this.random.oneIn(2)) };
  }

  #set(vip: VipKey): Move {
    const able = this.#alike(this.stage.backends, vip);
    const names = able.map(({ address, port }) =>
      familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`,
    );
    const chosen = names.filter(() => !this.random.oneIn(3));
    const backends: Backends = Object.fromEntries(chosen.map((name) => [name, this.random.pick(WEIGHTS)]));
    return { kind: 'set', vip, backends };
  }

  #packet(protocol: Protocol, src: Endpoint, dst: Endpoint, flags: readonly string[]): PacketMove {
    const program = this.random.oneIn(10) ? this.random.pick(programs) : this.#usualProgram(dst);
    const [from, to] = [src, dst].map(({ address, port }) => ({ address, port })) as [Endpoint, Endpoint];
    return {
      kind: 'packet',
      program,
      protocol,
      src: from,
      dst: to,
      flags: protocol === 'tcp' ? this.random.pick(flags) : '',
    };
  }

  /** The ones that see such packets, so that most are treated. */
  #usualProgram(dst: Endpoint): Program {
    const node = Object.values<string>(nodeSources).includes(dst.address);
    const workload = node || this.model.control.isOurs(dst.address) ? 'tc_ingress' : 'tc_egress';
    return this.random.oneIn(2) ? 'xdp_ingress' : workload;
  }

  #client(peer: string): Endpoint {
    const alike = this.stage.clients.filter((address) => familyOf(address) === familyOf(peer));
    return { address: this.random.pick(alike), port: this.random.pick(this.stage.clientPorts) };
  }

  /** Those of the same family as an address or the key of a VIP. */
  #alike(ends: readonly Endpoint[], peer: string): Endpoint[] {
    const six = peer.includes('[') || peer.split(':').length > 2;
    return ends.filter(({ address }) => (familyOf(address) === 6) === six);
  }
}
