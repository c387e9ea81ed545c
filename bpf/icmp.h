/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP and ICMPv6: answers echo requests to VIPs, and translates errors about packets that were translated, so that path
 * MTU discovery, refused ports and traceroute work through a VIP (RFC 5508 §3.2 and §4 for what is to be changed).
 */
#pragma once

#include "extended.h"
#include "refuse.h"

enum icmp_type {
	ICMP_ECHO_REPLY = 0,
	ICMP_ECHO_REQUEST = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMPV6_PARAMETER_PROBLEM = 4,
	ICMPV6_ECHO_REQUEST = 128,
	ICMPV6_ECHO_REPLY = 129,
};

static __always_inline bool is_icmp(const struct tuple *t)
{
	return t->protocol == (t->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline bool is_echo_request(const struct tuple *t, const struct icmphdr *icmp)
{
	return icmp->type == (t->family == 4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST) && !icmp->code;
}

/* Errors that quote a packet; a redirect does so too, but it is about the link it came from. */
static __always_inline bool is_error(const struct tuple *t, const struct icmphdr *icmp)
{
	if (t->family == 6)
		return icmp->type >= ICMPV6_DEST_UNREACH && icmp->type <= ICMPV6_PARAMETER_PROBLEM;
	return icmp->type == ICMP_DEST_UNREACH || icmp->type == ICMP_TIME_EXCEEDED ||
	       icmp->type == ICMP_PARAMETER_PROBLEM;
}

/* Sets the checksum right after a change of the message, or of its pseudo-header, that adds `delta`. */
static __always_inline bool store_icmp(struct FRAME *frame, __u32 at, struct icmphdr *icmp, __u64 delta)
{
	icmp->checksum = ~fold((__u16)~icmp->checksum + delta);
	return frame_store(frame, at, icmp, offsetof(struct icmphdr, unused));
}

/* What a fresh TTL or hop limit changes is covered by no checksum but IPv4's. */
__noinline int renew_ttl(struct FRAME *frame)
{
	const struct tuple *t = scratch();
	__u8 limit = REFUSAL_TTL;
	struct iphdr ip;
	__be16 *word = (void *)&ip.ttl, was;

	if (!t)
		return false;
	if (t->family == 6)
		return frame_store(frame, t->l3_offset + offsetof(struct ipv6hdr, hop_limit), &limit, sizeof(limit));
	if (!frame_load(frame, t->l3_offset, &ip, sizeof(ip)))
		return false;
	was = *word;
	ip.ttl = limit;
	update_ipv4_checksum(&ip, (__u16)~was + *word);
	return frame_store(frame, t->l3_offset, &ip, sizeof(ip));
}

/* Has a machine at this address an answer to give? At an address of a pool without a VIP there is none. */
__noinline int decide_echo(void)
{
	const struct tuple *t = scratch();
	__u32 id;

	return t && t->plain_header && is_sender(t) && !address_is_ours(t->src.address) && engaged() &&
			       vip_find(t->dst.address, 0, 0, &id) ?
		       DECISION_TURN :
		       DECISION_PASS;
}

/* An echo request becomes its reply (RFC 792, RFC 4443 §4.2): other type, ends exchanged, all else kept. */
__noinline int rewrite_echo(struct FRAME *frame)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct icmphdr icmp;
	__be16 was, *word = (void *)&icmp;

	if (!t || !odd || !frame_load(frame, odd->place.at, &icmp, sizeof(icmp)))
		return false;
	count_verdict(VERDICT_ECHOED);
	was = *word;
	icmp.type = t->family == 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	return readdress(frame, odd, t->l3_offset, t->dst.address, t->src.address) && renew_ttl(frame) &&
	       store_icmp(frame, odd->place.at, &icmp, (__u16)~was + *word);
}

/*
 * Reads the packet that the error in scratch() quotes. Leaves the ends of what would answer it there: an error goes the
 * way that answer would go. False where that is none of ours to translate.
 */
__noinline int read_quote(struct FRAME *frame)
{
	struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct end src;
	__be16 ports[2];
	__u8 family, last;

	if (!t || !odd)
		return false;
	family = t->family;
	odd->reporter = t->src.address;
	odd->reported = t->dst.address;
	odd->l3 = t->l3_offset;
	odd->icmp = odd->place.at;
	odd->end = t->l3_offset + t->bytes;
	if (!frame_load(frame, odd->end - 1, &last, sizeof(last)))
		return false; /* cut short */
	if (!read_network(frame, odd->icmp + sizeof(struct icmphdr)) || t->family != family ||
	    odd->place.fragment_offset || (t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP) ||
	    odd->place.at + sizeof(struct udphdr) > odd->end || !frame_load(frame, odd->place.at, ports, sizeof(ports)))
		return false;
	src = t->src;
	src.port = ports[0];
	t->src = t->dst;
	t->src.port = ports[1];
	t->dst = src;
	return same_words(t->dst.address, odd->reported);
}

/*
 * forward() for a request that failed: the ends it is to have on the other side, by its flow or by the selection table. An
 * error opens no flow and says nothing about the state of one.
 */
__noinline int find_request(void)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct backend *backend;
	__u32 id, vip_id;
	struct vip *vip;
	__u64 hash, word;

	if (!t || !odd)
		return DECISION_PASS;
	hash = flow_hash(&t->src, &t->dst, t->protocol, t->family);
	word = flow_find_anywhere(hash);
	backend = backend_of_flow(t, word, &id);
	if (!backend && may_have_overflowed(hash))
		backend = backend_of_flow(t, flow_find_overflow(hash), &id);
	if (!backend) {
		vip = vip_find(t->dst.address, t->dst.port, t->protocol, &vip_id);
		if (!vip)
			return DECISION_NONE;
		if (t->arrived)
			backend = arrival_find(arrived_at(), vip_id, &id);
		else if (is_exact(vip) || (is_beside_exact(vip) && exact_beside(t)))
			return DECISION_EXACT;
		else if (takes(t, word) && vip->schedule == SCHEDULE_MAGLEV)
			backend = choose_again(vip, vip_id, hash, &id);
	}
	if (!backend)
		return DECISION_PASS;
	if (!is_carried(t, backend))
		return ends_of_request(t, backend, &odd->change);
	odd->change.carry_to = id;
	return DECISION_CARRY;
}

