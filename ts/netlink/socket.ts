import { addon, type NativeNetlink } from '../native/binding.js';
import { NativeError, translating } from '../native/errors.js';
import { type Message, parseMessages } from './message.js';

// linux/netlink.h
export const NETLINK_ROUTE = 0;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_DUMP = 0x300;

/** Dumps that the kernel calls inconsistent (something changed meanwhile) are repeated this often. */
const dumpAttempts = 5;

/** A socket of one netlink family in the network namespace of its creation. Calls are synchronous; the kernel answers at once. */
export class NetlinkSocket {
  readonly #handle: NativeNetlink;

  constructor(protocol: number = NETLINK_ROUTE) {
    this.#handle = about('netlink socket', () => new (addon().Netlink)(protocol));
  }

  /** Makes an object that must not exist. @throws NativeError EEXIST */
  create(object: string, type: number, payload: Uint8Array): void {
    about(object, () => this.#handle.request(type, NLM_F_CREATE | NLM_F_EXCL, payload));
  }

  /** Any other request that changes something. */
  change(object: string, type: number, payload: Uint8Array): void {
    about(object, () => this.#handle.request(type, 0, payload));
  }

  /** Asks for a whole table. */
  dump(object: string, type: number, payload: Uint8Array): Message[] {
    for (let attempt = 1; ; attempt++) {
      try {
        return parseMessages(about(object, () => this.#handle.request(type, NLM_F_DUMP, payload)));
      } catch (error) {
        const torn = error instanceof NativeError && error.errnoName === 'EINTR';
        if (!torn || attempt === dumpAttempts) throw error;
      }
    }
  }

  /** Calls the listener when something happened in a multicast group; what, it has to look up. Ends with `close`. */
  listen(object: string, group: number, onChange: () => void): void {
    about(object, () => this.#handle.listen(group, onChange));
  }

  close(): void {
    this.#handle.close();
  }
}

/** Runs with a socket that is closed afterwards. */
export function withSocket<T>(use: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket();
  try {
    return use(socket);
  } finally {
    socket.close();
  }
}

function about<T>(object: string, call: () => T): T {
  return translating((failure, cause) => {
    const hint = failure.errnoName === 'EPERM' ? 'run as root or with CAP_NET_ADMIN' : undefined;
    return new NativeError(object, failure, hint, { cause });
  }, call);
}
