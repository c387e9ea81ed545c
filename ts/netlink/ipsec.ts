import { NetlinkSocket } from './socket.js';

// linux/netlink.h, linux/xfrm.h
const NETLINK_XFRM = 6;
const XFRM_MSG_NEWPOLICY = 19;
const XFRM_MSG_GETPOLICY = 21;
const POLICY_ID_BYTES = 64;

/** Whether some of what leaves this network namespace is to be encrypted, or anything else that IPsec policies say. */
export function hasIpsecPolicies(): boolean {
  let socket: NetlinkSocket;
  try {
    socket = new NetlinkSocket(NETLINK_XFRM);
  } catch {
    return false; // the kernel has no IPsec
  }
  try {
    const messages = socket.dump('IPsec policies', XFRM_MSG_GETPOLICY, Buffer.alloc(POLICY_ID_BYTES));
    return messages.some(({ type }) => type === XFRM_MSG_NEWPOLICY);
  } finally {
    socket.close();
  }
}
