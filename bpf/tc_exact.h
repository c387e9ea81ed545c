/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Full NAT for tc: what has this node's own address for its source the network stack would take for a forgery, and an answer
 * from a VIP for one without a way back; both are sent past it.
 */
#pragma once

#include "tc_carry.h"

/* Sends the packet with its IP header at `l3` to the backend whose flow it is of. */
__noinline int tc_send(struct __sk_buff *skb, __u32 l3)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct hop *hop;
	__u32 fits, id;

	if (!t || !odd)
		return TC_SHOT;
	id = odd->backend;
	hop = bpf_map_lookup_elem(&hops, &id);
	if (!hop || !hop->ifindex) {
		count_verdict(VERDICT_UNRESOLVED);
		return TC_SHOT;
	}
	fits = odd->rewritten ? 0 : size_that_fits(t, hop, wire_bytes(skb, t, odd), 0);
	if (fits)
		return tc_too_big(skb, fits);
	if (!finish_sent(skb) || (skb->vlan_present && bpf_skb_vlan_pop(skb)))
		return TC_SHOT;
	return tc_direct(skb, l3, t->family, hop);
}

/* Sends an answer to its client, by the way the kernel knows; where that is none of its interfaces the stack has the last word. */
__noinline int tc_send_back(struct __sk_buff *skb, __u32 l3)
{
	struct bpf_fib_lookup fib = { .ifindex = skb->ifindex };
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	long found;

	if (!t || !odd)
		return TC_SHOT;
	set_fib_ends(&fib, t, odd->change.src.address, odd->change.dst.address);
	fib.tot_len = odd->rewritten ? 0 : wire_bytes(skb, t, odd);
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED && !odd->rewritten && !is_divisible(t, odd))
		return tc_too_big(skb, fib.mtu_result);
	if (!finish_sent(skb))
		return TC_SHOT;
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return TC_NEXT;
	if (!age_packet(skb, l3) || (skb->vlan_present && bpf_skb_vlan_pop(skb)))
		return TC_SHOT;
	return bpf_redirect_neigh(fib.ifindex, NULL, 0, 0);
}
