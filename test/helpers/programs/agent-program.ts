import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, type Heard, type Target } from './conversation.js';
import { Datagrams, type Dialogue, type Manner, openDialogue } from './datagram.js';

/** An answer of the echo server, or the error code that came instead. */
export type Answer = (Heard & { readonly error?: undefined }) | { readonly error: string };

/** What came of continuous asking: counts by the server's name and by error code. */
export interface LoadFigures {
  readonly answers: Record<string, number>;
  readonly failures: Record<string, number>;
}

/** What came of one connection that was kept busy. */
export interface StreamFigures {
  /** Bytes that were sent and came back. */
  readonly bytes: number;
  readonly error?: string;
}

/** Of one line of a stream. */
const PORTION = 32_768;

const dialogues = new Map<number, Dialogue>();
let opened = 0;
let load: { stop: boolean; done: Promise<LoadFigures> } | undefined;
let stream: { stop: boolean; done: Promise<StreamFigures> } | undefined;

function failed(error: unknown): { error: string } {
  return { error: codeOf(error) };
}

function countIn(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** Asks over one new connection or socket after the other. */
async function keepAsking(manner: Manner, target: Target, running: () => boolean, pause: number): Promise<LoadFigures> {
  const figures: LoadFigures = { answers: {}, failures: {} };
  while (running()) {
    const answer = await operations.ask(manner, target, 'load');
    if (answer.error === undefined) countIn(figures.answers, answer.name);
    else countIn(figures.failures, answer.error);
    if (pause > 0) await sleep(pause);
  }
  return figures;
}

/** Has all that it sends over one connection come back, without pause. */
async function keepBusy(target: Target, running: () => boolean, pause: number): Promise<StreamFigures> {
  let bytes = 0;
  try {
    const talk = await openDialogue('tcp', target);
    for (; running(); bytes += PORTION) {
      await talk.ask('x'.repeat(PORTION));
      if (pause > 0) await sleep(pause);
    }
    talk.close();
    return { bytes };
  } catch (error) {
    return { bytes, error: codeOf(error) };
  }
}

const operations = {
  /** One question over a connection or socket of its own. */
  async ask(manner: Manner, target: Target, text: string): Promise<Answer> {
    try {
      const dialogue = await openDialogue(manner, target);
      return await dialogue.ask(text).finally(() => dialogue.close());
    } catch (error) {
      return failed(error);
    }
  },

  /** Opens a connection or socket that stays; its number, or -1 where even that was refused. */
  async open(manner: Manner, target: Target): Promise<number> {
    try {
      const dialogue = await openDialogue(manner, target);
      dialogues.set(++opened, dialogue);
      return opened;
    } catch {
      return -1;
    }
  },

  async askAgain(dialogue: number, text: string): Promise<Answer> {
    return (await dialogues.get(dialogue)?.ask(text).catch(failed)) ?? { error: 'NO_SUCH_DIALOGUE' };
  },

  /** Connects a UDP socket that is connected to somebody else. */
  async redirect(dialogue: number, target: Target): Promise<void> {
    const socket = dialogues.get(dialogue);
    if (socket instanceof Datagrams) await socket.redirect(target);
  },

  /** The code of the error that ends it, when that happens. */
  async failure(dialogue: number): Promise<string> {
    return (await dialogues.get(dialogue)?.failure) ?? 'NO_SUCH_DIALOGUE';
  },

  async close(dialogue: number): Promise<void> {
    dialogues.get(dialogue)?.close();
    dialogues.delete(dialogue);
  },

  async startLoad(manner: Manner, target: Target, pause: number): Promise<void> {
    const state = { stop: false };
    load = Object.assign(state, { done: keepAsking(manner, target, () => !state.stop, pause) });
  },

  async stopLoad(): Promise<LoadFigures> {
    if (!load) return { answers: {}, failures: { NOT_STARTED: 1 } };
    load.stop = true;
    return load.done;
  },

  async startStream(target: Target, pause: number): Promise<void> {
    const state = { stop: false };
    stream = Object.assign(state, { done: keepBusy(target, () => !state.stop, pause) });
  },

  async stopStream(): Promise<StreamFigures> {
    if (!stream) return { bytes: 0, error: 'NOT_STARTED' };
    stream.stop = true;
    return stream.done;
  },
};

export type Operations = typeof operations;
export interface Request {
  readonly id: number;
  readonly operation: keyof Operations;
  readonly args: readonly unknown[];
}

process.on('message', async ({ id, operation, args }: Request) => {
  const call = operations[operation] as (...args: readonly unknown[]) => Promise<unknown>;
  process.send?.({ id, result: await call(...args) });
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
