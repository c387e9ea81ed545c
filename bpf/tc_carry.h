/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* carry.h for tc. Frames keep their offloads: the kernel cuts an encapsulated TCP frame to smaller segments by itself. */
#pragma once

#include "carry.h"

/* Bytes of a packet on the wire: a large frame of a flow is cut to gso_size before. */
static __always_inline __u32 wire_bytes(const struct __sk_buff *skb, const struct tuple *t, const struct odd *odd)
{
	if (!skb->gso_size)
		return t->bytes;
	return odd->place.at - t->l3_offset + skb->gso_size +
	       (t->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr));
}

/* Tells the sender of the packet in scratch() which size fits. */
__noinline int tc_too_big(struct __sk_buff *skb, __u32 mtu)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct refusal *r = refusal_buffer();
	__u32 link, length;

	if (!t || !odd || !r)
		return TC_SHOT;
	count_verdict(VERDICT_TOO_BIG);
	if (!may_be_told(t, odd))
		return TC_SHOT;
	link = link_length(t);
	length = t->family == 4 ? QUOTE_IPV4 : QUOTE_IPV6;
	if (bpf_skb_load_bytes(skb, 0, r->link, link) || bpf_skb_load_bytes(skb, link, r->original, length))
		return TC_SHOT;
	length = write_too_big(mtu);
	barrier_var(length); /* the verifier follows a bound in a register only */
	if (length < sizeof(struct unreachable_ipv4) || length > sizeof(struct unreachable_ipv6))
		return TC_SHOT;
	if (bpf_skb_change_tail(skb, link + length, 0))
		return TC_SHOT;
	if (bpf_skb_store_bytes(skb, 0, r->link, link, 0) || bpf_skb_store_bytes(skb, link, &r->answer, length, 0))
		return TC_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

/* A datagram is one whatever the frame holds; only a stream may be cut anew. */
static __always_inline __u64 room_flags(const struct tuple *t)
{
	__u64 flags = t->family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;

	return t->protocol == IPPROTO_TCP ? flags : flags | BPF_F_ADJ_ROOM_FIXED_GSO;
}

/* Puts the outer header in front of the packet in scratch(), from `own` source or the client's. */
__noinline int tc_wrap(struct __sk_buff *skb, bool own)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct words src;
	__u32 link;

	if (!t || !odd)
		return false;
	link = link_length(t);
	src = own ? outer_source(&odd->hop, t->family, odd->inner.entropy) : t->src.address;
	if (bpf_skb_adjust_room(skb, outer_length(t->family), BPF_ADJ_ROOM_MAC, room_flags(t)))
		return false;
	if (t->family == 4) {
		struct iphdr outer;

		write_outer_ipv4(&outer, &odd->inner, src);
		return !bpf_skb_store_bytes(skb, link, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH);
	} else {
		struct ipv6hdr outer;

		write_outer_ipv6(&outer, &odd->inner, src);
		return !bpf_skb_store_bytes(skb, link, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH);
	}
}

/* Sends the frame with its IP header at `l3` to the MAC address of the backend, which the kernel finds out where it must. */
static __always_inline int tc_direct(struct __sk_buff *skb, __u32 l3, __u8 family, const struct hop *hop)
{
	struct bpf_redir_neigh neighbour = { .nh_family = family == 4 ? 2 : 10 };
	struct words gateway = words_of(&hop->gateway);

	if (family == 4)
		neighbour.ipv4_nh = ipv4_of(gateway);
	else
		__builtin_memcpy(neighbour.ipv6_nh, &gateway, sizeof(gateway));
	if (!hop->ifindex || !age_packet(skb, l3))
		return TC_SHOT;
	return bpf_redirect_neigh(hop->ifindex, &neighbour, sizeof(neighbour), 0);
}

/* Takes the tags off, which are of the link the frame came by. The kernel takes the next out of the frame by itself. */
static __always_inline bool tc_untag(struct __sk_buff *skb, struct tuple *t)
{
	if (!skb->vlan_present && t->l3_offset == sizeof(struct ethhdr))
		return true;
	if (bpf_skb_vlan_pop(skb))
		return false;
	t->l3_offset = sizeof(struct ethhdr);
	return !skb->vlan_present || !bpf_skb_vlan_pop(skb);
}

/* Sends the packet with its IP header at `l3` to the backend that odd_now() names; without a route the network stack has the last word. */
__noinline int tc_carry(struct __sk_buff *skb, __u32 l3)
{
	struct odd *odd = odd_now();
	struct tuple *t = scratch();
	struct backend *backend;
	struct hop *hop;
	__u32 outer, fits, id;
	bool direct;

	if (!odd)
		return TC_SHOT;
	id = odd->change.carry_to;
	backend = backend_by_id(id);
	hop = bpf_map_lookup_elem(&hops, &id);
	if (!backend || !hop || !t || !odd || !read_inner(skb, l3))
		return TC_SHOT;
	if (odd->change.clamp_mss)
		clamp_mss(skb, odd->place.at, odd->change.clamp_mss);
	direct = backend->forwarding == FORWARD_DIRECT;
	outer = direct ? 0 : outer_length(t->family);
	/* A stream is cut to what fits once its frames are encapsulated. */
	fits = size_that_fits(t, hop, wire_bytes(skb, t, odd), skb->gso_size && t->protocol == IPPROTO_TCP ? 0 : outer);
	if (fits)
		return tc_too_big(skb, fits - (skb->gso_size && t->protocol == IPPROTO_TCP ? outer : 0));
	if (hop->ifindex && !tc_untag(skb, t))
		return TC_SHOT;
	if (direct) {
		count_verdict(VERDICT_DIRECTED);
		return tc_direct(skb, t->l3_offset, t->family, hop);
	}
	odd->hop = *hop;
	set_inner(odd, t, backend);
	if (!tc_wrap(skb, hop->ifindex != 0))
		return TC_SHOT;
	count_verdict(VERDICT_TUNNELLED);
	if (hop->ifindex)
		return bpf_redirect_neigh(hop->ifindex, NULL, 0, 0);
	count_verdict(VERDICT_UNRESOLVED);
	return TC_NEXT;
}

/* Takes a packet for a backend of this node out of its outer header at `l3`. False: it is as it was. */
__noinline int tc_unwrap(struct __sk_buff *skb, __u32 l3)
{
	int outer;

	if (l3 != sizeof(struct ethhdr)) /* the kernel takes nothing out of a frame with a tag in it */
		return false;
	outer = read_arrival(skb, l3);
	if (outer != sizeof(struct iphdr) && outer != sizeof(struct ipv6hdr))
		return false;
	return !bpf_skb_adjust_room(skb, -outer, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}
