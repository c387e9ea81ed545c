/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lowers the MSS that a SYN names (RFC 9293 §3.7.1), for paths whose MTU nobody reports. The hook that includes this
 * defines FRAME, frame_load and frame_resum.
 */
#pragma once

#include "rewrite.h"

#define TCP_OPTIONS_MAX 40
#define MSS_KIND 2
#define MSS_LENGTH 4

/* A walk through TCP options; by bpf_loop, for the verifier to see a step once and not every order of forty. */
struct option_walk {
	__u8 options[TCP_OPTIONS_MAX + MSS_LENGTH];
	__u32 length;
	__u32 at;
	__u32 found;	/* where the value of the MSS option is, or 0 */
};

static long option_step(__u32 index, struct option_walk *walk)
{
	__u32 at = walk->at;

	if (at + MSS_LENGTH > walk->length || at > TCP_OPTIONS_MAX - MSS_LENGTH || !walk->options[at])
		return 1;
	if (walk->options[at] == MSS_KIND) {
		walk->found = walk->options[at + 1] == MSS_LENGTH ? at + 2 : 0;
		return 1;
	}
	if (walk->options[at] == 1) {
		walk->at = at + 1;
		return 0;
	}
	if (walk->options[at + 1] < 2)
		return 1;
	walk->at = at + walk->options[at + 1];
	return 0;
}

/* `at`: of the TCP header. A SYN without the option means 536 bytes (RFC 9293), which is left alone. */
__noinline int clamp_mss(struct FRAME *frame, __u32 at, __u32 mss)
{
	struct option_walk walk = {};
	__u32 length, where;
	struct tcphdr tcp;
	__be16 was, now = bpf_htons(mss);

	if (!frame_load(frame, at, &tcp, sizeof(tcp)) || tcp.doff <= 5)
		return 0;
	length = (tcp.doff - 5) * 4;
	barrier_var(length);
	if (length < 4 || length > TCP_OPTIONS_MAX || !frame_load(frame, at + sizeof(tcp), walk.options, length))
		return 0;
	walk.length = length;
	bpf_loop(TCP_OPTIONS_MAX, option_step, &walk, 0);
	where = walk.found;
	barrier_var(where);
	if (!where || where > TCP_OPTIONS_MAX)
		return 0;
	__builtin_memcpy(&was, walk.options + where, sizeof(was));
	if (bpf_ntohs(was) <= mss)
		return 0;
	return frame_resum(frame, at, at + sizeof(tcp) + where, was, now);
}
