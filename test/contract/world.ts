import assert from 'node:assert/strict';
import type { Step } from '../../ts/dataplane/dataplane.js';
import { type Prefix, prefixContains } from '../../ts/model/address.js';
import type { ForwardedVip } from '../../ts/model/forwarding.js';
import { type BackendKey, backendKey, type Frontend, type VipKey, vipKey } from '../../ts/model/service.js';
import { Client, type Met } from './client.js';
import { type Act, FRONTENDS, subject } from './history.js';
import { betweenWrites, type Damage, difference, type Kernel } from './kernel.js';

/** What there should be: the model a kernel is held against. */
interface State {
  readonly pools: readonly Prefix[];
  readonly vips: ReadonlyMap<VipKey, ForwardedVip>;
}

interface Conversation {
  readonly client: Client;
  readonly vip: VipKey;
  readonly backend: BackendKey;
}

/** Plays a history on a kernel and, after everything that happens, looks at all of it from the outside. */
export class World {
  #state: State = { pools: [], vips: new Map() };
  #talks: readonly Conversation[] = [];
  /** After damage and a restart there may be no room to get back: two tables of a VIP must fit, the old and the new. */
  #stuck = false;

  constructor(readonly kernel: Kernel) {}

  async play(act: Act): Promise<void> {
    if (this.#stuck) return;
    if (act.act === 'apply') await this.#apply(act.steps);
    if (act.act === 'talk') this.#talk(act.frontend);
    if (act.act === 'reopen') await this.kernel.reopen();
    if (act.act === 'damage') await this.#damage(act.damages, act.reopen);
    if (!this.#stuck) await this.look();
  }

  async look(): Promise<void> {
    assert.deepEqual(plain(await this.kernel.plane.read()), plain(this.#state));
    for (const frontend of FRONTENDS) this.#meet(frontend, this.#state, this.#state);
    for (const talk of this.#talks) this.#goesOn(talk);
    for (const key of this.#state.vips.keys()) await this.#shares(key);
  }

  /** Everything goes, and nothing is left. */
  async end(): Promise<void> {
    await this.#apply([...this.#state.vips.keys()].map((key) => ({ kind: 'remove', key })));
    await this.#apply([{ kind: 'pools', pools: [] }]);
    await this.look();
  }

  /** Also between any two writes VIPs that are and will be there serve, and conversations go on. */
  async #apply(steps: readonly Step[]): Promise<void> {
    const before = this.#state;
    const wanted = after(before, steps);
    const lasting = this.#talks.filter(({ vip, backend }) => keysOf(wanted, vip).includes(backend));
    const look = () => {
      if (this.#stuck) return;
      for (const frontend of FRONTENDS) this.#meet(frontend, before, wanted);
      for (const talk of lasting) this.#goesOn(talk);
    };
    const outcomes = await betweenWrites(look, () => this.kernel.plane.apply(steps));
    for (const outcome of outcomes) if (outcome !== undefined) assert.equal(outcome.code, 'MAP_FULL');
    const done = steps.filter((_, i) => outcomes[i] === undefined);
    this.#state = after(before, done);
    this.#talks = this.#talks.filter(({ vip, backend }) => keysOf(this.#state, vip).includes(backend));
  }

  /** Both sides speak until the conversation is established. */
  #talk(frontend: Frontend): void {
    const client = new Client(frontend);
    const backend = client.ask(this.kernel.plane);
    if (backend === 'refused' || backend === 'passed') return;
    const talk = { client, vip: vipKey(frontend), backend };
    this.#goesOn(talk);
    this.#talks = [...this.#talks, talk];
  }

  /** What a reconciler finds and asks for brings everything back. */
  async #damage(damages: readonly Damage[], reopen: boolean): Promise<void> {
    for (const damage of damages) this.kernel.damage(damage);
    if (reopen) {
      // Whose flow it was may not be known any more.
      this.#talks = [];
      await this.kernel.reopen();
    }
    // What is in the way of a step may only go with the same pass.
    for (let pass = 0; pass < 3; pass++) {
      const steps = difference(await this.kernel.plane.read(), this.#state);
      if (steps.length === 0) return;
      const outcomes = await this.kernel.plane.apply(steps);
      this.#stuck = reopen && outcomes.some((outcome) => outcome?.code === 'MAP_FULL');
    }
    if (this.#stuck) this.#state = await this.kernel.plane.read();
  }

  /** A new client meets what there was or what there will be. */
  #meet(frontend: Frontend, before: State, wanted: State): void {
    const expected = [before, wanted].flatMap((state) => selectableOf(state, frontend));
    const serving = [before, wanted].every((state) => selectableOf(state, frontend).length > 0);
    if (!serving && [before, wanted].some((state) => isOurs(state, frontend))) expected.push('refused');
    if (!serving && !staysOurs(before, wanted, frontend)) expected.push('passed');
    const met = new Client(frontend).ask(this.kernel.plane);
    assert.ok(expected.includes(met), `${vipKey(frontend)}: ${met} instead of ${expected.join(' or ')}`);
  }

  #goesOn({ client, vip, backend }: Conversation): void {
    assert.equal(client.answer(this.kernel.plane, backend), vip.slice(vip.indexOf('/') + 1), `${backend} answers`);
    assert.equal(client.ask(this.kernel.plane, 'A'), backend, `a conversation with ${vip}`);
  }

  /** Slots of the selection table are those of the backends with weight, in its proportion. */
  async #shares(key: VipKey): Promise<void> {
    const held = (await this.kernel.plane.inspect(key)) as { backends: { endpoint: string; slots: number }[] };
    const { backends } = this.#state.vips.get(key)!;
    const sum = backends.reduce((total, { weight }) => total + weight, 0);
    const slots = held.backends.reduce((total, { slots }) => total + slots, 0);
    const byKey = new Map(held.backends.map((one) => [one.endpoint, one.slots]));
    assert.equal(slots > 0, sum > 0, `${key} has a table`);
    for (const backend of backends) {
      const part = sum === 0 ? 0 : backend.weight / sum;
      const error = Math.abs(byKey.get(backendKey(backend))! - slots * part);
      assert.ok(error <= (backend.weight === 0 ? 0 : 1 + backends.length * part), `share of ${backendKey(backend)}`);
    }
  }
}

function after(state: State, steps: readonly Step[]): State {
  const vips = new Map(state.vips);
  let { pools } = state;
  for (const step of steps) {
    if (step.kind === 'pools') pools = step.pools;
    if (step.kind === 'remove') vips.delete(step.key);
    if (step.kind === 'upsert') vips.set(subject(step), step.vip);
  }
  return { pools, vips };
}

function keysOf({ vips }: State, key: VipKey): BackendKey[] {
  return (vips.get(key)?.backends ?? []).map(backendKey);
}

function selectableOf({ vips }: State, frontend: Frontend): Met[] {
  return (vips.get(vipKey(frontend))?.backends ?? []).filter(({ weight }) => weight > 0).map(backendKey);
}

function inPool({ pools }: State, { address }: Frontend): boolean {
  return pools.some((pool) => prefixContains(pool, address));
}

/** Whether every port of the address is answered for. */
function isOurs(state: State, frontend: Frontend): boolean {
  return inPool(state, frontend) || [...state.vips.values()].some((vip) => vip.frontend.address === frontend.address);
}

/** Whether that is so all the time on the way from one state to another, of which steps may fail. */
function staysOurs(before: State, wanted: State, frontend: Frontend): boolean {
  if (inPool(before, frontend) && inPool(wanted, frontend)) return true;
  return [...before.vips].some(([key, vip]) => vip.frontend.address === frontend.address && wanted.vips.has(key));
}

/** In a form that does not depend on the order of VIPs. */
function plain({ pools, vips }: State): unknown {
  return { pools, vips: Object.fromEntries([...vips].sort(([a], [b]) => (a < b ? -1 : 1))) };
}
