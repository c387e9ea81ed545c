import { flag, type Headers } from './headers.js';
import type { SceneVip } from './scene.js';

/** Which backend each client's packets to a VIP went to: what entitles the programs to treat a packet as an answer. */
export class FlowRecord {
  /** By VIP and client, twice the backend's code, plus one if a packet was of the kind that may leave an entry. */
  readonly #flows = new Map<string, number>();

  get size(): number {
    return this.#flows.size;
  }

  forget(): void {
    this.#flows.clear();
  }

  backendOf(key: string): number | undefined {
    const noted = this.#flows.get(key);
    return noted === undefined ? undefined : Math.floor(noted / 2);
  }

  /** A packet that does not end its flow is to be found in the table afterwards. */
  note(key: string, backend: number, headers: Headers): void {
    const lasting = (headers.flags & (flag.fin | flag.rst)) === 0;
    const before = (this.#flows.get(key) ?? 0) % 2;
    this.#flows.set(key, backend * 2 + (lasting ? 1 : before));
  }

  /** The flows whose entries the table may hold. */
  *lasting(): Generator<{ vip: number; client: Uint8Array; clientPort: number; backend: number }> {
    for (const [key, noted] of this.#flows) {
      if (noted % 2 === 0) continue;
      const bytes = Buffer.from(key, 'latin1');
      const client = bytes.subarray(1, -2);
      const clientPort = bytes.readUInt16BE(bytes.length - 2);
      yield { vip: bytes[0]!, client, clientPort, backend: Math.floor(noted / 2) };
    }
  }
}

/** The VIP's number, then the client's address and port. */
export function flowKey(vip: SceneVip, bytes: Buffer, address: number, length: number, port: number): string {
  const client = bytes.toString('latin1', address, address + length);
  return String.fromCharCode(vip.index) + client + bytes.toString('latin1', port, port + 2);
}
