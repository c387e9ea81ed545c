import { flag, type Headers } from './headers.js';
import { type SceneVip, sourcePorts } from './scene.js';

/** A packet was of the kind that may leave an entry. */
const LASTING = 1;
/** So was one that ends the flow: the answer to another's SYN may have removed the entry since. */
const ENDED = 2;

/** Which backend each client's packets to a VIP went to: what entitles the programs to treat a packet as an answer. */
export class FlowRecord {
  /** By VIP and client, four times the backend's code, plus LASTING and ENDED. */
  readonly #flows = new Map<string, number>();

  /** The flow whose packets have one of the node's ports for their source, and the other way round. */
  readonly #owners = new Map<string, string>();
  readonly #sources = new Map<string, string>();
  readonly #unseen = new Set<string>();

  get size(): number {
    return this.#flows.size;
  }

  forget(): void {
    this.#flows.clear();
    this.#owners.clear();
    this.#sources.clear();
    this.#unseen.clear();
  }

  backendOf(key: string): number | undefined {
    const noted = this.#flows.get(key);
    return noted === undefined ? undefined : Math.floor(noted / 4);
  }

  /** A packet that does not end its flow is to be found in the table afterwards. */
  note(key: string, backend: number, { flags }: Headers): void {
    const ends = (flags & (flag.fin | flag.rst)) !== 0;
    const before = this.#flows.get(key) ?? 0;
    const ended = ends ? ENDED : (flags & flag.syn) !== 0 ? 0 : before & ENDED;
    this.#flows.set(key, backend * 4 + ended + (ends ? before & LASTING : LASTING));
  }

  /**
   * A packet left with this source, address and port, which no other flow to that backend has if it is one of the node's ports:
   * what is wrong, if anything.
   */
  noteSent(key: string, backend: number, source: string, headers: Headers): string | undefined {
    const port = Buffer.from(source, 'latin1').readUInt16BE(source.length - 2);
    if (port < sourcePorts.first || port > sourcePorts.last)
      return `leaves from port ${port}, which is none of the node's`;
    const owner = this.#owners.get(`${backend} ${source}`);
    if (owner !== undefined && owner !== key && this.#sources.get(key) === source) return `shares port ${port}`;
    this.note(key, backend, headers);
    this.#own(key, backend, source);
    return undefined;
  }

  /** A packet that may have made a flow, and did not leave. */
  noteUnseen(key: string): void {
    this.#unseen.add(key);
  }

  /** Is what a backend sends there for this client? */
  answers(key: string, backend: number, source: string): boolean {
    if (this.#owners.get(`${backend} ${source}`) === key) return true;
    if (!this.#unseen.delete(key)) return false;
    this.#own(key, backend, source);
    return true;
  }

  #own(key: string, backend: number, source: string): void {
    this.#owners.set(`${backend} ${source}`, key);
    this.#sources.set(key, source);
  }

  /** An answer that ends its flow, unless none of the flow's own packets has been seen. */
  noteAnswer(key: string, { flags }: Headers): void {
    const noted = this.#flows.get(key);
    if (noted !== undefined && (flags & (flag.fin | flag.rst)) !== 0) this.#flows.set(key, noted | ENDED);
  }

  /** The flows whose entries the table may hold, and must hold unless they have ended. */
  *lasting(): Generator<{ vip: number; client: Uint8Array; clientPort: number; backend: number; ended: boolean }> {
    for (const [key, noted] of this.#flows) {
      if ((noted & LASTING) === 0) continue;
      const bytes = Buffer.from(key, 'latin1');
      const client = bytes.subarray(1, -2);
      const clientPort = bytes.readUInt16BE(bytes.length - 2);
      const [backend, ended] = [Math.floor(noted / 4), (noted & ENDED) !== 0];
      yield { vip: bytes[0]!, client, clientPort, backend, ended };
    }
  }
}

/** The VIP's number, then the client's address and port. */
export function flowKey(vip: SceneVip, bytes: Buffer, address: number, length: number, port: number): string {
  const client = bytes.toString('latin1', address, address + length);
  return String.fromCharCode(vip.index) + client + bytes.toString('latin1', port, port + 2);
}

/** An address and a port, as bytes. */
export function endText(bytes: Buffer, address: number, length: number, port: number): string {
  return bytes.toString('latin1', address, address + length) + bytes.toString('latin1', port, port + 2);
}
