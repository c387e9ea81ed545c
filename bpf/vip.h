/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Step 2: whose is it? Finds VIPs by destination and backends by source. One cache line each, no helper call. */
#pragma once

#include "config.h"
#include "maps.h"
#include "packet.h"

/* Same function in ts/dataplane/ebpf/id-sets.ts. Keys are the operator's, so speed counts more than strength. */
static __always_inline __u32 id_hash(struct words address, __be16 port, __u8 protocol)
{
	__u32 h = set_seed;

	h += (__u32)address.high * 0x9e3779b1 + (__u32)(address.high >> 32) * 0x85ebca77;
	h += (__u32)address.low * 0xc2b2ae3d + (__u32)(address.low >> 32) * 0x27d4eb2f;
	h += ((__u32)protocol << 16 | port) * 0x165667b1;
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

static __always_inline struct vip *vip_by_id(__u32 id)
{
	return bpf_map_lookup_elem(&vips, &id);
}

static __always_inline struct backend *backend_by_id(__u32 id)
{
	return bpf_map_lookup_elem(&backends, &id);
}

/*
 * The searches are functions of their own that take numbers: so the verifier looks at each once, and not again from every
 * place and state it is called from.
 */
__noinline __u32 vip_search(__u64 high, __u64 low, __u32 port, __u32 protocol)
{
	struct words address = { high, low };
	__u32 hash = id_hash(address, port, protocol);

#pragma clang loop unroll(disable)
	for (int hop = 0; hop < ID_SET_CHAIN; hop++) {
		__u32 index = (hash + hop) & vip_set_mask;
		struct id_set *set = bpf_map_lookup_elem(&vip_sets, &index);

		if (!set)
			return 0;
#pragma clang loop unroll(disable)
		for (int i = 0; i < ID_SET_WAYS; i++) {
			__u64 way = set->way[i];
			struct vip *vip;
			__u32 id;

			if (!way)
				return 0;
			if (way >> 32 != hash)
				continue;
			id = (__u32)way;
			vip = vip_by_id(id);
			if (vip && vip->state != VIP_FREE && vip->port == port && vip->protocol == protocol &&
			    same_words(words_of(&vip->address), address))
				return id;
		}
	}
	return 0;
}

/* A serving VIP, or the address entry of one when port and protocol are 0. */
static __always_inline struct vip *vip_find(struct words address, __be16 port, __u8 protocol, __u32 *id)
{
	*id = vip_search(address.high, address.low, port, protocol);
	return *id ? vip_by_id(*id) : NULL;
}

/* First of the records of a backend endpoint; the others follow by `next`. In place, for every answer goes this way. */
static __always_inline struct backend *backend_find(struct words address, __be16 port, __u8 protocol, __u32 *id)
{
	__u32 hash = id_hash(address, port, protocol);

	*id = 0;
#pragma clang loop unroll(disable)
	for (int hop = 0; hop < ID_SET_CHAIN; hop++) {
		__u32 index = (hash + hop) & reply_set_mask;
		struct id_set *set = bpf_map_lookup_elem(&reply_sets, &index);

		if (!set)
			return NULL;
#pragma clang loop unroll(disable)
		for (int i = 0; i < ID_SET_WAYS; i++) {
			__u64 way = set->way[i];
			struct backend *backend;

			if (!way)
				return NULL;
			if (way >> 32 != hash)
				continue;
			*id = (__u32)way;
			backend = backend_by_id(*id);
			if (backend && backend->state != BACKEND_FREE && backend->port == port &&
			    backend->protocol == protocol && same_words(words_of(&backend->address), address))
				return backend;
		}
	}
	return NULL;
}

/* The same, for those who come rarely. */
__noinline __u32 backend_search(__u64 high, __u64 low, __u32 port, __u32 protocol)
{
	__u32 id;

	return backend_find((struct words){ high, low }, port, protocol, &id) ? id : 0;
}

__noinline __u32 arrival_search(__u64 high, __u64 low, __u32 vip_id)
{
	struct words address = { high, low };
	__u32 hash = id_hash(address, (__u16)vip_id, vip_id >> 16);

#pragma clang loop unroll(disable)
	for (int hop = 0; hop < ID_SET_CHAIN; hop++) {
		__u32 index = (hash + hop) & arrival_set_mask;
		struct id_set *set = bpf_map_lookup_elem(&arrival_sets, &index);

		if (!set)
			return 0;
#pragma clang loop unroll(disable)
		for (int i = 0; i < ID_SET_WAYS; i++) {
			__u64 way = set->way[i];
			struct backend *backend;
			__u32 id;

			if (!way)
				return 0;
			if (way >> 32 != hash)
				continue;
			id = (__u32)way;
			backend = backend_by_id(id);
			if (backend && backend->state != BACKEND_FREE && (!vip_id || backend->vip == vip_id) &&
			    same_words(words_of(&backend->address), address))
				return id;
		}
	}
	return 0;
}

/* A backend of this node by its address and VIP; with VIP 0 any. */
static __always_inline struct backend *arrival_find(struct words address, __u32 vip_id, __u32 *id)
{
	*id = arrival_search(address.high, address.low, vip_id);
	return *id ? backend_by_id(*id) : NULL;
}

static __always_inline struct settings *settings_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline bool pools_hold(const struct settings *s, struct words address)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < POOLS_MAX; i++) {
		struct words base, mask;

		if (i >= s->pools)
			break;
		base = words_of(&s->pool[i].base);
		mask = words_of(&s->pool[i].mask);
		if ((address.low & mask.low) == base.low && (address.high & mask.high) == base.high)
			return true;
	}
	return false;
}

/* Does every port of this address belong to us? */
static __always_inline bool address_in_pool(struct words address)
{
	struct settings *s = settings_now();

	return s && pools_hold(s, address);
}

/* The same, or is it that of a VIP? */
static __always_inline bool address_is_ours(struct words address)
{
	__u32 id;

	return address_in_pool(address) || vip_find(address, 0, 0, &id);
}

__noinline int is_ours(__u64 high, __u64 low, __u32 port, __u32 protocol)
{
	struct settings *s = settings_now();

	if (!s)
		return false;
	if (pools_hold(s, (struct words){ high, low }))
		return true;
	return s->outside && (vip_search(high, low, port, protocol) || vip_search(high, low, 0, 0));
}

/* Is this end in a pool, or of a VIP outside of all pools? That is found by itself, for its address entry may come later. */
static __always_inline bool end_is_ours(const struct end *end, __u8 protocol)
{
	return is_ours(end->address.high, end->address.low, end->port, protocol);
}

/* Are its flows tracked by all of their ends? */
static __always_inline bool is_exact(const struct vip *vip)
{
	return vip->exact || vip->forwarding == FORWARD_FULL_NAT;
}

/* Can there be any flow at all that is tracked by all of its ends? */
static __always_inline bool exact_in_use(void)
{
	__u32 zero = 0, *use = bpf_map_lookup_elem(&exact_use, &zero);

	return use && *use;
}

/* May an answer of a flow with full NAT be addressed to this port? */
static __always_inline bool is_nat_port(__be16 port)
{
	return bpf_ntohs(port) - nat_port_first < nat_ports;
}
