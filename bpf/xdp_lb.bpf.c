// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* xdp: uplinks. Traffic for a VIP from the network, and answers of backends behind the same link. */
#include "established.h"
#include "forward.h"
#include "refuse.h"

#define FRAME xdp_md

static __always_inline bool frame_load(struct xdp_md *ctx, __u32 at, void *to, __u32 length)
{
	return !bpf_xdp_load_bytes(ctx, at, to, length);
}

static __always_inline bool frame_store(struct xdp_md *ctx, __u32 at, void *from, __u32 length)
{
	return !bpf_xdp_store_bytes(ctx, at, from, length);
}

/* Gives the L4 header at `at` other ports, and its checksum what they and the addresses change. */
static __always_inline bool frame_translate(struct xdp_md *ctx, __u32 at, const struct tuple *t,
					    const struct change *change, const struct delta *delta)
{
	__u32 check_at = at + (t->protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) :
							    offsetof(struct tcphdr, check));
	__be16 ports[2] = { change->src.port, change->dst.port };
	__sum16 check;

	if (!frame_load(ctx, check_at, &check, sizeof(check)))
		return false;
	check = changed_checksum(check, t, delta);
	return frame_store(ctx, at, ports, sizeof(ports)) && frame_store(ctx, check_at, &check, sizeof(check));
}

#include "odd.h"

/* A frame grows at its head: there XDP has room in every driver, at its tail it may have none. */
static __always_inline long resize(struct xdp_md *ctx, __u32 length)
{
	int growth = (int)length - (int)bpf_xdp_get_buff_len(ctx);

	return growth > 0 ? bpf_xdp_adjust_head(ctx, -growth) : bpf_xdp_adjust_tail(ctx, growth);
}

__noinline int xdp_refuse(struct xdp_md *ctx, __u32 vip_id)
{
	const struct tuple *t = scratch();
	struct refusal *r = refusal_buffer();
	__u32 link, length;

	if (!t || !r)
		return XDP_PASS;
	count_refusal(t, HOOK_XDP, vip_id);
	link = link_length(t);
	length = refusal_needs(t);
	if (length < sizeof(struct udphdr) || length > sizeof(r->original))
		return XDP_PASS;
	if (bpf_xdp_load_bytes(ctx, 0, r->link, link) || bpf_xdp_load_bytes(ctx, link, r->original, length))
		return XDP_PASS;
	length = refusal_of(r, t, SUMMED_FULL);
	if (!length || resize(ctx, link + length))
		return XDP_PASS;
	if (bpf_xdp_store_bytes(ctx, 0, r->link, link) || bpf_xdp_store_bytes(ctx, link, &r->answer, length))
		return XDP_DROP;
	return XDP_TX;
}

__noinline int xdp_odd(struct xdp_md *ctx, __u32 l3)
{
	switch (take_odd(ctx, l3, HOOK_XDP, WAY_BOTH)) {
	case DECISION_TURN:
		return XDP_TX;
	case DECISION_DROP:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* What xdp_long_way answers of a packet for xdp_odd, with the offset of its IP header: called from here, it finds more stack. */
#define XDP_ODD 0x100
/* The same for xdp_refuse, with the id of the VIP. */
#define XDP_REFUSED 0x40000000

/* Every packet that is not settled by shortcut(): new flows, tags, refusals. */
__noinline int xdp_long_way(struct xdp_md *ctx)
{
	struct change change = {};
	struct delta delta = {};
	struct packet p = {};
	enum parsed parsed = parse(&p, (void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (parsed != PARSED_FLOW)
		return parsed == PARSED_ODD ? XDP_ODD | p.tuple.l3_offset : XDP_PASS;
	switch (incoming(&p.tuple, HOOK_XDP, true, &change)) {
	case DECISION_REWRITE:
		rewrite(&p, &change.src, &change.dst, SUMMED_FULL, &delta);
		return XDP_PASS;
	case DECISION_TURN:
		rewrite(&p, &change.src, &change.dst, SUMMED_FULL, &delta);
		swap_macs(p.l2);
		return XDP_TX;
	case DECISION_REFUSE:
		hand_over(&p.tuple);
		return XDP_REFUSED | change.refused_by;
	default:
		return XDP_PASS;
	}
}

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
	int verdict;

	if (shortcut((void *)(long)ctx->data, (void *)(long)ctx->data_end, WAY_BOTH, SUMMED_FULL) != SHORT_NONE)
		return XDP_PASS;
	verdict = xdp_long_way(ctx);
	if (verdict & XDP_REFUSED)
		return xdp_refuse(ctx, verdict & ~XDP_REFUSED);
	return verdict & XDP_ODD ? xdp_odd(ctx, verdict & 0xff) : verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
