/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision for VIPs that ask for exact tracking or full NAT, where the backend is to answer this node and not the client.
 * Packets come here as odd packets do, with their tuple in scratch().
 */
#pragma once

#include "exact_open.h"

/* NULL when it is gone. */
static __always_inline struct backend *exact_backend(const struct exact_flow *flow)
{
	struct backend *backend = backend_by_id(flow->backend);

	return backend && backend->state != BACKEND_FREE && backend->generation == flow->generation ? backend : NULL;
}

/* Is this flow still good for the packet: its backend serves the VIP? Compare backend_of_flow(). */
static __always_inline bool exact_serves(const struct exact_flow *flow, const struct tuple *t, __u32 vip_id)
{
	struct backend *backend = exact_backend(flow);

	if (!backend || backend->vip != vip_id || exact_expired(flow))
		return false;
	if (!(t->flags & TCP_SYN))
		return true;
	/* A reused source port; or repeated to a backend that drains, and not got through. */
	return flow->state < EXACT_CLIENT_DONE && (flow->state != EXACT_NEW || backend->state == BACKEND_ACTIVE);
}

/* A request is given the ends of its answer, an answer those of its request, the other way round. */
static __always_inline void exact_give_ends(struct odd *odd, const struct exact_key *other, const struct tuple *t,
					    const struct backend *backend)
{
	odd->change.src = answer_end(&other->dst, other->dst_port);
	odd->change.dst = answer_end(&other->src, other->src_port);
	odd->change.clamp_mss = t->flags & TCP_SYN ? backend->clamp_mss : 0;
}

/*
 * The ends the request in scratch() is to have, in odd_now(); DECISION_NONE where it is of no flow. `quoted`: only an ICMP
 * error says it was sent, which says nothing about the state of one. `fresh`: exact_open() has just made it a flow.
 */
__noinline int exact_request(bool quoted, bool fresh)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct exact *e = exact_now();
	struct backend *backend;
	struct exact_flow *flow;
	enum decision decision;
	__u32 vip_id;

	if (!t || !odd || !e)
		return DECISION_NONE;
	vip_id = vip_search(t->dst.address.high, t->dst.address.low, t->dst.port, t->protocol);
	set_exact_key(&e->key, t);
	flow = exact_flow_of(&e->key);
	if (!flow && old_exact && exact_take_over())
		flow = exact_flow_of(&e->key);
	if (!flow || (!fresh && !exact_serves(flow, t, vip_id)))
		return DECISION_NONE;
	backend = backend_by_id(flow->backend);
	if (!backend)
		return DECISION_NONE;
	odd->way = WAY_IN;
	odd->backend = flow->backend;
	exact_give_ends(odd, &flow->answer, t, backend);
	decision = flow->forwarding == FORWARD_FULL_NAT ? DECISION_SEND :
		   same_words(odd->change.src.address, t->src.address) ? DECISION_REWRITE : DECISION_TURN;
	if (quoted)
		return decision;
	exact_touch(flow, t, WAY_IN);
	count_flow(vip_id, flow->backend, 1, t->bytes, false);
	count_verdict(decision == DECISION_TURN ? VERDICT_HAIRPINNED : VERDICT_FORWARDED);
	return decision;
}

/* The ends the answer in scratch() is to have, in odd_now(); DECISION_NONE where it is none. `way`: of the hook. */
__noinline int exact_reply(__u32 way, bool turned, bool quoted)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct exact *e = exact_now();
	struct backend *backend;
	struct exact_flow *flow;
	struct exact_key *key;
	bool full;

	if (!t || !odd || !e)
		return DECISION_NONE;
	set_exact_key(&e->answer, t);
	key = bpf_map_lookup_elem(&exact_answers, &e->answer);
	if (!key && old_exact && exact_take_over_answer())
		key = bpf_map_lookup_elem(&exact_answers, &e->answer);
	if (!key)
		return DECISION_NONE;
	flow = exact_flow_of(key);
	if (!flow || !same_key(&flow->answer, &e->answer) || exact_expired(flow))
		return DECISION_NONE;
	full = flow->forwarding == FORWARD_FULL_NAT;
	if (!full && !turned && !(way & WAY_OUT))
		return DECISION_NONE; /* it is seen again where it leaves towards the client */
	if (!full && turned != same_words(words_of(&key->src), t->src.address))
		return DECISION_NONE; /* only what a client that is its own backend answers is turned, where it comes in */
	backend = exact_backend(flow);
	if (!backend)
		return DECISION_NONE;
	if (!full && !quoted && flow->state >= EXACT_CLIENT_DONE && (t->flags & TCP_SYN)) {
		/* It answers a SYN that was sent to the backend itself, from a port that was used for the VIP before. */
		e->doomed = *key;
		exact_remove();
		return DECISION_NONE;
	}
	odd->way = WAY_OUT;
	odd->backend = flow->backend;
	exact_give_ends(odd, key, t, backend);
	if (!quoted)
		exact_touch(flow, t, WAY_OUT);
	return full ? DECISION_SEND_BACK : turned ? DECISION_TURN : DECISION_REWRITE;
}

