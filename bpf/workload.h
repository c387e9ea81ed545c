/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a workload of this node past the host's network stack. To another workload: the packet is put before that one's
 * interface at once, and only between interfaces that user space knows, in both directions, so that what the host tracks is
 * whole connections or nothing. To a backend elsewhere: it is given to the interface and the neighbour that the kernel's routes
 * name. Each only where user space has said so, for the host's firewall sees nothing of it.
 */
#pragma once

#include "maps.h"
#include "packet.h"
#include "rewrite.h"
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

/* Of a packet that leaves: what the kernel's routes are asked, and where in it the life that is left to it stands. */
struct departure {
	struct bpf_fib_lookup fib;
	__u32 header;		/* bytes of its IP header */
	__u8 life;
};

static __always_inline bool read_departure(struct __sk_buff *skb, struct departure *d, struct words *src,
					   struct words *dst)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct ipv6hdr *ip6 = data + ETH_HLEN;

	d->fib.ifindex = skb->ifindex;
	if (skb->protocol == bpf_htons(ETH_P_IP) && (void *)(ip + 1) <= end) {
		d->fib.family = FIB_IPV4;
		d->fib.tos = ip->tos;
		d->fib.l4_protocol = ip->protocol;
		d->fib.tot_len = bpf_ntohs(ip->tot_len);
		d->fib.ipv4_src = ip->saddr;
		d->fib.ipv4_dst = ip->daddr;
		*src = words_of_ipv4(ip->saddr);
		*dst = words_of_ipv4(ip->daddr);
		d->life = ip->ttl;
		d->header = sizeof(*ip);
		return *(__u8 *)ip == 0x45 && !(ip->frag_off & bpf_htons(0x3fff));
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end)
		return false;
	d->fib.family = FIB_IPV6;
	d->fib.l4_protocol = ip6->nexthdr;
	d->fib.tot_len = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	*src = words_of_ipv6(&ip6->saddr);
	*dst = words_of_ipv6(&ip6->daddr);
	__builtin_memcpy(d->fib.ipv6_src, src, sizeof(*src));
	__builtin_memcpy(d->fib.ipv6_dst, dst, sizeof(*dst));
	d->life = ip6->hop_limit;
	d->header = sizeof(*ip6);
	return true;
}

/* Reads the ports; a large frame counts with the bytes of one of the packets it will be cut to. */
static __always_inline bool read_departing_ports(struct __sk_buff *skb, struct departure *d)
{
	struct tcphdr tcp = {};
	__u32 at = ETH_HLEN + d->header;

	if (d->fib.l4_protocol != IPPROTO_TCP && d->fib.l4_protocol != IPPROTO_UDP)
		return false;
	if (bpf_skb_load_bytes(skb, at, &tcp, d->fib.l4_protocol == IPPROTO_TCP ? sizeof(tcp) : sizeof(struct udphdr)))
		return false;
	d->fib.sport = tcp.source;
	d->fib.dport = tcp.dest;
	if (skb->gso_size)
		d->fib.tot_len = d->header + skb->gso_size +
				 (d->fib.l4_protocol == IPPROTO_TCP ? tcp.doff * 4 : sizeof(struct udphdr));
	return true;
}

/* Takes a hop off its life. The sum of an IPv4 header stays what it is, with its own checksum in it. */
static __always_inline bool age_departure(struct __sk_buff *skb, const struct departure *d)
{
	__u8 life = d->life - 1;
	struct iphdr ip;

	if (d->header == sizeof(struct ipv6hdr))
		return !bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit), &life, sizeof(life),
					    BPF_F_RECOMPUTE_CSUM);
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return false;
	ip.ttl = life;
	update_ipv4_checksum(&ip, (__u16)~bpf_htons(0x0100)); /* the TTL is the upper byte of its word */
	return !bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

/*
 * A packet of a workload to a backend elsewhere: `known` to be for one, or it is looked up. What is not as plain as that, and
 * what the kernel would refuse, divide or report, is left to the stack.
 */
__noinline int depart(struct __sk_buff *skb, bool known)
{
	struct bpf_redir_neigh neighbour = {};
	struct settings *s = settings_now();
	struct departure d = {};
	struct words src, dst;
	long found;

	if (!s || !s->departing || skb->vlan_present || !read_departure(skb, &d, &src, &dst) || d.life <= 1)
		return TC_NEXT;
	if (!read_departing_ports(skb, &d) || workload_at(src) != skb->ifindex)
		return TC_NEXT;
	if (!known && !backend_search(dst.high, dst.low, d.fib.dport, d.fib.l4_protocol))
		return TC_NEXT;
	found = bpf_fib_lookup(skb, &d.fib, sizeof(d.fib), 0);
	if ((found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH) || d.fib.ifindex == skb->ifindex)
		return TC_NEXT;
	if (!age_departure(skb, &d))
		return TC_SHOT;
	neighbour.nh_family = d.fib.family; /* of the gateway by now, as the destination is its address */
	__builtin_memcpy(neighbour.ipv6_nh, d.fib.ipv6_dst, sizeof(neighbour.ipv6_nh));
	return bpf_redirect_neigh(d.fib.ifindex, &neighbour, sizeof(neighbour), 0);
}
