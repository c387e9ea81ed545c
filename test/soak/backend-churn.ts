import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceInput } from '../../ts/model/schema.js';
import type { Daemon } from '../helpers/daemon.js';
import type { Site } from '../helpers/lab.js';

export const port = 7000;

/** A backend, and the letter of which all its answers are. */
export interface Server extends Site {
  readonly letter: string;
}

/** With servers that stay, and others that come and go. */
export interface ChurnedService {
  readonly name: string;
  readonly vip: string;
  readonly policy: Partial<ServiceInput>;
  readonly steady: readonly Server[];
  readonly passing: readonly Server[];
}

/** What the API is told of a service. */
export function definition(
  { vip, policy }: Pick<ChurnedService, 'vip' | 'policy'>,
  servers: readonly (Server & { readonly weight?: number })[],
): Omit<ServiceInput, 'name'> {
  const backends = servers.map(({ v4, v6, weight = 1 }) => ({
    address: vip.startsWith('[') ? `[${v6}]:${port}` : `${v4}:${port}`,
    weight,
  }));
  return { vip, backends, ...policy };
}

/** A backend comes, gets more weight, drains, and goes. */
const STAGES = [1, 4, 0, undefined] as const;

/** Changes the backends of services without end, those of one service one after the other. */
export class BackendChurn {
  made = 0;
  missed = 0;
  #turn = 0;
  readonly #stages = new Map<string, number>();
  readonly #busy = new Set<string>();

  constructor(
    readonly daemon: Daemon,
    readonly services: readonly ChurnedService[],
    /** A second. */
    readonly rate: number,
  ) {}

  /** Goes on until `over` is settled. */
  async until(over: Promise<unknown>): Promise<void> {
    let ended = false;
    void over.finally(() => {
      ended = true;
    });
    const begun = performance.now();
    for (let n = 1; !ended; n += 1) {
      void this.#change();
      await sleep(Math.max(0, begun + (n * 1_000) / this.rate - performance.now()));
    }
  }

  async #change(): Promise<void> {
    const service = this.services[this.#turn++ % this.services.length]!;
    if (this.#busy.has(service.name)) return;
    this.#busy.add(service.name);
    const stage = (this.#stages.get(service.name) ?? -1) + 1;
    this.#stages.set(service.name, stage);
    const weight = STAGES[stage % STAGES.length];
    const passing = service.passing[Math.floor(stage / STAGES.length) % service.passing.length]!;
    const servers = weight === undefined ? service.steady : [...service.steady, { ...passing, weight }];
    try {
      await this.daemon.client.setService({ name: service.name, body: definition(service, servers) });
      this.made += 1;
    } catch {
      this.missed += 1; // while it is being restarted
    }
    this.#busy.delete(service.name);
  }
}
