// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc: workload interfaces, seen from the host. Ingress takes what the workload sends to a VIP; egress gives the answers
 * back the VIP's address. Between the two the host sees a plain connection from client to backend, so its own
 * connection tracking and reverse-path checks agree. Frames keep their offloads.
 */
#include "established.h"
#include "reply.h"
#include "refuse.h"

#define FRAME __sk_buff
#define TC_NEXT (-1) /* TCX_NEXT, and TC_ACT_UNSPEC under clsact: on to the next program */
#define TC_SHOT 2

#include "workload.h"

/* Kernels from 6.2 let us see how the skb's checksum is to be read; the others update it through the helper. */
struct sk_buff___summed {
	unsigned char ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

#include <bpf/bpf_core_read.h>

/*
 * A checksum of the whole packet (CHECKSUM_COMPLETE) must follow a rewrite of IPv4: its pseudo-header is not in the packet. In
 * IPv6 the addresses are, once more, in the packet itself, and all changes cancel.
 */
static __always_inline enum summed summed_of(struct __sk_buff *skb, __u8 family)
{
	struct sk_buff___summed *kernel_skb;

	if (!&bpf_cast_to_kern_ctx)
		return SUMMED_HELPER;
	kernel_skb = bpf_cast_to_kern_ctx(skb);
	switch (BPF_CORE_READ_BITFIELD(kernel_skb, ip_summed)) {
	case 0: /* CHECKSUM_NONE */
	case 1: /* CHECKSUM_UNNECESSARY */
		return SUMMED_FULL;
	case 3: /* CHECKSUM_PARTIAL */
		return SUMMED_PARTIAL;
	default:
		return family == 6 ? SUMMED_FULL : SUMMED_HELPER;
	}
}

static __always_inline bool frame_load(struct __sk_buff *skb, __u32 at, void *to, __u32 length)
{
	return !bpf_skb_load_bytes(skb, at, to, length);
}

/* The skb's own sum, where it has one, is told of every byte. */
static __always_inline bool frame_store(struct __sk_buff *skb, __u32 at, const void *from, __u32 length)
{
	return !bpf_skb_store_bytes(skb, at, from, length, BPF_F_RECOMPUTE_CSUM);
}

/*
 * Tells the L4 checksum, and the skb's own sum, of new ends, whichever way this skb is summed. `at`: of the L4 header. The
 * skb's sum must have been told of IPv6 addresses, and not of ports: a change of those is made up for by the checksum.
 */
static __always_inline bool update_checksums(struct __sk_buff *skb, __u8 protocol, __u32 at, const struct delta *delta)
{
	__u64 mangled = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	at += protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check);
	return !bpf_l4_csum_replace(skb, at, 0, fold(delta->address), BPF_F_PSEUDO_HDR | mangled) &&
	       !bpf_l4_csum_replace(skb, at, 0, fold(delta->port), mangled);
}

/* Changes a 16-bit word of the TCP segment at `at`, and its checksum, whichever way this skb is summed. */
static __always_inline bool frame_resum(struct __sk_buff *skb, __u32 at, __u32 where, __be16 was, __be16 now)
{
	bool across = (where - at) & 1; /* two words of the sum */

	return !bpf_skb_store_bytes(skb, where, &now, sizeof(now), 0) &&
	       !bpf_l4_csum_replace(skb, at + offsetof(struct tcphdr, check), across ? bpf_htons(was) : was,
				    across ? bpf_htons(now) : now, sizeof(now));
}

static __always_inline bool frame_translate(struct __sk_buff *skb, __u32 at, const struct tuple *t,
					    const struct change *change, const struct delta *delta)
{
	__be16 ports[2] = { change->src.port, change->dst.port };

	return !bpf_skb_store_bytes(skb, at, ports, sizeof(ports), 0) &&
	       update_checksums(skb, t->protocol, at, delta);
}

#include "odd.h"

#include "tc_exact.h"

/* Headers may sit in fragments of the skb: pull them in. The VLAN tag is not in the frame here. */
static __always_inline enum parsed parse_skb(struct __sk_buff *skb, struct packet *p, struct tuple *t)
{
	__u32 l3 = skb->protocol == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 headers = sizeof(struct ethhdr) + l3 + sizeof(struct tcphdr), linear = skb->data_end - skb->data;

	if (linear < headers && linear < skb->len)
		bpf_skb_pull_data(skb, headers < skb->len ? headers : skb->len);
	return parse(p, t, (void *)(long)skb->data, (void *)(long)skb->data_end);
}

