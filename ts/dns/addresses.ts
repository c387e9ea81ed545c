import { addAddress, ensureDevice, holderOf, watchAddresses } from '../netlink/devices.js';
import { links } from '../netlink/links.js';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';

export interface AddressesOptions {
  /** Addresses the resolver listens on; those the machine has already stay where they are. */
  readonly addresses: readonly string[];
  /** Of ours, for the others; made when it is needed. */
  readonly device: string;
}

/** After a change of addresses others may follow. */
const settleMs = 20;
const checkMs = 10_000;

/** Keeps the resolver's addresses on the machine. Whoever removes them gets them back, and is counted. */
export class OwnAddresses {
  /** Times that an address was put back. */
  restored = 0;
  #faults: readonly Fault[] = [];
  #stop: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #interval: NodeJS.Timeout | undefined;
  /** Addresses we have put there ourselves. */
  readonly #ours = new Set<string>();

  constructor(
    private readonly options: AddressesOptions,
    private readonly modules: { readonly logger: Logger },
  ) {}

  /** Puts them there and watches from now on. What fails is a fault, and tried again. */
  start(): void {
    this.#assert();
    this.#interval = setInterval(() => this.#assert(), checkMs);
    this.#interval.unref();
    try {
      this.#stop = watchAddresses(() => this.#soon());
    } catch (error) {
      this.modules.logger.warn(
        { fault: faultOf(error, 'addresses') },
        'changes of addresses are only seen now and then',
      );
    }
  }

  faults(): readonly Fault[] {
    return this.#faults;
  }

  /** They stay: while nobody listens there, a question is refused at once instead of leaving the machine. */
  stop(): void {
    this.#stop?.();
    clearTimeout(this.#timer);
    clearInterval(this.#interval);
    this.#stop = undefined;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#assert();
    }, settleMs);
    this.#timer.unref();
  }

  #assert(): void {
    this.#faults = this.options.addresses.flatMap((address) => {
      try {
        this.#assertOne(address);
        return [];
      } catch (error) {
        return [faultOf(error, `address ${address}`)];
      }
    });
  }

  #assertOne(address: string): void {
    if (address === '0.0.0.0' || address === '::' || isLoopback(address) || holderOf(address) !== undefined) return;
    addAddress(this.#index(), address);
    if (this.#ours.has(address)) {
      this.restored += 1;
      this.modules.logger.warn({ address }, 'put back an address of the resolver that somebody had removed');
    }
    this.#ours.add(address);
  }

  /** The loopback interface where no device can be made. */
  #index(): number {
    try {
      return ensureDevice(this.options.device).index;
    } catch (error) {
      const loopback = links().find(({ kind, up }) => kind === 'loopback' && up);
      if (loopback === undefined) throw error;
      return loopback.index;
    }
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
