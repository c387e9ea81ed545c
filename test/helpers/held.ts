import type { Agent, OpenDialogue } from './agent.js';

/** A connection that stays open, and who has answered on it. */
export interface Held {
  readonly dialogue: OpenDialogue;
  readonly name: string;
}

/** Opens so many connections, to each of the targets in turn. */
export async function hold(
  client: Agent,
  targets: readonly { readonly address: string; readonly port: number }[],
  count: number,
): Promise<Held[]> {
  const held: Held[] = [];
  for (let i = 0; i < count; i += 1) {
    const dialogue = await client.open('tcp', targets[i % targets.length]!);
    const answer = await dialogue.ask();
    if (answer.error !== undefined) throw new Error(answer.error);
    held.push({ dialogue, name: answer.name });
  }
  return held;
}
