// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* xdp: uplinks. Traffic for a VIP from the network, and answers of backends behind the same link. */
#include "forward.h"
#include "refuse.h"

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

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
	struct change change = {};
	struct delta delta = {};
	struct packet p = {};
	enum parsed parsed = parse(&p, (void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (parsed != PARSED_FLOW) {
		count_unread(&p, parsed);
		return XDP_PASS;
	}
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
		return xdp_refuse(ctx, change.refused_by);
	default:
		return XDP_PASS;
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
