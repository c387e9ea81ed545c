import type { Socket } from 'node:net';
import type { MessageStream } from '@libp2p/interface';

/**
 * Has what is written to a connection in one turn of the loop go out in one call: a message to one peer is three or four
 * frames, and most of the cost of gossip is the calls that send them. Does nothing to what is no TCP connection.
 */
export function corked(connection: MessageStream): void {
  // libp2p hands out the socket of a connection nowhere else.
  const { socket } = connection as { socket?: Socket };
  if (typeof socket?.cork !== 'function') return;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let waiting = false;
  const flush = () => {
    waiting = false;
    socket.uncork();
  };
  socket.write = (...args: unknown[]) => {
    if (!waiting) {
      waiting = true;
      socket.cork();
      setImmediate(flush);
    }
    return write(...args);
  };
}
