import test from 'ava';
import { capabilitiesMissingIn, findCgroup2 } from '../../../ts/libbpf/features.js';

/** The text of /proc/PID/status with these capability numbers effective. */
function status(...bits: number[]): string {
  const mask = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
  return `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${mask.toString(16).padStart(16, '0')}\nSeccomp:\t0\n`;
}

test('names the capabilities that are missing', (t) => {
  t.deepEqual(capabilitiesMissingIn(status()), ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']);
  t.deepEqual(capabilitiesMissingIn(status(39, 12)), ['CAP_PERFMON']);
  t.deepEqual(capabilitiesMissingIn(status(39, 12, 38)), []);
});

test('CAP_SYS_ADMIN counts as CAP_BPF and CAP_PERFMON, not as CAP_NET_ADMIN', (t) => {
  t.deepEqual(capabilitiesMissingIn(status(21)), ['CAP_NET_ADMIN']);
});

test('finds the whole cgroup v2 hierarchy, not a bind mount of a part', (t) => {
  const mountinfo = [
    '24 1 0:22 / /proc rw,nosuid - proc proc rw',
    '30 24 0:26 /docker/abc /mnt/part rw - cgroup2 cgroup2 rw',
    '31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '32 24 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw',
  ].join('\n');
  t.is(findCgroup2(mountinfo), '/sys/fs/cgroup/unified');
  t.is(findCgroup2('24 1 0:22 / /proc rw - proc proc rw\n'), undefined);
});
