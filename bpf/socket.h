/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What connect() and sendmsg() have in common: whom a socket asks for, whether it may, and the backend it gets. */
#pragma once

#include <linux/errno.h>

#include "choose.h"
#include "conn.h"

#define ALLOW 1
#define DENY 0
#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2

/* IPv4, and IPv4 in IPv6, are one thing to us; a connection made through an IPv6 socket is given back in its form. */
static __always_inline struct words user_ipv6(const struct bpf_sock_addr *ctx)
{
	struct words words = {
		(__u64)ctx->user_ip6[1] << 32 | ctx->user_ip6[0],
		(__u64)ctx->user_ip6[3] << 32 | ctx->user_ip6[2],
	};

	return words;
}

static __always_inline void set_user_ipv6(struct bpf_sock_addr *ctx, struct words words)
{
	ctx->user_ip6[0] = words.high;
	ctx->user_ip6[1] = words.high >> 32;
	ctx->user_ip6[2] = words.low;
	ctx->user_ip6[3] = words.low >> 32;
}

static __always_inline struct end user_end(const struct bpf_sock_addr *ctx, bool ipv6)
{
	struct end end = { .port = ctx->user_port };

	end.address = ipv6 ? user_ipv6(ctx) : words_of_ipv4(ctx->user_ip4);
	return end;
}

static __always_inline void set_user_end(struct bpf_sock_addr *ctx, bool ipv6, const struct end *end)
{
	if (ipv6)
		set_user_ipv6(ctx, end->address);
	else
		ctx->user_ip4 = ipv4_of(end->address);
	ctx->user_port = end->port;
}

/* Multipath TCP asks as itself and connects as TCP. */
static __always_inline __u8 protocol_of(const struct bpf_sock_addr *ctx)
{
	if (ctx->type == SOCK_STREAM)
		return IPPROTO_TCP;
	return ctx->type == SOCK_DGRAM && ctx->protocol == IPPROTO_UDP ? IPPROTO_UDP : 0;
}

/* At connect() the socket has no address yet. */
static const struct end nobody = {};

static __always_inline int refuse(const struct end *target, __u8 protocol, __u32 vip_id)
{
	count_verdict(vip_id ? VERDICT_NO_BACKEND : VERDICT_UNSERVED);
	if (vip_id)
		count_refused(vip_id);
	if (event_allowed())
		emit(vip_id ? EVENT_NO_BACKEND : EVENT_REFUSED, HOOK_SOCK, protocol, &nobody, target, vip_id, 0);
	bpf_set_retval(-ECONNREFUSED);
	return DENY;
}

/* What both ways of sending have in common: the backend, or why there is none. */
struct choice {
	struct vip *vip;
	struct backend *backend;
	__u32 vip_id, id;
	int refused;		/* the hook returns this when there is no backend */
};

/* Whether the process is in a cgroup that wants what it sends to be taken by the hooks for packets. */
static __always_inline bool opted_out(void)
{
	for (__u32 i = 0; i < OPT_OUTS_MAX; i++) {
		__u32 at = i;
		struct opt_out *one = bpf_map_lookup_elem(&opt_outs, &at);

		if (!one || !one->level)
			return false;
		if (bpf_get_current_ancestor_cgroup_id(one->level) == one->id)
			return true;
	}
	return false;
}

/* False when there is nothing to choose: c->refused says why. */
static __always_inline bool find_vip(struct choice *c, const struct end *target, __u8 protocol)
{
	struct settings *s = settings_now();

	c->backend = NULL;
	c->refused = ALLOW;
	if (!s || !s->engaged || !protocol)
		return false;
	c->vip = vip_find(target->address, target->port, protocol, &c->vip_id);
	if (!c->vip && !end_is_ours(target, protocol))
		return false;
	if (opted_out()) {
		count_verdict(VERDICT_LEFT);
		return false;
	}
	if (!c->vip)
		c->refused = refuse(target, protocol, 0);
	return c->vip;
}

/* The address the socket is bound to; false when it is bound to none. */
static __always_inline bool bound_address(const struct bpf_sock_addr *ctx, struct words *address)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return false;
	if (sk->family == AF_INET) {
		*address = words_of_ipv4(sk->src_ip4);
		return sk->src_ip4;
	}
	address->high = (__u64)sk->src_ip6[1] << 32 | sk->src_ip6[0];
	address->low = (__u64)sk->src_ip6[3] << 32 | sk->src_ip6[2];
	return address->high | address->low;
}

/*
 * The lists of a VIP are about addresses, and a socket that connects has none before it is bound. One of the node itself
 * may have any of the node's; those of other namespaces are left to the tc hook, which sees what they send.
 */
static __always_inline enum admission admission_of(struct bpf_sock_addr *ctx, struct choice *c, struct opening *o,
						    bool *left)
{
	struct words address;

	*left = false;
	if (bound_address(ctx, &address))
		return source_allowed(c->vip, o, address) ? ADMITTED : DENIED;
	if (bpf_get_netns_cookie(ctx) == node_namespace)
		return c->vip->flags & VIP_NODE_DENIED ? DENIED : ADMITTED;
	*left = true;
	return ADMITTED;
}

