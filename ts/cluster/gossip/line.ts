import './withresolvers.js';
import type { Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import type { Line } from '../sync.js';
import { type SyncMessage, syncCodec } from '../wire.js';

const MAX_MESSAGE_BYTES = 8 << 20;
/** Of one comparison. */
const MAX_TOTAL_BYTES = 256 << 20;
const TIMEOUT_MS = 10_000;

/** Messages of a comparison over a stream, each with its length in front. Counts what comes in. */
export function lineOver(stream: Stream, onBytes: (received: number, sent: number) => void): Line {
  const lengthPrefixed = lpStream(stream, { maxDataLength: MAX_MESSAGE_BYTES, maxBufferSize: MAX_MESSAGE_BYTES * 2 });
  let total = 0;
  return {
    send: async (message: SyncMessage) => {
      const bytes = syncCodec.encode(message);
      onBytes(0, bytes.length);
      await lengthPrefixed.write(bytes, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    },
    receive: async () => {
      const bytes = (await lengthPrefixed.read({ signal: AbortSignal.timeout(TIMEOUT_MS) })).subarray();
      total += bytes.length;
      onBytes(bytes.length, 0);
      if (total > MAX_TOTAL_BYTES) throw new Error(`more than ${MAX_TOTAL_BYTES >> 20} MiB in one comparison`);
      return syncCodec.decode(bytes);
    },
  };
}
