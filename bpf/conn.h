/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Step 3: connection tracking. One word per flow, eight flows per cache line, claimed by compare-and-swap; both
 * directions share the entry. A full set costs one flow its entry, never a packet its way.
 */
#pragma once

#include "count.h"
#include "vip.h"

#define FLOW_MASK(bits) ((1ULL << (bits)) - 1)

static __always_inline __u64 mix(__u64 a, __u64 b)
{
	a ^= b * 0x9e3779b97f4a7c15ULL;
	a ^= a >> 32;
	a *= 0xd6e8feb86659fd93ULL;
	a ^= a >> 29;
	a *= 0xd6e8feb86659fd93ULL;
	return a ^ a >> 32;
}

/* The forward tuple: client and VIP. The reply path computes the same from the backend's record. */
static __always_inline __u64 flow_hash(const struct end *client, const struct end *vip, __u8 protocol, __u8 family)
{
	__u64 ports = (__u64)protocol << 32 | (__u32)vip->port << 16 | client->port;

	if (family == 4)
		return mix(((__u64)ipv4_of(vip->address) << 32 | ipv4_of(client->address)) ^ flow_seed, ports);
	/* The halves of the client's address never meet unstirred: whoever has a /64 could make them collide with any other. */
	return mix(mix(vip->address.high ^ flow_seed, vip->address.low) ^ client->address.low,
		   mix(client->address.high ^ flow_seed, ports));
}

static __always_inline __u64 flow_tag(__u64 hash)
{
	__u64 tag = hash >> FLOW_TAG_SHIFT;

	return tag ? tag : 1;
}

static __always_inline __u64 flow_age_now(void)
{
	return bpf_jiffies64() >> age_shift & FLOW_MASK(FLOW_AGE_BITS);
}

static __always_inline __u32 flow_backend(__u64 flow)
{
	return flow >> FLOW_BACKEND_SHIFT & FLOW_MASK(FLOW_BACKEND_BITS);
}

static __always_inline __u32 flow_state(__u64 flow)
{
	return flow >> FLOW_STATE_SHIFT & FLOW_MASK(FLOW_STATE_BITS);
}

static __always_inline bool flow_names(__u64 flow, __u32 id, const struct backend *backend)
{
	return flow_backend(flow) == id && (flow >> FLOW_GENERATION_SHIFT & FLOW_MASK(FLOW_GENERATION_BITS)) ==
						   (backend->generation & FLOW_MASK(FLOW_GENERATION_BITS));
}

static __always_inline __u64 flow_word(__u64 hash, __u32 id, const struct backend *backend, __u32 state)
{
	return flow_tag(hash) << FLOW_TAG_SHIFT | (__u64)id << FLOW_BACKEND_SHIFT |
	       (backend->generation & FLOW_MASK(FLOW_GENERATION_BITS)) << FLOW_GENERATION_SHIFT |
	       (__u64)state << FLOW_STATE_SHIFT | flow_age_now();
}

static __always_inline struct flow_set *flow_set_of(__u64 hash)
{
	__u32 index = hash & flow_set_mask;

	return bpf_map_lookup_elem(&flows, &index);
}

/*
 * The flow's word, or 0. The word, not its place: the verifier would follow eight places through all that comes after,
 * and hardly a packet changes its flow.
 */
static __always_inline __u64 flow_find(__u64 hash)
{
	struct flow_set *set = flow_set_of(hash);
	__u64 tag = flow_tag(hash) << FLOW_TAG_SHIFT, found = 0;

	if (!set)
		return 0;
#pragma unroll
	for (int i = 0; i < FLOW_SET_WAYS; i++) {
		__u64 flow = set->flow[i];
		__s64 other = (flow ^ tag) >> FLOW_TAG_SHIFT;

		/* A choice without a branch: which way it is, no CPU can predict. */
		found ^= (found ^ flow) & (__u64)((other - 1) >> 63);
	}
	return found;
}

/* Puts one word in the place of another. A race lost to another CPU is no harm: that one knew as much. */
__noinline int flow_replace(__u64 hash, __u64 seen, __u64 word)
{
	struct flow_set *set = flow_set_of(hash);

	if (!set)
		return false;
#pragma clang loop unroll(disable)
	for (int i = 0; i < FLOW_SET_WAYS; i++)
		if (set->flow[i] == seen)
			return __sync_val_compare_and_swap(&set->flow[i], seen, word) == seen;
	return false;
}

/* A packet of the flow has passed: notes its state, and its age once in 16 s. */
static __always_inline void flow_touch(__u64 hash, __u64 seen, __u32 state)
{
	__u64 next = seen & ~(FLOW_MASK(FLOW_STATE_BITS) << FLOW_STATE_SHIFT | FLOW_MASK(FLOW_AGE_BITS));

	next |= (__u64)state << FLOW_STATE_SHIFT | flow_age_now();
	if (next != seen)
		flow_replace(hash, seen, next);
}

/* `one_way`: the answers do not come by here, so that the client's acknowledgement has to do as proof of them. */
static __always_inline __u32 state_after_forward(__u32 state, __u8 flags, bool one_way)
{
	if (flags & (TCP_FIN | TCP_RST))
		return FLOW_CLOSING;
	if (one_way)
		return state == FLOW_NEW && (flags & (TCP_SYN | TCP_ACK)) == TCP_ACK ? FLOW_ESTABLISHED : state;
	return state == FLOW_REPLIED && !(flags & TCP_SYN) ? FLOW_ESTABLISHED : state;
}

