import { addon, type NativeNetlink } from '../native/binding.js';
import { NativeError, type NativeFailure, translating, translatingLater } from '../native/errors.js';
import { eachMessage, type Message, parseMessages } from './message.js';

// linux/netlink.h
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_DUMP = 0x300;

/** Dumps that the kernel calls inconsistent (something changed meanwhile) are repeated this often. */
const dumpAttempts = 5;

/** A socket of one netlink family in one network namespace. Calls are synchronous unless they say otherwise. */
export class NetlinkSocket {
  readonly #handle: NativeNetlink;

  /** @param namespace path of a network namespace; without it the one this process is in. @throws NativeError EPERM, ENOENT */
  constructor(protocol: number = NETLINK_ROUTE, namespace?: string) {
    const object = namespace === undefined ? 'netlink socket' : `netlink socket in ${namespace}`;
    this.#handle = about(object, () => new (addon().Netlink)(protocol, namespace));
  }

  /** Makes an object that must not exist. @throws NativeError EEXIST */
  create(object: string, type: number, payload: Uint8Array): void {
    about(object, () => this.#handle.request(type, NLM_F_CREATE | NLM_F_EXCL, payload));
  }

  /** Makes an object, or has the one that is there do something. */
  ensure(object: string, type: number, payload: Uint8Array): void {
    about(object, () => this.#handle.request(type, NLM_F_CREATE, payload));
  }

  /** Asks about one object. */
  ask(object: string, type: number, payload: Uint8Array): Message[] {
    return parseMessages(about(object, () => this.#handle.request(type, 0, payload)));
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
        if (!isTorn(error) || attempt === dumpAttempts) throw error;
      }
    }
  }

  /** Asks for a whole table on another thread, for tables that are long; nothing else may be asked meanwhile. */
  async dumpAside(object: string, type: number, payload: Uint8Array): Promise<Iterable<Message>> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = () => this.#handle.requestAside(type, NLM_F_DUMP, payload);
        return eachMessage(await aboutLater(object, answer));
      } catch (error) {
        if (!isTorn(error) || attempt === dumpAttempts) throw error;
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

function isTorn(error: unknown): boolean {
  return error instanceof NativeError && error.errnoName === 'EINTR';
}

function about<T>(object: string, call: () => T): T {
  return translating((failure, cause) => nativeError(object, failure, cause), call);
}

async function aboutLater<T>(object: string, call: () => Promise<T>): Promise<T> {
  return translatingLater((failure, cause) => nativeError(object, failure, cause), call);
}

function nativeError(object: string, failure: NativeFailure, cause: Error): NativeError {
  const hint = failure.errnoName === 'EPERM' ? permissionHint(failure.op) : undefined;
  return new NativeError(object, failure, hint, { cause });
}

/** Going to another namespace takes more than talking there. */
function permissionHint(op: string): string {
  return op === 'enter' ? 'run as root or with CAP_SYS_ADMIN' : 'run as root or with CAP_NET_ADMIN';
}
