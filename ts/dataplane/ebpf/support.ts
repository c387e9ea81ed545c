import { features, isCgroup2, missingCapabilities, wouldBeOnBpffs } from '../../libbpf/features.js';
import type { Support } from '../dataplane.js';

/** Whether programs can be loaded here, attached to that cgroup and pinned in that directory. */
export function ebpfSupport({ bpffs, cgroup }: { readonly bpffs: string; readonly cgroup: string }): Support {
  const missing = missingCapabilities();
  if (missing.length > 0) {
    return absent(`this process lacks ${missing.join(' and ')}`, 'run as root, or give the daemon these capabilities');
  }
  if (!wouldBeOnBpffs(bpffs)) return absent(`${bpffs} is not on a bpffs`, 'mount -t bpf bpf /sys/fs/bpf');
  if (!isCgroup2(cgroup)) {
    return absent(`${cgroup} is no cgroup-v2 directory`, 'mount -t cgroup2 none /sys/fs/cgroup/unified, or name one');
  }
  const feature = features().find(({ required, present }) => required && !present);
  if (feature === undefined) return { ok: true };
  return absent(`this kernel has no ${feature.name}, which comes with ${feature.minimumKernel}`, feature.hint);
}

function absent(reason: string, hint: string): Support {
  return { ok: false, reason, hint };
}
