/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A VIP that shares backends with one that is tracked exactly: one client port may be used towards both. The flow that would
 * have the answers of an exact one is tracked exactly as well, and so gets a port of its own. Asked for new flows of such VIPs
 * alone.
 */
#pragma once

#include "exact_flow.h"

static __always_inline bool is_beside_exact(const struct vip *vip)
{
	return vip->flags & VIP_BESIDE_EXACT;
}

/* Where the answers to a client are to go: the node's own address with full NAT, the VIP's to a client that is its own backend. */
static __always_inline bool set_answer(struct exact *e, const struct tuple *t, const struct backend *backend, __u32 id)
{
	struct words source = t->src.address;
	struct hop *hop;

	if (backend->forwarding == FORWARD_FULL_NAT) {
		hop = bpf_map_lookup_elem(&hops, &id);
		if (!hop)
			return false;
		source = words_of(&hop->source);
		if (!(source.high | source.low))
			return false;
	} else if (same_words(words_of(&backend->address), source)) {
		source = t->dst.address;
	}
	e->answer.src = backend->address;
	e->answer.src_port = backend->port;
	set_address(&e->answer.dst, source);
	e->answer.dst_port = t->src.port;
	*(__u32 *)&e->answer.protocol = 0;
	e->answer.protocol = t->protocol;
	return true;
}

/* Is the request of a flow that is tracked exactly, or about to be, although its VIP does not ask for it? */
__noinline int exact_beside(const struct tuple *t)
{
	struct exact *e = exact_now();
	struct exact_flow *flow;

	if (!t || !e)
		return false;
	set_exact_key(&e->key, t);
	flow = exact_flow_of(&e->key);
	if (!flow && old_exact)
		flow = bpf_map_lookup_elem(&old_exact_flows, &e->key);
	if (flow)
		return flow->forwarding == FORWARD_NAT;
	return e->chosen && same_key(&e->chosen_for, &e->key);
}

static __always_inline bool answer_is_taken(const struct exact *e)
{
	struct exact_key *owner = bpf_map_lookup_elem(&exact_answers, &e->answer);
	struct exact_flow *flow;

	if (!owner)
		return old_exact && bpf_map_lookup_elem(&old_exact_answers, &e->answer);
	flow = exact_flow_of(owner);
	return !flow || !exact_expired(flow);
}

/* Would backend `id` answer to this request what an exact flow waits for? Then exact_open() finds it chosen for this one. */
__noinline int exact_collides(const struct tuple *t, __u32 id)
{
	struct backend *backend = backend_by_id(id);
	struct exact *e = exact_now();

	if (!t || !e || !backend || backend->forwarding != FORWARD_NAT || !set_answer(e, t, backend, id))
		return false;
	if (!answer_is_taken(e))
		return false;
	set_exact_key(&e->chosen_for, t);
	e->chosen = id;
	return true;
}