/* Did the destination of the quoted packet itself send the error, not a router on the way? */
static __always_inline bool reported_by_end(void)
{
	const struct tuple *t = scratch();
	const struct odd *odd = odd_now();

	return t && odd && same_words(odd->reporter, t->src.address);
}

/* The checksum of the quoted packet, where the quote goes so far; *delta then says what changed, else 0. */
static __always_inline bool requote_checksum(struct FRAME *frame, const struct tuple *t, const struct odd *odd,
					     const struct delta *changed, __u64 *delta)
{
	__u32 at = odd->place.at +
		   (t->protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	__sum16 was, now;

	*delta = 0;
	if (at + sizeof(was) > odd->end)
		return true;
	if (!frame_load(frame, at, &was, sizeof(was)))
		return false;
	now = changed_checksum(was, t, changed);
	*delta = (__u16)~was + now;
	return frame_store(frame, at, &now, sizeof(now));
}

/*
 * Gives the quoted packet the ends it had before it was translated. odd->requoted is then what that adds to the checksum
 * of the error.
 */
__noinline int requote(struct FRAME *frame)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct delta changed;
	__u64 checksum;
	__be16 ports[2];

	if (!t || !odd || !readdress(frame, odd, odd->icmp + sizeof(struct icmphdr), odd->change.dst.address,
				     odd->change.src.address))
		return false;
	ports[0] = odd->change.dst.port;
	ports[1] = odd->change.src.port;
	changed.address = odd->delta;
	changed.port = port_delta(t, &odd->change);
	if (!frame_store(frame, odd->place.at, ports, sizeof(ports)) ||
	    !requote_checksum(frame, t, odd, &changed, &checksum))
		return false;
	/* An IPv4 header sums up to the same whatever it says: its own checksum has changed as well. */
	odd->requoted = (t->family == 4 ? 0 : changed.address) + changed.port + checksum;
	return true;
}

/* Puts the decision into the frame. An error of a router on the way stays the router's. */
__noinline int rewrite_error(struct FRAME *frame)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct icmphdr icmp;
	struct words src;

	if (!t || !odd || !frame_load(frame, odd->icmp, &icmp, sizeof(icmp)) || !requote(frame))
		return false;
	src = reported_by_end() ? odd->change.src.address : odd->reporter;
	if (!readdress(frame, odd, odd->l3, src, odd->change.dst.address))
		return false;
	count_verdict(VERDICT_ERROR_TRANSLATED);
	return store_icmp(frame, odd->icmp, &icmp, t->family == 4 ? odd->requoted : odd->requoted + odd->delta);
}
