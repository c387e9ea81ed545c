/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct, enum and constant that crosses into a map, an event or user space, and nothing else; those of flows are
 * in lb_flow.h. User space reads
 * the layout from the object's BTF by field name. Rules, held by a test over the BTF: fixed-width types, __be16/__be32
 * for network order, no holes, constants are enums, one 16-byte address for both families.
 */
#pragma once

#include <linux/types.h>
#include <stddef.h>

/* Network order; IPv4 is mapped into ::ffff:0:0/96, so that one table serves both families. */
struct address {
	__u8 bytes[16];
} __attribute__((aligned(8)));

enum lb_size {
	ID_SET_WAYS = 8,	/* ids in one id_set: one cache line */
	ID_SET_CHAIN = 4,	/* full sets a probe goes through before it gives up */
	FLOW_SET_WAYS = 8,	/* flows in one flow_set: one cache line */
	FRAGMENT_SET_WAYS = 8,	/* datagrams in one fragment_set: one cache line */
	FRAGMENT_SETS = 1024,	/* 64 KiB: entries serve for milliseconds */
	TABLE_CHUNK_SLOTS = 64,	/* selection slots in one table_chunk */
	POOLS_MAX = 8,
	REPLY_CHAIN = 32,	/* VIPs that may share one backend endpoint */
	SOCK_QUERIES = 32,	/* answered by one run of sock_origins_of */
	LEFT_FLOWS = 64,	/* noted by one run of tc_leave */
	CONNECT_BUCKETS = 23,	/* of the latency of connects; the first ends at 1 << CONNECT_BUCKET_SHIFT µs, each at twice the one before */
	CONNECT_BUCKET_SHIFT = 3,
	EXACT_QUERIES = 32,	/* answered by one run of tc_expire */
	EXACT_CLAIMS = 64,	/* source ports tried for one flow */
	LAYOUT_PART = 1024,	/* bytes in one entry of `layout` */
	OPT_OUTS_MAX = 16,	/* cgroups the sock hook leaves alone */
};

/*
 * A hash set of ids, found by address, port and protocol. A way is `hash << 32 | id`, 0 when empty. Ways fill from 0 up;
 * a set whose last way is taken may go on in the next one. A removed way of a full set becomes ID_SET_TOMBSTONE, so that
 * probes still go on behind it. The record behind the id holds the whole key: a hash alone never decides.
 */
struct id_set {
	__u64 way[8];
};

enum id_set_special {
	ID_SET_TOMBSTONE = 0xffffffff,
};

/* A run of chunks in `tables` that holds one selection table; a power of two of slots. Read as one 64-bit word. */
struct table_ref {
	__u32 first;	/* chunk */
	__u32 mask;	/* slots - 1 */
} __attribute__((aligned(8)));

/* How packets get to a backend. */
enum forward_mode {
	FORWARD_NAT = 0,	/* rewritten; the answer passes this node */
	FORWARD_FULL_NAT = 1,	/* its source as well: the answer comes to this node */
	FORWARD_TUNNEL = 2,	/* whole, in an outer IP header; the backend's node answers the client itself */
	FORWARD_DIRECT = 3,	/* whole, to another MAC address; as above */
};

enum vip_state {
	VIP_FREE = 0,
	VIP_SERVING = 1,
	VIP_ADDRESS = 2,	/* port and protocol 0: an address that a VIP has; all of it is ours */
};

/* How a slot of the selection table is picked for a new connection. */
enum schedule {
	SCHEDULE_MAGLEV = 0,		/* by the flow's hash: any node picks the same */
	SCHEDULE_RANDOM = 1,
	SCHEDULE_ROUND_ROBIN = 2,	/* one slot after the other */
	SCHEDULE_LEAST_CONNECTIONS = 4,	/* as in turn; user space lays out the table by what is connected */
	SCHEDULE_LATENCY = 3,		/* connect(): of two at random, the one connects to which are faster; else by hash */
};

