/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets that parse() leaves: ICMP, fragments, IPv6 with extension headers. They are few, so each step is a function
 * of its own that loads and stores what it needs, and plain packets pay for none of it.
 */
#pragma once

#include "exact.h"
#include "frag.h"
#include "icmp.h"
#include "mss.h"

enum oddity {
	ODD_UNREAD,
	ODD_ECHO,
	ODD_ERROR,
	ODD_FLOW,	/* TCP or UDP behind extension headers, or in a first fragment */
	ODD_FRAGMENT,	/* not the first */
};

/* ICMP that is neither an echo request nor an error is none of ours. */
static __always_inline enum oddity read_icmp(struct FRAME *frame, const struct tuple *t, const struct odd *odd)
{
	struct icmphdr icmp;

	if (odd->place.payload < sizeof(icmp) || !frame_load(frame, odd->place.at, &icmp, sizeof(icmp)))
		return ODD_UNREAD;
	if (is_echo_request(t, &icmp))
		return ODD_ECHO;
	return is_error(t, &icmp) ? ODD_ERROR : ODD_UNREAD;
}

/* Reads the packet with its IP header at `l3`; what follows finds it in scratch() and odd_now(). */
__noinline int read_odd(struct FRAME *frame, __u32 l3, __u32 way)
{
	bool readable = read_network(frame, l3);
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();

	if (!t || !odd)
		return ODD_UNREAD;
	odd->change.clamp_mss = 0;
	odd->rewritten = false;
	if (readable && odd->place.fragment_offset)
		return ODD_FRAGMENT;
	if (readable && is_icmp(t) && !odd->place.more)
		return read_icmp(frame, t, odd);
	if (readable && read_ports(frame))
		return ODD_FLOW;
	if (way & WAY_IN && address_is_ours(t->dst.address))
		count_verdict(odd->place.fragmented ? VERDICT_FRAGMENT : VERDICT_UNSUPPORTED);
	return ODD_UNREAD;
}

/* forward(), for the tuple in scratch(). A refusal is left to the network stack: it can read the packet as well. */
__noinline int decide_request(__u32 hook)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	enum decision decision;

	if (!t || !odd)
		return DECISION_NONE;
	odd->way = WAY_IN;
	decision = forward(t, hook, &odd->change, &odd->backend);
	if (decision == DECISION_CARRY && odd->place.more)
		remember_fragment(t, odd);
	if (decision != DECISION_REFUSE)
		return decision;
	if (odd->change.refused_by & REFUSAL_COUNTED)
		return DECISION_PASS;
	count_verdict(VERDICT_NO_BACKEND);
	count_refused(odd->change.refused_by);
	return DECISION_PASS;
}

static __always_inline void set_refused_by(__u32 vip_id)
{
	struct odd *odd = odd_now();

	if (odd)
		odd->change.refused_by = vip_id;
}

/* Notes that the frame has its new ends, and lowers the MSS of a SYN that is tracked exactly. */
static __always_inline void finish_odd(struct FRAME *frame)
{
	struct odd *odd = odd_now();

	if (!odd)
		return;
	odd->rewritten = true;
	if (odd->change.clamp_mss)
		clamp_mss(frame, odd->place.at, odd->change.clamp_mss);
}

/* A plain packet, which has come here for exact.h alone: it can be refused as any other. */
static __always_inline bool is_plain(void)
{
	const struct tuple *t = scratch();

	return t && t->plain_header && !t->arrived;
}

/* For a VIP that is tracked exactly. An error opens no flow. One step after the other: together their stack is too deep. */
static __always_inline enum decision decide_exact(enum event_hook hook, bool quoted)
{
	enum decision decision = exact_request(quoted, false);

	if (decision != DECISION_NONE || quoted)
		return decision == DECISION_NONE ? DECISION_PASS : decision;
	decision = exact_open(hook);
	if (decision == DECISION_NONE)
		decision = exact_request(quoted, true);
	return decision == DECISION_NONE ? DECISION_DROP : decision;
}

