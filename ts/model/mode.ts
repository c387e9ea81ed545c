/** Which data plane a node shall use; `auto` is eBPF where the kernel can, else IPVS. */
export const modes = ['auto', 'ebpf', 'ipvs'] as const;
export type Mode = (typeof modes)[number];
