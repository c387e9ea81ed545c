import type { PacketSource } from './case.js';

/** The packet that is sent, now that the case's backend is known. */
export function packetOf(source: PacketSource, chosen?: string): Buffer {
  return (typeof source === 'function' ? source(chosen ?? '') : source).build();
}
