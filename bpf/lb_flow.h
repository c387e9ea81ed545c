/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of lb.h that is about flows; to be included by it alone. */
#pragma once

/*
 * A flow is one word, so that it is claimed and changed by one compare-and-swap:
 *   tag 28 | backend 20 | generation 4 | state 2 | age 10      (bit 63 … bit 0)
 * The tag and the set's index come from one 64-bit hash of client, VIP and protocol; 0 is empty. Age is in units of
 * about 16 s and wraps after 4.5 h; it only ranks the victims of a full set.
 */
struct flow_set {
	__u64 flow[8];
};

enum flow_bits {
	FLOW_AGE_BITS = 10,
	FLOW_STATE_SHIFT = 10,
	FLOW_STATE_BITS = 2,
	FLOW_GENERATION_SHIFT = 12,
	FLOW_GENERATION_BITS = 4,
	FLOW_BACKEND_SHIFT = 16,
	FLOW_BACKEND_BITS = 20,
	FLOW_TAG_SHIFT = 36,
	FLOW_HASH = 1,		/* which flow_hash() it is: entries by another one are not found */
};

/* Where the parts of a word are in the table before, which another version may have made. */
struct flow_layout {
	__u8 tag_shift;
	__u8 backend_shift;
	__u8 backend_bits;
	__u8 generation_shift;
	__u8 state_shift;
};

enum flow_state {
	FLOW_NEW = 0,		/* the client has spoken */
	FLOW_REPLIED = 1,	/* the backend has answered */
	FLOW_ESTABLISHED = 2,	/* the client has spoken again */
	FLOW_CLOSING = 3,	/* FIN or RST seen */
};

/* Established flows give way only after this many age units without a packet: about two hours. */
enum flow_idle {
	FLOW_IDLE_LIMIT = 440,
};

/*
 * What became of the first fragment of a datagram, for the fragments that follow it and have no ports. One word as of a
 * flow, by a hash of source, destination, identification and protocol:
 *   tag 28 | backend 20 | generation 4 | way 2 | age 10      (way: 1 to the VIP, 2 back)
 * Age is in units of about a second. The latest comes first.
 */
struct fragment_set {
	__u64 fragment[8];
};

/* Both ends of a packet. */
struct exact_key {
	struct address src, dst;
	__be16 src_port, dst_port;
	__u8 protocol;
	__u8 pad[3];
};

enum exact_state {
	EXACT_NEW = 0,		/* the client has spoken */
	EXACT_REPLIED = 1,	/* the backend has answered */
	EXACT_ESTABLISHED = 2,	/* the client has spoken again */
	EXACT_CLIENT_DONE = 3,	/* has sent FIN; the backend has not */
	EXACT_BACKEND_DONE = 4,
	EXACT_CLOSED = 5,	/* FIN both ways, or RST */
};

/* Seconds without a packet after which a flow is over (RFC 5382 REQ-5, RFC 4787 REQ-5). */
enum exact_timeout {
	EXACT_OPENING = 30,
	EXACT_HANDSHAKE = 60,		/* TCP, answered */
	EXACT_TCP_IDLE = 7440,
	EXACT_TCP_CLOSING = 240,
	EXACT_TCP_CLOSED = 10,
	EXACT_UDP_ANSWERED = 30,	/* the client has asked and not spoken again; as the kernel's own tracking has it */
	EXACT_UDP_IDLE = 300,
};

/* A flow that is tracked by all of its ends, found by what its client sends. */
struct exact_flow {
	struct exact_key answer;	/* what its backend sends, and is found by in exact_answers */
	__u64 opened, used;		/* kernel ticks at its first packet and at its last */
	__u32 backend;
	__u32 generation;
	__u8 state;			/* enum exact_state */
	__u8 forwarding;		/* enum forward_mode: FORWARD_NAT or FORWARD_FULL_NAT */
	__u8 pad[6];
	__u64 packets_in, bytes_in;	/* to the backend; IP headers included */
	__u64 packets_out, bytes_out;	/* to the client */
};

/* A datagram of a flow with full NAT, whose fragments behind the first have addresses only. */
struct exact_fragment_key {
	struct address src, dst;
	__u32 id;
	__u32 protocol;		/* 0 for IPv6 */
};

struct exact_fragment {
	struct address src, dst;	/* that they are to have */
	__u32 backend;
	__u32 generation;
	__u32 back;		/* to the client */
	__u32 reserved;
};

_Static_assert(sizeof(struct flow_set) == 64, "one cache line");
_Static_assert(sizeof(struct fragment_set) == 64, "one cache line");
_Static_assert(sizeof(struct exact_key) == 40, "no holes in a map key, and whole words");
_Static_assert(sizeof(struct exact_fragment_key) == 40, "no holes in a map key");