/* What else a new connection has to do with. */
enum vip_flags {
	VIP_AFFINE = 1,		/* a client keeps its backend until it has been silent for `affinity` */
	VIP_LISTED = 2,		/* source_rules says who may connect */
	VIP_LISTED_ONLY = 4,	/* and whom no rule covers may not */
	VIP_NODE_DENIED = 8,	/* no address of the node itself may */
	VIP_BESIDE_EXACT = 16,	/* another VIP, tracked exactly, has or has had a backend of it: see beside.h */
};

struct vip {
	struct address address;
	__be16 port;
	__u8 protocol;			/* IPPROTO_TCP or IPPROTO_UDP */
	__u8 state;			/* enum vip_state */
	__u32 selectable;		/* backends that take new connections; 0 refuses */
	struct table_ref current;
	struct table_ref previous;	/* table before the last change, for flows that have no entry; mask 0 and first 0: none */
	__u8 forwarding;		/* enum forward_mode, as asked for; of an address: whether any of its VIPs has 2 or 3 */
	__u8 exact;			/* as asked for */
	__u16 clamp_mss;		/* highest MSS a SYN may name; 0: any */
	__u8 schedule;			/* enum schedule */
	__u8 flags;			/* enum vip_flags */
	__u16 reserved16;
	__u32 affinity;			/* kernel ticks; with VIP_AFFINE */
	__u32 rate;			/* new connections a second from one source; 0: no limit */
	__u32 reserved[2];
};

enum source_kind {
	SOURCE_ADDRESS = 0,	/* the sender of packets */
	SOURCE_NAMESPACE = 1,	/* sockets that connect have no address yet: the cookie of their network namespace */
	SOURCE_SOCKET = 2,	/* a socket's own cookie, for its datagrams */
};

/* Who asks a VIP for a connection. */
struct source {
	struct address address;	/* a cookie is in the first eight bytes, in host order */
	__u32 vip;
	__u32 kind;		/* enum source_kind */
};

/* The backend a source had last. */
struct affinity {
	__u64 used;		/* kernel ticks */
	__u32 backend;
	__u32 generation;
};

/* How many connections a source has opened lately, as the moment until which they are paid for. */
struct source_rate {
	__u64 due;		/* in 1/rate ticks, so that each connection costs `hz` of them */
	__u32 rate;		/* connections a second */
	__u32 reserved;
};

/* The longest prefix decides. All bits of the VIP count, so `bits` is 32 more than those of the address. */
struct source_rule_key {
	__u32 bits;
	__u32 vip;
	struct address address;
};

struct source_rule {
	__u32 allowed;
	__u32 reserved;
};

enum backend_state {
	BACKEND_FREE = 0,
	BACKEND_ACTIVE = 1,
	BACKEND_DRAINING = 2,	/* in no table; flows that have it keep it */
};

/* One per VIP and backend. A flow that names it must agree with `vip` and `generation`, else the backend is gone. */
struct backend {
	struct address address;
	__be16 port;
	__u8 protocol;
	__u8 state;		/* enum backend_state */
	__u32 vip;
	__u32 generation;	/* +1 each time the id is given away; flows keep its low 4 bits */
	__u32 next;		/* next record with the same address, port and protocol; 0 ends the chain */
	__u16 weight;
	__u8 forwarding;	/* enum forward_mode, from this node */
	__u8 reserved8;
	__u16 clamp_mss;	/* as its VIP's */
	__u16 reserved16;
	__u32 reserved[6];
};

/* The way to a backend from this node, by the backend's id. User space keeps it as routes and neighbours are. */
struct hop {
	struct address source;	/* of what this node sends there itself */
	struct address gateway;	/* whose MAC address is wanted: the backend's own where it is on the link */
	__u32 ifindex;		/* 0: no route is known */
	__u16 mtu;		/* bytes, from the IP header on */
	__u8 resolved;		/* the MAC addresses are known */
	__u8 redirectable;	/* XDP can send to this interface from another one */
	__u8 mac[6];
	__u8 source_mac[6];	/* of the interface */
	__u32 reserved[3];
};

