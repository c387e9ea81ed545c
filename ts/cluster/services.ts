import { compareBackends } from '../model/forwarding.js';
import { type BackendDefinition, type BackendOrigin, backendKey, type DeclaredService } from '../model/service.js';
import type { Verdict } from '../model/verdict.js';
import type { Fault } from '../util/errors.js';
import { type Contribution, type PublishedBackend, readContribution } from './contribution.js';
import type { Entry } from './entry.js';
import type { NodeId } from './identity.js';
import { counts, type Member } from './membership.js';
import type { Holding } from './replica.js';
import { type Room, shareOfVip, type Wish, withoutRoom } from './shares.js';

export interface RemoteInputs {
  readonly self: NodeId;
  /** Addresses of this node. */
  readonly addresses: readonly string[];
  readonly members: ReadonlyMap<NodeId, Member>;
  readonly holding: (owner: NodeId) => Holding | undefined;
  /** This node talks to nobody, so it can judge nobody. */
  readonly alone: boolean;
  /** For all that other nodes have. */
  readonly room: Room;
}

export interface Remote {
  readonly services: readonly DeclaredService[];
  readonly faults: readonly Fault[];
}

/** What was made for a VIP, and of what. */
interface Made {
  readonly claims: readonly Claim[];
  /** Of everything else it depends on. */
  readonly around: string;
  readonly text: string;
  readonly service: DeclaredService;
  readonly faults: readonly Fault[];
}

interface Claim {
  readonly member: Member;
  readonly contribution: Contribution;
}

/** What the other nodes of the cluster have behind VIPs, one service for each VIP. */
export class RemoteServices {
  /** What was made of an entry, kept with it. */
  readonly #read = new WeakMap<Entry, ReturnType<typeof readContribution>>();
  readonly #wishes = new WeakMap<Contribution, Wish>();
  readonly #made = new Map<string, Made>();

