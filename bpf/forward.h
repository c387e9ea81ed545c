/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Step 6: both directions, from tuple to decision. What the hooks for packets have in common; it writes no packet. */
#pragma once

#include "choose.h"
#include "conn.h"

enum decision {
	DECISION_PASS,		/* leave the packet as it is */
	DECISION_REWRITE,	/* give it its new ends; the network stack routes it */
	DECISION_TURN,		/* the same, and back out of the interface it came from */
	DECISION_REFUSE,	/* answer that nobody listens */
};

struct change {
	struct end src, dst;	/* the ends the packet is to have */
	__u32 refused_by;	/* the VIP without backends, if that is why */
};

/* What we pass on because we cannot read it, where it was meant for us. */
static __always_inline void count_unread(const struct packet *p, enum parsed parsed)
{
	if (parsed != PARSED_OTHER && address_is_ours(p->tuple.dst.address))
		count_verdict(parsed == PARSED_FRAGMENT ? VERDICT_FRAGMENT : VERDICT_UNSUPPORTED);
}

static __always_inline struct end end_of_vip(const struct vip *vip)
{
	return (struct end){ words_of(&vip->address), vip->port };
}

static __always_inline struct end end_of_backend(const struct backend *backend)
{
	return (struct end){ words_of(&backend->address), backend->port };
}

static __always_inline bool engaged(void)
{
	struct settings *s = settings_now();

	return s && s->engaged;
}

