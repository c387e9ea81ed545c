import { VipdError } from '../util/errors.js';

/**
 * A domain name as key: its labels, lower case, each behind its length, as one character per octet; the root is empty.
 * Unlike text it says where a label ends even when the label holds a dot, and it is what the wire has but for the case.
 */
export type NameKey = string;

export const LABEL_MAX = 63;
/** With the root's octet (RFC 1035 §3.1). */
export const NAME_MAX = 255;

const UPPER_A = 65;
const UPPER_Z = 90;

/** From text as `web.marathon.l4lb`; a dot at the end changes nothing, `\.` and `\065` as in zone files. @throws VipdError NAME_INVALID */
export function nameKey(text: string): NameKey {
  if (text === '' || text === '.') return '';
  const labels = labelsOf(text);
  const key = labels.map((label) => String.fromCharCode(checked(label, text).length) + label).join('');
  if (key.length + 1 > NAME_MAX) throw invalid(text, `it is over ${NAME_MAX} octets long`);
  return lowerCase(key);
}

/** The same for text that may be no name at all; undefined then. */
export function tryNameKey(text: string): NameKey | undefined {
  try {
    return nameKey(text);
  } catch {
    return undefined;
  }
}

/** Without the empty one behind a dot at the end. */
function labelsOf(text: string): string[] {
  if (!text.includes('\\')) return (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  const labels = [''];
  for (const [piece, escaped, dot] of text.matchAll(/\\(\d{3}|[\s\S])|(\.)|[^\\.]+|\\/g)) {
    if (dot !== undefined) labels.push('');
    else labels[labels.length - 1] += escaped === undefined ? piece : unescaped(escaped);
  }
  if (labels.at(-1) === '') labels.pop();
  return labels;
}

function unescaped(text: string): string {
  return text.length === 3 ? String.fromCharCode(Number(text)) : text;
}

function checked(label: string, text: string): string {
  if (label === '') throw invalid(text, 'a label is empty');
  if (label.length > LABEL_MAX)
    throw invalid(text, `the label "${label.slice(0, 20)}…" is over ${LABEL_MAX} octets long`);
  for (let i = 0; i < label.length; i++) {
    if (label.charCodeAt(i) > 255) throw invalid(text, 'it has characters beyond one octet');
  }
  return label;
}

function invalid(object: string, cause: string): VipdError {
  return new VipdError({ code: 'NAME_INVALID', object: `name ${object}`, cause });
}

/** ASCII letters only: the DNS knows no others (RFC 4343). */
export function lowerCase(key: string): string {
  return key.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Text without the dot at the end; `.` for the root. What is not printable is escaped as in zone files. */
export function nameText(key: NameKey): string {
  if (key === '') return '.';
  return [...labels(key)].map(printable).join('.');
}

function printable(label: string): string {
  return label.replace(/[^!-~]|[.\\"();@$]/g, (c) =>
    /[!-~]/.test(c) ? `\\${c}` : `\\${String(c.charCodeAt(0)).padStart(3, '0')}`,
  );
}

/** From the leftmost on. */
export function* labels(key: NameKey): Generator<string> {
  for (let at = 0; at < key.length; ) {
    const length = key.charCodeAt(at);
    yield key.slice(at + 1, at + 1 + length);
    at += 1 + length;
  }
}

/** The name above; that of the root is the root. */
export function parent(key: NameKey): NameKey {
  return key === '' ? '' : key.slice(1 + key.charCodeAt(0));
}

/** Without the labels `*`, which Mesos-DNS takes out of what it is asked; the first stays. */
export function withoutStars(key: NameKey): NameKey {
  const star = '\x01*';
  if (!key.includes(star)) return key;
  const [first = '', ...others] = labels(key);
  return [first, ...others.filter((label) => label !== '*')]
    .map((one) => String.fromCharCode(one.length) + one)
    .join('');
}

export function isWithin(key: NameKey, apex: NameKey): boolean {
  if (!key.endsWith(apex)) return false;
  let at = 0;
  while (at < key.length - apex.length) at += 1 + key.charCodeAt(at);
  return at === key.length - apex.length;
}

/** The octets of the name, with the root's. */
export function writeName(key: NameKey, into: Buffer, at: number): number {
  const end = at + into.write(key, at, 'latin1');
  into[end] = 0;
  return end + 1;
}

/** Where an uncompressed name ends, behind the root's octet; −1 when it is not one. */
export function plainNameEnd(bytes: Uint8Array, at: number, end: number): number {
  const limit = Math.min(end, at + NAME_MAX);
  let position = at;
  while (position < limit) {
    const length = bytes[position]!;
    if (length === 0) return position + 1;
    if (length > LABEL_MAX) return -1;
    position += 1 + length;
  }
  return -1;
}

const scratch = Buffer.alloc(NAME_MAX);

/** Of a name that {@link plainNameEnd} has checked. */
export function plainKey(bytes: Uint8Array, at: number, end: number): NameKey {
  // Lengths are below 64, so lowering every octet that looks like a capital touches letters only.
  const size = end - at - 1;
  for (let i = 0; i < size; i++) {
    const octet = bytes[at + i]!;
    scratch[i] = octet >= UPPER_A && octet <= UPPER_Z ? octet + 32 : octet;
  }
  return scratch.toString('latin1', 0, size);
}
