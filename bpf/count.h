/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters and events. All per CPU, so nothing here is shared or atomic. */
#pragma once

#include "config.h"
#include "maps.h"
#include "packet.h"

static __always_inline void count_verdict(__u32 verdict)
{
	__u64 *count = bpf_map_lookup_elem(&verdicts, &verdict);

	if (count)
		(*count)++;
}

/* One packet of a flow; `connection` if it opens one. A packet count of 0 is a connect() without packets to see. */
static __always_inline void count_flow(__u32 vip, __u32 backend, __u32 packets, __u32 bytes, bool connection)
{
	struct counters *c = bpf_map_lookup_elem(&vip_counters, &vip);

	if (c) {
		c->packets += packets;
		c->bytes += bytes;
		c->connections += connection;
	}
	c = bpf_map_lookup_elem(&backend_counters, &backend);
	if (c) {
		c->packets += packets;
		c->bytes += bytes;
		c->connections += connection;
	}
}

static __always_inline void count_refused(__u32 vip)
{
	struct counters *c = bpf_map_lookup_elem(&vip_counters, &vip);

	if (c)
		c->refused++;
}

/* A flood of refusals must not become a flood of events. */
static __always_inline bool event_allowed(void)
{
	__u32 zero = 0;
	struct event_budget *budget = bpf_map_lookup_elem(&event_budgets, &zero);
	__u64 second = bpf_jiffies64() >> second_shift;

	if (!budget)
		return false;
	if (budget->second != second) {
		budget->second = second;
		budget->used = 0;
	}
	return budget->used++ < events_per_second;
}

static __always_inline void emit(enum event_kind kind, enum event_hook hook, __u8 protocol, const struct end *client,
				 const struct end *target, __u32 vip, __u32 backend)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count_verdict(VERDICT_EVENT_LOST);
		return;
	}
	*event = (struct event){
		.kind = kind,
		.hook = hook,
		.protocol = protocol,
		.vip = vip,
		.backend = backend,
		.client_port = client->port,
		.target_port = target->port,
	};
	__builtin_memcpy(event->client.bytes, &client->address, sizeof(event->client.bytes));
	__builtin_memcpy(event->target.bytes, &target->address, sizeof(event->target.bytes));
	bpf_ringbuf_submit(event, 0);
}

/* One in sample_connections, by the VIP's own count on this CPU: no random number, no shared state. */
static __always_inline void sample_connection(enum event_hook hook, __u8 protocol, const struct end *client,
					      const struct end *target, __u32 vip, __u32 backend)
{
	struct counters *c;

	if (!sample_connections)
		return;
	c = bpf_map_lookup_elem(&vip_counters, &vip);
	if (c && c->connections % sample_connections == 0)
		emit(EVENT_CONNECTION, hook, protocol, client, target, vip, backend);
}
