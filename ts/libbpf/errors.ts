import { NativeError, type NativeFailure, translating } from '../native/errors.js';

/** Verifier lines the message quotes; the reason is in the last ones. */
const quotedLines = 3;

/** An operation on a BPF object that failed; `code` is the errno's name. */
export class BpfError extends NativeError {
  /** All that libbpf and the verifier wrote, when opening or loading failed. */
  readonly log?: string;
  /** How many entries of a batch were carried out. */
  readonly done?: number;

  constructor(object: string, failure: NativeFailure, options?: ErrorOptions) {
    super(object, { ...failure, message: messageOf(failure) }, hintFor(failure), options);
    if (failure.log !== undefined) this.log = failure.log;
    if (failure.done !== undefined) this.done = failure.done;
  }
}

/** Runs a call into the addon; what it throws becomes a BpfError about the object. */
export function about<T>(object: string, call: () => T): T {
  return translating((failure, cause) => new BpfError(object, failure, { cause }), call);
}

/** @throws BpfError EINVAL unless the bytes are exactly `size` long */
export function checkLength(object: string, op: string, name: string, bytes: Uint8Array, size: number): void {
  if (bytes.byteLength === size) return;
  throw invalid(object, op, `${name} must be ${size} bytes long, not ${bytes.byteLength}`);
}

export function invalid(object: string, op: string, message: string): BpfError {
  return new BpfError(object, { message, op, errno: 22, errnoName: 'EINVAL' });
}

/** The last lines of a log that say why; without libbpf's framing and the verifier's statistics. */
export function lastUsefulLines(log: string): string[] {
  const verifier = /-- BEGIN PROG LOAD LOG --\n([\s\S]*?)-- END PROG LOAD LOG --/.exec(log)?.[1];
  const noise = /^(processed \d+ insns|verification time|stack depth|libbpf: failed to load object)/;
  return (verifier ?? log)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !noise.test(line))
    .slice(-quotedLines);
}

/** The program whose load the verifier refused. */
function refusedProgram(log: string): string | undefined {
  return /^libbpf: prog '([^']+)': BPF program load failed/m.exec(log)?.[1];
}

function messageOf({ message, log }: NativeFailure): string {
  if (log === undefined) return message;
  const program = refusedProgram(log);
  const start = program === undefined ? message : `program ${program}: ${message}`;
  return [start, ...lastUsefulLines(log)].join('; ');
}

function hintFor({ op, errnoName, log }: NativeFailure): string | undefined {
  if (errnoName === 'EPERM') return 'run as root or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON';
  if (log !== undefined) return undefined; // it has said what is wrong
  return hints[`${op} ${errnoName}`];
}

const hints: Readonly<Record<string, string>> = {
  'update E2BIG': 'the map is full; raise its size',
  'update ENOSPC': 'the map is full; raise its size',
  'open ENOENT': 'nothing is pinned there',
  'pin EEXIST': 'something is pinned there already',
  'pin EPERM': 'the directory must be on a bpf filesystem',
  'attach EBUSY': 'another program is attached there already',
  'attach EEXIST': 'another program is attached there already',
  'attach ENODEV': 'there is no such interface',
  'attach EOPNOTSUPP': 'the driver cannot do native XDP; use generic mode',
};
