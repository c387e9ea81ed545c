/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Step 1 for odd packets: past IPv6 extension headers and fragment fields to the transport header. Also reads the packets
 * that ICMP errors quote. The hook that includes this defines FRAME, frame_load, frame_store and frame_translate; they
 * call helpers, so that headers may lie anywhere in the frame.
 */
#pragma once

#include "reply.h"
#include "rewrite.h"

/* More extension headers than any sender has reason to use (RFC 8200 §4.1 names seven, one of them twice). */
#define EXTENSIONS_MAX 8

/* Where a transport header is; meaningless but for `fragment_id` behind a first fragment. */
struct place {
	__u32 at;		/* in the frame */
	__u32 payload;		/* bytes from there on, as the IP header says */
	__u32 fragment_id;
	__u16 fragment_offset;	/* in bytes; not 0: there is no transport header */
	__u8 fragmented;	/* a fragment, be it the only one */
	__u8 more;		/* fragments follow */
};

/* What an outer header takes over from the packet it is put in front of. */
struct inner {
	struct words dst;	/* where the outer one goes */
	__u32 bytes;		/* of the packet, its IP header included */
	__u32 entropy;
	__be32 head;		/* IPv6: version and traffic class, flow label 0 */
	__be16 id, fragment;	/* IPv4 */
	__u8 tos;
	__u8 pad[7];
};

/* What the steps for odd packets leave for the next one, beside scratch(). */
struct odd {
	struct place place;
	struct change change;
	__u32 backend;			/* whose flow it is */
	enum way way;			/* WAY_IN to the VIP, WAY_OUT back */
	struct words reporter, reported; /* ends of an ICMP error: who sent it, and to whom */
	__u32 arrived;			/* tuple.arrived: set before, for reading begins with an empty tuple */
	__u32 rewritten;		/* with DECISION_SEND: only to be sent */
	__u32 l3, icmp;			/* where it has its IP header and its ICMP header in the frame */
	__u32 end;			/* of it, as its IP header says */
	__u32 pad;
	struct inner inner;		/* for carry.h */
	struct hop hop;
	struct words readdressed[2];	/* source and destination for change_addresses() */
	__u64 delta;			/* what it answers */
	__u64 requoted;			/* what requote() answers */
	union {				/* what was loaded: stacks are short this deep */
		struct iphdr ipv4;
		struct {
			__u8 version, rest_of_flow[3];
			__be16 length;
			__u8 next, hop_limit;
			struct words src, dst;
		} ipv6;
		struct words addresses[2];
	} loaded;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct odd));
} scratch_odd SEC(".maps");

static __always_inline struct odd *odd_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch_odd, &zero);
}

/* Tells the steps for odd packets what tuple.arrived is. */
static __always_inline void set_odd_arrived(bool arrived)
{
	struct odd *odd = odd_now();

	if (odd)
		odd->arrived = arrived;
}

/* The first eight bytes of any extension header; `fragment` and `id` are those of a fragment header. */
struct extension {
	__u8 next;
	__u8 length;		/* of the header, in units of 8 bytes, the first not counted */
	union {
		__be16 fragment;
		struct {
			__u8 routing_type;
			__u8 segments_left;
		};
	};
	__be32 id;
};

/* Goes past one extension header. False when the packet is not for us to read behind it. */
static __always_inline bool pass_extension(struct tuple *t, struct place *p, const struct extension *e)
{
	__u32 length = (e->length + 1) * 8;

	if (t->protocol == IPPROTO_ROUTING && e->segments_left)
		return false; /* the destination is still to change, and the checksum covers the last one */
	if (t->protocol == IPPROTO_FRAGMENT) {
		if (p->fragmented)
			return false;
		length = sizeof(*e);
		p->fragmented = true;
		p->fragment_id = e->id;
		p->fragment_offset = bpf_ntohs(e->fragment) & 0xfff8;
		p->more = bpf_ntohs(e->fragment) & 1;
	}
	if (length > p->payload)
		return false;
	t->protocol = e->next;
	p->at += length;
	p->payload -= length;
	return true;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_FRAGMENT;
}