struct table_chunk {
	__u32 backend[64];
};

/* A part of what user space keeps of the layout of the maps. */
struct layout_part {
	__u8 bytes[1024];
};

#include "lb_flow.h"

struct counters {
	__u64 connections;
	__u64 packets;		/* towards the backend */
	__u64 bytes;		/* of those, IP headers included */
	__u64 refused;		/* for want of a backend */
};

/*
 * How TCP connections to a backend began, of sockets that were translated. Shared by all CPUs: a connection is rare, and
 * memory for each CPU would be some. All but `failing` and `recent` only grow.
 */
struct connects {
	__u64 connected;
	__u64 refused;		/* RST or ICMP port unreachable in answer to the SYN */
	__u64 timed_out;	/* no answer: the kernel gave up, or the owner did after a second or more */
	__u64 unreachable;	/* any other error */
	__u64 reset;		/* of those that were connected: RST within a second */
	__u64 abandoned;	/* closed by the owner within a second, before there was an answer */
	__u64 failing;		/* refused, timed out or unreachable in a row: since the last that was connected */
	__u64 latency;		/* of those that were connected, from the SYN on, summed, ns */
	__u64 recent;		/* of their latency, a moving average: each counts an eighth, ns */
	__u64 bucket[CONNECT_BUCKETS];	/* the same by powers of two of µs; the last has no end */
};

enum verdict {
	VERDICT_NOT_OURS = 0,
	VERDICT_FORWARDED = 1,
	VERDICT_REPLIED = 2,
	VERDICT_HAIRPINNED = 3,
	VERDICT_TRANSLATED = 4,		/* sock: connect or sendmsg given a backend */
	VERDICT_NO_BACKEND = 5,
	VERDICT_UNSERVED = 6,		/* address of a VIP or pool, nothing listens there */
	VERDICT_FRAGMENT = 7,		/* passed: for a VIP, but the datagram's first fragment was not seen */
	VERDICT_UNSUPPORTED = 8,	/* passed: for a VIP, but headers we do not read */
	VERDICT_OVERFLOWED = 9,		/* a new flow found its set full and went to overflow_flows */
	VERDICT_EVICTED = 10,		/* an older flow gave way */
	VERDICT_EVENT_LOST = 11,
	VERDICT_DISENGAGED = 12,	/* a new connection left to others */
	VERDICT_ECHOED = 13,		/* an ICMP echo request to a VIP, answered here */
	VERDICT_ERROR_TRANSLATED = 14,	/* an ICMP error about a packet that was translated */
	VERDICT_TUNNELLED = 15,		/* sent to its backend in an outer header */
	VERDICT_DIRECTED = 16,		/* sent to its backend's MAC address */
	VERDICT_ARRIVED = 17,		/* taken out of an outer header, for a backend of this node */
	VERDICT_TOO_BIG = 18,		/* does not fit with its outer header: the sender was told the size that does */
	VERDICT_UNRESOLVED = 19,	/* the backend's MAC address is not known yet: left to the network stack, or dropped */
	VERDICT_DENIED = 20,		/* refused: the source may not connect to this VIP */
	VERDICT_LIMITED = 21,		/* refused: the source opens connections faster than it may */
	VERDICT_LEFT = 22,		/* sock: left to the hooks for packets */
	VERDICT_EXHAUSTED = 23,		/* refused: exact_flows is full, or no source port was free */
	VERDICT_UNTRACKED = 24,		/* refused: of a connection with full NAT that is not known */
	VERDICTS = 25,
};

struct pool {
	struct address base;
	struct address mask;
};

/* Which connections these programs take that they do not know. */
enum engagement {
	ENGAGED_NOT = 0,	/* none: another data plane has them */
	ENGAGED = 1,		/* all */
	ENGAGED_OPENING = 2,	/* those that begin: what goes on already may be another data plane's */
};

