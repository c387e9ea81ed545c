/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* carry.h for xdp. Established flows with a known next hop are sent at once; all else is a function of its own. */
#pragma once

#include "carry.h"

/* Can XDP send there by itself? A tag would have to be another one on another link. */
static __always_inline bool xdp_reaches(const struct xdp_md *ctx, const struct hop *hop, __u32 l3)
{
	return hop->resolved && l3 == sizeof(struct ethhdr) &&
	       (hop->redirectable || hop->ifindex == ctx->ingress_ifindex);
}

static __always_inline int xdp_send(const struct xdp_md *ctx, __u32 ifindex)
{
	return ifindex == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(ifindex, 0);
}

static __always_inline void set_macs(struct ethhdr *eth, const struct hop *hop)
{
	__builtin_memcpy(eth->h_dest, hop->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, hop->source_mac, ETH_ALEN);
}

/* The tunnels are for packets with plain headers behind an untagged Ethernet header. */
static __always_inline int xdp_tunnel_ipv4(struct xdp_md *ctx, __u32 bytes, __u32 entropy,
					   const struct backend *backend, const struct hop *hop)
{
	struct inner inner = { .dst = words_of(&backend->address), .bytes = bytes };
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	inner.tos = ip->tos;
	inner.id = ip->id;
	inner.fragment = ip->frag_off;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	set_macs(eth, hop);
	eth->h_proto = bpf_htons(ETH_P_IP);
	write_outer_ipv4(ip, &inner, outer_source(hop, 4, entropy));
	return xdp_send(ctx, hop->ifindex);
}

static __always_inline int xdp_tunnel_ipv6(struct xdp_md *ctx, __u32 bytes, __u32 entropy,
					   const struct backend *backend, const struct hop *hop)
{
	struct inner inner = { .dst = words_of(&backend->address), .bytes = bytes, .entropy = entropy };
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct ipv6hdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	inner.head = *(const __be32 *)ip & bpf_htonl(0xfff00000);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	set_macs(eth, hop);
	eth->h_proto = bpf_htons(ETH_P_IPV6);
	write_outer_ipv6(ip, &inner, outer_source(hop, 6, entropy));
	return xdp_send(ctx, hop->ifindex);
}

/* The way to backend `id` into odd_now()->hop: as user space knows it, else from the kernel's own tables. */
__noinline int xdp_find_hop(struct xdp_md *ctx, __u32 id)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx->ingress_ifindex };
	struct hop *known = bpf_map_lookup_elem(&hops, &id);
	struct backend *backend = backend_by_id(id);
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();

	if (!known || !backend || !t || !odd)
		return false;
	odd->hop = *known;
	if (known->resolved)
		return true;
	set_fib_ends(&fib, t, t->src.address, words_of(&backend->address));
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0))
		return true;
	__builtin_memcpy(odd->hop.mac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(odd->hop.source_mac, fib.smac, ETH_ALEN);
	odd->hop.ifindex = fib.ifindex;
	odd->hop.resolved = true;
	return true;
}

/* Tells the sender of the packet in scratch() which size fits. */
__noinline int xdp_too_big(struct xdp_md *ctx, __u32 mtu)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct refusal *r = refusal_buffer();
	__u32 link, length;

	if (!t || !odd || !r)
		return XDP_DROP;
	count_verdict(VERDICT_TOO_BIG);
	if (!may_be_told(t, odd))
		return XDP_DROP;
	link = link_length(t);
	length = t->family == 4 ? QUOTE_IPV4 : QUOTE_IPV6;
	if (bpf_xdp_load_bytes(ctx, 0, r->link, link) || bpf_xdp_load_bytes(ctx, link, r->original, length))
		return XDP_DROP;
	length = write_too_big(mtu);
	barrier_var(length); /* the verifier follows a bound in a register only */
	if (length < sizeof(struct unreachable_ipv4) || length > sizeof(struct unreachable_ipv6))
		return XDP_DROP;
	if (resize(ctx, link + length))
		return XDP_DROP;
	if (bpf_xdp_store_bytes(ctx, 0, r->link, link) || bpf_xdp_store_bytes(ctx, link, &r->answer, length))
		return XDP_DROP;
	return XDP_TX;
}