static __always_inline bool read_ipv6(struct FRAME *frame, struct tuple *t, struct odd *odd)
{
	struct place *p = &odd->place;

	if (!frame_load(frame, p->at, &odd->loaded.ipv6, sizeof(odd->loaded.ipv6)))
		return false;
	t->family = 6;
	t->protocol = odd->loaded.ipv6.next;
	t->src.address = odd->loaded.ipv6.src;
	t->dst.address = odd->loaded.ipv6.dst;
	if (is_mapped_ipv4(t->src.address) | is_mapped_ipv4(t->dst.address))
		return false;
	p->payload = bpf_ntohs(odd->loaded.ipv6.length);
	p->at += sizeof(odd->loaded.ipv6);
	t->bytes = sizeof(odd->loaded.ipv6) + p->payload;
	t->plain_header = !is_extension(t->protocol);
#pragma clang loop unroll(disable)
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(t->protocol) && !p->fragment_offset; i++) {
		struct extension extension;

		if (!frame_load(frame, p->at, &extension, sizeof(extension)) || !pass_extension(t, p, &extension))
			return false;
	}
	return p->fragment_offset || !is_extension(t->protocol);
}

static __always_inline bool read_ipv4(struct FRAME *frame, struct tuple *t, struct odd *odd)
{
	struct place *p = &odd->place;
	struct iphdr *ip = &odd->loaded.ipv4;
	__u32 header, fragment;

	if (!frame_load(frame, p->at, ip, sizeof(*ip)))
		return false;
	header = ip->ihl * 4;
	fragment = bpf_ntohs(ip->frag_off);
	t->bytes = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || t->bytes < header)
		return false;
	t->family = 4;
	t->protocol = ip->protocol;
	t->src.address = words_of_ipv4(ip->saddr);
	t->dst.address = words_of_ipv4(ip->daddr);
	p->at += header;
	p->payload = t->bytes - header;
	p->fragment_id = ip->id;
	p->fragment_offset = (fragment & 0x1fff) * 8;
	p->more = !!(fragment & 0x2000);
	p->fragmented = p->more || p->fragment_offset;
	t->plain_header = header == sizeof(*ip) && !p->fragmented;
	return true;
}

/* Reads the IP header at `l3` of the frame, and what is between it and the transport header, into scratch() and place. */
__noinline int read_network(struct FRAME *frame, __u32 l3)
{
	struct tuple *t = scratch();
	struct odd *odd = odd_now();
	__u8 version;

	if (!t || !odd || !frame_load(frame, l3, &version, sizeof(version)))
		return false;
	__builtin_memset(t, 0, sizeof(*t));
	__builtin_memset(&odd->place, 0, sizeof(odd->place));
	t->l3_offset = l3;
	t->arrived = odd->arrived;
	odd->place.at = l3;
	if (version >> 4 == 4)
		return read_ipv4(frame, t, odd);
	return version >> 4 == 6 && read_ipv6(frame, t, odd);
}

/* Reads ports, where the whole TCP or UDP header is in the frame and in the packet. */
__noinline int read_ports(struct FRAME *frame)
{
	struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct tcphdr tcp;
	__u32 length;

	if (!t || !odd)
		return false;
	length = t->protocol == IPPROTO_TCP ? sizeof(tcp) : sizeof(struct udphdr);
	if ((t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP) || length > odd->place.payload)
		return false;
	__builtin_memset(&tcp, 0, sizeof(tcp));
	if (!frame_load(frame, odd->place.at, &tcp, length))
		return false;
	t->src.port = tcp.source; /* UDP has them in the same place */
	t->dst.port = tcp.dest;
	if (t->protocol == IPPROTO_UDP)
		return true;
	t->flags = ((__u8 *)&tcp)[13];
	return tcp.doff >= 5 && (odd->place.more || tcp.doff * 4 <= odd->place.payload);
}

