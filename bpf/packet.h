/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Step 1: from bytes to a tuple. Whatever is not plainly understood is left to the network stack. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lb.h"

enum tcp_bit {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

enum parsed {
	PARSED_FLOW,		/* TCP or UDP with its ports */
	PARSED_OTHER,		/* not IP, not TCP or UDP, or cut short */
	PARSED_ODD,		/* ICMP, a fragment, IPv6 extension headers: to be read by odd.h */
	PARSED_TUNNEL,		/* IPIP or IP6IP6 */
};

/* Where packets go; for a hook, those it sees. */
enum way {
	WAY_IN = 1,		/* to addresses of ours */
	WAY_OUT = 2,		/* back to clients */
	WAY_BOTH = WAY_IN | WAY_OUT,
};

/* Address families as bpf_fib_lookup() wants them. */
enum fib_family {
	FIB_IPV4 = 2,
	FIB_IPV6 = 10,
};

/* An address as two words, in memory order. */
struct words {
	__u64 high, low;
};

/* One end of a flow. */
struct end {
	struct words address;
	__be16 port;
};

/* Who talks to whom. Holds no pointers, so that it can be handed to functions that are verified by themselves. */
struct tuple {
	struct end src, dst;
	__u32 bytes;		/* IP header and payload, as the IP header says */
	__u8 family;		/* 4 or 6 */
	__u8 protocol;
	__u8 flags;		/* enum tcp_bit; 0 for UDP */
	__u8 l3_offset;		/* of the IP header in the frame */
	__u8 plain_header;	/* IPv4 without options, or IPv6 */
	__u8 arrived;		/* it came in an outer header, to what scratch_outer says */
	__u8 pad[2];
};

/* Where its headers are. */
struct packet {
	struct ethhdr *l2;
	void *l3;		/* struct iphdr or struct ipv6hdr */
	void *l4;		/* struct tcphdr or struct udphdr */
	/* What the tuple says too; but that is handed to functions, behind which the verifier takes its word for nothing. */
	bool ipv6, tcp;
};

struct vlan_header {
	__be16 tci;
	__be16 type;
};

static __always_inline struct words words_of(const struct address *address)
{
	struct words words;

	__builtin_memcpy(&words, address->bytes, sizeof(words));
	return words;
}

static __always_inline struct words words_of_ipv4(__be32 ip)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (struct words){ 0, (__u64)ip << 32 | 0xffff0000 };
#else
	return (struct words){ 0, (__u64)0xffff << 32 | ip };
#endif
}

/* Words at any address: every machine that eBPF is compiled for loads and stores them unaligned. */
typedef __u64 __attribute__((may_alias)) packet_word;

static __always_inline struct words words_of_ipv6(const void *ip)
{
	const packet_word *word = ip;

	return (struct words){ word[0], word[1] };
}

static __always_inline void set_words(void *ip, struct words words)
{
	packet_word *word = ip;

	word[0] = words.high;
	word[1] = words.low;
}

static __always_inline __be32 ipv4_of(struct words words)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return words.low >> 32;
#else
	return (__u32)words.low;
#endif
}

/* 1 for an IPv4 address in the form that sockets give it (RFC 4291 §2.5.5.2). Computed, not branched on, see tag_length. */
static __always_inline __u64 is_mapped_ipv4(struct words words)
{
	__u64 other = words.high | (words.low ^ words_of_ipv4(ipv4_of(words)).low);

	return ~(other | -other) >> 63;
}

static __always_inline bool same_words(struct words a, struct words b)
{
	return a.low == b.low && a.high == b.high;
}

