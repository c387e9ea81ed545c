import type { ForwardedVip, Forwarding } from '../../../ts/model/forwarding.js';
import { type ServiceDefinition, vipKey } from '../../../ts/model/service.js';
import { mergeReports, type ServiceTable } from '../../../ts/model/table.js';
import type { Verdict, Verdicts } from '../../../ts/model/verdict.js';

export function define(name: string, host: number, ...backends: readonly number[]): ServiceDefinition {
  return {
    name,
    frontend: { address: `11.0.0.${host}`, port: 80, protocol: 'tcp' },
    backends: backends.map((one) => ({ address: `10.0.0.${one}`, port: 80, weight: 1 })),
  };
}

export const table = (...services: readonly ServiceDefinition[]): ServiceTable =>
  mergeReports([{ source: 'test', services }]);

export function forwarding(...vips: readonly ForwardedVip[]): Forwarding {
  return { pools: [], vips: new Map(vips.map((vip) => [vipKey(vip.frontend), vip])) };
}

/** Verdicts as the test sets them; a backend that was never set has no check. */
export class Opinions implements Verdicts {
  readonly #states = new Map<string, Verdict['state']>();
  #revision = 0;

  set(service: string, host: number, state: Verdict['state']): void {
    this.#states.set(`${service} 10.0.0.${host}:80`, state);
    this.#revision++;
  }

  verdict(service: string, backend: string): Verdict | undefined {
    const state = this.#states.get(`${service} ${backend}`);
    return state && { state, reason: state, since: 0 };
  }

  revision(): number {
    return this.#revision;
  }
}
