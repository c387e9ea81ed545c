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

/* Adds an entry: 0, or what the map says. Before 6.4 that is an int, and the upper half of the register anything. */
static __always_inline long exact_add(void *map, const void *key, const void *value)
{
	return (int)bpf_map_update_elem(map, key, value, BPF_NOEXIST);
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
	claim->error = exact_add(&exact_answers, &e->answer, &e->key);
	if (claim->error == -EEXIST && exact_free(e))
		claim->error = exact_add(&exact_answers, &e->answer, &e->key);
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

/* Ports tried where ordinary flows have the ones before. */
#define ORDINARY_TRIES 8

/* Does an ordinary flow have the answer in e->answer? Looked for only where other VIPs have this backend. */
__noinline int ordinary_answers(void)
{
	const struct tuple *asked = scratch();
	struct exact *e = exact_now();
	struct backend *backend;
	struct tuple *t;
	__u32 id;

	if (!asked || !e)
		return false;
	t = &e->tuple;
	t->src = answer_end(&e->answer.src, e->answer.src_port);
	t->dst = answer_end(&e->answer.dst, e->answer.dst_port);
	t->protocol = asked->protocol;
	t->family = asked->family;
	id = backend_search(t->src.address.high, t->src.address.low, t->src.port, t->protocol);
	backend = backend_by_id(id);
	if (!id || !backend || !backend->next)
		return false;
	return reply_search(t, id, same_words(t->dst.address, words_of(&e->key.dst)), true);
}

/*
 * exact_claim(), but for ports under which ordinary flows of the client are answered. Where clients use the node's ports for
 * their own, the next one may be taken as well.
 */
static __always_inline long exact_claim_alone(struct exact *e, bool own)
{
	long error = exact_claim(own);

	if (!own)
		return error;
#pragma clang loop unroll(disable)
	for (int i = 0; i < ORDINARY_TRIES; i++) {
		if (error == -EEXIST || !ordinary_answers())
			return error;
		if (error)
			break;
		bpf_map_delete_elem(&exact_answers, &e->answer);
		error = exact_claim(false);
	}
	if (!error)
		bpf_map_delete_elem(&exact_answers, &e->answer);
	return -EEXIST;
}

/* No port or no room is left. With NAT a flow that finds no room is an ordinary one, if its own ends have proved free. */
static __always_inline enum decision exact_give_up(const struct tuple *t, struct odd *odd, struct exact *e,
						   enum event_hook hook, const struct backend *backend, __u32 id,
						   __u64 hash, long error)
{
	count_verdict(VERDICT_EXHAUSTED);
	if (event_allowed())
		emit(EVENT_EXHAUSTED, hook, t->protocol, &t->src, &t->dst, backend->vip, id);
	if (error != -EEXIST && backend->forwarding == FORWARD_NAT && e->answer.dst_port == t->src.port) {
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
	error = exact_add(&exact_flows, &e->key, &e->flow);
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

/* The backend that exact_collides() has found chosen and admitted for this request; 0: none. */
static __always_inline __u32 exact_chosen(struct exact *e, __u32 vip_id)
{
	__u32 id = e->chosen;
	struct backend *backend = backend_by_id(id);

	e->chosen = 0;
	if (!id || !backend || !same_key(&e->chosen_for, &e->key))
		return 0;
	return backend->vip == vip_id && backend->state != BACKEND_FREE ? id : 0;
}

/* The backend of a new flow, or what else is to be done with its packet, in *decision. */
static __always_inline struct backend *exact_select(const struct tuple *t, struct exact *e, struct odd *odd,
						    enum event_hook hook, __u64 hash, __u32 *id, enum decision *decision)
{
	__u32 vip_id;
	struct vip *vip;
	bool stale;

	*decision = DECISION_PASS;
	vip = vip_find(t->dst.address, t->dst.port, t->protocol, &vip_id);
	if (!vip)
		return NULL;
	e->doomed = e->key;
	stale = exact_remove();
	*id = exact_chosen(e, vip_id);
	if (*id)
		return backend_by_id(*id);
	if (!(stale ? engaged() : takes(t, 0))) {
		count_verdict(VERDICT_DISENGAGED);
		return NULL;
	}
	*decision = DECISION_REFUSE;
	odd->change.refused_by = vip_id | REFUSAL_COUNTED;
	if (!opens_connection(t) && vip->forwarding == FORWARD_FULL_NAT) {
		count_verdict(VERDICT_UNTRACKED); /* under no port of ours would the backend know it */
		return NULL;
	}
	if (!exact_admitted(t, vip, vip_id, hook))
		return NULL;
	odd->change.refused_by = vip_id;
	return exact_choose(t, vip, vip_id, hash, !opens_connection(t) && !stale, id);
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
	enum decision decision;
	__u32 id = 0;
	__u64 hash;
	long error;

	if (!t || !odd || !e)
		return DECISION_PASS;
	hash = flow_hash(&t->src, &t->dst, t->protocol, t->family);
	backend = exact_select(t, e, odd, hook, hash, &id, &decision);
	if (!backend)
		return decision;
	if (!set_answer(e, t, backend, id)) {
		count_verdict(VERDICT_UNRESOLVED);
		return DECISION_DROP;
	}
	error = exact_claim_alone(e, backend->forwarding != FORWARD_FULL_NAT);
	if (!error)
		error = exact_insert(e, backend, id);
	if (error == -EEXIST && exact_flow_of(&e->key))
		return DECISION_NONE; /* another CPU was faster */
	if (error)
		return exact_give_up(t, odd, e, hook, backend, id, hash, error);
	exact_note(e);
	count_flow(backend->vip, id, 0, 0, opens_connection(t));
	if (opens_connection(t))
		sample_connection(hook, t->protocol, &t->src, &t->dst, backend->vip, id);
	return DECISION_NONE;
}
