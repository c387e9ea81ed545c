import { join } from 'node:path';
import { type BackendKey, type DeclaredService, declaredName } from '../model/service.js';
import { type Fault, VipdError } from '../util/errors.js';
import type { Report, Source } from './source.js';
import { type ApiState, EMPTY_STATE, readState, writeState } from './statefile.js';

interface Change {
  readonly make: (state: ApiState) => ApiState;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * What is set through the API: services of its own, and drained backends of any source. A change is on disk before its
 * promise resolves and before anybody else sees it; changes that wait for the disk together are written together.
 */
export class ApiSource implements Source {
  readonly name = 'api';
  readonly #path: string;
  readonly #drainListeners = new Set<() => void>();
  #state: ApiState = EMPTY_STATE;
  #faults: readonly Fault[] = [];
  #loading: Promise<void> | undefined;
  #queue: Change[] = [];
  #writing = false;
  #report: ((report: Report) => void) | undefined;

  constructor(options: { stateDir: string }) {
    this.#path = join(options.stateDir, 'services.json');
  }

  async run(report: (report: Report) => void, signal: AbortSignal): Promise<void> {
    await this.#load();
    if (signal.aborted) return;
    this.#report = report;
    this.#tell();
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    this.#report = undefined;
  }

  /** By name. */
  list(): readonly DeclaredService[] {
    return [...this.#state.services.values()];
  }

  /** Adds the service, or replaces the API's own of that name. @throws VipdError STATE_UNWRITABLE, STATE_UNREADABLE */
  set(definition: DeclaredService): Promise<void> {
    return this.#change((state) => withServices(state, [...state.services.values(), definition]));
  }

  /** Removes the service and what was drained of it; nothing happens when the API has none of that name. */
  remove(name: string): Promise<void> {
    return this.#change((state) => {
      if (!state.services.has(name)) return state;
      return withServices(
        state,
        [...state.services.values()].filter((service) => service.name !== name),
      );
    });
  }

  /** Replaces all services the API has. @throws VipdError NAME_DUPLICATE */
  async apply(definitions: readonly DeclaredService[]): Promise<void> {
    const names = new Set<string>();
    for (const { name } of definitions) {
      const object = `service ${name}`;
      if (names.has(name)) throw new VipdError({ code: 'NAME_DUPLICATE', object, cause: 'is given twice' });
      names.add(name);
    }
    await this.#change((state) => withServices(state, definitions));
  }

  /** No new connections for the backend; its established ones go on. */
  drain(service: string, backend: BackendKey): Promise<void> {
    const key = `${service}\0${backend}`;
    return this.#change((state) =>
      state.drained.has(key) ? state : { ...state, drained: new Set(state.drained).add(key) },
    );
  }

  /** False when it was not drained. */
  async undrain(service: string, backend: BackendKey): Promise<boolean> {
    const key = `${service}\0${backend}`;
    let known = false;
    await this.#change((state) => {
      known = state.drained.has(key);
      return withoutDrained(state, (other) => other === key);
    });
    return known;
  }

  /** Another set whenever it changes. */
  drained(): ReadonlySet<string> {
    return this.#state.drained;
  }

  /** Calls the listener after every change of {@link drained} until the returned function is called. */
  onDrainChange(listener: () => void): () => void {
    this.#drainListeners.add(listener);
    return () => this.#drainListeners.delete(listener);
  }

  #load(): Promise<void> {
    this.#loading ??= readState(this.#path).then(
      ({ state, faults }) => {
        this.#faults = faults;
        this.#enter(state);
      },
      (error: unknown) => {
        this.#loading = undefined; // the next attempt reads again
        throw error;
      },
    );
    return this.#loading;
  }

  async #change(make: Change['make']): Promise<void> {
    await this.#load();
    await new Promise<void>((done, failed) => {
      this.#queue.push({ make, done, failed });
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      try {
        const next = batch.reduce((state, { make }) => make(state), this.#state);
        if (next !== this.#state) await writeState(this.#path, next);
        this.#enter(next);
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#writing = false;
  }

  #enter(next: ApiState): void {
    const before = this.#state;
    this.#state = next;
    if (next.services !== before.services) this.#tell();
    if (next.drained !== before.drained) for (const listener of this.#drainListeners) listener();
  }

  #tell(): void {
    this.#report?.({ services: this.list(), faults: this.#faults });
  }
}

/** The state with these services; of one name the last counts. What was drained of a service that goes, goes with it. */
function withServices(state: ApiState, definitions: readonly DeclaredService[]): ApiState {
  const named = new Map(definitions.map((definition) => [definition.name, definition]));
  const services = new Map([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
  const gone = (key: string): boolean => {
    const service = declaredName(key.slice(0, key.indexOf('\0')));
    return state.services.has(service) && !services.has(service);
  };
  return { ...withoutDrained(state, gone), services };
}

function withoutDrained(state: ApiState, gone: (key: string) => boolean): ApiState {
  const drained = [...state.drained].filter((key) => !gone(key));
  return drained.length === state.drained.size ? state : { ...state, drained: new Set(drained) };
}
