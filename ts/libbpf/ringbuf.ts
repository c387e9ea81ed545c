import { addon, type NativeRingBuffer, native } from '../native/binding.js';
import { about } from './errors.js';
import type { BpfMap } from './map.js';

/** Delivers what programs write to a ring buffer map, until it is closed; keeps the process alive meanwhile. */
export class RingBuffer {
  readonly #handle: NativeRingBuffer;

  /**
   * @param onEvents called once a wake with all events that were there: their bytes one behind the other, and the
   * length of each
   * @throws BpfError EINVAL when the map is no ring buffer
   */
  constructor(map: BpfMap, onEvents: (batch: Buffer, lengths: Uint32Array) => void) {
    this.#handle = about(`map ${map.info.name}`, () => new (addon().RingBuffer)(map[native], onEvents));
  }

  close(): void {
    this.#handle.close();
  }
}
