import { flag, type Headers } from './headers.js';
import type { SceneVip } from './scene.js';

/** A packet was of the kind that may leave an entry. */
const LASTING = 1;
/** So was one that ends the flow: the answer to another's SYN may have removed the entry since. */
const ENDED = 2;

/** Which backend each client's packets to a VIP went to: what entitles the programs to treat a packet as an answer. */
export class FlowRecord {
  /** By VIP and client, four times the backend's code, plus LASTING and ENDED. */
  readonly #flows = new Map<string, number>();

  get size(): number {
    return this.#flows.size;
  }

  forget(): void {
    this.#flows.clear();
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

  /** An answer that ends its flow. */
  noteAnswer(key: string, { flags }: Headers): void {
    if ((flags & (flag.fin | flag.rst)) !== 0) this.#flows.set(key, (this.#flows.get(key) ?? 0) | ENDED);
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