static __always_inline bool xdp_set_macs(struct xdp_md *ctx, const struct hop *hop)
{
	__u8 macs[2 * ETH_ALEN];

	__builtin_memcpy(macs, hop->mac, ETH_ALEN);
	__builtin_memcpy(macs + ETH_ALEN, hop->source_mac, ETH_ALEN);
	return frame_store(ctx, 0, macs, sizeof(macs));
}

/* Puts the outer header between the link header and the packet in scratch(), from `own` source or the client's. */
__noinline int xdp_wrap(struct xdp_md *ctx, bool own)
{
	struct refusal *r = refusal_buffer();
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct words src;
	__u32 link;

	if (!r || !t || !odd)
		return false;
	link = link_length(t);
	src = own ? outer_source(&odd->hop, t->family, odd->inner.entropy) : t->src.address;
	if (bpf_xdp_load_bytes(ctx, 0, r->link, link) || bpf_xdp_adjust_head(ctx, -(int)outer_length(t->family)) ||
	    bpf_xdp_store_bytes(ctx, 0, r->link, link))
		return false;
	if (t->family == 4) {
		struct iphdr outer;

		write_outer_ipv4(&outer, &odd->inner, src);
		return frame_store(ctx, link, &outer, sizeof(outer));
	} else {
		struct ipv6hdr outer;

		write_outer_ipv6(&outer, &odd->inner, src);
		return frame_store(ctx, link, &outer, sizeof(outer));
	}
}

/*
 * Sends the packet with its IP header at `l3` to the backend that odd_now() names. What XDP cannot send by itself goes to the network stack,
 * which routes the outer packet; it would take one with the node's own source for a forgery, so that is the client's then.
 */
__noinline int xdp_carry(struct xdp_md *ctx, __u32 l3)
{
	struct odd *odd = odd_now();
	struct tuple *t = scratch();
	struct backend *backend;
	bool reachable, direct;
	__u32 fits, id;

	if (!odd)
		return XDP_DROP;
	id = odd->change.carry_to;
	backend = backend_by_id(id);
	if (!backend || !t || !odd || !read_inner(ctx, l3) || !xdp_find_hop(ctx, id))
		return XDP_DROP;
	if (odd->change.clamp_mss)
		clamp_mss(ctx, odd->place.at, odd->change.clamp_mss);
	direct = backend->forwarding == FORWARD_DIRECT;
	fits = size_that_fits(t, &odd->hop, t->bytes, direct ? 0 : outer_length(t->family));
	if (fits)
		return xdp_too_big(ctx, fits);
	reachable = xdp_reaches(ctx, &odd->hop, l3);
	if (!reachable)
		count_verdict(VERDICT_UNRESOLVED);
	if (direct) {
		if (!reachable || !age_packet(ctx, l3) || !xdp_set_macs(ctx, &odd->hop))
			return XDP_DROP;
		count_verdict(VERDICT_DIRECTED);
		return xdp_send(ctx, odd->hop.ifindex);
	}
	set_inner(odd, t, backend);
	if (!xdp_wrap(ctx, reachable))
		return XDP_DROP;
	count_verdict(VERDICT_TUNNELLED);
	if (!reachable)
		return XDP_PASS;
	return xdp_set_macs(ctx, &odd->hop) ? xdp_send(ctx, odd->hop.ifindex) : XDP_DROP;
}

