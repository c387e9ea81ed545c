import { GenericSocket } from '../../ts/netlink/genl.js';
import { type Need, root } from './needs.js';

/** IPVS in the kernel. The kernels that guests are booted with have it. */
export const ipvs: Need = {
  name: 'a kernel with IPVS',
  there: hasIpvs(),
  expected: process.env.VIPD_GUEST !== undefined,
};

function hasIpvs(): boolean {
  if (!root.there) return false;
  try {
    new GenericSocket('IPVS', 1).close();
    return true;
  } catch {
    return false;
  }
}

/** A machine that a test has for itself, kernel and all; see test/vm. */
export const guest: Need = { name: 'a guest', there: process.env.VIPD_GUEST !== undefined, expected: false };
