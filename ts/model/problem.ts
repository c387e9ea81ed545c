import { type Fault, faultOf } from '../util/errors.js';

/** A step from the top of a document: a key of a map or an index of a list. */
export type Path = readonly (string | number)[];

/** What is wrong at one place of a document, before the place has a line and a column. */
export interface Problem {
  readonly path: Path;
  /** The key at the end of the path is wrong, not its value. */
  readonly atKey?: boolean;
  readonly code: string;
  readonly cause: string;
  readonly hint?: string;
}

/** The problem a VipdError tells about, at the given place. */
export function problemOf(error: unknown, path: Path): Problem {
  const { code, cause, hint } = faultOf(error, '');
  return { path, code, cause, ...(hint === undefined ? {} : { hint }) };
}

export function problemFault(problem: Problem, object: string, context: string): Fault {
  const place = [context, pathText(problem.path)].filter((text) => text !== '').join(', ');
  const cause = place === '' ? problem.cause : `${place}: ${problem.cause}`;
  return { code: problem.code, object, cause, ...(problem.hint === undefined ? {} : { hint: problem.hint }) };
}

/** `backends[1].weight` */
export function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

/** What a person needs to recognise a value; never walks into it, so a document that refers to itself costs nothing. */
export function preview(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
