/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way of most packets, cut short: untagged, with plain headers, of a flow that has its entry, or none of ours. It does
 * what parse(), forward(), reply() and rewrite() do for them in half the instructions, for it keeps nothing that only
 * others need. Whatever is not as simple as that it leaves, untouched and uncounted, to those.
 */
#pragma once

#include "reply.h"
#include "rewrite.h"

enum shortcut {
	SHORT_NONE,	/* to be decided by the long way */
	SHORT_FOREIGN,	/* nothing to do with us */
	SHORT_REWRITTEN, /* has its new ends */
	SHORT_WHOLE,	/* for a backend that gets packets whole; nothing is done or counted yet, by the long way it is decided anew */
};

/* A packet with plain headers; nothing of it is kept but in registers. */
struct plain {
	void *l3, *l4;
	struct words src, dst;
	__be16 source, dest;
	__u32 bytes, payload;	/* with the IP header and without */
	__u8 protocol, flags;
	bool ipv6;
	__u64 hash, word;	/* with SHORT_WHOLE: its flow, and the entry of that */
};

static __always_inline bool plain_ipv4(struct plain *p)
{
	struct iphdr *ip = p->l3;

	p->bytes = bpf_ntohs(ip->tot_len);
	if (*(__u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff) || p->bytes < sizeof(*ip))
		return false;
	p->payload = p->bytes - sizeof(*ip);
	p->protocol = ip->protocol;
	p->src = words_of_ipv4(ip->saddr);
	p->dst = words_of_ipv4(ip->daddr);
	return true;
}

static __always_inline bool plain_ipv6(struct plain *p)
{
	struct ipv6hdr *ip = p->l3;

	if (*(__u8 *)ip >> 4 != 6)
		return false;
	p->payload = bpf_ntohs(*(__be16 *)(p->l3 + 4));
	p->bytes = sizeof(*ip) + p->payload;
	p->protocol = ip->nexthdr;
	p->src = words_of_ipv6(&ip->saddr);
	p->dst = words_of_ipv6(&ip->daddr);
	return !(is_mapped_ipv4(p->src) | is_mapped_ipv4(p->dst));
}

static __always_inline bool serves(const struct vip *vip, const struct plain *p)
{
	return vip->port == p->dest && vip->protocol == p->protocol && same_words(words_of(&vip->address), p->dst);
}

static __always_inline void plain_checksum(const struct plain *p, enum summed summed, __u64 address, __u64 port)
{
	struct tcphdr *tcp = p->l4;
	struct udphdr *udp = p->l4;

	if (p->protocol == IPPROTO_TCP)
		tcp->check = summed == SUMMED_PARTIAL ? fold(tcp->check + address) :
							~fold((__u16)~tcp->check + address + port);
	else if (summed == SUMMED_PARTIAL)
		udp->check = fold(udp->check + address);
	else if (udp->check)
		udp->check = (__u16)~fold((__u16)~udp->check + address + port) ?: 0xffff;
}

/* Puts `end` in the place of one end, the destination or the source. */
static __always_inline void plain_rewrite(const struct plain *p, enum way way, const struct end *end,
					  enum summed summed)
{
	__be16 old_port = way == WAY_IN ? p->dest : p->source;
	__u64 port = (__u16)~old_port + end->port, address;
	struct udphdr *ports = p->l4;

	if (p->ipv6) {
		struct ipv6hdr *ip = p->l3;

		address = change_of(way == WAY_IN ? p->dst : p->src, end->address);
		set_words(way == WAY_IN ? &ip->daddr : &ip->saddr, end->address);
	} else {
		struct iphdr *ip = p->l3;
		__be32 new = ipv4_of(end->address);
		__be32 *old = way == WAY_IN ? &ip->daddr : &ip->saddr;

		address = (__u64)~*old + new;
		address = (address & 0xffffffff) + (address >> 32);
		*old = new;
		update_ipv4_checksum(ip, address);
	}
	if (way == WAY_IN)
		ports->dest = end->port;
	else
		ports->source = end->port;
	plain_checksum(p, summed, address, port);
}

/* To an address of ours. */
static __always_inline enum shortcut established_in(struct plain *p, enum summed summed)
{
	struct end client = { p->src, p->source }, target = { p->dst, p->dest }, end;
	struct backend *backend;
	struct vip *vip;
	__u64 hash, word;
	__u32 id;

	if (p->flags & TCP_SYN)
		return SHORT_NONE;
	hash = flow_hash(&client, &target, p->protocol, p->ipv6 ? 6 : 4);
	word = flow_find(hash);
	id = flow_backend(word);
	backend = backend_by_id(id);
	if (!word || !backend || backend->state == BACKEND_FREE || !flow_names(word, id, backend))
		return SHORT_NONE;
	vip = vip_by_id(backend->vip);
	if (!vip || !serves(vip, p))
		return SHORT_NONE;
	if (backend->forwarding >= FORWARD_TUNNEL) {
		p->hash = hash;
		p->word = word;
		return SHORT_WHOLE;
	}
	end = end_of_backend(backend);
	if (same_words(end.address, p->src))
		return SHORT_NONE; /* its own backend */
	flow_touch(hash, word, state_after_forward(flow_state(word), p->flags, false));
	count_flow(backend->vip, id, 1, p->bytes, false);
	count_verdict(VERDICT_FORWARDED);
	plain_rewrite(p, WAY_IN, &end, summed);
	return SHORT_REWRITTEN;
}

