/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who opens a connection by a packet, and may he? What is kept of him is off the stack, which is short here. */
#pragma once

#include "admit.h"

static __always_inline bool opens_connection(const struct tuple *t)
{
	return t->protocol == IPPROTO_UDP || (t->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct opening));
} scratch_opening SEC(".maps");

static __always_inline struct opening *opening_by(const struct tuple *t, __u32 vip_id)
{
	__u32 zero = 0;
	struct opening *o = bpf_map_lookup_elem(&scratch_opening, &zero);

	if (o)
		set_source(o, SOURCE_ADDRESS, vip_id, t->src.address);
	return o;
}

static __always_inline enum admission admission_of(const struct tuple *t, const struct vip *vip, struct opening *o)
{
	if (vip->flags & VIP_LISTED && !source_allowed(vip, o, t->src.address))
		return DENIED;
	return vip->rate && opens_connection(t) && !within_rate(vip->rate, o) ? LIMITED : ADMITTED;
}
