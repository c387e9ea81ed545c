/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Step 5: NAT by checksum differences (RFC 1624, eqn. 3): nothing but the changed words is read. */
#pragma once

#include "packet.h"

/* What the L4 checksum field of this packet holds. */
enum summed {
	SUMMED_FULL,	/* the checksum */
	SUMMED_PARTIAL,	/* the pseudo-header's sum, to be completed by the device */
	SUMMED_HELPER,	/* the skb keeps a sum as well: bpf_l4_csum_replace must know of every change */
};

/* Sums of words, new minus old, not folded; what a rewrite changed. */
struct delta {
	__u64 address;
	__u64 port;
};

static __always_inline __u32 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u64 sum32(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

static __always_inline __u64 sum_words(struct words w)
{
	return sum32(w.high) + sum32(w.high >> 32) + sum32(w.low) + sum32(w.low >> 32);
}

/* Sum of 32-bit words; folded it is that of their halves. */
static __always_inline __u64 sum_doubles(struct words w)
{
	return (w.high & 0xffffffff) + (w.high >> 32) + (w.low & 0xffffffff) + (w.low >> 32);
}

static __always_inline __u64 change_of(struct words old, struct words new)
{
	return sum_doubles((struct words){ ~old.high, ~old.low }) + sum_doubles(new);
}

static __always_inline void update_ipv4_checksum(struct iphdr *ip, __u64 delta)
{
	ip->check = ~fold((__u16)~ip->check + delta);
}

/* A whole TCP or UDP checksum after a change. */
static __always_inline __sum16 changed_checksum(__sum16 check, const struct tuple *t, const struct delta *delta)
{
	if (t->protocol == IPPROTO_UDP && !check)
		return 0; /* the sender computed none (RFC 768, RFC 6935) */
	check = ~fold((__u16)~check + delta->address + delta->port);
	return t->protocol == IPPROTO_UDP && !check ? 0xffff : check;
}

static __always_inline void update_l4_checksum(const struct packet *p, const struct tuple *t, enum summed summed,
					       const struct delta *delta)
{
	struct tcphdr *tcp = p->l4;
	struct udphdr *udp = p->l4;
	__sum16 *check = p->tcp ? &tcp->check : &udp->check;

	if (summed == SUMMED_PARTIAL)
		*check = fold(*check + delta->address);
	else
		*check = changed_checksum(*check, t, delta);
}

static __always_inline void set_ports(const struct packet *p, __be16 source, __be16 dest)
{
	struct udphdr *ports = p->l4; /* TCP has them in the same place */

	ports->source = source;
	ports->dest = dest;
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
}

/* Gives the packet new ends. With SUMMED_HELPER the caller passes *delta to the helper afterwards. */
static __always_inline void rewrite(const struct packet *p, const struct tuple *t, const struct end *src,
				    const struct end *dst, enum summed summed, struct delta *delta)
{
	delta->port = (__u16)~t->src.port + src->port;
	delta->port += (__u16)~t->dst.port + dst->port;
	if (!p->ipv6) {
		struct iphdr *ip = p->l3;
		__be32 saddr = ipv4_of(src->address), daddr = ipv4_of(dst->address);

		delta->address = (__u64)(__u32)~ip->saddr + saddr + (__u32)~ip->daddr + daddr;
		ip->saddr = saddr;
		ip->daddr = daddr;
		update_ipv4_checksum(ip, delta->address);
	} else {
		struct ipv6hdr *ip = p->l3;

		delta->address = change_of(t->src.address, src->address);
		set_words(&ip->saddr, src->address);
		barrier(); /* one after the other: the words of both would be on the stack */
		delta->address += change_of(t->dst.address, dst->address);
		set_words(&ip->daddr, dst->address);
	}
	set_ports(p, src->port, dst->port);
	if (summed != SUMMED_HELPER)
		update_l4_checksum(p, t, summed, delta);
}
