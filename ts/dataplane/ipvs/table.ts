import { NativeError } from '../../native/errors.js';
import { GenericSocket } from '../../netlink/genl.js';
import { breathing } from '../../util/clock.js';
import { VipdError } from '../../util/errors.js';
import {
  command,
  type Destination,
  type DestinationSettings,
  destinationBytes,
  destinationIn,
  destinationNamed,
  family,
  type Service,
  type ServiceAddress,
  type ServiceSettings,
  serviceBytes,
  serviceIn,
  serviceNamed,
  type Timeouts,
  timeoutBytes,
  timeoutsIn,
} from './messages.js';

/** The table of IPVS in the network namespace this process is in. All methods throw NativeError unless they say more. */
export class IpvsTable {
  readonly #socket = new GenericSocket(family.name, family.version);
  /** For what takes its time; the other one is free meanwhile. */
  readonly #long = new GenericSocket(family.name, family.version);

  /** There may be thousands: others run while they are asked for and read. */
  async services(): Promise<Service[]> {
    const services: Service[] = [];
    const breathe = breathing();
    for (const { attributes } of await this.#long.dumpAside('IPVS services', command.getService)) {
      const service = serviceIn(attributes);
      if (service !== undefined) services.push(service);
      await breathe();
    }
    return services;
  }

  /** Undefined when there is none. */
  service(of: ServiceAddress): Service | undefined {
    try {
      const answer = this.#socket.ask(nameOf(of), command.getService, serviceNamed(of));
      return serviceIn(answer?.attributes ?? new Map());
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  destinations(of: ServiceAddress): Destination[] {
    const inet = of.address.includes(':') ? 6 : 4;
    const messages = this.#socket.dump(`destinations of ${nameOf(of)}`, command.getDestination, serviceNamed(of));
    return messages.flatMap(({ attributes }) => destinationIn(attributes, inet) ?? []);
  }

  /** @throws VipdError SCHEDULER_MISSING, FOREIGN_SERVICE when there is one that is not ours */
  add(of: ServiceAddress, settings: ServiceSettings): void {
    try {
      this.#socket.command(nameOf(of), command.newService, serviceBytes(of, settings));
    } catch (error) {
      if (isErrno(error, 'EEXIST')) throw foreign(of);
      throw isErrno(error, 'ENOENT') ? schedulerMissing(of, settings.scheduler) : error;
    }
  }

  /** @throws VipdError SCHEDULER_MISSING */
  change(of: ServiceAddress, settings: ServiceSettings): void {
    try {
      this.#socket.command(nameOf(of), command.setService, serviceBytes(of, settings));
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? schedulerMissing(of, settings.scheduler) : error;
    }
  }

  /** No error when there is none. */
  remove(of: ServiceAddress): void {
    withoutAbsence(() => this.#socket.command(nameOf(of), command.delService, serviceNamed(of)));
  }

  addDestination(of: ServiceAddress, to: DestinationSettings): void {
    this.#about(of, to, command.newDestination, destinationBytes(to));
  }

  changeDestination(of: ServiceAddress, to: DestinationSettings): void {
    this.#about(of, to, command.setDestination, destinationBytes(to));
  }

  /** No error when there is none. */
  removeDestination(of: ServiceAddress, to: Pick<DestinationSettings, 'address' | 'port'>): void {
    withoutAbsence(() => this.#about(of, to, command.delDestination, destinationNamed(to)));
  }

  timeouts(): Timeouts {
    const answer = this.#socket.ask('IPVS timeouts', command.getConfig);
    return timeoutsIn(answer?.attributes ?? new Map());
  }

  setTimeouts(timeouts: Timeouts): void {
    this.#socket.command('IPVS timeouts', command.setConfig, timeoutBytes(timeouts));
  }

  close(): void {
    this.#socket.close();
    this.#long.close();
  }

  #about(of: ServiceAddress, to: { address: string; port: number }, what: number, bytes: Uint8Array): void {
    const object = `destination ${to.address} port ${to.port} of ${nameOf(of)}`;
    this.#socket.command(object, what, Buffer.concat([serviceNamed(of), bytes]));
  }
}

export function isErrno(error: unknown, name: string): boolean {
  return error instanceof NativeError && error.errnoName === name;
}

function withoutAbsence(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH');
}

function nameOf({ protocol, address, port }: ServiceAddress): string {
  return `IPVS service ${protocol}/${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function schedulerMissing(of: ServiceAddress, scheduler: string): VipdError {
  return new VipdError({
    code: 'SCHEDULER_MISSING',
    object: nameOf(of),
    cause: `the kernel has no scheduler ${scheduler}: the module ip_vs_${scheduler} is not there`,
    hint: `install it and run \`modprobe ip_vs_${scheduler}\`, or give the service another schedule`,
  });
}

function foreign(of: ServiceAddress): VipdError {
  return new VipdError({
    code: 'FOREIGN_SERVICE',
    object: nameOf(of),
    cause: 'another program has made an IPVS service for the same address',
    hint: 'see it with `ipvsadm -Ln`; remove it there, or choose another VIP',
  });
}
