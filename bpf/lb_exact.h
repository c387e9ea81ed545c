/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of lb.h that is about flows tracked by all of their ends; to be included by it alone. */
#pragma once

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

_Static_assert(sizeof(struct exact_key) == 40, "no holes in a map key, and whole words");
_Static_assert(sizeof(struct exact_fragment_key) == 40, "no holes in a map key");