  update(inputs: RemoteInputs): Remote {
    const faults: Fault[] = [];
    const owners = addressOwners(inputs, faults);
    const claims = this.#claims(inputs, faults);
    const around = `${inputs.alone} ${[...owners].map(([address, member]) => `${address} ${member?.id}`).join()}`;
    const made = [...claims].map(([key, list]) => this.#service(key, list, owners, inputs, around));
    for (const key of this.#made.keys()) if (!claims.has(key)) this.#made.delete(key);
    const all = [...faults, ...made.flatMap((one) => one.faults)];
    return { services: made.map(({ service }) => service), faults: abridged(all) };
  }

  #claims(inputs: RemoteInputs, faults: Fault[]): ReadonlyMap<string, readonly Claim[]> {
    const said = new Map<Member, ReadonlyMap<string, Contribution>>();
    for (const member of inputs.members.values()) {
      if (member.state === 'left' || member.state === 'refused') continue;
      said.set(member, this.#contributions(member, inputs, faults));
    }
    const wishes = new Map([...said].map(([member, list]) => [member, this.#wishesOf(list, inputs.room)]));
    const excess = withoutRoom(wishes, inputs.room);
    for (const [member, keys] of excess) faults.push(overShare(member, keys.size, inputs.room));
    const claims = new Map<string, Claim[]>();
    for (const [member, list] of said) {
      for (const [key, contribution] of list) {
        if (excess.get(member)?.has(key)) continue;
        const known = claims.get(key);
        if (known) known.push({ member, contribution });
        else claims.set(key, [{ member, contribution }]);
      }
    }
    return claims;
  }

  #contributions(member: Member, { holding }: RemoteInputs, faults: Fault[]): ReadonlyMap<string, Contribution> {
    const valid = new Map<string, Contribution>();
    for (const [key, entry] of holding(member.id)?.entries ?? []) {
      const { vip, gone } = entry.message;
      if (key === '' || gone || !vip) continue;
      const contribution = this.#read.get(entry) ?? readContribution(key, vip);
      this.#read.set(entry, contribution);
      if ('cause' in contribution) faults.push(invalid(member, contribution.cause));
      else valid.set(key, contribution);
    }
    return valid;
  }

  #wishesOf(list: ReadonlyMap<string, Contribution>, { costOf = countOf }: Room): readonly Wish[] {
    return Array.from(list, ([key, contribution]) => {
      const { backends } = contribution;
      const wish = this.#wishes.get(contribution) ?? { key, backends: costOf(backends.map(({ weight }) => weight)) };
      this.#wishes.set(contribution, wish);
      return wish;
    });
  }

  /** Worked out anew only where something changed, and the same object as long as it would say the same. */
  #service(
    key: string,
    claims: readonly Claim[],
    owners: ReadonlyMap<string, Member | undefined>,
    inputs: RemoteInputs,
    around: string,
  ): Made {
    const before = this.#made.get(key);
    if (before && before.around === around && sameClaims(before.claims, claims)) return before;
    const faults: Fault[] = [];
    const { frontend, service: name, policy } = claims[0]!.contribution;
    const backends = backendsOf(claims, owners, inputs, faults);
    const fresh = { name, frontend, backends, ...(policy && { policy }) };
    const text = JSON.stringify(fresh);
    const service = before?.text === text ? before.service : fresh;
    const made = { claims, around, text, service, faults };
    this.#made.set(key, made);
    return made;
  }
}

/** Of one kind and node. */
const FAULTS_TOLD = 8;

/** Of one node's faults the first few, and how many more: what it publishes may be wrong throughout. */
function abridged(faults: readonly Fault[]): readonly Fault[] {
  const counts = new Map<string, number>();
  const few = faults.filter(({ code, object }) => {
    const key = `${code} ${object}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts.get(key)! <= FAULTS_TOLD;
  });
  const rest = [...counts].filter(([, count]) => count > FAULTS_TOLD);
  const more = rest.map(([key, count]): Fault => {
    const [code = '', ...object] = key.split(' ');
    return { code, object: object.join(' '), cause: `${count - FAULTS_TOLD} more of the same kind` };
  });
  return [...few, ...more];
}

/** A node that only spoke again is the same as before. */
function sameClaims(a: readonly Claim[], b: readonly Claim[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ member, contribution }, i) => {
      const other = b[i]!;
      return (
        contribution === other.contribution && member.id === other.member.id && member.since === other.member.since
      );
    })
  );
}

/**
 * Which node has an address; this node (undefined) its own. Of two that claim one, the one whose word counts, then the
 * lesser id: the same on every node that sees the same members.
 */
function addressOwners({ members, addresses }: RemoteInputs, faults: Fault[]): ReadonlyMap<string, Member | undefined> {
  const owners = new Map<string, Member | undefined>(addresses.map((address) => [address, undefined]));
  const present = [...members.values()].filter(({ state }) => state !== 'left' && state !== 'refused');
  for (const member of present.sort((a, b) => Number(counts(b)) - Number(counts(a)) || (a.id < b.id ? -1 : 1))) {
    for (const address of member.node.addresses) {
      const other = owners.get(address);
      if (!owners.has(address)) owners.set(address, member);
      else if (counts(member)) faults.push(contested(member, address, other));
    }
  }
  return owners;
}

function backendsOf(
  claims: readonly Claim[],
  owners: ReadonlyMap<string, Member | undefined>,
  inputs: RemoteInputs,
  faults: Fault[],
): readonly BackendDefinition[] {
  const found = new Map<string, { claim: Claim; backend: PublishedBackend }>();
  const refused = new Map<string, Fault>();
  const most = shareOfVip(claims.map(({ contribution }) => contribution.backends.length));
  for (const claim of claims.toSorted((a, b) => Number(counts(b.member)) - Number(counts(a.member)))) {
    const { backends } = claim.contribution;
    if (backends.length > most) faults.push(overVip(claim, most));
    for (const backend of backends.slice(0, most)) {
      const key = backendKey(backend);
      const owner = owners.get(backend.address);
      const foreign = owners.has(backend.address) && owner?.id !== claim.member.id;
      if (foreign) refused.set(key, notTheirs(claim.member, key, owner));
      else if (!found.has(key)) found.set(key, { claim, backend });
    }
  }
  // Of one that its node names as well nothing is lost.
  for (const [key, fault] of refused) if (!found.has(key)) faults.push(fault);
  return Array.from(found.values(), ({ claim, backend }) => definition(claim.member, backend, inputs)).sort(
    compareBackends,
  );
}

function definition(member: Member, backend: PublishedBackend, { alone }: RemoteInputs): BackendDefinition {
  const { address, port, weight } = backend;
  const omitted = counts(member) || alone ? undefined : omissionOf(member);
  const verdict = verdictOf(member, backend);
  const origin: BackendOrigin = { node: nameOf(member), verdict, ...(omitted === undefined ? {} : { omitted }) };
  return {
    address,
    port,
    weight,
    ...(weight === 0 && backend.reason !== '' ? { reason: backend.reason } : {}),
    origin,
  };
}

function verdictOf(member: Member, { health, reason }: PublishedBackend): Verdict | undefined {
  if (health === 'unchecked') return undefined;
  return { state: health, reason: `node ${nameOf(member)}: ${reason || health}`, since: member.since };
}

function omissionOf(member: Member): string {
  const clock = new Date(member.since).toISOString().slice(11, 19);
  if (member.state === 'stale')
    return `node ${nameOf(member)} is stale: it has said nothing since ${timeOf(member.heard)} UTC`;
  return `node ${nameOf(member)} is unreachable since ${clock} UTC`;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

export function nameOf({ node, id }: Member): string {
  return node.name === '' ? id.slice(-8) : node.name;
}

function invalid(member: Member, cause: string): Fault {
  return {
    code: 'RECORD_INVALID',
    object: `node ${nameOf(member)}`,
    cause: `what it publishes is not valid: ${cause}`,
  };
}

function countOf({ length }: readonly unknown[]): number {
  return length;
}

function overShare(member: Member, dropped: number, { vips, backends }: Room): Fault {
  const cause = `this node has no room for ${dropped} of its VIPs: it has most of all, and ${vips} VIPs with ${backends} backends of other nodes fit`;
  const hint = 'see what it publishes, or raise limits.vips and limits.backends here';
  return { code: 'NODE_OVER_SHARE', object: `node ${nameOf(member)}`, cause, hint };
}

function overVip({ member, contribution: { service, backends } }: Claim, most: number): Fault {
  const cause = `it has ${backends.length} backends for ${service}, of which ${most} fit beside those of other nodes`;
  return { code: 'NODE_OVER_SHARE', object: `node ${nameOf(member)}`, cause, hint: 'see what it publishes' };
}

function contested(member: Member, address: string, other: Member | undefined): Fault {
  const whose = other ? `node ${nameOf(other)}` : 'this node';
  const cause = `it claims the address ${address}, which is an address of ${whose}`;
  return {
    code: 'ADDRESS_CONTESTED',
    object: `node ${nameOf(member)}`,
    cause,
    hint: 'give every node addresses of its own',
  };
}

function notTheirs(member: Member, key: string, owner: Member | undefined): Fault {
  const whose = owner ? `node ${nameOf(owner)}` : 'this node';
  const cause = `it publishes the backend ${key}, an address of ${whose}, which does not; refused`;
  return { code: 'BACKEND_FOREIGN', object: `node ${nameOf(member)}`, cause, hint: `define the backend on ${whose}` };
}
