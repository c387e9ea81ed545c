/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Step 6: both directions, from tuple to decision. What the hooks for packets have in common; it writes no packet. */
#pragma once

#include "beside.h"
#include "choose.h"
#include "conn.h"
#include "engaged.h"
#include "scratch.h"

enum decision {
	DECISION_PASS,		/* leave the packet as it is */
	DECISION_NONE,		/* not decided yet */
	DECISION_FOREIGN,	/* for none of ours */
	DECISION_REWRITE,	/* give it its new ends; the network stack routes it */
	DECISION_TURN,		/* the same, and back out of the interface it came from */
	DECISION_CARRY,		/* to its backend as it is: by carry.h */
	DECISION_EXACT,		/* by all of its ends: by exact.h, which reads it anew as an odd packet */
	DECISION_SEND,		/* to its backend, rewritten and past the network stack, which would take its source for a forgery */
	DECISION_SEND_BACK,	/* to its client, likewise */
	DECISION_REFUSE,	/* answer that nobody listens */
	DECISION_DROP,		/* its rewrite could not be finished */
};

struct change {
	struct end src, dst;	/* the ends the packet is to have; with DECISION_REWRITE one is as it was */
	union {
		__u32 refused_by;	/* with DECISION_REFUSE: the VIP without backends, if that is why */
		__u32 carry_to;		/* with DECISION_CARRY: the backend */
	};
	__u32 clamp_mss;	/* of a SYN; 0: leave it */
};

/* Does this node send whole packets to the backend? Never again what was sent here so: that ends every loop. */
static __always_inline bool is_carried(const struct tuple *t, const struct backend *backend)
{
	return backend->forwarding >= FORWARD_TUNNEL && !t->arrived;
}

static __always_inline struct end end_of_vip(const struct vip *vip)
{
	return (struct end){ words_of(&vip->address), vip->port };
}

static __always_inline struct end end_of_backend(const struct backend *backend)
{
	return (struct end){ words_of(&backend->address), backend->port };
}

/* In the id of the VIP that refuses: why is counted already. */
#define REFUSAL_COUNTED (1U << 29)

/* Books what is about to be refused: a VIP without backends, or with vip_id 0 an address nobody serves. */
static __always_inline void count_refusal(const struct tuple *t, enum event_hook hook, __u32 vip_id)
{
	if (vip_id & REFUSAL_COUNTED)
		return;
	count_verdict(vip_id ? VERDICT_NO_BACKEND : VERDICT_UNSERVED);
	if (vip_id)
		count_refused(vip_id);
	if (event_allowed())
		emit(vip_id ? EVENT_NO_BACKEND : EVENT_REFUSED, hook, t->protocol, &t->src, &t->dst, vip_id, 0);
}

static __always_inline void track(const struct tuple *t, enum event_hook hook, __u64 hash, __u64 stale,
				  const struct backend *backend, __u32 id)
{
	__u64 word = flow_word(hash, id, backend, FLOW_NEW);

	if (stale) {
		flow_replace(hash, stale, word);
		return;
	}
	switch (flow_insert(hash, word)) {
	case INSERTED:
		return;
	case INSERTED_EVICTING:
		count_verdict(VERDICT_EVICTED);
		return;
	case INSERT_FAILED:
		flow_overflow(hash, word);
		count_verdict(VERDICT_OVERFLOWED);
		if (event_allowed())
			emit(EVENT_TABLE_PRESSURE, hook, t->protocol, &t->src, &t->dst, backend->vip, id);
	}
}

/* What forward_new answers: the VIP's id in the upper half (0: no VIP), the backend's in the lower (0: none). */
#define CHOSEN(vip, backend) ((__u64)(vip) << 32 | (backend))
#define CHOSEN_BY_OTHERS 0xffffffff /* as a backend: not engaged, new connections are left alone */
#define CHOSEN_EXACTLY 0xfffffffe /* as a backend: by exact.h */
#define CHOSEN_BEFORE (1ULL << 63) /* a flow of overflow_flows: not new */

/* Is this the flow's entry, still good: its backend serves the very VIP the packet is for? Sets *id to the backend's. */
static __always_inline struct backend *backend_of_flow(const struct tuple *t, __u64 word, __u32 *id)
{
	struct backend *backend;
	struct vip *vip;

	*id = flow_backend(word);
	backend = backend_by_id(*id);
	if (!word || !backend || backend->state == BACKEND_FREE || !flow_names(word, *id, backend))
		return NULL;
	if (t->arrived && !same_words(words_of(&backend->address), arrived_at()))
		return NULL; /* another node has chosen another */
	vip = vip_by_id(backend->vip);
	if (!vip || vip->port != t->dst.port || vip->protocol != t->protocol ||
	    !same_words(words_of(&vip->address), t->dst.address))
		return NULL;
	if (!(t->flags & TCP_SYN))
		return backend;
	/* A SYN on a closing entry is a reused source port; one repeated to a backend that drains has not got through. */
	return flow_state(word) == FLOW_CLOSING ||
			       (flow_state(word) == FLOW_NEW && backend->state != BACKEND_ACTIVE) ?
		       NULL :
		       backend;
}

