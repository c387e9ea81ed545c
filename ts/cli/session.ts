import type { Command } from 'commander';
import { type Client, createClient } from '../api/client.js';
import { defaultSocket, unixTransport } from '../api/unix.js';

/** Where a command writes; passed in so that tests need no process of their own. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
}

/** Options every command has. */
export interface CommonOptions {
  readonly socket: string;
  readonly json: boolean;
}

const SOCKET_HELP = `socket of the daemon (default: $VIPD_SOCKET, else ${defaultSocket})`;
const JSON_HELP = 'machine-readable output';

/** One invocation of one command. */
export class Session {
  readonly client: Client;

  constructor(
    readonly options: CommonOptions,
    private readonly terminal: Terminal,
  ) {
    this.client = createClient(unixTransport(options.socket));
  }

  /** The value as JSON with --json, else the text made from it. */
  print(value: unknown, text: () => string): void {
    this.terminal.out(`${this.options.json ? JSON.stringify(value, null, 2) : text()}\n`);
  }

  /** One of many values: with --json one line each, so that a reader can take them as they come. */
  printLine(value: unknown, text: () => string): void {
    this.terminal.out(`${this.options.json ? JSON.stringify(value) : text()}\n`);
  }

  warn(text: string): void {
    this.terminal.error(`${text}\n`);
  }
}

/** Runs a command; resolves with the exit status. */
export type Action<A extends readonly unknown[]> = (session: Session, ...args: A) => Promise<number>;

/** Binds commands to a terminal and collects the exit status. */
export class Commands {
  #status = 0;

  constructor(
    readonly program: Command,
    private readonly terminal: Terminal,
    private readonly above?: Commands,
  ) {
    program.option('--socket <path>', SOCKET_HELP).option('--json', JSON_HELP);
  }

  get status(): number {
    return this.#status;
  }

  /** A command that has commands of its own. */
  group(name: string, description: string): Commands {
    const program = this.program.command(name).description(description).enablePositionalOptions();
    return new Commands(program, this.terminal, this);
  }

  /** What another program printed, as it is. */
  write(text: string): void {
    this.terminal.out(text);
  }

  /** A command with the common options, which may also stand in front of it; `spec` is its name and arguments in commander's notation. */
  add(spec: string, description: string): Command {
    return this.program
      .command(spec)
      .description(description)
      .option('--socket <path>', SOCKET_HELP)
      .option('--json', JSON_HELP);
  }

  /** What commander calls: arguments of the command, its options, the command itself. */
  action<A extends readonly unknown[]>(action: Action<A>): (...args: unknown[]) => Promise<void> {
    return async (...args) => {
      const command = args.at(-1) as Command;
      const given = commonOptions(command);
      const socket = given.socket ?? process.env.VIPD_SOCKET ?? defaultSocket;
      const session = new Session({ socket, json: given.json ?? false }, this.terminal);
      this.#end(await action(session, ...(args.slice(0, -1) as unknown as A)));
    };
  }

  #end(status: number): void {
    this.#status = status;
    if (this.above !== undefined) this.above.#end(status);
  }
}

/** Of the command and of those it belongs to; what stands closest to the end counts. */
function commonOptions(command: Command): Partial<CommonOptions> {
  const above = command.parent === null ? {} : commonOptions(command.parent);
  return { ...above, ...command.opts<Partial<CommonOptions>>() };
}