static __always_inline bool opens_connection(const struct tuple *t)
{
	return t->protocol == IPPROTO_UDP || (t->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/*
 * The slow paths are functions of their own, verified by themselves and off the way of established flows. They get
 * the tuple through this, for the stacks of caller and callee share 512 bytes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct tuple));
} scratch_tuple SEC(".maps");

static __always_inline struct tuple *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch_tuple, &zero);
}

static __always_inline void hand_over(const struct tuple *t)
{
	struct tuple *copy = scratch();

	if (copy)
		*copy = *t;
}

/* Books what is about to be refused: a VIP without backends, or with vip_id 0 an address nobody serves. */
static __always_inline void count_refusal(const struct tuple *t, enum event_hook hook, __u32 vip_id)
{
	count_verdict(vip_id ? VERDICT_NO_BACKEND : VERDICT_UNSERVED);
	if (vip_id)
		count_refused(vip_id);
	if (event_allowed())
		emit(vip_id ? EVENT_NO_BACKEND : EVENT_REFUSED, hook, t->protocol, &t->src, &t->dst, vip_id, 0);
}

static __always_inline void track(const struct tuple *t, enum event_hook hook, __u64 hash, __u64 *stale,
				  const struct backend *backend, __u32 id)
{
	__u64 word = flow_word(hash, id, backend, FLOW_NEW);

	if (stale) {
		__sync_val_compare_and_swap(stale, *(volatile __u64 *)stale, word);
		return;
	}
	switch (flow_insert(hash, word)) {
	case INSERTED:
		return;
	case INSERTED_EVICTING:
		count_verdict(VERDICT_EVICTED);
		return;
	case INSERT_FAILED:
		count_verdict(VERDICT_UNTRACKED);
		if (event_allowed())
			emit(EVENT_TABLE_PRESSURE, hook, t->protocol, &t->src, &t->dst, backend->vip, id);
	}
}

/* Chooses and tracks a backend for a flow that has none, or whose backend is gone; its id, or 0. */
__noinline __u32 forward_new(__u32 vip_id, __u64 hash, __u32 hook)
{
	const struct tuple *t = scratch();
	struct backend *backend;
	struct found found;
	struct vip *vip;
	__u32 id = 0;

	if (!t)
		return 0;
	vip = vip_by_id(vip_id);
	found = flow_find(hash);
	if (!vip)
		return 0;
	backend = choose(vip, vip_id, hash, !opens_connection(t) && !found.slot, &id);
	if (!backend)
		return 0;
	if (!(t->flags & (TCP_FIN | TCP_RST)))
		track(t, hook, hash, found.slot, backend, id);
	if (opens_connection(t))
		sample_connection(hook, t->protocol, &t->src, &t->dst, vip_id, id);
	return id;
}

/* Client → VIP. */
static __always_inline enum decision forward(const struct tuple *t, enum event_hook hook, __u32 vip_id,
					     struct change *change)
{
	__u64 hash = flow_hash(&t->src, &t->dst, t->protocol, t->family);
	__u64 *slot = flow_find(hash).slot;
	struct backend *backend;
	bool opens = false;
	__u32 id;

	if (slot) {
		__u64 word = *(volatile __u64 *)slot;
		__u32 state = flow_state(word);

		id = flow_backend(word);
		backend = backend_by_id(id);
		/* A SYN on a closing entry is a reused source port: a new connection. */
		if (backend && backend->vip == vip_id && backend->state != BACKEND_FREE &&
		    flow_names(word, id, backend) && !(state == FLOW_CLOSING && t->flags & TCP_SYN)) {
			flow_touch(slot, word, state_after_forward(state, t->flags));
			goto found;
		}
	}
	if (!engaged()) {
		count_verdict(VERDICT_DISENGAGED);
		return DECISION_PASS;
	}
	hand_over(t);
	id = forward_new(vip_id, hash, hook);
	backend = backend_by_id(id);
	if (!id || !backend) {
		change->refused_by = vip_id;
		return DECISION_REFUSE;
	}
	opens = opens_connection(t);
found:
	count_flow(vip_id, id, 1, t->bytes, opens);
	change->src = t->src;
	change->dst = end_of_backend(backend);
	if (!same_words(change->dst.address, t->src.address)) {
		count_verdict(VERDICT_FORWARDED);
		return DECISION_REWRITE;
	}
	/* A client that is its own backend must be answered through the VIP, or it would answer itself directly. */
	change->src.address = t->dst.address;
	count_verdict(VERDICT_HAIRPINNED);
	return DECISION_TURN;
}

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

/* The entry must name the backend, so that direct traffic to a backend is never touched. */
static __always_inline bool entry_answers(const struct tuple *t, __u64 *slot, const struct backend *backend, __u32 id)
{
	__u64 word = *(volatile __u64 *)slot;

	if (!flow_names(word, id, backend))
		return false;
	flow_touch(slot, word, state_after_reply(flow_state(word), t->flags));
	return true;
}

struct reply_walk {
	const struct tuple *tuple;
	__u32 id;	/* next record to look at */
	__u32 found;	/* the record whose flow this answers, or 0 */
	bool turned;
};

static long reply_step(__u32 index, struct reply_walk *walk)
{
	const struct tuple *t = walk->tuple;
	struct backend *backend = backend_by_id(walk->id);
	struct change change;
	struct vip *vip;
	__u64 *slot;

	if (!walk->id || !backend)
		return 1;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return 1;
	ends_of_answer(t, vip, walk->turned, &change);
	slot = flow_find(flow_hash(&change.dst, &change.src, t->protocol, t->family)).slot;
	if (slot && (!walk->turned || same_words(change.src.address, t->dst.address)) &&
	    entry_answers(t, slot, backend, walk->id)) {
		walk->found = walk->id;
		return 1;
	}
	walk->id = backend->next;
	return 0;
}

/*
 * Goes through all VIPs of a backend endpoint, from record `id` on; the id of the record whose flow this answers, or 0.
 */
__noinline __u32 reply_search(__u32 id, bool turned)
{
	struct reply_walk walk = { .tuple = scratch(), .id = id, .turned = turned };

	if (!walk.tuple)
		return 0;
	bpf_loop(REPLY_CHAIN, reply_step, &walk, 0);
	return walk.found;
}

/* For a flow whose set refused it an entry: does the selection table give it this backend? */
__noinline __u32 reply_untracked(__u32 vip_id, __u64 hash, __u32 id)
{
	struct vip *vip = vip_by_id(vip_id);
	__u32 chosen = 0;

	return vip && flow_set_refuses(hash) && choose(vip, vip_id, hash, true, &chosen) && chosen == id;
}

/* Backend → client: the source becomes the VIP again. */
static __always_inline enum decision reply(const struct tuple *t, bool turned, struct change *change)
{
	__u32 id;
	struct backend *backend = backend_find(t->src.address, t->src.port, t->protocol, &id);
	struct found found;
	struct vip *vip;
	__u64 hash;

	if (!backend)
		return DECISION_PASS;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return DECISION_PASS;
	ends_of_answer(t, vip, turned, change);
	hash = flow_hash(&change->dst, &change->src, t->protocol, t->family);
	found = flow_find(hash);
	if (!turned && found.slot && entry_answers(t, found.slot, backend, id))
		goto found;
	if (!turned && !found.slot && found.full && reply_untracked(backend->vip, hash, id))
		goto found;
	if (!turned && !backend->next)
		return DECISION_PASS;
	hand_over(t);
	id = reply_search(id, turned);
	backend = backend_by_id(id);
	if (!id || !backend)
		return DECISION_PASS;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return DECISION_PASS;
	ends_of_answer(t, vip, turned, change);
found:
	count_verdict(VERDICT_REPLIED);
	return turned ? DECISION_TURN : DECISION_REWRITE;
}

/*
 * A packet that comes in: to a VIP, to an address of ours that nobody serves, or an answer. Answers to other
 * addresses are looked at only where `answers` says they may arrive.
 */
static __always_inline enum decision incoming(const struct tuple *t, enum event_hook hook, bool answers,
					      struct change *change)
{
	enum decision decision = DECISION_PASS;
	__u32 vip_id;
	bool ours;

	if (vip_find(t->dst.address, t->dst.port, t->protocol, &vip_id))
		return forward(t, hook, vip_id, change);
	ours = address_is_ours(t->dst.address);
	if (ours || answers)
		decision = reply(t, ours, change);
	if (!ours || decision != DECISION_PASS)
		return decision;
	return engaged() ? DECISION_REFUSE : DECISION_PASS;
}