static __always_inline __u32 state_after_reply(__u32 state, __u8 flags)
{
	if (flags & (TCP_FIN | TCP_RST))
		return FLOW_CLOSING;
	return state == FLOW_NEW ? FLOW_REPLIED : state;
}

/*
 * How willingly a flow gives way to a new one. The unproven go before the established, so that a flood of new flows
 * replaces its own kind; the closing go before both once they have been silent for a while. By state, 16 bits each:
 * a base, and how much idleness adds.
 */
#define RANK_BASE 0x1000000010041004ULL
#define RANK_SHIFT 0x0002000000000000ULL

static __always_inline __u64 flow_rank(__u64 flow, __u64 now)
{
	__u64 idle = now - flow & FLOW_MASK(FLOW_AGE_BITS);
	__u32 state16 = flow_state(flow) * 16;

	return (RANK_BASE >> state16 & 0xffff) + (idle << (RANK_SHIFT >> state16 & 3));
}

/* The most willing way of a set, as rank << 3 | way. Unrolled it has all eight on the stack, which is short of room. */
static __always_inline __u64 flow_victim(const struct flow_set *set, __u64 now)
{
	__u64 worst = 0;

#pragma nounroll
	for (int i = 0; i < FLOW_SET_WAYS; i++) {
		__u64 candidate = flow_rank(set->flow[i], now) << 3 | i;

		/* max(), without the branch */
		worst ^= (worst ^ candidate) & (__u64)((__s64)(worst - candidate) >> 63);
	}
	return worst;
}

enum inserted { INSERTED, INSERTED_EVICTING, INSERT_FAILED };

/* Claims a way for a new flow: a free one, else that of the most willing. Which it was: enum inserted. */
__noinline int flow_insert(__u64 hash, __u64 word)
{
	struct flow_set *set = flow_set_of(hash);
	__u64 worst, seen, *slot;

	if (!set)
		return INSERT_FAILED;
	for (int i = 0; i < FLOW_SET_WAYS; i++)
		if (!set->flow[i] && !__sync_val_compare_and_swap(&set->flow[i], 0, word))
			return INSERTED;
	worst = flow_victim(set, word & FLOW_MASK(FLOW_AGE_BITS));
	if (worst >> 3 <= FLOW_IDLE_LIMIT)
		return INSERT_FAILED;
	slot = &set->flow[worst & (FLOW_SET_WAYS - 1)];
	seen = *(volatile __u64 *)slot;
	return __sync_val_compare_and_swap(slot, seen, word) == seen ? INSERTED_EVICTING : INSERT_FAILED;
}

/* A word of the table before, which may be laid out otherwise, as one of ours. */
static __always_inline __u64 flow_of_old(__u64 hash, __u64 old)
{
	__u64 backend = old >> old_flow_layout.backend_shift & FLOW_MASK(old_flow_layout.backend_bits);
	__u64 generation = old >> old_flow_layout.generation_shift & FLOW_MASK(FLOW_GENERATION_BITS);
	__u64 state = old >> old_flow_layout.state_shift & FLOW_MASK(FLOW_STATE_BITS);

	return flow_tag(hash) << FLOW_TAG_SHIFT | backend << FLOW_BACKEND_SHIFT | generation << FLOW_GENERATION_SHIFT |
	       state << FLOW_STATE_SHIFT | (old & FLOW_MASK(FLOW_AGE_BITS));
}

/* Takes over a flow that is still in the table before this one; its word, or 0. */
__noinline __u64 flow_take_over(__u64 hash)
{
	__u32 index = hash & old_flow_set_mask;
	struct flow_set *set = bpf_map_lookup_elem(&old_flows, &index);
	__u64 tag = hash >> old_flow_layout.tag_shift, word = 0;

	if (!set)
		return 0;
	for (int i = 0; i < FLOW_SET_WAYS; i++)
		if (set->flow[i] && set->flow[i] >> old_flow_layout.tag_shift == (tag ? tag : 1))
			word = flow_of_old(hash, set->flow[i]);
	if (word)
		flow_insert(hash, word);
	return word;
}

/* As flow_find, but for the while after the table was replaced. */
static __always_inline __u64 flow_find_anywhere(__u64 hash)
{
	__u64 word = flow_find(hash);

	return !word && old_flow_set_mask ? flow_take_over(hash) : word;
}

/* Is every way taken? The first free one usually tells. */
__noinline int flow_set_full(__u64 hash)
{
	struct flow_set *set = flow_set_of(hash);

	if (!set)
		return false;
	for (int i = 0; i < FLOW_SET_WAYS; i++)
		if (!set->flow[i])
			return false;
	return true;
}

/* Can the flow be one that found its set full? Where sets are full of flows that give way, nobody needs to look. */
static __always_inline bool may_have_overflowed(__u64 hash)
{
	__u32 zero = 0, *use = bpf_map_lookup_elem(&overflow_use, &zero);

	return use && *use && flow_set_full(hash);
}

/* The word of such a flow. A map of the kernel's own, slow and exact enough, for the few. */
static __always_inline __u64 flow_find_overflow(__u64 hash)
{
	__u64 *word = bpf_map_lookup_elem(&overflow_flows, &hash);

	return word ? *word : 0;
}

static __always_inline void flow_overflow(__u64 hash, __u64 word)
{
	__u32 zero = 0, *use = bpf_map_lookup_elem(&overflow_use, &zero);

	bpf_map_update_elem(&overflow_flows, &hash, &word, BPF_ANY);
	if (use && !*use)
		*use = 1;
}
