import { ExactState } from '../../../ts/dataplane/ebpf/lb.gen.js';
import { type Endpoint, formatEndpoint, type Protocol } from '../../../ts/model/address.js';
import type { Frontend } from '../../../ts/model/service.js';
import type { ModelBackend } from './control-model.js';

/** A flow that is tracked by all of its ends. */
export interface ExactEntry {
  readonly client: Endpoint;
  readonly frontend: Frontend;
  readonly backend: ModelBackend;
  readonly full: boolean;
  /** What the backend takes for the client; port 0 while it is not known which of the node's ports was taken. */
  source: Endpoint;
  state: number;
}

/** The two tables of such flows while no time passes: by what clients send, and by what backends answer. */
export class ExactTable {
  readonly flows = new Map<string, ExactEntry>();
  readonly #answers = new Map<string, ExactEntry>();

  clear(): void {
    this.flows.clear();
    this.#answers.clear();
  }

  find(client: Endpoint, frontend: Frontend): ExactEntry | undefined {
    return this.flows.get(nameOf(frontend.protocol, client, frontend));
  }

  answered(protocol: Protocol, backend: Endpoint, source: Endpoint): ExactEntry | undefined {
    return this.#answers.get(nameOf(protocol, backend, source));
  }

  insert(entry: ExactEntry): void {
    this.flows.set(nameOf(entry.frontend.protocol, entry.client, entry.frontend), entry);
    if (entry.source.port !== 0) this.#answers.set(answerOf(entry), entry);
  }

  remove(entry: ExactEntry): void {
    this.flows.delete(nameOf(entry.frontend.protocol, entry.client, entry.frontend));
    this.#answers.delete(answerOf(entry));
  }

  /** Now that its port is known. @returns false when another flow of the backend has it */
  adopt(entry: ExactEntry, port: number): boolean {
    entry.source = { ...entry.source, port };
    if (this.#answers.has(answerOf(entry))) return false;
    this.#answers.set(answerOf(entry), entry);
    return true;
  }
}

/** The state of a flow after a packet of its client, or of its backend. */
export function exactAfter(state: number, flags: string, byClient: boolean): number {
  const [own, theirs] = byClient
    ? [ExactState.EXACT_CLIENT_DONE, ExactState.EXACT_BACKEND_DONE]
    : [ExactState.EXACT_BACKEND_DONE, ExactState.EXACT_CLIENT_DONE];
  if (flags.includes('R')) return ExactState.EXACT_CLOSED;
  if (flags.includes('F')) return state === theirs || state === ExactState.EXACT_CLOSED ? ExactState.EXACT_CLOSED : own;
  if (!byClient) return state === ExactState.EXACT_NEW ? ExactState.EXACT_REPLIED : state;
  return state === ExactState.EXACT_REPLIED && !flags.includes('S') ? ExactState.EXACT_ESTABLISHED : state;
}

function answerOf({ frontend, backend, source }: ExactEntry): string {
  return nameOf(frontend.protocol, backend, source);
}

function nameOf(protocol: Protocol, from: Endpoint, to: Endpoint): string {
  return `${protocol} ${formatEndpoint(from)} > ${formatEndpoint(to)}`;
}