/* incoming() and reply(), for the tuple in scratch(): that of the packet, or with ODD_ERROR of what would answer the quoted. */
static __always_inline enum decision decide_odd(enum oddity oddity, enum event_hook hook, enum way way)
{
	bool ours = way & WAY_IN && tuple_is_ours(), quoted = oddity == ODD_ERROR, answer = false;
	enum decision decision = DECISION_NONE;

	if (ours)
		decision = quoted ? find_request() : decide_request(hook);
	if (decision == DECISION_EXACT)
		decision = decide_exact(hook, quoted);
	if (decision == DECISION_NONE && exact_in_use()) {
		decision = exact_reply(way, ours, quoted);
		answer = decision != DECISION_NONE;
	}
	if (decision == DECISION_NONE && (ours || way & WAY_OUT)) {
		decision = find_answer(ours, quoted);
		answer = decision != DECISION_PASS;
		if (!answer && ours && !quoted && is_plain() && engaged()) {
			set_refused_by(0);
			return DECISION_REFUSE;
		}
	}
	if (!quoted && answer)
		count_verdict(VERDICT_REPLIED);
	/* Only from the very end of the flow does an error come by the way the answer goes. */
	return quoted && decision == DECISION_TURN && !reported_by_end() ? DECISION_REWRITE : decision;
}

/* Gives the frame the ends that were chosen; later fragments have addresses only. */
__noinline int rewrite_odd(struct FRAME *frame)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct delta delta;

	if (!t || !odd ||
	    !readdress(frame, odd, t->l3_offset, odd->change.src.address, odd->change.dst.address))
		return false;
	if (odd->place.fragment_offset)
		return true;
	if (odd->place.more && exact_readdressed(t, odd))
		exact_remember_fragment();
	else if (odd->place.more)
		remember_fragment(t, odd);
	delta.address = odd->delta;
	delta.port = port_delta(t, &odd->change);
	return frame_translate(frame, odd->place.at, t, &odd->change, &delta);
}

/* Gives the packet in scratch() that is to be sent its new ends, unless it is an error, which has them. */
static __always_inline bool finish_sent(struct FRAME *frame)
{
	struct odd *odd = odd_now();

	if (!odd)
		return false;
	if (odd->rewritten)
		return true;
	if (!rewrite_odd(frame))
		return false;
	finish_odd(frame);
	return true;
}

static __always_inline enum decision decide_later_fragment(enum way way)
{
	enum decision decision = way & WAY_IN && exact_in_use() ? exact_fragment() : DECISION_NONE;

	return decision == DECISION_NONE ? decide_fragment(way) : decision;
}

/*
 * What is to be done with the frame; with DECISION_REWRITE and DECISION_TURN its bytes are changed already, with
 * DECISION_SEND and DECISION_SEND_BACK only those of an error, for it may have to be told that it does not fit.
 */
static __always_inline enum decision take_odd(struct FRAME *frame, __u32 l3, enum event_hook hook, enum way way)
{
	enum oddity oddity = read_odd(frame, l3, way);
	enum decision decision = DECISION_PASS;
	bool done, sent;

	if (oddity == ODD_FLOW || (oddity == ODD_ERROR && read_quote(frame)))
		decision = decide_odd(oddity, hook, way);
	else if (oddity == ODD_FRAGMENT)
		decision = decide_later_fragment(way);
	else if (oddity == ODD_ECHO && way & WAY_IN)
		decision = decide_echo();
	sent = decision == DECISION_SEND || decision == DECISION_SEND_BACK;
	if (decision == DECISION_CARRY || decision == DECISION_REFUSE || decision == DECISION_DROP)
		return decision;
	if (sent && oddity != ODD_ERROR)
		return decision;
	if (decision != DECISION_REWRITE && decision != DECISION_TURN && !sent)
		return DECISION_PASS;
	done = oddity == ODD_ERROR ? rewrite_error(frame) : oddity == ODD_ECHO ? rewrite_echo(frame) : rewrite_odd(frame);
	if (!done || (decision == DECISION_TURN && !turn_macs(frame)))
		return DECISION_DROP;
	finish_odd(frame);
	return decision;
}
