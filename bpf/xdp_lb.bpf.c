// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* xdp: uplinks. Traffic for a VIP from the network, and answers of backends behind the same link. */
#include "established.h"
#include "reply.h"
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

/* Changes a 16-bit word of the TCP segment at `at`, and its checksum. */
static __always_inline bool frame_resum(struct xdp_md *ctx, __u32 at, __u32 where, __be16 was, __be16 now)
{
	__u32 check_at = at + offsetof(struct tcphdr, check);
	__u64 delta = (__u64)(__u16)~was + now;
	__sum16 check;

	if (!frame_load(ctx, check_at, &check, sizeof(check)))
		return false;
	if ((where - at) & 1) /* across two words of the sum */
		delta = (__u64)(__u16)~bpf_htons(was) + bpf_htons(now);
	check = ~fold((__u16)~check + delta);
	return frame_store(ctx, where, &now, sizeof(now)) && frame_store(ctx, check_at, &check, sizeof(check));
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

#include "xdp_exact.h"

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
	case DECISION_CARRY:
		return CARRY_IT;
	case DECISION_SEND:
		return SEND_IT;
	case DECISION_SEND_BACK:
		return SEND_IT_BACK;
	case DECISION_REFUSE:
		return REFUSE_IT;
	case DECISION_TURN:
		return XDP_TX;
	case DECISION_DROP:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* What xdp_long_way leaves to be done, with the offset of the IP header: called from the hook it finds more stack. */
enum xdp_rest {
	XDP_ODD = 0x100,
	XDP_TUNNEL = 0x200,
	XDP_CARRY = 0x400,
	XDP_CLAMP = 0x800,	/* with the offset of the TCP header */
	XDP_REFUSE = 0x1000,
	XDP_REST = XDP_ODD | XDP_TUNNEL | XDP_CARRY | XDP_CLAMP | XDP_REFUSE,
};

/* Every packet that is not settled by shortcut(): new flows, tags, refusals. */
__noinline int xdp_long_way(struct xdp_md *ctx)
{
	struct odd *odd = odd_now();
	struct delta delta = {};
	enum decision decision;
	struct change *change;
	struct tuple t = {};
	struct packet p;
	enum parsed parsed = parse(&p, &t, (void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (!odd)
		return XDP_PASS;
	if (parsed == PARSED_TUNNEL)
		return XDP_TUNNEL | t.l3_offset;
	if (parsed != PARSED_FLOW)
		return parsed == PARSED_ODD ? XDP_ODD | t.l3_offset : XDP_PASS;
	change = &odd->change;
	decision = incoming(&t, HOOK_XDP, true, change);
	if (decision == DECISION_CARRY || decision == DECISION_REFUSE) {
		hand_over(&t);
		return decision == DECISION_CARRY ? XDP_CARRY : XDP_REFUSE;
	}
	if (decision == DECISION_EXACT) {
		hand_over(&t);
		decision = exact_plain(WAY_BOTH);
		if (decision != DECISION_REWRITE)
			return XDP_ODD | t.l3_offset;
	}
	if (decision != DECISION_REWRITE && decision != DECISION_TURN)
		return XDP_PASS;
	rewrite(&p, &t, &change->src, &change->dst, SUMMED_FULL, &delta);
	if (decision == DECISION_TURN) {
		swap_macs(p.l2);
		return XDP_TX;
	}
	return change->clamp_mss ? XDP_CLAMP | (__u32)(p.l4 - (void *)p.l2) : XDP_PASS;
}

static __always_inline int xdp_rest(struct xdp_md *ctx, int rest)
{
	struct odd *odd = odd_now();
	__u32 l3 = rest & 0xff;
	int verdict;

	if (!odd)
		return XDP_PASS;
	if (rest & XDP_CARRY)
		return xdp_carry_plain(ctx);
	if (rest & XDP_REFUSE)
		return xdp_refuse(ctx, odd->change.refused_by);
	if (rest & XDP_CLAMP) {
		clamp_mss(ctx, l3, odd->change.clamp_mss);
		return XDP_PASS;
	}
	if (rest & XDP_TUNNEL && !xdp_unwrap(ctx, l3))
		return XDP_PASS;
	/* What has arrived is read again from the inner header on, by the same steps as odd packets. */
	set_odd_arrived(rest & XDP_TUNNEL);
	verdict = xdp_odd(ctx, l3);
	switch (verdict) {
	case CARRY_IT:
		return xdp_carry(ctx, l3);
	case SEND_IT:
		return xdp_send_exact(ctx, l3);
	case SEND_IT_BACK:
		return xdp_send_back(ctx, l3);
	case REFUSE_IT:
		return xdp_refuse(ctx, odd->change.refused_by);
	default:
		return verdict;
	}
}

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
	struct plain p;
	int verdict;

	switch (shortcut(&p, (void *)(long)ctx->data, (void *)(long)ctx->data_end, WAY_BOTH, SUMMED_FULL)) {
	case SHORT_REWRITTEN:
	case SHORT_FOREIGN:
		return XDP_PASS;
	case SHORT_WHOLE:
		verdict = xdp_tunnel_known(ctx, p.hash, p.word);
		if (verdict != XDP_UNDECIDED)
			return verdict;
		break;
	case SHORT_NONE:
		break;
	}
	verdict = xdp_long_way(ctx);
	return verdict & XDP_REST ? xdp_rest(ctx, verdict) : verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
