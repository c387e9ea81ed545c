/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Full NAT for xdp: tc_exact.h says why these packets do not go by the network stack. */
#pragma once

#include "xdp_carry.h"

/* Sends the packet with its IP header at `l3` to the backend whose flow it is of, if XDP can by itself. */
__noinline int xdp_send_exact(struct xdp_md *ctx, __u32 l3)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	__u32 fits;

	if (!t || !odd)
		return XDP_DROP;
	if (!xdp_find_hop(ctx, odd->backend) || !xdp_reaches(ctx, &odd->hop, l3)) {
		count_verdict(VERDICT_UNRESOLVED);
		return XDP_DROP;
	}
	fits = odd->rewritten ? 0 : size_that_fits(t, &odd->hop, t->bytes, 0);
	if (fits)
		return xdp_too_big(ctx, fits);
	if (!finish_sent(ctx) || !age_packet(ctx, l3) || !xdp_set_macs(ctx, &odd->hop))
		return XDP_DROP;
	return xdp_send(ctx, odd->hop.ifindex);
}

/* Sends an answer to its client where it goes out of the interface it came by; the stack does it elsewhere. */
__noinline int xdp_send_back(struct xdp_md *ctx, __u32 l3)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx->ingress_ifindex };
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	long found;

	if (!t || !odd)
		return XDP_DROP;
	set_fib_ends(&fib, t, odd->change.src.address, odd->change.dst.address);
	fib.tot_len = odd->rewritten ? 0 : t->bytes;
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED && !odd->rewritten && !is_divisible(t, odd))
		return xdp_too_big(ctx, fib.mtu_result);
	if (!finish_sent(ctx))
		return XDP_DROP;
	if (found != BPF_FIB_LKUP_RET_SUCCESS || fib.ifindex != ctx->ingress_ifindex || l3 != sizeof(struct ethhdr))
		return XDP_PASS;
	__builtin_memcpy(odd->hop.mac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(odd->hop.source_mac, fib.smac, ETH_ALEN);
	return age_packet(ctx, l3) && xdp_set_macs(ctx, &odd->hop) ? XDP_TX : XDP_DROP;
}