__noinline int tc_refuse(struct __sk_buff *skb, __u32 vip_id)
{
	const struct tuple *t = scratch();
	struct refusal *r = refusal_buffer();
	__u32 link, length;

	if (!t || !r)
		return TC_NEXT;
	count_refusal(t, HOOK_TC, vip_id);
	link = link_length(t);
	length = refusal_needs(t);
	if (length < sizeof(struct udphdr) || length > sizeof(r->original))
		return TC_NEXT;
	if (bpf_skb_load_bytes(skb, 0, r->link, link) || bpf_skb_load_bytes(skb, link, r->original, length))
		return TC_NEXT;
	length = refusal_of(r, t, summed_of(skb, t->family));
	if (!length || bpf_skb_change_tail(skb, link + length, 0))
		return TC_NEXT;
	if (bpf_skb_store_bytes(skb, 0, r->link, link, 0) || bpf_skb_store_bytes(skb, link, &r->answer, length, 0))
		return TC_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

/* What the long ways leave to be done, with the offset of the IP header: called from the hook it finds more stack. */
enum tc_rest {
	TC_ODD = 0x100,
	TC_TUNNEL = 0x200,
	TC_CARRY = 0x400,
	TC_CLAMP = 0x800,	/* with the offset of the TCP header */
	TC_REWRITTEN = 0x1000,	/* nothing: it has its new ends, and all that is left is where it goes */
	TC_FOREIGN = 0x2000,	/* nothing: it is for no address of ours */
	TC_REST = TC_ODD | TC_TUNNEL | TC_CARRY | TC_CLAMP,
};

static __always_inline int act(struct __sk_buff *skb, const struct packet *p, const struct tuple *t,
			       enum decision decision, const struct change *change)
{
	enum summed summed;
	struct delta delta = {};
	__u32 l4_offset;

	if (decision == DECISION_PASS)
		return TC_NEXT;
	if (decision == DECISION_REFUSE) {
		hand_over(t);
		return tc_refuse(skb, change->refused_by);
	}
	l4_offset = p->l4 - (void *)p->l2;
	summed = summed_of(skb, p->ipv6 ? 6 : 4);
	rewrite(p, t, &change->src, &change->dst, summed, &delta);
	if (decision == DECISION_TURN)
		swap_macs(p->l2);
	if (summed == SUMMED_HELPER && !update_checksums(skb, p->tcp ? IPPROTO_TCP : IPPROTO_UDP, l4_offset, &delta))
		return TC_SHOT;
	if (decision == DECISION_TURN)
		return bpf_redirect(skb->ifindex, 0);
	return change->clamp_mss ? TC_CLAMP | l4_offset : TC_NEXT;
}

__noinline int tc_odd(struct __sk_buff *skb, __u32 l3, __u32 way)
{
	switch (take_odd(skb, l3, HOOK_TC, way)) {
	case DECISION_CARRY:
		return CARRY_IT;
	case DECISION_SEND:
		return SEND_IT;
	case DECISION_SEND_BACK:
		return SEND_IT_BACK;
	case DECISION_REFUSE:
		return REFUSE_IT;
	case DECISION_TURN:
		return bpf_redirect(skb->ifindex, 0);
	case DECISION_DROP:
		return TC_SHOT;
	default:
		return TC_NEXT;
	}
}

static __always_inline int tc_long_way(struct __sk_buff *skb, enum way way)
{
	struct odd *odd = odd_now();
	struct tuple t = {};
	struct packet p;
	enum parsed parsed = parse_skb(skb, &p, &t);
	enum decision decision;
	int verdict;

	if (!odd)
		return TC_NEXT;
	if (parsed == PARSED_TUNNEL)
		return way == WAY_IN ? TC_TUNNEL | t.l3_offset : TC_NEXT;
	if (parsed != PARSED_FLOW)
		return parsed == PARSED_ODD ? TC_ODD | t.l3_offset : TC_NEXT;
	if (way == WAY_IN)
		decision = incoming(&t, HOOK_TC, false, &odd->change);
	else
		decision = reply(&t, false, &odd->change);
	if (decision == DECISION_FOREIGN)
		return TC_FOREIGN;
	if (decision == DECISION_CARRY)
		return TC_CARRY | t.l3_offset;
	if (decision == DECISION_EXACT) {
		hand_over(&t);
		decision = exact_plain(way);
		if (decision != DECISION_REWRITE)
			return TC_ODD | t.l3_offset;
	}
	verdict = act(skb, &p, &t, decision, &odd->change);
	return decision == DECISION_REWRITE && verdict == TC_NEXT ? TC_REWRITTEN : verdict;
}

/* Every packet that is not settled by shortcut(): new flows, headers beyond the linear part, refusals. */
__noinline int tc_long_way_in(struct __sk_buff *skb)
{
	return tc_long_way(skb, WAY_IN);
}

__noinline int tc_long_way_out(struct __sk_buff *skb)
{
	return tc_long_way(skb, WAY_OUT);
}

static __always_inline enum shortcut tc_shortcut(struct __sk_buff *skb, enum way way)
{
	enum summed summed = summed_of(skb, 4);
	struct plain p;

	if (summed == SUMMED_HELPER)
		return SHORT_NONE;
	return shortcut(&p, (void *)(long)skb->data, (void *)(long)skb->data_end, way, summed);
}

__noinline int tc_shortcut_out(struct __sk_buff *skb)
{
	return tc_shortcut(skb, WAY_OUT);
}

/* A packet that has its new ends: to its workload at once, or out of the node, or on through the network stack. */
static __always_inline int deliver(struct __sk_buff *skb)
{
	__u32 ifindex;

	if (!carrying())
		return TC_NEXT;
	ifindex = workload_ahead(skb);
	return ifindex ? bpf_redirect_peer(ifindex, 0) : depart(skb, true);
}

/* What is left of an answer to another workload: an MSS to lower, or odd headers for the way through the network stack. */
static __always_inline int clamp_or_leave(struct __sk_buff *skb, int rest)
{
	struct odd *odd = odd_now();

	if (odd && rest & TC_CLAMP)
		clamp_mss(skb, rest & 0xff, odd->change.clamp_mss);
	return TC_NEXT;
}

/*
 * A packet that is for no address of ours. To another workload it does not come by the host's end of that one's
 * interface, where answers of backends get the VIP's address: it gets it here. What has odd headers takes the stack. One
 * to a backend elsewhere was given it by the sock hook, or is for the backend itself.
 */
static __always_inline int carry(struct __sk_buff *skb)
{
	__u32 ifindex;
	int verdict;

	if (!carrying())
		return TC_NEXT;
	ifindex = workload_ahead(skb);
	if (!ifindex)
		return depart(skb, false);
	if (tc_shortcut_out(skb) == SHORT_NONE) {
		verdict = tc_long_way_out(skb);
		if (verdict != TC_NEXT && verdict != TC_REWRITTEN)
			return verdict > 0 && verdict & TC_REST ? clamp_or_leave(skb, verdict) : verdict;
	}
	return bpf_redirect_peer(ifindex, 0);
}

static __always_inline int tc_rest(struct __sk_buff *skb, int rest, enum way way)
{
	struct odd *odd = odd_now();
	__u32 l3 = rest & 0xff;
	int verdict;

	if (!odd)
		return TC_NEXT;
	if (rest & TC_CARRY)
		return tc_carry(skb, l3);
	if (rest & TC_CLAMP) {
		clamp_mss(skb, l3, odd->change.clamp_mss);
		return TC_NEXT;
	}
	if (rest & TC_TUNNEL && !tc_unwrap(skb, l3))
		return TC_NEXT;
	/* What has arrived is read again from the inner header on, by the same steps as odd packets. */
	set_odd_arrived(rest & TC_TUNNEL);
	verdict = tc_odd(skb, l3, way);
	switch (verdict) {
	case CARRY_IT:
		return tc_carry(skb, l3);
	case SEND_IT:
		return tc_send(skb, l3);
	case SEND_IT_BACK:
		return tc_send_back(skb, l3);
	case REFUSE_IT:
		return tc_refuse(skb, odd->change.refused_by);
	default:
		return verdict;
	}
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	int verdict;

	switch (tc_shortcut(skb, WAY_IN)) {
	case SHORT_REWRITTEN:
		verdict = TC_REWRITTEN;
		break;
	case SHORT_FOREIGN:
		verdict = TC_FOREIGN;
		break;
	case SHORT_WHOLE:
	case SHORT_NONE:
		verdict = tc_long_way_in(skb);
	}
	if (verdict == TC_REWRITTEN)
		return deliver(skb);
	if (verdict == TC_FOREIGN)
		return carry(skb);
	return verdict > 0 && verdict & TC_REST ? tc_rest(skb, verdict, WAY_IN) : verdict;
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
	int verdict;

	if (tc_shortcut(skb, WAY_OUT) != SHORT_NONE)
		return TC_NEXT;
	verdict = tc_long_way_out(skb);
	if (verdict == TC_REWRITTEN)
		return TC_NEXT;
	return verdict > 0 && verdict & TC_REST ? tc_rest(skb, verdict, WAY_OUT) : verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
