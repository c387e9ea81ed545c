/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Step 7, for packets that go to their backend whole (DSR): in an outer IP header (RFC 2003, RFC 2473) or by its MAC
 * address. Their answers leave the backend's node with the VIP as source and never come by here. This has what both
 * hooks share: the outer header, the ICMP error where it does not fit, and what to take out of one.
 */
#pragma once

#include "odd.h"

enum icmp_too_big {
	ICMP_FRAG_NEEDED = 4,	/* a code of ICMP_DEST_UNREACH (RFC 1191) */
	ICMPV6_PACKET_TOO_BIG = 2,
};

/* No IPv6 sender goes below this (RFC 8200 §5): such a packet is sent whatever the MTU. */
#define IPV6_MTU_MIN 1280
#define IPV4_DF 0x4000
#define ECN_CE 3
#define ECN_MASK 3

/* Asks for the way from one address to another, of the packet's family. */
static __always_inline void set_fib_ends(struct bpf_fib_lookup *fib, const struct tuple *t, struct words src,
					 struct words dst)
{
	if (t->family == 4) {
		fib->family = FIB_IPV4;
		fib->ipv4_src = ipv4_of(src);
		fib->ipv4_dst = ipv4_of(dst);
	} else {
		fib->family = FIB_IPV6;
		__builtin_memcpy(fib->ipv6_src, &src, sizeof(src));
		__builtin_memcpy(fib->ipv6_dst, &dst, sizeof(dst));
	}
}

/* May the packet in scratch() be cut to pieces on its way? */
static __always_inline bool is_divisible(const struct tuple *t, const struct odd *odd)
{
	return t->family == 4 && !(odd->loaded.ipv4.frag_off & bpf_htons(IPV4_DF));
}

/* What the step for odd packets answers where the hook is to go on with the frame: from there the stack would be too deep. */
#define CARRY_IT (-2)
#define SEND_IT (-3)
#define SEND_IT_BACK (-4)
#define REFUSE_IT (-5)

