/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one step hands to the next through a map, because the stacks of all share 512 bytes. */
#pragma once

#include "packet.h"

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

/* The destination of the outer header that a packet came in. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct words));
} scratch_outer SEC(".maps");

static __always_inline struct words arrived_at(void)
{
	__u32 zero = 0;
	struct words *outer = bpf_map_lookup_elem(&scratch_outer, &zero);

	return outer ? *outer : (struct words){};
}
