import { type ChildProcess, spawn } from 'node:child_process';
import { VipdError } from '../util/errors.js';
import { until } from './until.js';

export interface ChildOptions {
  /** Added to our own environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Keeps its standard input open, for {@link Child.say}. */
  readonly interactive?: boolean;
}

/** A process in the background, in a session of its own so that Ctrl-C in the terminal reaches only us. */
export class Child {
  /** All it wrote so far, stdout and stderr together. */
  output = '';
  /** Its exit status, or the signal that ended it; undefined while it runs. */
  result: number | NodeJS.Signals | undefined;
  /** Resolves at its end to `result`. */
  readonly exited: Promise<number | NodeJS.Signals>;

  private constructor(
    private readonly name: string,
    private readonly process: ChildProcess,
  ) {
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    process.once('error', (error) => {
      this.output += error.message;
    });
    this.exited = new Promise((resolve) => {
      process.once('close', (status, signal) => {
        this.result = signal ?? status ?? -1;
        resolve(this.result);
      });
    });
  }

  static start(argv: readonly string[], options: ChildOptions = {}): Child {
    const [file = '', ...args] = argv;
    const env = { ...process.env, ...options.env };
    const child = spawn(file, args, {
      detached: true,
      stdio: [options.interactive ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      env,
    });
    return new Child(argv.join(' '), child);
  }

  /** @throws VipdError COMMAND_FAILED when it could not be started at all */
  get pid(): number {
    if (this.process.pid === undefined) throw this.failure('could not be started');
    return this.process.pid;
  }

  /** Waits until it has written `text`. @throws VipdError COMMAND_FAILED when it ends first | TIMED_OUT */
  async wrote(text: string, milliseconds = 10_000): Promise<void> {
    await until(`"${text}" from \`${this.name}\``, milliseconds, () => {
      if (this.output.includes(text)) return true;
      if (this.result !== undefined) throw this.failure(`ended with ${this.result}`);
      return false;
    });
  }

  /** Waits for its end and returns what it wrote. @throws VipdError COMMAND_FAILED unless the exit status is 0 */
  async success(): Promise<string> {
    const result = await this.exited;
    if (result !== 0) throw this.failure(`ended with ${result}`);
    return this.output;
  }

  /** Writes a line to its standard input. */
  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Asks it to end, and after `milliseconds` makes it. */
  async stop(milliseconds = 5000): Promise<number | NodeJS.Signals> {
    this.kill('SIGTERM');
    const impatience = setTimeout(() => this.kill('SIGKILL'), milliseconds);
    const result = await this.exited;
    clearTimeout(impatience);
    return result;
  }

  private failure(cause: string): VipdError {
    return new VipdError({
      code: 'COMMAND_FAILED',
      object: `\`${this.name}\``,
      cause: `${cause}: ${this.output.trim()}`,
    });
  }
}