static __always_inline __u32 outer_length(__u8 family)
{
	return family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* The same for all packets of a flow: spreads flows over the queues of the receiver. */
static __always_inline __u32 entropy_between(const struct end *src, const struct end *dst)
{
	__u64 h = (src->address.high ^ src->address.low) * 0x9e3779b97f4a7c15ULL;

	h ^= (__u64)((__u32)src->port << 16 | dst->port) * 0xd6e8feb86659fd93ULL;
	h ^= dst->address.low;
	h *= 0x9e3779b97f4a7c15ULL;
	return h >> 32;
}

static __always_inline __u32 entropy_of(const struct tuple *t)
{
	return entropy_between(&t->src, &t->dst);
}

/* Inside the operator's prefix, or this node's own address. */
static __always_inline struct words outer_source(const struct hop *hop, __u8 family, __u32 entropy)
{
	struct settings *s = settings_now();
	struct words base, mask, source = words_of(&hop->source);

	if (!s)
		return source;
	base = words_of(&s->tunnel_source[family == 6].base);
	mask = words_of(&s->tunnel_source[family == 6].mask);
	if (!(mask.high | mask.low))
		return source;
	base.low |= ~mask.low & (__u64)entropy << 32;
	return base;
}

static __always_inline void write_outer_ipv4(struct iphdr *outer, const struct inner *inner, struct words src)
{
	__u64 sum;

	outer->version = 4;
	outer->ihl = 5;
	outer->tos = inner->tos;
	outer->tot_len = bpf_htons(inner->bytes + sizeof(*outer));
	outer->id = inner->id;
	outer->frag_off = inner->fragment & bpf_htons(IPV4_DF);
	outer->ttl = REFUSAL_TTL;
	outer->protocol = IPPROTO_IPIP;
	outer->saddr = ipv4_of(src);
	outer->daddr = ipv4_of(inner->dst);
	sum = bpf_htons(0x4500 | inner->tos) + outer->tot_len + outer->id + outer->frag_off;
	sum += bpf_htons(REFUSAL_TTL << 8 | IPPROTO_IPIP);
	outer->check = ~fold(sum + sum32(outer->saddr) + sum32(outer->daddr));
}

static __always_inline void write_outer_ipv6(struct ipv6hdr *outer, const struct inner *inner, struct words src)
{
	*(__be32 *)outer = inner->head | bpf_htonl(inner->entropy & 0xfffff);
	outer->payload_len = bpf_htons(inner->bytes);
	outer->nexthdr = IPPROTO_IPV6;
	outer->hop_limit = REFUSAL_TTL;
	__builtin_memcpy(&outer->saddr, &src, sizeof(src));
	__builtin_memcpy(&outer->daddr, &inner->dst, sizeof(inner->dst));
}

/* Of the packet in scratch() that read_network() has just read. */
static __always_inline void set_inner(struct odd *odd, const struct tuple *t, const struct backend *backend)
{
	struct inner *inner = &odd->inner;

	inner->dst = words_of(&backend->address);
	inner->bytes = t->bytes;
	inner->entropy = entropy_of(t);
	if (t->family == 4) {
		inner->tos = odd->loaded.ipv4.tos;
		inner->id = odd->loaded.ipv4.id;
		inner->fragment = odd->loaded.ipv4.frag_off;
	} else {
		inner->head = *(const __be32 *)&odd->loaded.ipv6 & bpf_htonl(0xfff00000);
	}
}

/* Reads the packet at `l3`, with its ports where it has any, for set_inner(). */
static __always_inline bool read_inner(struct FRAME *frame, __u32 l3)
{
	struct odd *odd = odd_now();
	struct tuple *t = scratch();
	__be16 ports[2];

	if (!t || !odd)
		return false;
	odd->arrived = false;
	if (!read_network(frame, l3))
		return false;
	if (!odd->place.fragmented && (t->protocol == IPPROTO_TCP || t->protocol == IPPROTO_UDP) &&
	    frame_load(frame, odd->place.at, ports, sizeof(ports))) {
		t->src.port = ports[0];
		t->dst.port = ports[1];
	}
	return true;
}

/* 0 when packets of this many bytes fit with what is put before them, else the size that does. */
static __always_inline __u32 size_that_fits(const struct tuple *t, const struct hop *hop, __u32 bytes, __u32 outer)
{
	__u32 fits = hop->mtu - outer;

	if (!hop->mtu || bytes <= fits)
		return 0;
	if (t->family == 6 && fits < IPV6_MTU_MIN)
		return bytes > IPV6_MTU_MIN ? IPV6_MTU_MIN : 0;
	return fits;
}

/*
 * Which packets may be answered with an ICMP error (RFC 1122 §3.2.2, RFC 4443 §2.4): no ICMP, none but the first fragment.
 * The answer quotes eight bytes behind the IP header, which says something only if the header is a plain one.
 */
static __always_inline bool may_be_told(const struct tuple *t, const struct odd *odd)
{
	return (t->protocol == IPPROTO_TCP || t->protocol == IPPROTO_UDP) && !odd->place.fragment_offset &&
	       odd->place.at - t->l3_offset == l3_length(t) && is_sender(t);
}

/* Sum of 16-bit words, read one by one: unrolled they would all be on the stack. */
static __always_inline __u64 sum_slowly(const void *from, int bytes)
{
	const __u16 *half = from;
	__u64 sum = 0;

	barrier();
#pragma clang loop unroll(disable) vectorize(disable)
	for (int i = 0; i < bytes / 2; i++)
		sum += half[i];
	return sum;
}

static __always_inline __u32 write_frag_needed(struct unreachable_ipv4 *u, const struct refusal *r, const struct tuple *t,
					       __u32 mtu)
{
	u->icmp.type = ICMP_DEST_UNREACH;
	u->icmp.code = ICMP_FRAG_NEEDED;
	u->icmp.unused[1] = bpf_htons(mtu);
	__builtin_memcpy(u->quote, r->original, sizeof(u->quote));
	u->icmp.checksum = ~fold(sum_slowly(&u->icmp, sizeof(*u) - sizeof(u->ip)));
	write_ipv4(&u->ip, t, IPPROTO_ICMP, sizeof(*u));
	return sizeof(*u);
}

static __always_inline __u32 write_packet_too_big(struct unreachable_ipv6 *u, const struct refusal *r,
						  const struct tuple *t, __u32 mtu)
{
	__u32 payload = sizeof(*u) - sizeof(u->ip);

	u->icmp.type = ICMPV6_PACKET_TOO_BIG;
	u->icmp.unused[1] = bpf_htons(mtu);
	__builtin_memcpy(u->quote, r->original, sizeof(u->quote));
	u->icmp.checksum = ~fold(pseudo_sum(t, 6, IPPROTO_ICMPV6, payload) + sum_slowly(&u->icmp, payload));
	write_ipv6(&u->ip, t, IPPROTO_ICMPV6, sizeof(*u));
	return sizeof(*u);
}

/* Makes the answer to the loaded headers of the packet in scratch(): its length, from the IP header on, or 0. */
__noinline __u32 write_too_big(__u32 mtu)
{
	struct refusal *r = refusal_buffer();
	const struct tuple *t = scratch();
	__u8 mac[ETH_ALEN];

	if (!r || !t)
		return 0;
	__builtin_memset(&r->length, 0, sizeof(r->length) + sizeof(r->answer));
	__builtin_memcpy(mac, r->link, ETH_ALEN);
	__builtin_memcpy(r->link, r->link + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(r->link + ETH_ALEN, mac, ETH_ALEN);
	return t->family == 4 ? write_frag_needed(&r->answer.unreachable4, r, t, mtu) :
				write_packet_too_big(&r->answer.unreachable6, r, t, mtu);
}

/* Takes one hop off the packet's life, so that two nodes that name each other end it. False: it has none left. */
__noinline int age_packet(struct FRAME *frame, __u32 l3)
{
	const struct tuple *t = scratch();
	struct iphdr ip;
	__u8 limit;

	if (!t)
		return false;
	if (t->family == 6) {
		l3 += offsetof(struct ipv6hdr, hop_limit);
		if (!frame_load(frame, l3, &limit, sizeof(limit)) || limit-- <= 1)
			return false;
		return frame_store(frame, l3, &limit, sizeof(limit));
	}
	if (!frame_load(frame, l3, &ip, sizeof(ip)) || ip.ttl <= 1)
		return false;
	ip.ttl--;
	update_ipv4_checksum(&ip, (__u16)~bpf_htons(0x0100)); /* the TTL is the upper byte of its word */
	return frame_store(frame, l3, &ip, sizeof(ip));
}

/* A sign of congestion on the outer header is one for the inner packet, at `l3` (RFC 6040 §4.2). */
__noinline int hand_on_congestion(struct FRAME *frame, __u32 l3)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct iphdr *ip;
	__u8 head[2];

	if (!t || !odd)
		return false;
	if (t->family == 6) {
		if (!frame_load(frame, l3, head, sizeof(head)) || !(head[1] >> 4 & ECN_MASK))
			return true;
		head[1] |= ECN_CE << 4;
		return frame_store(frame, l3, head, sizeof(head));
	}
	ip = &odd->loaded.ipv4;
	if (!frame_load(frame, l3, ip, sizeof(*ip)))
		return false;
	if (!(ip->tos & ECN_MASK))
		return true;
	update_ipv4_checksum(ip, (__u16)~bpf_htons(ip->tos) + bpf_htons(ip->tos | ECN_CE));
	ip->tos |= ECN_CE;
	return frame_store(frame, l3, ip, sizeof(*ip));
}

static __always_inline bool is_congested(const struct odd *odd, __u8 family)
{
	if (family == 4)
		return (odd->loaded.ipv4.tos & ECN_MASK) == ECN_CE;
	return (odd->loaded.ipv6.rest_of_flow[0] >> 4 & ECN_MASK) == ECN_CE;
}

/* Can the packet in scratch() be one of a client to a VIP whose packets come in an outer header? */
__noinline int is_delivery(void)
{
	const struct tuple *t = scratch();
	struct vip *address;
	__u32 id;

	if (!t || !is_sender(t) || address_in_pool(t->src.address))
		return false;
	address = vip_find(t->dst.address, 0, 0, &id);
	return address && address->forwarding >= FORWARD_TUNNEL;
}

/* Is the packet in scratch() addressed to a backend of this node, whole and without options? */
__noinline int is_to_backend(void)
{
	const struct tuple *t = scratch();
	__u32 id;

	return t && t->plain_header && arrival_find(t->dst.address, 0, &id);
}

/*
 * Is the packet with its outer IP header at `l3` for a backend of this node? Its address is then in scratch_outer, and
 * the answer is the length of the outer header. A tunnel of somebody else, or one that only passes by, is left alone.
 */
static __always_inline __u32 read_arrival(struct FRAME *frame, __u32 l3)
{
	struct tuple *t = scratch();
	struct odd *odd = odd_now();
	__u32 payload, inner, zero = 0;
	struct words *outer = bpf_map_lookup_elem(&scratch_outer, &zero);
	bool congested;
	__u8 family;

	if (!t || !odd || !outer)
		return 0;
	if (!read_network(frame, l3) || !is_to_backend())
		return 0;
	family = t->family;
	*outer = t->dst.address;
	payload = odd->place.payload;
	inner = odd->place.at;
	congested = is_congested(odd, family);
	if (!read_network(frame, inner) || t->family != family || t->bytes > payload || !is_delivery())
		return 0;
	if (congested && !hand_on_congestion(frame, inner))
		return 0;
	count_verdict(VERDICT_ARRIVED);
	return outer_length(family);
}