static __always_inline enum decision exact_plain_request(const struct tuple *t, struct odd *odd, struct exact *e,
							 __u32 vip_id)
{
	struct exact_flow *flow = exact_flow_of(&e->key);
	struct backend *backend;

	if (!flow || flow->forwarding != FORWARD_NAT || !exact_serves(flow, t, vip_id))
		return DECISION_NONE;
	backend = backend_by_id(flow->backend);
	if (!backend || !same_words(words_of(&flow->answer.dst), t->src.address))
		return DECISION_NONE;
	exact_give_ends(odd, &flow->answer, t, backend);
	exact_touch(flow, t, WAY_IN);
	count_flow(vip_id, flow->backend, 1, t->bytes, false);
	count_verdict(VERDICT_FORWARDED);
	return DECISION_REWRITE;
}

static __always_inline enum decision exact_plain_reply(const struct tuple *t, struct odd *odd, struct exact *e)
{
	struct exact_key *key = bpf_map_lookup_elem(&exact_answers, &e->key);
	struct exact_flow *flow = key ? exact_flow_of(key) : NULL;
	struct backend *backend;

	if (!key || !flow || flow->forwarding != FORWARD_NAT || !same_key(&flow->answer, &e->key) || exact_expired(flow))
		return DECISION_NONE;
	backend = exact_backend(flow);
	if (!backend)
		return DECISION_NONE;
	if (same_words(words_of(&key->src), t->src.address) || (flow->state >= EXACT_CLIENT_DONE && t->flags & TCP_SYN))
		return DECISION_NONE;
	exact_give_ends(odd, key, t, backend);
	exact_touch(flow, t, WAY_OUT);
	count_verdict(VERDICT_REPLIED);
	return DECISION_REWRITE;
}

/*
 * The same for most packets, in place of the way of odd ones: for a plain packet in scratch() of a flow that is known, with
 * NAT. Any other it leaves, untouched and uncounted.
 */
__noinline int exact_plain(__u32 way)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct exact *e = exact_now();
	__u32 vip_id;

	if (!t || !odd || !e)
		return DECISION_NONE;
	vip_id = way & WAY_IN ? vip_search(t->dst.address.high, t->dst.address.low, t->dst.port, t->protocol) : 0;
	set_exact_key(&e->key, t);
	if (vip_id)
		return exact_plain_request(t, odd, e, vip_id);
	return way & WAY_OUT ? exact_plain_reply(t, odd, e) : DECISION_NONE;
}

static __always_inline void set_datagram(struct exact *e, const struct tuple *t, const struct odd *odd)
{
	set_address(&e->datagram.src, t->src.address);
	set_address(&e->datagram.dst, t->dst.address);
	e->datagram.id = odd->place.fragment_id;
	e->datagram.protocol = t->family == 4 ? t->protocol : 0;
}

/* For the first fragment of a datagram that gets two new addresses. */
__noinline int exact_remember_fragment(void)
{
	const struct tuple *t = scratch();
	const struct odd *odd = odd_now();
	struct exact *e = exact_now();
	struct backend *backend;

	if (!t || !odd || !e)
		return false;
	backend = backend_by_id(odd->backend);
	if (!backend)
		return false;
	set_datagram(e, t, odd);
	set_address(&e->fragment.src, odd->change.src.address);
	set_address(&e->fragment.dst, odd->change.dst.address);
	e->fragment.backend = odd->backend;
	e->fragment.generation = backend->generation;
	e->fragment.back = odd->way == WAY_OUT;
	e->fragment.reserved = 0;
	return !bpf_map_update_elem(&exact_fragments, &e->datagram, &e->fragment, BPF_ANY);
}

/* Are the later fragments of this one to be found by exact_fragment()? */
static __always_inline bool exact_readdressed(const struct tuple *t, const struct odd *odd)
{
	return !same_words(t->src.address, odd->change.src.address) &&
	       !same_words(t->dst.address, odd->change.dst.address) &&
	       !same_words(t->dst.address, odd->change.src.address); /* that is a client which is its own backend */
}

/* For a fragment that is not the first: DECISION_NONE where its datagram is not one with full NAT. */
__noinline int exact_fragment(void)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct exact *e = exact_now();
	struct exact_fragment *known;
	struct backend *backend;

	if (!t || !odd || !e)
		return DECISION_NONE;
	set_datagram(e, t, odd);
	known = bpf_map_lookup_elem(&exact_fragments, &e->datagram);
	if (!known)
		return DECISION_NONE;
	backend = backend_by_id(known->backend);
	if (!backend || backend->state == BACKEND_FREE || backend->generation != known->generation)
		return DECISION_NONE;
	odd->backend = known->backend;
	odd->way = known->back ? WAY_OUT : WAY_IN;
	odd->change.src.address = words_of(&known->src);
	odd->change.dst.address = words_of(&known->dst);
	if (!known->back)
		count_flow(backend->vip, known->backend, 1, t->bytes, false);
	count_verdict(known->back ? VERDICT_REPLIED : VERDICT_FORWARDED);
	return known->back ? DECISION_SEND_BACK : DECISION_SEND;
}
