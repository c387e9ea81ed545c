import { release } from 'node:os';
import { faultOf } from '../../util/errors.js';
import type { Support } from '../dataplane.js';
import { nftPresent } from './nft.js';
import { IpvsTable, isErrno } from './table.js';

/** Whether IPVS can be had here. Asking loads its module. */
export function ipvsSupport(): Support {
  if (!nftPresent()) return { ok: false, reason: 'the program nft is not there', hint: 'install the package nftables' };
  try {
    const table = new IpvsTable();
    try {
      table.timeouts();
    } finally {
      table.close();
    }
    return { ok: true };
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) return { ok: false, reason: faultOf(error, 'IPVS').cause, hint: 'run as root' };
    const reason = `this kernel (${release()}) has no IPVS: there is no module ip_vs, and it is not built in`;
    return { ok: false, reason, hint: 'a kernel with CONFIG_IP_VS, or mode ebpf' };
  }
}
