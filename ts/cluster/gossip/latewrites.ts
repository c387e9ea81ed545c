/**
 * Keeps the thread alive when libp2p writes to a connection that has just been closed: it does so in microtasks of its own
 * (yamux opens streams in one), where nobody can catch it, and any peer that hangs up at the right moment makes it
 * (libp2p/js-libp2p#3415, #3512). Nothing is lost: the connection is gone either way. All other errors go on as they
 * would. `survived` is called for each.
 */
export function surviveLateWrites(survived: () => void = () => {}): void {
  process.on('uncaughtException', (error) => {
    if (error.name !== 'StreamStateError') throw error;
    survived();
  });
}