/* Leaves a flow to exact.h; an ordinary entry of before must not be found for it any more. */
static __always_inline __u64 chosen_exactly(__u32 vip_id, __u64 hash, __u64 stale)
{
	if (stale)
		flow_replace(hash, stale, 0);
	else if (may_have_overflowed(hash))
		bpf_map_delete_elem(&overflow_flows, &hash);
	return CHOSEN(vip_id, CHOSEN_EXACTLY);
}

/* For a packet to an address of ours whose flow has no entry, or a `stale` one, whose backend is gone. */
__noinline __u64 forward_new(const struct tuple *t, __u64 hash, __u64 stale, __u32 hook)
{
	enum admission admission;
	struct backend *backend;
	struct opening *o;
	__u32 vip_id, id = 0;
	struct vip *vip;
	bool beside;

	if (!t)
		return 0;
	vip = vip_find(t->dst.address, t->dst.port, t->protocol, &vip_id);
	if (!vip)
		return 0;
	beside = is_beside_exact(vip) && !t->arrived;
	if (beside && exact_beside(t))
		return chosen_exactly(vip_id, hash, stale);
	if (!stale && may_have_overflowed(hash) && backend_of_flow(t, flow_find_overflow(hash), &id))
		return CHOSEN(vip_id, id) | CHOSEN_BEFORE;
	if (t->arrived) { /* the node that sent it has asked all this */
		backend = arrival_find(arrived_at(), vip_id, &id);
	} else {
		if (is_exact(vip))
			return chosen_exactly(vip_id, hash, stale);
		if (!takes(t, stale)) {
			count_verdict(VERDICT_DISENGAGED);
			/* Or what comes behind a SYN from a port used before would go to the backend of then. */
			if (stale && !engaged())
				flow_replace(hash, stale, 0);
			return CHOSEN(vip_id, CHOSEN_BY_OTHERS);
		}
		o = opening_by(t, vip_id);
		if (!o)
			return CHOSEN(vip_id, 0);
		admission = admission_of(t, vip, o);
		if (admission != ADMITTED) {
			count_unadmitted(admission, hook, t->protocol, &t->src, &t->dst, vip_id);
			return CHOSEN(vip_id | REFUSAL_COUNTED, 0);
		}
		if (vip->flags & VIP_AFFINE)
			backend = choose_affine(vip, o, vip->affinity, hash, &id);
		else if (!opens_connection(t) && !stale)
			backend = choose_again(vip, vip_id, hash, &id);
		else
			backend = choose(vip, vip_id, hash, &id);
	}
	if (!backend)
		return CHOSEN(vip_id, 0);
	if (beside && exact_collides(t, id))
		return chosen_exactly(vip_id, hash, stale);
	if (!(t->flags & (TCP_FIN | TCP_RST)))
		track(t, hook, hash, stale, backend, id);
	if (opens_connection(t))
		sample_connection(hook, t->protocol, &t->src, &t->dst, vip_id, id);
	return CHOSEN(vip_id, id);
}

/*
 * The ends a packet to the VIP is to have. A client that is its own backend must be answered through the VIP, or it
 * would answer itself directly.
 */
static __always_inline enum decision ends_of_request(const struct tuple *t, const struct backend *backend,
						     struct change *change)
{
	change->src = t->src;
	change->dst = end_of_backend(backend);
	if (!same_words(change->dst.address, t->src.address))
		return DECISION_REWRITE;
	change->src.address = t->dst.address;
	return t->arrived ? DECISION_REWRITE : DECISION_TURN;
}

/* Client → an address of ours; sets *id to that of the backend. DECISION_NONE when no VIP is there. */
static __always_inline enum decision forward(const struct tuple *t, enum event_hook hook, struct change *change,
					     __u32 *id)
{
	__u64 hash = flow_hash(&t->src, &t->dst, t->protocol, t->family);
	__u64 word = flow_find_anywhere(hash);
	struct backend *backend = backend_of_flow(t, word, id);
	bool opens = false;

	if (backend) {
		flow_touch(hash, word, state_after_forward(flow_state(word), t->flags, is_carried(t, backend)));
	} else {
		__u64 chosen = forward_new(t, hash, word, hook);

		*id = (__u32)chosen;
		opens = opens_connection(t) && !(chosen & CHOSEN_BEFORE);
		change->refused_by = (chosen & ~CHOSEN_BEFORE) >> 32;
		if (!change->refused_by)
			return DECISION_NONE;
		if (*id == CHOSEN_BY_OTHERS)
			return DECISION_PASS;
		if (*id == CHOSEN_EXACTLY)
			return DECISION_EXACT;
		backend = backend_by_id(*id);
		if (!*id || !backend)
			return DECISION_REFUSE;
	}
	count_flow(backend->vip, *id, 1, t->bytes, opens);
	change->clamp_mss = t->flags & TCP_SYN ? backend->clamp_mss : 0;
	if (is_carried(t, backend)) {
		change->carry_to = *id;
		return DECISION_CARRY;
	}
	if (ends_of_request(t, backend, change) == DECISION_REWRITE) {
		count_verdict(VERDICT_FORWARDED);
		return DECISION_REWRITE;
	}
	count_verdict(VERDICT_HAIRPINNED);
	return DECISION_TURN;
}
