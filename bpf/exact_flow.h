/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows that are tracked by all of their ends, as they are kept: in maps of the kernel's own, slow and exact. A flow is there
 * by what its client sends and by what its backend answers, and the second is inserted first, so that no two flows ever have
 * one answer.
 */
#pragma once

#include "vip.h"

/* What is too large for the stack. */
struct exact {
	struct exact_key key, answer, other;
	struct exact_key doomed;	/* for exact_remove() */
	struct exact_flow flow;
	struct exact_fragment_key datagram;
	struct exact_fragment fragment;
	struct exact_key chosen_for;	/* a request that is no flow yet: by exact_collides() for exact_open() */
	__u32 chosen;			/* its backend; 0: none */
	__u32 pad;
	struct tuple tuple;		/* for ordinary_answers() */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct exact));
} scratch_exact SEC(".maps");

static __always_inline struct exact *exact_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch_exact, &zero);
}

/* As words, for __builtin_memcpy() copies it by bytes. */
static __always_inline void set_address(struct address *address, struct words words)
{
	__u64 __attribute__((may_alias)) *word = (void *)address;

	word[0] = words.high;
	word[1] = words.low;
}

static __always_inline struct end answer_end(const struct address *address, __be16 port)
{
	return (struct end){ words_of(address), port };
}

static __always_inline void set_exact_key(struct exact_key *key, const struct tuple *t)
{
	set_address(&key->src, t->src.address);
	set_address(&key->dst, t->dst.address);
	key->src_port = t->src.port;
	key->dst_port = t->dst.port;
	*(__u32 *)&key->protocol = 0;
	key->protocol = t->protocol;
}

static __always_inline bool same_key(const struct exact_key *a, const struct exact_key *b)
{
	return same_words(words_of(&a->src), words_of(&b->src)) && same_words(words_of(&a->dst), words_of(&b->dst)) &&
	       a->src_port == b->src_port && a->dst_port == b->dst_port && a->protocol == b->protocol;
}

static __always_inline struct exact_flow *exact_flow_of(const struct exact_key *key)
{
	return bpf_map_lookup_elem(&exact_flows, key);
}

/* In seconds. */
static __always_inline __u32 exact_patience(__u8 protocol, __u8 state)
{
	if (state == EXACT_NEW)
		return EXACT_OPENING;
	if (protocol == IPPROTO_UDP)
		return state == EXACT_REPLIED ? EXACT_UDP_ANSWERED : EXACT_UDP_IDLE;
	if (state == EXACT_ESTABLISHED)
		return EXACT_TCP_IDLE;
	if (state == EXACT_REPLIED)
		return EXACT_HANDSHAKE;
	return state == EXACT_CLOSED ? EXACT_TCP_CLOSED : EXACT_TCP_CLOSING;
}

/* Once it is, nothing makes it good again: whoever finds it may take it away. */
static __always_inline bool exact_expired(const struct exact_flow *flow)
{
	__u64 patience = (__u64)exact_patience(flow->answer.protocol, flow->state) * hz;

	return bpf_jiffies64() - flow->used > patience;
}

static __always_inline __u8 exact_state_after(__u8 state, __u8 flags, enum way way)
{
	__u8 own = way == WAY_IN ? EXACT_CLIENT_DONE : EXACT_BACKEND_DONE;

	if (flags & TCP_RST)
		return EXACT_CLOSED;
	if (flags & TCP_FIN)
		return state < EXACT_CLIENT_DONE || state == own ? own : EXACT_CLOSED;
	if (way == WAY_OUT && state == EXACT_NEW)
		return EXACT_REPLIED;
	return way == WAY_IN && state == EXACT_REPLIED && !(flags & TCP_SYN) ? EXACT_ESTABLISHED : state;
}

static __always_inline void exact_touch(struct exact_flow *flow, const struct tuple *t, enum way way)
{
	__u8 state = exact_state_after(flow->state, t->flags, way);
	__u64 now = bpf_jiffies64();

	if (flow->state != state)
		flow->state = state;
	if (flow->used != now) /* CPUs that share a flow write its line once a tick at most, counts apart */
		flow->used = now;
	__sync_fetch_and_add(way == WAY_IN ? &flow->packets_in : &flow->packets_out, 1);
	__sync_fetch_and_add(way == WAY_IN ? &flow->bytes_in : &flow->bytes_out, t->bytes);
}

/* Takes the flow e->doomed out of both maps; of the answers only its own. By a key in a map's value: kernel 6.1 takes no other. */
__noinline int exact_remove(void)
{
	struct exact *e = exact_now();
	struct exact_flow *flow;
	struct exact_key *named;

	if (!e)
		return false;
	flow = exact_flow_of(&e->doomed);
	if (!flow)
		return false;
	e->other = flow->answer;
	if (bpf_map_delete_elem(&exact_flows, &e->doomed))
		return false;
	named = bpf_map_lookup_elem(&exact_answers, &e->other);
	if (named && same_key(named, &e->doomed))
		bpf_map_delete_elem(&exact_answers, &e->other);
	return true;
}

/* Takes over the flow in e->key from the map before this one: is it here now? Not where its answer has been given away. */
__noinline int exact_take_over(void)
{
	struct exact *e = exact_now();
	struct exact_flow *flow;
	struct exact_key *owner;

	if (!e)
		return false;
	flow = bpf_map_lookup_elem(&old_exact_flows, &e->key);
	if (!flow)
		return false;
	e->flow = *flow;
	e->other = flow->answer;
	bpf_map_update_elem(&exact_answers, &e->other, &e->key, BPF_NOEXIST);
	owner = bpf_map_lookup_elem(&exact_answers, &e->other);
	if (!owner || !same_key(owner, &e->key))
		return false;
	bpf_map_update_elem(&exact_flows, &e->key, &e->flow, BPF_NOEXIST);
	return true;
}

/* The same for the flow whose answer is in e->answer. */
__noinline int exact_take_over_answer(void)
{
	struct exact *e = exact_now();
	struct exact_key *key;

	if (!e)
		return false;
	key = bpf_map_lookup_elem(&old_exact_answers, &e->answer);
	if (!key)
		return false;
	e->key = *key;
	return exact_take_over();
}
