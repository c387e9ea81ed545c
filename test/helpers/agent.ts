import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Cgroup } from '../../ts/quickstart/cgroup.js';
import type { Namespace } from '../../ts/quickstart/namespace.js';
import type { Lab } from './lab.js';
import type { Answer, LoadFigures, Operations, StreamFigures } from './programs/agent-program.js';
import type { Target } from './programs/conversation.js';
import type { Manner } from './programs/datagram.js';

const program = fileURLToPath(new URL('programs/agent-program.js', import.meta.url));

/** A client process inside a namespace, in or out of the sock hook's control group, that does what it is told. */
export class Agent {
  private calls = 0;
  private readonly pending = new Map<number, (result: unknown) => void>();

  private constructor(private readonly child: ChildProcess) {
    child.on('message', ({ id, result }: { id: number; result: unknown }) => {
      this.pending.get(id)?.(result);
      this.pending.delete(id);
    });
  }

  static async start(lab: Lab, namespace: Namespace, cgroup?: Cgroup): Promise<Agent> {
    const [execPath = '', ...execArgv] = namespace.inside([process.execPath]);
    const child = fork(program, { execPath, execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    lab.beforeRemoval(() => child.kill('SIGKILL'));
    if (child.pid !== undefined) cgroup?.add(child.pid);
    await once(child, 'message');
    return new Agent(child);
  }

  /** One question over a connection or socket of its own. */
  ask(manner: Manner, target: Target, text = 'hello'): Promise<Answer> {
    return this.call('ask', manner, target, text);
  }

  /** Asks `count` times, each time anew, and says who answered how often; an error counts under its code. */
  async tally(manner: Manner, target: Target, count: number): Promise<Record<string, number>> {
    const tally: Record<string, number> = {};
    for (let i = 0; i < count; i += 1) {
      const answer = await this.ask(manner, target);
      const key = answer.error ?? answer.name;
      tally[key] = (tally[key] ?? 0) + 1;
    }
    return tally;
  }

  /** A connection or socket that stays open. */
  async open(manner: Manner, target: Target): Promise<OpenDialogue> {
    const id = await this.call('open', manner, target);
    return {
      ask: (text = 'hello') => this.call('askAgain', id, text),
      redirect: (other) => this.call('redirect', id, other),
      failure: () => this.call('failure', id),
      close: () => this.call('close', id),
    };
  }

  /** Asks anew, after `pause` milliseconds, until the returned function is called, which gives the figures. */
  async load(manner: Manner, target: Target, pause = 0): Promise<() => Promise<LoadFigures>> {
    await this.call('startLoad', manner, target, pause);
    return () => this.call('stopLoad');
  }

  /** Keeps one TCP connection busy, with pauses of so many milliseconds, until the returned function is called. */
  async stream(target: Target, pause = 0): Promise<() => Promise<StreamFigures>> {
    await this.call('startStream', target, pause);
    return () => this.call('stopStream');
  }

  private call<K extends keyof Operations>(
    operation: K,
    ...args: Parameters<Operations[K]>
  ): Promise<Awaited<ReturnType<Operations[K]>>> {
    const id = ++this.calls;
    return new Promise((resolve) => {
      this.pending.set(id, resolve as (result: unknown) => void);
      this.child.send({ id, operation, args });
    });
  }
}

export interface OpenDialogue {
  ask(text?: string): Promise<Answer>;
  /** Connects a UDP socket to somebody else. */
  redirect(target: Target): Promise<void>;
  /** The code of the error by which it ends; resolves when that happens. */
  failure(): Promise<string>;
  close(): Promise<void>;
}