/* `payload`: bytes behind the IP header, as that says; a header that contradicts it is left alone. */
static __always_inline enum parsed parse_ports(struct packet *p, struct tuple *t, __u32 payload, void *end)
{
	if (t->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = p->l4;

		if ((void *)(tcp + 1) > end || tcp->doff < 5 || tcp->doff * 4 > payload)
			return PARSED_OTHER;
		t->src.port = tcp->source;
		t->dst.port = tcp->dest;
		t->flags = ((__u8 *)tcp)[13];
		p->tcp = true;
		return PARSED_FLOW;
	}
	if (t->protocol == IPPROTO_UDP) {
		struct udphdr *udp = p->l4;

		if ((void *)(udp + 1) > end || sizeof(*udp) > payload)
			return PARSED_OTHER;
		t->src.port = udp->source;
		t->dst.port = udp->dest;
		t->flags = 0;
		p->tcp = false;
		return PARSED_FLOW;
	}
	if (t->protocol == (t->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6))
		return PARSED_TUNNEL;
	return t->protocol == (t->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) ? PARSED_ODD : PARSED_OTHER;
}

static __always_inline enum parsed parse_ipv4(struct packet *p, struct tuple *t, void *l3, void *end)
{
	struct iphdr *ip = l3;
	__u32 header;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return PARSED_OTHER;
	header = ip->ihl * 4;
	t->bytes = bpf_ntohs(ip->tot_len);
	if (t->bytes < header)
		return PARSED_OTHER;
	p->ipv6 = false;
	t->family = 4;
	t->protocol = ip->protocol;
	t->plain_header = header == sizeof(*ip);
	t->src.address = words_of_ipv4(ip->saddr);
	t->dst.address = words_of_ipv4(ip->daddr);
	t->l3_offset = l3 - (void *)p->l2;
	p->l3 = l3;
	p->l4 = l3 + header;
	if (ip->frag_off & bpf_htons(0x3fff))
		return PARSED_ODD;
	return parse_ports(p, t, t->bytes - header, end);
}

static __always_inline enum parsed parse_ipv6(struct packet *p, struct tuple *t, void *l3, void *end)
{
	struct ipv6hdr *ip = l3;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return PARSED_OTHER;
	p->ipv6 = true;
	t->family = 6;
	t->protocol = ip->nexthdr;
	t->plain_header = true;
	t->bytes = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	t->src.address = words_of_ipv6(&ip->saddr);
	t->dst.address = words_of_ipv6(&ip->daddr);
	if (is_mapped_ipv4(t->src.address) | is_mapped_ipv4(t->dst.address))
		return PARSED_OTHER; /* nobody's on a wire, and an IPv4 one in our tables */
	t->l3_offset = l3 - (void *)p->l2;
	p->l3 = l3;
	p->l4 = ip + 1;
	switch (ip->nexthdr) {
	case IPPROTO_FRAGMENT:
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return PARSED_ODD;
	}
	return parse_ports(p, t, bpf_ntohs(ip->payload_len), end);
}

/* 4 behind an 802.1Q or 802.1ad tag, else 0. Computed, not branched on: one path for the verifier, not three. */
static __always_inline __u32 tag_length(__be16 type)
{
	__u32 untagged_q = type ^ bpf_htons(ETH_P_8021Q), untagged_ad = type ^ bpf_htons(ETH_P_8021AD);

	return ((untagged_q - 1) >> 31 | (untagged_ad - 1) >> 31) << 2;
}

static __always_inline enum parsed parse_l3(struct packet *p, struct tuple *t, void *l3, __be16 type, void *end)
{
	if (type == bpf_htons(ETH_P_IP))
		return parse_ipv4(p, t, l3, end);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(p, t, l3, end);
	return PARSED_OTHER;
}

/* Up to two VLAN tags; the tuple and where the headers are. Nothing of *p and *t counts unless the answer says so. */
static __always_inline enum parsed parse(struct packet *p, struct tuple *t, void *data, void *end)
{
	struct ethhdr *eth = data;
	void *l3 = eth + 1;
	__be16 type;

	if (l3 + 2 * sizeof(struct vlan_header) > end)
		return PARSED_OTHER; /* shorter than any header we read */
	if (eth->h_dest[0] & 1)
		return PARSED_OTHER; /* multicast or broadcast: not sent to us alone */
	p->l2 = eth;
	type = eth->h_proto;
#pragma unroll
	for (int tag = 0; tag < 2; tag++) {
		l3 += tag_length(type);
		if (l3 > end)
			return PARSED_OTHER;
		type = *(__be16 *)(l3 - 2);
	}
	return parse_l3(p, t, l3, type, end);
}
