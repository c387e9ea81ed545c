/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From workload to workload of this node, past the host's network stack: the packet is put before the other one's
 * interface at once. Only where user space has said so, for the host's firewall sees nothing of it, and only between
 * interfaces that user space knows, in both directions, so that what the host tracks is whole connections or nothing.
 */
#pragma once

#include "maps.h"
#include "packet.h"
#include "vip.h"

/* The tick count's bits that user space sees; and how far ahead it may write, in seconds. */
#define CARRYING_CLOCK 0x7fffffff
#define CARRYING_LIMIT 64

/* User space must say so again and again: without it nobody notices that an address has moved. */
static __always_inline bool carrying(void)
{
	struct settings *s = settings_now();
	__u32 now = (bpf_jiffies64() & CARRYING_CLOCK) >> second_shift;

	return s && s->carrying && (s->carrying - now & CARRYING_CLOCK >> second_shift) <= CARRYING_LIMIT;
}

static __always_inline __u32 workload_at(struct words address)
{
	struct workload_key key = { .bits = 128 };
	__u32 *ifindex;

	__builtin_memcpy(key.address, &address, sizeof(key.address)); /* on the stack, where alignment counts */
	ifindex = bpf_map_lookup_elem(&workloads, &key);
	return ifindex ? *ifindex : 0;
}

/* The interface of the workload that an untagged IP packet is for, or 0: it is not for another one, or not from its own. */
__noinline int workload_ahead(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct words src, dst;
	__u32 ifindex;

	if (data + ETH_HLEN + sizeof(struct iphdr) > end)
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ETH_HLEN;

		src = words_of_ipv4(ip->saddr);
		dst = words_of_ipv4(ip->daddr);
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;

		if (skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(ip + 1) > end)
			return 0;
		src = words_of_ipv6(&ip->saddr);
		dst = words_of_ipv6(&ip->daddr);
	}
	ifindex = workload_at(dst);
	if (!ifindex || ifindex == skb->ifindex || workload_at(src) != skb->ifindex)
		return 0;
	return ifindex;
}
