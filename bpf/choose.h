/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Step 4: a backend for a new flow, from the VIP's selection table (weighted Maglev, Eisenbud et al., NSDI 2016 §3.4,
 * built in user space). The table says the same on every node and after every restart.
 */
#pragma once

#include "vip.h"

/* Slots tried when one names a backend that is just being removed. */
#define CHOOSE_ATTEMPTS 4

static __always_inline struct backend *table_pick(__u64 ref, __u32 vip_id, __u32 hash, bool draining, __u32 *id)
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

		if (!chunk)
			return NULL;
		*id = chunk->backend[slot % TABLE_CHUNK_SLOTS];
		backend = backend_by_id(*id);
		if (backend && backend->vip == vip_id &&
		    (backend->state == BACKEND_ACTIVE || (draining && backend->state == BACKEND_DRAINING)))
			return backend;
	}
	return NULL;
}

static __always_inline __u64 table_ref_of(const struct table_ref *ref)
{
	return *(volatile const __u64 *)ref;
}

/*
 * NULL when the VIP has no backend that takes new connections. `again`: for a flow that has no entry although it is not
 * new, what it was given before the last change of the table is the better guess, while that backend lives.
 */
static __always_inline struct backend *choose(const struct vip *vip, __u32 vip_id, __u64 hash, bool again, __u32 *id)
{
	__u64 previous = again ? table_ref_of(&vip->previous) : 0;
	struct backend *backend = NULL;

	*id = 0;
	if (previous)
		backend = table_pick(previous, vip_id, hash >> 24, true, id);
	if (!backend && vip->selectable)
		backend = table_pick(table_ref_of(&vip->current), vip_id, hash >> 24, false, id);
	return backend;
}
