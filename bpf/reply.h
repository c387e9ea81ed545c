/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision for what comes in, of which an answer is one kind: it must prove that its connection came through a VIP, by
 * the flow's entry, which names the backend.
 */
#pragma once

#include "forward.h"

/*
 * The ends an answer is to have if it is of this backend's flow. `turned`: it was sent to an address of ours, so it
 * can only answer a hairpinned flow, whose client is the backend itself.
 */
static __always_inline void ends_of_answer(const struct tuple *t, const struct vip *vip, bool turned,
					   struct change *change)
{
	change->src = end_of_vip(vip);
	change->dst = t->dst;
	if (turned)
		change->dst.address = t->src.address;
}

static __always_inline bool entry_names(__u64 word, const struct backend *backend, __u32 id)
{
	return word && flow_names(word, id, backend);
}

/*
 * Nobody answers a SYN in a connection that is over: this is an answer to a later one, from the same port to the backend
 * directly, and so is all that follows.
 */
static __always_inline bool of_a_direct_one(__u64 word, __u8 flags)
{
	return flow_state(word) == FLOW_CLOSING && (flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
}

/* The entry must name the backend, so that direct traffic to a backend is never touched. */
static __always_inline bool entry_answers(const struct tuple *t, __u64 hash, __u64 word, const struct backend *backend,
					  __u32 id)
{
	if (!entry_names(word, backend, id))
		return false;
	if (of_a_direct_one(word, t->flags)) {
		flow_replace(hash, word, 0);
		return false;
	}
	flow_touch(hash, word, state_after_reply(flow_state(word), t->flags));
	return true;
}

/* For a packet whose flow has no entry in a full set: is it an answer of this backend all the same? */
__noinline __u32 reply_overflowed(__u64 hash, __u32 id)
{
	struct backend *backend = backend_by_id(id);
	__u64 word = flow_find_overflow(hash);

	return backend && word && flow_names(word, id, backend);
}

struct reply_walk {
	const struct tuple *tuple;
	__u32 id;	/* next record to look at */
	__u32 found;	/* the record whose flow this answers, or 0 */
	bool turned;
	bool quoted;	/* only an ICMP error says it was sent: that proves nothing about the flow's state */
};

static long reply_step(__u32 index, struct reply_walk *walk)
{
	const struct tuple *t = walk->tuple;
	struct backend *backend = backend_by_id(walk->id);
	struct change change;
	struct vip *vip;
	__u64 hash, word;

	if (!walk->id || !backend)
		return 1;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return 1;
	ends_of_answer(t, vip, walk->turned, &change);
	hash = flow_hash(&change.dst, &change.src, t->protocol, t->family);
	word = flow_find_anywhere(hash);
	if ((!walk->turned || same_words(change.src.address, t->dst.address)) &&
	    (entry_names(word, backend, walk->id) ||
	     (!word && may_have_overflowed(hash) && reply_overflowed(hash, walk->id)))) {
		if (word && !walk->quoted && !walk->turned && of_a_direct_one(word, t->flags)) {
			flow_replace(hash, word, 0);
			goto next;
		}
		if (word && !walk->quoted)
			flow_touch(hash, word, state_after_reply(flow_state(word), t->flags));
		walk->found = walk->id;
		return 1;
	}
next:
	walk->id = backend->next;
	return 0;
}

/*
 * Goes through all VIPs of a backend endpoint, from record `id` on; the id of the record whose flow this answers, or 0.
 */
__noinline __u32 reply_search(const struct tuple *t, __u32 id, bool turned, bool quoted)
{
	struct reply_walk walk = { .tuple = t, .id = id, .turned = turned, .quoted = quoted };

	if (!walk.tuple)
		return 0;
	bpf_loop(REPLY_CHAIN, reply_step, &walk, 0);
	return walk.found;
}

/* Backend → client: the source becomes the VIP again. Which it is: enum decision. */
__noinline int reply(const struct tuple *t, bool turned, struct change *change)
{
	struct backend *backend;
	struct vip *vip;
	__u64 hash, word;
	__u32 id;

	if (!t || !change)
		return DECISION_PASS;
	id = backend_search(t->src.address.high, t->src.address.low, t->src.port, t->protocol);
	backend = backend_by_id(id);
	if (!id || !backend)
		return DECISION_PASS;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return DECISION_PASS;
	ends_of_answer(t, vip, turned, change);
	hash = flow_hash(&change->dst, &change->src, t->protocol, t->family);
	word = flow_find_anywhere(hash);
	if (!turned && entry_answers(t, hash, word, backend, id))
		goto found;
	if (!turned && !word && may_have_overflowed(hash) && reply_overflowed(hash, id))
		goto found;
	if (!turned && !backend->next)
		return exact_in_use() ? DECISION_EXACT : DECISION_PASS;
	id = reply_search(t, id, turned, false);
	backend = backend_by_id(id);
	if (!id || !backend)
		return exact_in_use() ? DECISION_EXACT : DECISION_PASS;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return DECISION_PASS;
	ends_of_answer(t, vip, turned, change);
found:
	change->clamp_mss = t->flags & TCP_SYN ? backend->clamp_mss : 0;
	count_verdict(VERDICT_REPLIED);
	return turned ? DECISION_TURN : DECISION_REWRITE;
}

/*
 * A packet to an address of ours; to any other it is DECISION_FOREIGN. Which it is: enum decision. A function of its own, so
 * that the verifier does not follow every shape of a packet through it.
 */
__noinline int request(const struct tuple *t, __u32 hook, struct change *change)
{
	__u32 id;

	if (!t || !change)
		return DECISION_PASS;
	return end_is_ours(&t->dst, t->protocol) ? forward(t, hook, change, &id) : DECISION_FOREIGN;
}

/*
 * A packet that comes in: to a VIP, to an address of ours that nobody serves, or an answer. Answers to other
 * addresses are looked at only where `answers` says they may arrive.
 */
static __always_inline enum decision incoming(const struct tuple *t, enum event_hook hook, bool answers,
					      struct change *change)
{
	enum decision decision = request(t, hook, change);
	bool ours = decision == DECISION_NONE;

	if (!ours && decision != DECISION_FOREIGN)
		return decision;
	if (!ours && !answers)
		return is_nat_port(t->dst.port) && exact_in_use() ? DECISION_EXACT : DECISION_FOREIGN;
	decision = reply(t, ours, change);
	if (!ours || decision != DECISION_PASS)
		return decision;
	return engaged() ? DECISION_REFUSE : DECISION_PASS;
}
