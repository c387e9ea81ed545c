import { NativeError } from '../native/errors.js';
import { type Attributes, attribute, type Message, parseAttributes, u16 } from './message.js';
import { NetlinkSocket } from './socket.js';

// Generic netlink (linux/genetlink.h): one netlink family whose members have numbers of the kernel's choice.
const NETLINK_GENERIC = 16;
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CONTROL_VERSION = 1;
/** struct genlmsghdr: command, version, two reserved bytes. */
const headerSize = 4;

/** A command of a generic netlink family and its attributes. */
export interface GenericMessage {
  readonly command: number;
  readonly attributes: Attributes;
}

/** A socket that talks to one generic netlink family. All methods throw NativeError. */
export class GenericSocket {
  readonly #socket: NetlinkSocket;
  readonly #type: number;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Asking for a family also loads the module that has it.
   * @param version of the family's protocol
   * @throws NativeError ENOENT when the kernel has no such family
   */
  constructor(
    readonly family: string,
    readonly version: number,
  ) {
    this.#socket = new NetlinkSocket(NETLINK_GENERIC);
    try {
      this.#type = this.#resolve();
    } catch (error) {
      this.#socket.close();
      throw error;
    }
  }

  /** Carries out a command. @param object what it is about, for messages */
  command(object: string, command: number, attributes: Uint8Array): void {
    this.#socket.change(object, this.#type, generic(command, this.version, attributes));
  }

  /** Asks for a whole table. */
  dump(object: string, command: number, attributes: Uint8Array = Buffer.alloc(0)): GenericMessage[] {
    return this.#socket.dump(object, this.#type, generic(command, this.version, attributes)).map(genericIn);
  }

  /** Asks for a whole table on another thread, one after the other; nothing else may be asked meanwhile. */
  dumpAside(object: string, command: number): Promise<Iterable<GenericMessage>> {
    const request = generic(command, this.version, Buffer.alloc(0));
    const mine = this.#last.then(() => this.#socket.dumpAside(object, this.#type, request)).then(eachGeneric);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Asks for one thing. */
  ask(object: string, command: number, attributes: Uint8Array = Buffer.alloc(0)): GenericMessage | undefined {
    const answer = this.#socket.ask(object, this.#type, generic(command, this.version, attributes));
    return answer.filter(({ type }) => type === this.#type).map(genericIn)[0];
  }

  close(): void {
    this.#socket.close();
  }

  #resolve(): number {
    const name = attribute(CTRL_ATTR_FAMILY_NAME, Buffer.from(`${this.family}\0`));
    const request = generic(CTRL_CMD_GETFAMILY, CONTROL_VERSION, name);
    const answer = this.#socket.ask(`netlink family ${this.family}`, GENL_ID_CTRL, request);
    const id = answer.map(genericIn)[0]?.attributes.get(CTRL_ATTR_FAMILY_ID);
    if (id !== undefined) return u16(id);
    const failure = { message: 'the kernel did not name it', op: 'request', errno: 2, errnoName: 'ENOENT' };
    throw new NativeError(`netlink family ${this.family}`, failure);
  }
}

/** Pure: struct genlmsghdr and what follows it. */
export function generic(command: number, version: number, attributes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(command, version, 0, 0), attributes]);
}

function* eachGeneric(messages: Iterable<Message>): Generator<GenericMessage> {
  for (const message of messages) yield genericIn(message);
}

/** Pure. */
export function genericIn({ payload }: Pick<Message, 'payload'>): GenericMessage {
  return { command: payload[0] ?? 0, attributes: parseAttributes(payload, headerSize) };
}
