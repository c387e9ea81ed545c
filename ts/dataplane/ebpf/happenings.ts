import type { Codec } from '../../libbpf/codec.js';
import type { BpfMap } from '../../libbpf/map.js';
import { RingBuffer } from '../../libbpf/ringbuf.js';
import { addressFromBytes, type Endpoint } from '../../model/address.js';
import type { PlaneEvent } from '../dataplane.js';
import type { Image } from './image.js';
import { type Event, EventHook, EventKind } from './lb.gen.js';

type Listener = (event: PlaneEvent) => void;

/** Delivers the programs' events, while somebody listens. */
export class Happenings {
  readonly #listeners = new Set<Listener>();
  #ring: RingBuffer | undefined;

  constructor(
    readonly map: BpfMap,
    readonly codec: Codec<Event>,
    readonly image: () => Image | undefined,
  ) {}

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#ring ??= new RingBuffer(this.map, (batch, lengths) => this.#deliver(batch, lengths));
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
  }

  /** What user space itself has to tell. */
  tell(event: PlaneEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  close(): void {
    this.#listeners.clear();
    this.#ring?.close();
    this.#ring = undefined;
  }

  #deliver(batch: Buffer, lengths: Uint32Array): void {
    let offset = 0;
    for (const length of lengths) {
      if (length >= this.codec.size) {
        const event = planeEvent(this.codec.decode(batch, offset), this.image(), Date.now());
        if (event !== undefined) this.tell(event);
      }
      offset += length;
    }
  }
}

const KINDS: Readonly<Record<number, PlaneEvent['kind']>> = {
  [EventKind.EVENT_CONNECTION]: 'connection',
  [EventKind.EVENT_NO_BACKEND]: 'no-backend',
  [EventKind.EVENT_REFUSED]: 'refused',
  [EventKind.EVENT_TABLE_PRESSURE]: 'table-pressure',
  [EventKind.EVENT_DENIED]: 'denied',
  [EventKind.EVENT_LIMITED]: 'limited',
  [EventKind.EVENT_EXHAUSTED]: 'exhausted',
};

const HOOKS: Readonly<Record<number, PlaneEvent['hook']>> = {
  [EventHook.HOOK_SOCK]: 'sock',
  [EventHook.HOOK_TC]: 'tc',
  [EventHook.HOOK_XDP]: 'xdp',
};

/** Pure; undefined for what this version does not know. @param at milliseconds since the epoch */
export function planeEvent(event: Event, image: Image | undefined, at: number): PlaneEvent | undefined {
  const kind = KINDS[event.kind];
  const hook = HOOKS[event.hook];
  if (kind === undefined || hook === undefined) return undefined;
  const vip = image?.vipOf[event.vip];
  const backend = image?.backendOf[event.backend];
  const client = endpoint(event.client.bytes, event.client_port);
  const target = endpoint(event.target.bytes, event.target_port);
  return {
    kind,
    at,
    hook,
    ...(vip === undefined ? {} : { vip: vip.key }),
    ...(backend === undefined ? {} : { backend: backend.key }),
    ...(client === undefined ? {} : { client }),
    ...(target === undefined ? {} : { target }),
  };
}

/** Undefined when nothing was filled in: a socket has no address before it is connected. */
function endpoint(bytes: Uint8Array, port: number): Endpoint | undefined {
  if (port === 0 && bytes.every((byte) => byte === 0)) return undefined;
  return { address: addressFromBytes(bytes), port };
}
