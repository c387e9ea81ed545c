/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A new flow that is tracked by all of its ends: its backend, a source port that nobody else has, and its place in the maps. */
#pragma once

#include <linux/errno.h>

#include "exact_flow.h"
#include "extended.h"

/* Frees the answer in e->answer if its flow has expired. */
static __always_inline bool exact_free(struct exact *e)
{
	struct exact_key *owner = bpf_map_lookup_elem(&exact_answers, &e->answer);
	struct exact_flow *flow = owner ? exact_flow_of(owner) : NULL;

	if (!owner || !flow || !exact_expired(flow))
		return false;
	e->doomed = *owner;
	return exact_remove();
}

struct claim {
	__u32 start;	/* offset of the first port that is tried */
	__u32 own;	/* 1: the client's own port before any other */
	long error;
};

static long claim_step(__u32 index, struct claim *claim)
{
	struct exact *e = exact_now();

	if (!e || (!nat_ports && index >= claim->own))
		return 1;
	if (index >= claim->own)
		e->answer.dst_port = bpf_htons(nat_port_first + (claim->start + index) % nat_ports);
	claim->error = bpf_map_update_elem(&exact_answers, &e->answer, &e->key, BPF_NOEXIST);
	if (claim->error == -EEXIST && exact_free(e))
		claim->error = bpf_map_update_elem(&exact_answers, &e->answer, &e->key, BPF_NOEXIST);
	return claim->error != -EEXIST;
}

/*
 * Makes the answer in e->answer this flow's, under a port of its own: 0, -EEXIST where every port that was tried is taken, or
 * what the map says when it is full.
 */
__noinline int exact_claim(bool own)
{
	struct claim claim = { .start = bpf_get_prandom_u32(), .own = own, .error = -EEXIST };

	bpf_loop(EXACT_CLAIMS, claim_step, &claim, 0);
	return claim.error;
}

/* The flow in e->key is the latest; the one whose place it takes in the circle had time enough for its proof. */
static __always_inline void exact_note(struct exact *e)
{
	__u32 zero = 0, index;
	__u64 *turns = bpf_map_lookup_elem(&exact_turns, &zero);
	struct exact_flow *flow;
	struct exact_key *slot;

	if (!turns)
		return;
	index = __sync_fetch_and_add(turns, 1) & exact_unproven_mask;
	slot = bpf_map_lookup_elem(&exact_unproven, &index);
	if (!slot)
		return;
	e->doomed = *slot;
	*slot = e->key;
	flow = exact_flow_of(&e->doomed);
	if (flow && !same_key(&e->doomed, &e->key) && (flow->state == EXACT_NEW || exact_expired(flow)) && exact_remove())
		count_verdict(VERDICT_EVICTED);
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

/* No port or no room is left. With NAT a flow that finds no room is an ordinary one, for its own ends have proved free. */
static __always_inline enum decision exact_give_up(const struct tuple *t, struct odd *odd, enum event_hook hook,
						   const struct backend *backend, __u32 id, __u64 hash, long error)
{
	count_verdict(VERDICT_EXHAUSTED);
	if (event_allowed())
		emit(EVENT_EXHAUSTED, hook, t->protocol, &t->src, &t->dst, backend->vip, id);
	if (error != -EEXIST && backend->forwarding == FORWARD_NAT) {
		track(t, hook, hash, 0, backend, id);
		count_flow(backend->vip, id, 1, t->bytes, opens_connection(t));
		count_verdict(VERDICT_FORWARDED);
		return ends_of_request(t, backend, &odd->change);
	}
	count_refused(backend->vip);
	odd->change.refused_by = backend->vip | REFUSAL_COUNTED;
	return DECISION_REFUSE;
}

/* Puts the flow that e->key and e->answer describe into exact_flows. 0, or what the map says. */
static __always_inline long exact_insert(struct exact *e, const struct backend *backend, __u32 id)
{
	long error;

	__builtin_memset(&e->flow, 0, sizeof(e->flow));
	e->flow.answer = e->answer;
	e->flow.opened = e->flow.used = bpf_jiffies64();
	e->flow.backend = id;
	e->flow.generation = backend->generation;
	e->flow.forwarding = backend->forwarding;
	error = bpf_map_update_elem(&exact_flows, &e->key, &e->flow, BPF_NOEXIST);
	if (error)
		bpf_map_delete_elem(&exact_answers, &e->answer);
	return error;
}

static __always_inline bool exact_admitted(const struct tuple *t, const struct vip *vip, __u32 vip_id,
					   enum event_hook hook)
{
	struct opening *o = opening_by(t, vip_id);
	enum admission admission = o ? admission_of(t, vip, o) : DENIED;

	if (admission != ADMITTED)
		count_unadmitted(admission, hook, t->protocol, &t->src, &t->dst, vip_id);
	return admission == ADMITTED;
}

/* The source of opening_by() is still there. */
static __always_inline struct backend *exact_choose(const struct tuple *t, const struct vip *vip, __u32 vip_id,
						    __u64 hash, bool again, __u32 *id)
{
	struct opening *o = opening_by(t, vip_id);

	if (o && vip->flags & VIP_AFFINE)
		return choose_affine(vip, o, vip->affinity, hash, id);
	return again ? choose_again(vip, vip_id, hash, id) : choose(vip, vip_id, hash, id);
}

/*
 * Makes the packet in scratch(), whose key exact_request() has left in e->key, a flow with a backend: DECISION_NONE; or
 * what else is to be done with it.
 */
__noinline int exact_open(__u32 hook)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct exact *e = exact_now();
	struct backend *backend;
	__u32 vip_id, id = 0;
	__u64 hash;
	struct vip *vip;
	bool stale;
	long error;

	if (!t || !odd || !e)
		return DECISION_PASS;
	vip = vip_find(t->dst.address, t->dst.port, t->protocol, &vip_id);
	if (!vip)
		return DECISION_PASS;
	e->doomed = e->key;
	stale = exact_remove();
	if (!(stale ? engaged() : takes(t, 0))) {
		count_verdict(VERDICT_DISENGAGED);
		return DECISION_PASS;
	}
	odd->change.refused_by = vip_id | REFUSAL_COUNTED;
	if (!opens_connection(t) && vip->forwarding == FORWARD_FULL_NAT) {
		count_verdict(VERDICT_UNTRACKED); /* under no port of ours would the backend know it */
		return DECISION_REFUSE;
	}
	hash = flow_hash(&t->src, &t->dst, t->protocol, t->family);
	if (!exact_admitted(t, vip, vip_id, hook))
		return DECISION_REFUSE;
	odd->change.refused_by = vip_id;
	backend = exact_choose(t, vip, vip_id, hash, !opens_connection(t) && !stale, &id);
	if (!backend)
		return DECISION_REFUSE;
	if (!set_answer(e, t, backend, id)) {
		count_verdict(VERDICT_UNRESOLVED);
		return DECISION_DROP;
	}
	error = exact_claim(backend->forwarding != FORWARD_FULL_NAT);
	if (!error)
		error = exact_insert(e, backend, id);
	if (error == -EEXIST && exact_flow_of(&e->key))
		return DECISION_NONE; /* another CPU was faster */
	if (error)
		return exact_give_up(t, odd, hook, backend, id, hash, error);
	exact_note(e);
	count_flow(vip_id, id, 0, 0, opens_connection(t));
	if (opens_connection(t))
		sample_connection(hook, t->protocol, &t->src, &t->dst, vip_id, id);
	return DECISION_NONE;
}