/* What may change while the programs run, and what must outlive them. */
struct settings {
	__u64 flow_seed;	/* of the flow hash: flows are lost when it changes */
	__u32 set_seed;		/* of the id set hash */
	__u32 hz;		/* kernel ticks per second, measured once */
	__u32 engaged;		/* enum engagement */
	__u32 outside;		/* VIP addresses that no pool covers */
	__u32 pools;
	__u32 carrying;		/* until this second of the tick count packets between workloads go past the stack; 0: none */
	__u32 departing;	/* and those of workloads to backends elsewhere */
	__u32 reserved;
	struct pool pool[8];
	struct pool tunnel_source[2];	/* IPv4, IPv6: outer sources vary inside it by flow; mask 0: the node's own address */
};

/* Addresses of which this node knows the way; longest prefix wins. `bits` counts those of an address of 128. */
struct workload_key {
	__u32 bits;
	__u8 address[16];
};

/*
 * Where a translated socket really wanted to go, and what a TCP one is about to show of the backend that it connects to: one
 * struct, for storage of a socket costs more to make than all else that is done at connect().
 */
struct sock_origin {
	struct address vip_address;
	struct address backend_address;
	__be16 vip_port;
	__be16 backend_port;	/* 0: it has connected elsewhere since */
	__u32 backend;
	__u32 generation;
	__u32 vip;
	__u64 since;		/* CLOCK_MONOTONIC, ns: of the SYN, then of the moment it was connected; 0: nothing more is to be told */
	__u32 tried;		/* the backend of that SYN: a connect() that comes too late names another and changes nothing */
	__u32 tried_generation;
};

/* A cgroup whose processes, and those of the ones below it, the sock hook leaves alone. */
struct opt_out {
	__u64 id;	/* the inode of its directory */
	__u32 level;	/* how far below the root of the hierarchy; 0 ends the list */
	__u32 reserved;
};

/* User space names a connected socket, sock_origins_of fills in its origin; backend_port 0: it was never translated. */
struct sock_query {
	struct address local, remote;
	__be16 local_port, remote_port;
	__u8 protocol;
	__u8 pad[3];
	struct sock_origin origin;
};

/* A flow that another data plane carries, which user space names to tc_leave. */
struct left_flow {
	struct address client, vip;
	__be16 client_port, vip_port;
	__u8 protocol;
	__u8 pad[3];
};

/* Reply address of an unconnected UDP socket back to the VIP it sent to. */
struct datagram_key {
	__u64 cookie;
	struct address address;
	__be16 port;
	__u8 pad[6];
};

struct datagram_origin {
	struct address vip_address;
	__be16 vip_port;
	__u8 pad[6];
};

/* How many events this CPU may still emit in this second. */
struct event_budget {
	__u64 second;
	__u64 used;
};

enum event_kind {
	EVENT_CONNECTION = 1,
	EVENT_NO_BACKEND = 2,
	EVENT_REFUSED = 3,
	EVENT_TABLE_PRESSURE = 4,
	EVENT_DENIED = 5,
	EVENT_LIMITED = 6,
	EVENT_EXHAUSTED = 7,
};

enum event_hook {
	HOOK_SOCK = 1,
	HOOK_TC = 2,
	HOOK_XDP = 3,
};

struct event {
	struct address client;
	struct address target;
	__be16 client_port;
	__be16 target_port;
	__u8 kind;	/* enum event_kind */
	__u8 hook;	/* enum event_hook */
	__u8 protocol;
	__u8 pad;
	__u32 vip;	/* id or 0 */
	__u32 backend;	/* id or 0 */
	__u32 generation;	/* of that backend */
	__u32 reserved;
};

_Static_assert(sizeof(struct id_set) == 64, "one cache line");
_Static_assert(sizeof(struct vip) == 64, "one cache line");
_Static_assert(sizeof(struct backend) == 64, "one cache line");
_Static_assert(sizeof(struct hop) == 64, "one cache line");
_Static_assert(sizeof(struct datagram_key) == 32, "no holes in a map key");