/* From wherever it comes: an answer of the first VIP of a backend? */
static __always_inline enum shortcut established_out(const struct plain *p, enum summed summed)
{
	struct end client = { p->dst, p->dest }, end;
	struct backend *backend;
	__u64 hash, word;
	struct vip *vip;
	__u32 id;

	backend = backend_find(p->src, p->source, p->protocol, &id);
	if (!backend)
		return SHORT_FOREIGN;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return SHORT_NONE;
	end = end_of_vip(vip);
	hash = flow_hash(&client, &end, p->protocol, p->ipv6 ? 6 : 4);
	word = flow_find(hash);
	if (p->flags & TCP_SYN && backend->clamp_mss)
		return SHORT_NONE;
	if (!entry_names(word, backend, id)) /* what else could make it an answer? */
		return backend->next || is_exact(vip) || is_beside_exact(vip) ||
				       (!word && (old_flow_set_mask || may_have_overflowed(hash))) ?
			       SHORT_NONE :
			       SHORT_FOREIGN;
	if (of_a_direct_one(word, p->flags))
		return SHORT_NONE;
	flow_touch(hash, word, state_after_reply(flow_state(word), p->flags));
	count_verdict(VERDICT_REPLIED);
	plain_rewrite(p, WAY_OUT, &end, summed);
	return SHORT_REWRITTEN;
}

static __always_inline enum shortcut shortened(struct plain *p, enum way ways, enum summed summed)
{
	struct settings *s = settings_now();

	if (!s)
		return SHORT_NONE;
	if (ways & WAY_IN) {
		if (pools_hold(s, p->dst))
			return established_in(p, summed);
		if (s->outside)
			return SHORT_NONE; /* it may be for a VIP that no pool covers */
	}
	if (ways & WAY_OUT)
		return established_out(p, summed);
	return is_nat_port(p->dest) ? SHORT_NONE : SHORT_FOREIGN;
}

/* Each protocol has its own copy of all that follows: there it is a constant, which kernel 6.1 would not remember. */
static __always_inline enum shortcut by_protocol(struct plain *p, void *end, enum way ways, enum summed summed)
{
	struct tcphdr *tcp = p->l4;
	__u32 header;

	if ((void *)p->l4 + sizeof(struct udphdr) > end)
		return SHORT_NONE;
	p->source = tcp->source; /* UDP has its ports in the same place */
	p->dest = tcp->dest;
	p->flags = 0;
	if (p->protocol == IPPROTO_UDP) {
		p->protocol = IPPROTO_UDP;
		return p->payload >= sizeof(struct udphdr) ? shortened(p, ways, summed) : SHORT_NONE;
	}
	if (p->protocol != IPPROTO_TCP || (void *)(tcp + 1) > end)
		return SHORT_NONE;
	p->protocol = IPPROTO_TCP;
	header = ((__u8 *)tcp)[12] >> 4 << 2;
	p->flags = ((__u8 *)tcp)[13];
	return header >= sizeof(*tcp) && header <= p->payload ? shortened(p, ways, summed) : SHORT_NONE;
}

static __always_inline enum shortcut shortcut(struct plain *p, void *data, void *end, enum way ways, enum summed summed)
{
	__be16 type;

	p->l3 = data + ETH_HLEN;
	if (p->l3 + sizeof(struct iphdr) > end)
		return SHORT_NONE;
	type = *(__be16 *)(data + offsetof(struct ethhdr, h_proto));
	if (*(__u8 *)data & 1)
		return SHORT_NONE;
	if (type == bpf_htons(ETH_P_IP)) {
		p->ipv6 = false;
		p->l4 = p->l3 + sizeof(struct iphdr);
		return plain_ipv4(p) ? by_protocol(p, end, ways, summed) : SHORT_NONE;
	}
	p->ipv6 = true;
	p->l4 = p->l3 + sizeof(struct ipv6hdr);
	if (type != bpf_htons(ETH_P_IPV6) || p->l4 > end)
		return SHORT_NONE;
	return plain_ipv6(p) ? by_protocol(p, end, ways, summed) : SHORT_NONE;
}