/* The same for the plain packet in scratch(), at once where nothing is in the way. */
__noinline int xdp_carry_plain(struct xdp_md *ctx)
{
	const struct odd *odd = odd_now();
	const struct tuple *t = scratch();
	struct backend *backend;
	struct hop *hop;
	__u32 id;

	if (!odd || !t)
		return XDP_DROP;
	id = odd->change.carry_to;
	backend = backend_by_id(id);
	hop = bpf_map_lookup_elem(&hops, &id);
	if (!backend || !hop)
		return XDP_DROP;
	if (backend->forwarding != FORWARD_TUNNEL || odd->change.clamp_mss || !xdp_reaches(ctx, hop, t->l3_offset) ||
	    t->bytes + outer_length(t->family) > hop->mtu)
		return xdp_carry(ctx, t->l3_offset);
	count_verdict(VERDICT_TUNNELLED);
	return t->family == 4 ? xdp_tunnel_ipv4(ctx, t->bytes, entropy_of(t), backend, hop) :
				xdp_tunnel_ipv6(ctx, t->bytes, entropy_of(t), backend, hop);
}

#define XDP_UNDECIDED (-1)

/*
 * The same for one that shortcut() knows: of an established flow, with this hash and word. It reads the headers anew, for
 * to hand them over would cost the hook stack, which is short on the way to exact flows.
 */
__noinline int xdp_tunnel_known(struct xdp_md *ctx, __u64 hash, __u64 word)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	__u32 id = flow_backend(word), bytes, outer;
	struct backend *backend = backend_by_id(id);
	struct hop *hop = bpf_map_lookup_elem(&hops, &id);
	struct end src, dst;
	struct tcphdr *tcp;
	__u8 flags = 0;
	bool ipv6;

	if (!backend || !hop || backend->forwarding != FORWARD_TUNNEL || !xdp_reaches(ctx, hop, ETH_HLEN) ||
	    (void *)(ip + 1) + sizeof(struct udphdr) > end)
		return XDP_UNDECIDED;
	ipv6 = *(__be16 *)(data + offsetof(struct ethhdr, h_proto)) != bpf_htons(ETH_P_IP);
	outer = outer_length(ipv6 ? 6 : 4);
	if (ipv6) {
		if ((void *)(ip6 + 1) + sizeof(struct udphdr) > end)
			return XDP_UNDECIDED;
		src.address = words_of_ipv6(&ip6->saddr);
		dst.address = words_of_ipv6(&ip6->daddr);
		bytes = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
		tcp = (void *)(ip6 + 1);
	} else {
		src.address = words_of_ipv4(ip->saddr);
		dst.address = words_of_ipv4(ip->daddr);
		bytes = bpf_ntohs(ip->tot_len);
		tcp = (void *)(ip + 1);
	}
	if (bytes + outer > hop->mtu)
		return XDP_UNDECIDED;
	src.port = tcp->source;
	dst.port = tcp->dest;
	if ((ipv6 ? ip6->nexthdr : ip->protocol) == IPPROTO_TCP && (void *)(tcp + 1) <= end)
		flags = ((__u8 *)tcp)[13];
	flow_touch(hash, word, state_after_forward(flow_state(word), flags, true));
	count_flow(backend->vip, id, 1, bytes, false);
	count_verdict(VERDICT_TUNNELLED);
	return ipv6 ? xdp_tunnel_ipv6(ctx, bytes, entropy_between(&src, &dst), backend, hop) :
		      xdp_tunnel_ipv4(ctx, bytes, entropy_between(&src, &dst), backend, hop);
}

/* Takes a packet for a backend of this node out of its outer header at `l3`. False: it is as it was. */
__noinline int xdp_unwrap(struct xdp_md *ctx, __u32 l3)
{
	struct refusal *r = refusal_buffer();
	struct tuple *t = scratch();
	__u32 outer, link;

	if (!t || !r)
		return false;
	outer = read_arrival(ctx, l3);
	if (outer != sizeof(struct iphdr) && outer != sizeof(struct ipv6hdr))
		return false;
	t->l3_offset = l3;
	link = link_length(t);
	return !bpf_xdp_load_bytes(ctx, 0, r->link, link) && !bpf_xdp_adjust_head(ctx, outer) &&
	       !bpf_xdp_store_bytes(ctx, 0, r->link, link);
}
