import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';
import { type Fault, faultOf } from '../util/errors.js';
import type { Path, Problem } from './problem.js';

/** Enough for one shared health check on each of 10,000 services; a document with more is an attack or a mistake. */
const MAX_ALIASES = 10_000;

/** One slip makes many errors; the first ones tell where it is. */
const MAX_SYNTAX_FAULTS = 5;

/** To YAML the brackets are a list. */
const UNQUOTED_V6 = /[^"'](\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]:\d+)/;

/** A parsed YAML or JSON text: plain values, and for every place in them a line and a column. */
export interface PlacedDocument {
  /** undefined when `faults` is not empty: half a document must never pass for a whole one. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** `file:line:column` of the value at a path, or of the key that names it; the nearest ancestor where there is none. */
  place(path: Path, atKey?: boolean): string;
}

type Tree = Document.Parsed;

export function parsePlaced(text: string, fileName: string): PlacedDocument {
  return parseJson(text, fileName) ?? parseYaml(text, fileName);
}

/**
 * JSON is YAML too, but its own parser takes a tenth of the time and memory; the tree that knows the places is made only
 * for a fault. Undefined for what is no JSON, and for a key given twice, which JSON.parse would pass over.
 */
function parseJson(text: string, fileName: string): PlacedDocument | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    let tree: PlacedDocument | undefined;
    const place = (path: Path, atKey?: boolean): string => {
      tree ??= parseYaml(text, fileName);
      return tree.place(path, atKey);
    };
    return JSON.stringify(value).length < unspaced(text) ? undefined : { value, faults: [], place };
  } catch {
    return undefined;
  }
}

/** Length without the spaces between tokens: longer than what was parsed if something was said twice. */
function unspaced(text: string): number {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1').length;
}

function parseYaml(text: string, fileName: string): PlacedDocument {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const syntax = (offset: number, cause: string): Fault => {
    const unquoted = UNQUOTED_V6.exec(text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset + 60));
    const hint = unquoted ? { hint: `quote an IPv6 address: "${unquoted[1]}"` } : {};
    return { code: 'FILE_SYNTAX', object: at(offset), cause, ...hint };
  };
  try {
    const tree = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, logLevel: 'error' });
    const faults = [...tree.errors, ...tree.warnings]
      .slice(0, MAX_SYNTAX_FAULTS)
      .map(({ pos, message }) => syntax(pos[0], clause(message)));
    if (faults.length === 0) faults.push(...aliasProblems(tree).map(({ offset, cause }) => syntax(offset, cause)));
    // Aliases share one value and are never copied, so the library's own limit, which counts copies, is not needed.
    const value = faults.length === 0 ? (tree.toJS({ maxAliasCount: -1 }) as unknown) : undefined;
    return { value, faults, place: (path, atKey = false) => at(offsetOf(tree, path, atKey)) };
  } catch (error) {
    const fault = { ...faultOf(error, fileName), code: 'FILE_SYNTAX' };
    return { value: undefined, faults: [fault], place: () => fileName };
  }
}

/** The places of problems as faults need them. */
export function placed(document: PlacedDocument, problem: Problem, base: Path): string {
  return document.place([...base, ...problem.path], problem.atKey);
}

function aliasProblems(tree: Tree): { offset: number; cause: string }[] {
  const anchors = new Set<string>();
  const problems: { offset: number; cause: string }[] = [];
  let aliases = 0;
  visit(tree, {
    Node: (_key, node) => {
      const offset = node.range?.[0] ?? 0;
      if (!isAlias(node)) anchors.add(node.anchor ?? '');
      else if (++aliases > MAX_ALIASES) {
        problems.push({ offset, cause: `more than ${MAX_ALIASES} aliases` });
        return visit.BREAK;
      } else if (!anchors.has(node.source)) {
        problems.push({ offset, cause: `the alias *${node.source} has no anchor before it` });
      }
      return undefined;
    },
  });
  return problems;
}

/** Walks the path as far as the tree goes; what an alias stands for is placed at the alias. */
function offsetOf(tree: Tree, path: Path, atKey: boolean): number {
  let node: unknown = tree.contents;
  let offset = tree.contents?.range?.[0] ?? 0;
  for (const [i, step] of path.entries()) {
    const next = childOf(node, step, atKey && i === path.length - 1);
    if (!isNode(next)) break;
    node = next;
    offset = next.range?.[0] ?? offset;
  }
  return offset;
}

function childOf(node: unknown, step: string | number, key: boolean): unknown {
  if (isSeq(node)) return node.items[Number(step)];
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step));
  return key ? pair?.key : (pair?.value ?? pair?.key);
}

/** The parser's sentences begin with a capital; a cause is a clause. */
function clause(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/; please use YAML\..*$/, '');
}
