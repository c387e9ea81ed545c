import type { DefinitionsPort } from '../api/ports.js';
import type { ServiceDefinition } from '../model/service.js';
import type { ApiSource } from '../sources/api.js';

/** The API's own services as its port wants them. One change at a time: each sees what the one before has left. */
export class Definitions implements DefinitionsPort {
  readonly source: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly api: ApiSource) {
    this.source = api.name;
  }

  list(): readonly ServiceDefinition[] {
    return this.api.list();
  }

  set(service: ServiceDefinition): Promise<void> {
    return this.#inTurn(() => this.api.set(service));
  }

  remove(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const known = this.api.list().some((service) => service.name === name);
      if (known) await this.api.remove(name);
      return known;
    });
  }

  apply(services: readonly ServiceDefinition[], prune: boolean): Promise<void> {
    return this.#inTurn(() => {
      const named = new Set(services.map((service) => service.name));
      const kept = prune ? [] : this.api.list().filter((service) => !named.has(service.name));
      return this.api.apply([...kept, ...services]);
    });
  }

  drain(service: string, backend: string): Promise<void> {
    return this.api.drain(service, backend);
  }

  undrain(service: string, backend: string): Promise<void> {
    return this.api.undrain(service, backend);
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(change);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
