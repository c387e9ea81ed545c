/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Step 5: a backend for a new flow, from the VIP's selection table. The table is built in user space: weighted Maglev
 * (Eisenbud et al., NSDI 2016 §3.4), the same on every node and after every restart, or shares laid out to be taken in
 * turn. The VIP's schedule says how a slot of it is picked.
 */
#pragma once

#include "admit.h"
#include "vip.h"

/* Slots tried when one names a backend that is just being removed. */
#define CHOOSE_ATTEMPTS 4

__noinline __u32 table_search(__u64 ref, __u32 vip_id, __u32 hash, bool draining)
{
	__u32 first = (__u32)ref, mask = ref >> 32;

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "struct table_ref is read as one little-endian word"
#endif
	for (int i = 0; i < CHOOSE_ATTEMPTS; i++) {
		__u32 slot = hash + i & mask;
		__u32 index = first + slot / TABLE_CHUNK_SLOTS;
		struct table_chunk *chunk = bpf_map_lookup_elem(&tables, &index);
		struct backend *backend;
		__u32 id;

		if (!chunk)
			return 0;
		id = chunk->backend[slot % TABLE_CHUNK_SLOTS];
		backend = backend_by_id(id);
		if (backend && backend->vip == vip_id &&
		    (backend->state == BACKEND_ACTIVE || (draining && backend->state == BACKEND_DRAINING)))
			return id;
	}
	return 0;
}

static __always_inline struct backend *table_pick(__u64 ref, __u32 vip_id, __u32 hash, bool draining, __u32 *id)
{
	*id = table_search(ref, vip_id, hash, draining);
	return *id ? backend_by_id(*id) : NULL;
}

static __always_inline __u64 table_ref_of(const struct table_ref *ref)
{
	return *(volatile const __u64 *)ref;
}

/*
 * For a flow that has no entry although it is not new. What it was given before the last change of the table is the
 * better guess, while that backend lives. Only what is picked by hash can be picked again.
 */
static __always_inline struct backend *choose_again(const struct vip *vip, __u32 vip_id, __u64 hash, __u32 *id)
{
	__u64 previous = vip->schedule == SCHEDULE_MAGLEV ? table_ref_of(&vip->previous) : 0;
	struct backend *backend = NULL;

	*id = 0;
	if (previous)
		backend = table_pick(previous, vip_id, hash >> 24, true, id);
	if (!backend && vip->selectable)
		backend = table_pick(table_ref_of(&vip->current), vip_id, hash >> 24, false, id);
	return backend;
}

/* Shared by all CPUs, so that turns are turns on the node as a whole. */
static __always_inline __u32 next_turn(__u32 vip_id)
{
	__u64 *turns = bpf_map_lookup_elem(&vip_turns, &vip_id);

	return turns ? __sync_fetch_and_add(turns, 1) : 0;
}

/* NULL when the VIP has no backend that takes new connections. */
static __always_inline struct backend *choose(const struct vip *vip, __u32 vip_id, __u64 hash, __u32 *id)
{
	__u64 table = table_ref_of(&vip->current);
	__u32 slot = hash >> 24;

	*id = 0;
	if (!vip->selectable)
		return NULL;
	if (vip->schedule == SCHEDULE_ROUND_ROBIN || vip->schedule == SCHEDULE_LEAST_CONNECTIONS)
		slot = next_turn(vip_id);
	else if (vip->schedule == SCHEDULE_RANDOM)
		slot = bpf_get_prandom_u32();
	return table_pick(table, vip_id, slot, false, id);
}

/* The backend a source had last; `ticks` 0: however long ago. */
static __always_inline struct backend *backend_before(const struct source *source, __u32 ticks, __u32 *id)
{
	struct affinity *last = bpf_map_lookup_elem(&affinities, source);
	struct backend *backend;
	__u64 now;

	if (!last)
		return NULL;
	now = bpf_jiffies64();
	if (ticks && now - last->used > ticks)
		return NULL;
	*id = last->backend;
	backend = backend_by_id(*id);
	if (!backend || backend->vip != source->vip || backend->generation != last->generation ||
	    backend->state != BACKEND_ACTIVE)
		return NULL;
	last->used = now;
	return backend;
}

/* As choose(), and the next time the source asks it is given the same. */
static __always_inline struct backend *choose_affine(const struct vip *vip, struct opening *o, __u32 ticks, __u64 hash,
						     __u32 *id)
{
	struct backend *backend = backend_before(&o->source, ticks, id);

	if (backend)
		return backend;
	backend = choose(vip, o->source.vip, hash, id);
	if (!backend)
		return NULL;
	o->affinity.used = bpf_jiffies64();
	o->affinity.backend = *id;
	o->affinity.generation = backend->generation;
	bpf_map_update_elem(&affinities, &o->source, &o->affinity, BPF_ANY);
	return backend;
}
