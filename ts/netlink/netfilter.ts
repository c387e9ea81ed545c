import { NativeError } from '../native/errors.js';

// linux/netfilter/nfnetlink.h: what requests to all parts of netfilter have in common.
export const NETLINK_NETFILTER = 12;
export const nfgenmsg = { size: 4, family: 0 };

/** Whether the kernel has no such part, or nothing of it was ever used. */
export function isAbsent(error: unknown): boolean {
  const name = error instanceof NativeError ? error.errnoName : '';
  return ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'EINVAL', 'ENOENT'].includes(name);
}
