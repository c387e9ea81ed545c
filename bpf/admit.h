/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Step 4: may this source open a connection? Asked once a connection, of VIPs that have lists or a limit; packets of
 * established flows never come here.
 */
#pragma once

#include "count.h"
#include "vip.h"

enum admission { ADMITTED, DENIED, LIMITED };

/* Who opens a connection, with room for what is looked up and kept of it: packets have it off the stack. */
struct opening {
	struct source source;
	struct source_rule_key rule;
	struct affinity affinity;
	struct source_rate rate;
};

static __always_inline void set_source(struct opening *o, enum source_kind kind, __u32 vip_id, struct words address)
{
	o->source.vip = vip_id;
	o->source.kind = kind;
	__builtin_memcpy(o->source.address.bytes, &address, sizeof(address));
}

static __always_inline void set_cookie(struct opening *o, enum source_kind kind, __u32 vip_id, __u64 cookie)
{
	set_source(o, kind, vip_id, (struct words){ cookie, 0 });
}

/* Denied prefixes within allowed ones, and the other way round, are told apart when the rules are made. */
static __always_inline bool source_allowed(const struct vip *vip, struct opening *o, struct words address)
{
	struct source_rule *rule;

	o->rule.bits = 160;
	o->rule.vip = o->source.vip;
	__builtin_memcpy(o->rule.address.bytes, &address, sizeof(address));
	rule = bpf_map_lookup_elem(&source_rules, &o->rule);
	return rule ? rule->allowed : !(vip->flags & VIP_LISTED_ONLY);
}

/*
 * Generic cell rate algorithm (ITU-T I.371 appendix), one second's worth of connections at once at most. Time is
 * counted in 1/rate of a tick, so that nothing is divided. CPUs that meet here may let one more pass each.
 */
static __always_inline bool within_rate(__u32 rate, struct opening *o)
{
	__u64 now = bpf_jiffies64() * rate, burst = (__u64)hz * rate;
	struct source_rate *known = bpf_map_lookup_elem(&source_rates, &o->source);
	__u64 seen, due;

	if (!known || known->rate != rate) {
		o->rate = (struct source_rate){ .due = now + hz, .rate = rate };
		bpf_map_update_elem(&source_rates, &o->source, &o->rate, BPF_ANY);
		return true;
	}
	seen = *(volatile __u64 *)&known->due;
	due = (seen > now ? seen : now) + hz;
	if (due > now + burst)
		return false;
	__sync_val_compare_and_swap(&known->due, seen, due);
	return true;
}

/* Books a refusal that has nothing to do with backends. */
static __always_inline void count_unadmitted(enum admission why, enum event_hook hook, __u8 protocol,
					     const struct end *client, const struct end *target, __u32 vip_id)
{
	count_verdict(why == DENIED ? VERDICT_DENIED : VERDICT_LIMITED);
	count_refused(vip_id);
	if (event_allowed())
		emit(why == DENIED ? EVENT_DENIED : EVENT_LIMITED, hook, protocol, client, target, vip_id, 0);
}
