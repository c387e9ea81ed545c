/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments. The first of a datagram has its ports, is translated as any packet, and leaves here what was decided; those
 * behind it get the same addresses and nothing else, for the checksum is in the first. One that comes before its first is
 * passed on as it is: nobody knows whose it is.
 */
#pragma once

#include "extended.h"

/* Of about a second each; as long as receivers wait for the rest of a datagram (Linux: 30 s). */
#define FRAGMENT_AGE_LIMIT 32

static __always_inline __u64 fragment_hash(const struct tuple *t, __u32 id)
{
	/* Behind an IPv6 fragment header stands what follows it in this one, which need not be the protocol. */
	__u64 rest = t->family == 4 ? (__u64)t->protocol << 32 | id : id;

	return mix(mix(t->src.address.high ^ flow_seed, t->src.address.low),
		   mix(t->dst.address.high, t->dst.address.low) ^ rest);
}

static __always_inline __u64 fragment_age_now(void)
{
	return bpf_jiffies64() >> second_shift & FLOW_MASK(FLOW_AGE_BITS);
}

static __always_inline struct fragment_set *fragment_set_of(__u64 hash)
{
	__u32 index = hash & (FRAGMENT_SETS - 1);

	return bpf_map_lookup_elem(&fragments, &index);
}

/* The datagram's latest word, or 0. */
static __always_inline __u64 fragment_find(__u64 hash)
{
	struct fragment_set *set = fragment_set_of(hash);
	__u64 tag = flow_tag(hash);

	if (!set)
		return 0;
	for (int i = 0; i < FRAGMENT_SET_WAYS; i++) {
		__u64 word = set->fragment[i];

		if (word >> FLOW_TAG_SHIFT == tag)
			return (fragment_age_now() - word & FLOW_MASK(FLOW_AGE_BITS)) < FRAGMENT_AGE_LIMIT ? word : 0;
	}
	return 0;
}

/*
 * The latest is the first of its set and pushes out the oldest: a datagram needs its word for a moment only. Each is
 * copied before it is written over, so that whoever reads meanwhile finds it; a race between writers costs a word.
 */
static __always_inline void fragment_store(__u64 hash, __u64 word)
{
	struct fragment_set *set = fragment_set_of(hash);

	if (!set)
		return;
	for (int i = FRAGMENT_SET_WAYS - 1; i > 0; i--)
		*(volatile __u64 *)&set->fragment[i] = set->fragment[i - 1];
	*(volatile __u64 *)&set->fragment[0] = word;
}

/* For a first fragment, now that its change is known. */
static __always_inline void remember_fragment(const struct tuple *t, const struct odd *odd)
{
	struct backend *backend = backend_by_id(odd->backend);
	__u64 hash, word;

	if (!backend)
		return;
	hash = fragment_hash(t, odd->place.fragment_id);
	word = flow_word(hash, odd->backend, backend, odd->way);
	fragment_store(hash, (word & ~FLOW_MASK(FLOW_AGE_BITS)) | fragment_age_now());
}

/* The addresses a later fragment is to have, if it is one of the VIP's or of the backend's that its word names. */
static __always_inline enum decision ends_of_fragment(const struct tuple *t, __u64 word, __u32 way,
						      struct change *change)
{
	struct backend *backend = backend_by_id(flow_backend(word));
	struct vip *vip;
	bool to_vip;

	if (!word || !backend || backend->state == BACKEND_FREE || !flow_names(word, flow_backend(word), backend))
		return DECISION_PASS;
	vip = vip_by_id(backend->vip);
	if (!vip)
		return DECISION_PASS;
	to_vip = same_words(t->dst.address, words_of(&vip->address));
	if (flow_state(word) == WAY_IN && (!to_vip || !(way & WAY_IN)))
		return DECISION_PASS;
	if (flow_state(word) == WAY_IN && is_carried(t, backend)) {
		change->carry_to = flow_backend(word);
		return DECISION_CARRY;
	}
	if (flow_state(word) == WAY_IN)
		return ends_of_request(t, backend, change);
	if (!same_words(t->src.address, words_of(&backend->address)) || !(way & (to_vip ? WAY_IN : WAY_OUT)))
		return DECISION_PASS;
	ends_of_answer(t, vip, to_vip, change);
	return to_vip ? DECISION_TURN : DECISION_REWRITE;
}

/* As forward() and reply() count. */
static __always_inline void count_fragment(const struct tuple *t, __u64 word, enum decision decision)
{
	struct backend *backend = backend_by_id(flow_backend(word));

	if (flow_state(word) == WAY_OUT) {
		count_verdict(VERDICT_REPLIED);
		return;
	}
	if (backend)
		count_flow(backend->vip, flow_backend(word), 1, t->bytes, false);
	if (decision != DECISION_CARRY)
		count_verdict(decision == DECISION_TURN ? VERDICT_HAIRPINNED : VERDICT_FORWARDED);
}

/* For a fragment that is not the first. */
__noinline int decide_fragment(__u32 way)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	enum decision decision;
	__u64 word;
	bool ours;

	if (!t || !odd)
		return DECISION_PASS;
	ours = way & WAY_IN && address_is_ours(t->dst.address);
	if (!ours && !(way & WAY_OUT))
		return DECISION_PASS;
	word = fragment_find(fragment_hash(t, odd->place.fragment_id));
	decision = ends_of_fragment(t, word, way, &odd->change);
	if (decision != DECISION_PASS)
		count_fragment(t, word, decision);
	else if (ours)
		count_verdict(VERDICT_FRAGMENT);
	return decision;
}