static __always_inline bool admitted(struct bpf_sock_addr *ctx, struct choice *c, const struct end *target,
				     __u8 protocol, struct opening *o, bool opens)
{
	enum admission admission = ADMITTED;
	bool left = false;

	if (c->vip->flags & VIP_LISTED)
		admission = admission_of(ctx, c, o, &left);
	if (left) {
		count_verdict(VERDICT_LEFT);
		return false;
	}
	if (admission == ADMITTED && opens && c->vip->rate && !within_rate(c->vip->rate, o))
		admission = LIMITED;
	if (admission == ADMITTED)
		return true;
	count_unadmitted(admission, HOOK_SOCK, protocol, &nobody, target, c->vip_id);
	bpf_set_retval(-ECONNREFUSED);
	c->refused = DENY;
	return false;
}

/* What nobody has connected to is tried first, what fails last. */
static __always_inline __u64 slowness(__u32 id)
{
	struct connects *c = bpf_map_lookup_elem(&backend_connects, &id);

	if (!c)
		return 0;
	return c->failing ? ~0ULL : c->recent;
}

/* Draws for the second of two, in the hope that it is another one than the first. */
#define OTHER_ATTEMPTS 3

/*
 * Power of two choices: the slower of two takes nothing, so the slowest is met only where it is both of them, often
 * enough to be noticed when it is better.
 */
static __always_inline struct backend *choose_faster(const struct vip *vip, __u32 vip_id, __u32 *id)
{
	__u64 table = table_ref_of(&vip->current);
	struct backend *one, *other = NULL;
	__u32 other_id = 0;

	*id = 0;
	if (!vip->selectable)
		return NULL;
	one = table_pick(table, vip_id, bpf_get_prandom_u32(), false, id);
	for (int i = 0; i < OTHER_ATTEMPTS && (!other_id || other_id == *id); i++)
		other = table_pick(table, vip_id, bpf_get_prandom_u32(), false, &other_id);
	if (!other || (one && slowness(*id) <= slowness(other_id)))
		return one;
	*id = other_id;
	return other;
}

/*
 * With full NAT the backend is to answer this node: it does where the socket is one of the node. What others send is
 * left to the tc hook.
 */
static __always_inline bool left_to_packets(struct bpf_sock_addr *ctx, const struct choice *c)
{
	if (c->vip->forwarding != FORWARD_FULL_NAT || !node_namespace || bpf_get_netns_cookie(ctx) == node_namespace)
		return false;
	count_verdict(VERDICT_LEFT);
	return true;
}

static __always_inline void choose_for_connect(struct bpf_sock_addr *ctx, struct choice *c, const struct end *target,
					       __u8 protocol)
{
	__u64 hash = (__u64)bpf_get_prandom_u32() << 24;
	struct opening o = {};

	if (!find_vip(c, target, protocol) || left_to_packets(ctx, c))
		return;
	if (c->vip->flags || c->vip->rate)
		set_cookie(&o, SOURCE_NAMESPACE, c->vip_id, bpf_get_netns_cookie(ctx));
	if ((c->vip->flags || c->vip->rate) && !admitted(ctx, c, target, protocol, &o, true))
		return;
	if (c->vip->flags & VIP_AFFINE)
		c->backend = choose_affine(c->vip, &o, c->vip->affinity, hash, &c->id);
	else if (c->vip->schedule == SCHEDULE_LATENCY)
		c->backend = choose_faster(c->vip, c->vip_id, &c->id);
	else
		c->backend = choose(c->vip, c->vip_id, hash, &c->id);
	if (!c->backend)
		c->refused = refuse(target, protocol, c->vip_id);
}

/*
 * The socket's cookie picks the backend, so that a socket stays with it while it lives and nothing needs to be
 * remembered to send; where the schedule is another, it is.
 */
static __always_inline void choose_for_datagram(struct bpf_sock_addr *ctx, struct choice *c, const struct end *target,
						__u8 protocol, __u64 cookie)
{
	__u64 hash = mix(cookie, target->address.low ^ target->port);
	struct opening o = {};
	__u32 ticks = 0;

	if (!find_vip(c, target, protocol) || left_to_packets(ctx, c))
		return;
	if (c->vip->flags & VIP_AFFINE) {
		set_cookie(&o, SOURCE_NAMESPACE, c->vip_id, bpf_get_netns_cookie(ctx));
		ticks = c->vip->affinity;
	} else {
		set_cookie(&o, SOURCE_SOCKET, c->vip_id, cookie);
	}
	if (c->vip->flags & VIP_LISTED && !admitted(ctx, c, target, protocol, &o, false))
		return;
	if (c->vip->flags & VIP_AFFINE || c->vip->schedule != SCHEDULE_MAGLEV)
		c->backend = choose_affine(c->vip, &o, ticks, hash, &c->id);
	else
		c->backend = choose(c->vip, c->vip_id, hash, &c->id);
	if (!c->backend)
		c->refused = refuse(target, protocol, c->vip_id);
}
