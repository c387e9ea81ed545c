import { vipNameText } from '../model/name.js';
import { answerFor, type Item } from './answer.js';
import { rcode, rcodeName, typeName } from './codes.js';
import { describeRaw } from './describe.js';
import type { Group } from './group.js';
import { type NameKey, nameKey, nameText, parent } from './name.js';
import { dataText, recordText } from './record.js';
import { itemsOf, looseRecords } from './records-in.js';
import type { Outcome, Recursor } from './recursor.js';
import type { Zone } from './zone.js';
import type { Zones } from './zones.js';

/** One record of an answer, and who gave it. */
export interface ExplainedRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: string;
  /** `task x of framework y`, `VIP web.marathon`, `configuration`; empty for what others answered. */
  readonly from: readonly string[];
}

/** What a name is answered with, and how it came about. */
export interface Explanation {
  readonly name: string;
  readonly type: string;
  readonly code: string;
  readonly answer: readonly ExplainedRecord[];
  /** One sentence for each step. */
  readonly steps: readonly string[];
}

export interface ExplainModules {
  readonly zones: Zones;
  readonly recursor: Recursor;
  readonly groups: ReadonlyMap<string, Group>;
}

/** Answers a question as a client would get it and says why. @throws VipdError NAME_INVALID */
export async function explain(modules: ExplainModules, name: string, type: number): Promise<Explanation> {
  const key = nameKey(name);
  const steps: string[] = [];
  const { routing } = modules.zones;
  const routed = routing.find(key);
  if (routed.alias !== undefined) steps.push(`${nameText(key)} is another name of ${nameText(routed.key)}`);
  const found = answerFor(routing, key, type);
  const about = { name: nameText(key), type: typeName(type) };
  if (found.kind === 'unready') {
    steps.push(unreadyText(found.zone));
    return { ...about, code: rcodeName(rcode.SERVFAIL), answer: [], steps };
  }
  if (found.kind === 'elsewhere') {
    if (routed.to.to === 'zone') steps.push(`the zone ${nameText(routed.to.zone.apex)} does not hold it`);
    const { code, items } = await asked(modules, found.group, found.key, type, steps);
    return {
      ...about,
      code,
      answer: items.map(({ owner, set }) => foreign(owner, set.ttl, set.type, set.records[0])),
      steps,
    };
  }
  const { zone, answer } = found;
  steps.push(`the zone ${nameText(zone.apex)} (${zone.origin}, ${zone.size} names) is answered here`);
  const own = answer.answer.flatMap((item) => explained(modules.zones, item));
  if (answer.rest === undefined) {
    steps.push(...reasons(modules.zones, routed.key, type, answer.rcode, own.length));
    return { ...about, code: rcodeName(answer.rcode), answer: own, steps };
  }
  steps.push(`its alias ${nameText(answer.rest.key)} is not in a zone of this node`);
  const { code, items } = await asked(modules, answer.rest.group, answer.rest.key, type, steps);
  const theirs = items.map(({ owner, set }) => foreign(owner, set.ttl, set.type, set.records[0]));
  return { ...about, code, answer: [...own, ...theirs], steps };
}

function unreadyText({ apex, origin, ready }: Zone): string {
  const zone = `the zone ${nameText(apex)} (${origin})`;
  if (!ready) return `${zone} is not filled yet: nothing can be said`;
  return `${zone} does not hold it, but not all sources have been heard of yet: vipctl status`;
}

function explained(zones: Zones, { owner, set }: Item): ExplainedRecord[] {
  return set.records.map((data) => ({
    name: nameText(owner),
    type: typeName(set.type),
    ttl: set.ttl,
    data: dataText(data),
    from: zones.ownersOf(owner, data),
  }));
}

function foreign(owner: NameKey, ttl: number, type: number, data: Item['set']['records'][number] | undefined) {
  const text = data !== undefined && 'raw' in data ? describeRaw(data) : data === undefined ? '' : recordText(data);
  return { name: nameText(owner), type: typeName(type), ttl, data: text, from: [] };
}

/** Why there is an answer, or none. */
function reasons(zones: Zones, key: NameKey, type: number, code: number, records: number): string[] {
  if (records > 0) return [`${records} ${records === 1 ? 'record' : 'records'} of type ${typeName(type)}`];
  if (code === rcode.NOERROR) return [`the name exists, but has nothing of type ${typeName(type)}`];
  const steps = ['the name does not exist'];
  const vip = zones.vipAt(key);
  if (vip !== undefined) {
    const keys = vip.ports.map((port) => port.key).join(', ');
    steps.push(`VIP ${vipNameText(vip.name)} (${keys}) is known, but the kernel of this node does not forward it yet`);
  }
  const tasks = [...(zones.tasks?.tasksOf(nameText(key)) ?? [])];
  for (const task of tasks) steps.push(`task ${task.id} would have it, but its state is ${task.state}`);
  if (steps.length === 1) steps.push(...near(zones, key));
  return steps;
}

/** The closest name above that exists. */
function near(zones: Zones, key: NameKey): string[] {
  for (let above = parent(key); above !== ''; above = parent(above)) {
    const { to, key: known } = zones.routing.find(above);
    if (to.to === 'zone' && to.zone.find(known) !== undefined)
      return [`the closest name that exists is ${nameText(above)}`];
  }
  return [];
}

async function asked(modules: ExplainModules, group: string, key: NameKey, type: number, steps: string[]) {
  const { recursor, groups } = modules;
  const servers = groups.get(group)?.upstreams ?? [];
  const names = servers.map((one) => one.name).join(', ');
  steps.push(servers.length === 0 ? 'there is no server to ask for it' : `servers for it: ${names}`);
  if (servers.length === 0) return { code: rcodeName(rcode.REFUSED), items: [] };
  const outcome = await new Promise<Outcome>((resolve) => {
    const at = recursor.resolve(group, { key, type, dnssec: false, unchecked: false }, resolve);
    if (at !== undefined) resolve(at);
  });
  steps.push(outcomeText(outcome));
  const records = outcome.reply === undefined ? [] : looseRecords(outcome.reply, 0);
  return { code: rcodeName(outcome.reply?.rcode ?? rcode.SERVFAIL), items: itemsOf(records ?? [], outcome.age) };
}

function outcomeText({ origin, age, server }: Outcome): string {
  if (origin === 'cache') return `answered from the cache, ${age} s old`;
  if (origin === 'stale') return 'nobody answers: what is known is out of date, and given nevertheless';
  if (origin === 'upstream') return `answered by ${server}`;
  if (origin === 'shed') return 'too many questions are under way: turned away';
  return server === undefined ? 'nobody answers' : `${server} could not help, nor could the others`;
}
