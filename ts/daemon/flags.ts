import type { Command } from 'commander';
import type { Field } from './fields.js';
import { type Flags, fields } from './options.js';

const all: readonly [key: string, field: Field<unknown>][] = Object.entries<Field<unknown>>(fields);

/** Gives the command a flag for every option of the daemon, and says what the key in the configuration file is. */
export function addFlags(command: Command): void {
  for (const [key, { flag, argument, list, help }] of all) {
    const text = `${help} [${key}]`;
    const term = `--${flag} <${argument}>`;
    if (list) command.option(term, `${text}; may be repeated`, collect);
    else command.option(term, text);
  }
  command.addHelpText('after', '\nIn brackets: the key in the configuration file, where flags win over it.');
}

/** What the command line says, by the keys of the configuration file. */
export function flagsOf(command: Command): Flags {
  const values = command.opts<Readonly<Record<string, string | readonly string[] | undefined>>>();
  const given = all.flatMap(([key, { flag }]) => {
    const value = values[camelCase(flag)];
    return value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(given);
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** As commander names the value of a flag. */
function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
