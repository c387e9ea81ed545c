import { dnsLabel } from '../model/name.js';
import type { Task } from '../model/task.js';
import type { Entry } from './ledger.js';
import { type NameKey, tryNameKey } from './name.js';
import { address } from './record.js';

/** The three answers to "where is it": the agent, the container, or whichever of the two its ports are at. */
export type AddressKind = 'agentip' | 'containerip' | 'autoip';

export const addressKinds: readonly AddressKind[] = ['agentip', 'containerip', 'autoip'];

/** Only what runs has names. */
export function isNamed(task: Task): boolean {
  return task.phase === 'running';
}

export function addressesOf(task: Task, kind: AddressKind): readonly string[] {
  const container = task.addresses.length > 0 ? task.addresses : [task.agentAddress];
  if (kind === 'agentip') return [task.agentAddress];
  if (kind === 'containerip') return container;
  return task.ports.some(({ hostPort }) => hostPort !== undefined) ? [task.agentAddress] : container;
}

/** `app-group.marathon.autoip.dcos.thisdcos.directory`, as text; undefined when nothing of the name is left. */
export function taskName(task: Pick<Task, 'name' | 'framework'>, kind: AddressKind, zone: string): string | undefined {
  const [name, framework] = [dnsLabel(task.name), dnsLabel(task.framework)];
  return name === '' || framework === '' ? undefined : `${name}.${framework}.${kind}.${zone}`;
}

/** What a running task stands under in the zone of tasks. @param zone its name as text */
export function taskEntries(task: Task, zone: string): Entry[] {
  if (!isNamed(task)) return [];
  return addressKinds.flatMap((kind) => {
    const name = keyOf(taskName(task, kind, zone));
    return name === undefined ? [] : addressesOf(task, kind).map((one) => ({ name, data: address(one) }));
  });
}

/** A name that is too long as a whole cannot be asked for, so it gets no records. */
export function keyOf(text: string | undefined): NameKey | undefined {
  return text === undefined ? undefined : tryNameKey(text);
}
