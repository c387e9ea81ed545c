import { RequestError } from '../api/errors.js';
import type { DefinitionsPort } from '../api/ports.js';
import type { DeclaredService } from '../model/service.js';
import type { ApiSource } from '../sources/api.js';

/**
 * The API's own services as its port wants them. One change at a time: each sees what the one before has left. An answer
 * waits for the kernel, so that whoever asks next sees what was changed.
 */
export class Definitions implements DefinitionsPort {
  readonly source: string;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param commandChecks whether the API may define checks that run programs
   * @param applied resolves when what was changed before the call has been tried on the kernel
   */
  constructor(
    private readonly api: ApiSource,
    private readonly commandChecks: boolean,
    private readonly applied: () => Promise<void>,
  ) {
    this.source = api.name;
  }

  list(): readonly DeclaredService[] {
    return this.api.list();
  }

  async set(service: DeclaredService): Promise<void> {
    this.#refuseCommand(service);
    await this.#inTurn(() => this.api.set(service));
    await this.applied();
  }

  async remove(name: string): Promise<boolean> {
    const known = await this.#inTurn(async () => {
      const found = this.api.list().some((service) => service.name === name);
      if (found) await this.api.remove(name);
      return found;
    });
    if (known) await this.applied();
    return known;
  }

  async apply(services: readonly DeclaredService[], prune: boolean): Promise<void> {
    for (const service of services) this.#refuseCommand(service);
    await this.#inTurn(() => {
      const named = new Set(services.map((service) => service.name));
      const kept = prune ? [] : this.api.list().filter((service) => !named.has(service.name));
      return this.api.apply([...kept, ...services]);
    });
    await this.applied();
  }

  async drain(service: string, backend: string): Promise<void> {
    await this.api.drain(service, backend);
    await this.applied();
  }

  async undrain(service: string, backend: string): Promise<boolean> {
    const known = await this.api.undrain(service, backend);
    if (known) await this.applied();
    return known;
  }

  /** Whoever may write to the socket would run programs with the daemon's rights. */
  #refuseCommand({ name, health }: DeclaredService): void {
    if (health?.kind !== 'command' || this.commandChecks) return;
    throw new RequestError(400, {
      code: 'COMMAND_CHECK_REFUSED',
      object: `service ${name}`,
      cause: 'a command check runs with the rights of the daemon, so the API does not take it',
      hint: 'define the service in a file, or start vipd with --api-command-checks allow',
    });
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(change);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