/* Is the destination in scratch() one of ours? */
__noinline int tuple_is_ours(void)
{
	const struct tuple *t = scratch();

	return t && end_is_ours(&t->dst, t->protocol);
}

/* The first record of the backend endpoint that the source in scratch() is, or 0. */
__noinline __u32 find_endpoint(void)
{
	const struct tuple *t = scratch();

	return t ? backend_search(t->src.address.high, t->src.address.low, t->src.port, t->protocol) : 0;
}

/* Leaves in odd_now() the ends that an answer is to have whose flow is that of record `id`. */
static __always_inline enum decision ends_of_found(__u32 id, bool turned)
{
	const struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct backend *backend = backend_by_id(id);
	struct vip *vip = id && backend ? vip_by_id(backend->vip) : NULL;

	if (!t || !odd || !vip)
		return DECISION_PASS;
	ends_of_answer(t, vip, turned, &odd->change);
	odd->backend = id;
	odd->way = WAY_OUT;
	return turned ? DECISION_TURN : DECISION_REWRITE;
}

/* reply() for the tuple in scratch(), without counting. `quoted`: it was not seen itself. */
static __always_inline enum decision find_answer(bool turned, bool quoted)
{
	__u32 first = find_endpoint();

	return first ? ends_of_found(reply_search(scratch(), first, turned, quoted), turned) : DECISION_PASS;
}

/* Sum of new minus sum of old, of 32-bit words: as good as one of 16-bit words once it is folded. */
static __always_inline __u64 sum_change(const void *old, const void *new, int words)
{
	const __u32 *was = old, *is = new;
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < words; i++)
		sum += (__u64)(__u32)~was[i] + is[i];
	return sum;
}

/* Gives the IP header at `l3` the addresses in odd->readdressed; what that adds to a pseudo-header is left in odd->delta. */
__noinline int change_addresses(struct FRAME *frame, __u32 l3)
{
	struct tuple *t = scratch();
	struct odd *odd = odd_now();
	struct iphdr *ip;

	if (!t || !odd)
		return false;
	if (t->family == 6) {
		l3 += offsetof(struct ipv6hdr, saddr);
		if (!frame_load(frame, l3, odd->loaded.addresses, sizeof(odd->loaded.addresses)))
			return false;
		odd->delta = sum_change(odd->loaded.addresses, odd->readdressed, sizeof(odd->readdressed) / 4);
		return frame_store(frame, l3, odd->readdressed, sizeof(odd->readdressed));
	}
	ip = &odd->loaded.ipv4;
	if (!frame_load(frame, l3, ip, sizeof(*ip)))
		return false;
	odd->delta = (__u64)(__u32)~ip->saddr + (__u32)~ip->daddr;
	ip->saddr = ipv4_of(odd->readdressed[0]);
	ip->daddr = ipv4_of(odd->readdressed[1]);
	odd->delta += (__u64)ip->saddr + ip->daddr;
	update_ipv4_checksum(ip, odd->delta);
	return frame_store(frame, l3, ip, sizeof(*ip));
}

static __always_inline bool readdress(struct FRAME *frame, struct odd *odd, __u32 l3, struct words src, struct words dst)
{
	odd->readdressed[0] = src;
	odd->readdressed[1] = dst;
	return change_addresses(frame, l3);
}

static __always_inline __u64 port_delta(const struct tuple *t, const struct change *change)
{
	__u64 delta = (__u16)~t->src.port + change->src.port;

	return delta + (__u16)~t->dst.port + change->dst.port;
}

/* Makes the frame one that goes back to where it came from. */
__noinline int turn_macs(struct FRAME *frame)
{
	__u8 macs[3 * ETH_ALEN]; /* two in the other order are the last two of three */

	if (!frame_load(frame, 0, macs + ETH_ALEN, 2 * ETH_ALEN))
		return false;
	__builtin_memcpy(macs, macs + 2 * ETH_ALEN, ETH_ALEN);
	return frame_store(frame, 0, macs, 2 * ETH_ALEN);
}
