import { NetlinkSocket } from './socket.js';

// linux/rtnetlink.h
const GROUPS = {
  links: 1,
  neighbours: 3,
  'IPv4 addresses': 5,
  'IPv4 routes': 7,
  'IPv6 addresses': 9,
  'IPv6 routes': 11,
} as const;

/**
 * Calls the listener, often, when something changes that decides how packets leave this node: links, addresses, routes,
 * neighbours. Ends when the returned function is called; keeps the process alive meanwhile. @throws NativeError
 */
export function watchPaths(listener: () => void): () => void {
  const sockets: NetlinkSocket[] = [];
  const stop = () => {
    for (const socket of sockets) socket.close();
  };
  try {
    for (const [name, group] of Object.entries(GROUPS)) {
      const socket = new NetlinkSocket();
      sockets.push(socket);
      socket.listen(name, group, listener);
    }
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}
