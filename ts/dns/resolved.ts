import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Fault, faultOf } from '../util/errors.js';
import type { Logger } from '../util/logger.js';
import { isWithin, type NameKey, nameText } from './name.js';
import { parseResolvConf } from './resolv-conf.js';

export interface ResolvedOptions {
  /** The interface that the servers and domains are of. */
  readonly device: string;
  readonly servers: readonly string[];
  /** Names that end in these are asked of the servers, and no others. */
  readonly suffixes: readonly NameKey[];
  /** What the C library reads. */
  readonly path: string;
}

/** Where systemd-resolved writes down what it asks; anybody may read it. */
const runtime = '/run/systemd/resolve';
const stub = '127.0.0.53';
/** Of one interface, systemd-resolved takes no more. */
const mostDomains = 256;
const timeout = 5_000;
const run = promisify(execFile);

/** Whether names are resolved by systemd-resolved here: it runs, and the C library asks it. */
export function resolvedInCharge(path: string): boolean {
  if (!existsSync(`${runtime}/resolv.conf`)) return false;
  try {
    if (realpathSync(path).startsWith(`${runtime}/`)) return true;
    return parseResolvConf(readFileSync(path, 'utf8')).servers.includes(stub);
  } catch {
    return false;
  }
}

/** Has systemd-resolved ask this resolver for its names, and for those alone. It forgets that when it or the device goes. */
export class ResolvedLink {
  #fault: Fault | undefined;
  #held = false;
  #busy: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly modules: { readonly logger: Logger },
  ) {}

  fault(): Fault | undefined {
    return this.#fault;
  }

  /** Tells it, unless it knows already; to be called again and again. */
  hold(): Promise<void> {
    const { device, servers } = this.options;
    if (this.#held && knows(servers)) return this.#busy;
    return this.#inTurn(async () => {
      if (this.#held && knows(servers)) return;
      await run('resolvectl', ['dns', device, ...servers], { timeout });
      await run('resolvectl', ['domain', device, ...domainsOf(this.options.suffixes)], { timeout });
      await run('resolvectl', ['default-route', device, 'false'], { timeout });
      this.#held = true;
    });
  }

  /** It asks as it did before. */
  release(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#held) await run('resolvectl', ['revert', this.options.device], { timeout });
      this.#held = false;
    });
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#busy = this.#busy.then(() => this.#attempt(action));
    return this.#busy;
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
      this.#fault = undefined;
    } catch (error) {
      const fault = faultOf(error, `systemd-resolved, interface ${this.options.device}`);
      if (this.#fault?.cause !== fault.cause) this.modules.logger.warn({ fault }, 'systemd-resolved could not be told');
      this.#fault = fault;
    }
  }
}

function knows(servers: readonly string[]): boolean {
  try {
    const known = parseResolvConf(readFileSync(`${runtime}/resolv.conf`, 'utf8')).servers;
    return servers.some((server) => known.includes(server));
  } catch {
    return false;
  }
}

/** Pure. Without those that are below another; `~`: for routing only, never put behind what somebody types. */
export function domainsOf(suffixes: readonly NameKey[]): readonly string[] {
  const top = suffixes.filter(
    (one) => one !== '' && !suffixes.some((other) => other !== one && other !== '' && isWithin(one, other)),
  );
  const names = top.map(nameText).filter((name) => name !== 'localhost');
  return [...new Set(names)]
    .sort()
    .slice(0, mostDomains)
    .map((name) => `~${name}`);
}
