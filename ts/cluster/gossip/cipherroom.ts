import xsalsa20, { type Cipher } from 'xsalsa20';

/** More than anything that is encrypted in one piece: an entry, or what a busy thread finds in its sockets. */
const ROOM_BYTES = 8 << 20;

let made = false;

/** One of a connection, over the memory of all. */
export function newCipher(): Cipher {
  return xsalsa20(new Uint8Array(24), new Uint8Array(32));
}

/**
 * To be called before the first connection of a thread. The cipher of libp2p's private networks (xsalsa20) shares one memory
 * among all connections; once one makes it grow, each of the others takes it for too small and makes it grow again, until
 * there is no more and the thread ends. So it grows once, while nobody uses it.
 */
export function makeCipherRoom(): void {
  if (made) return;
  made = true;
  const cipher = newCipher();
  cipher.update(new Uint8Array(ROOM_BYTES));
  cipher.finalize();
}
