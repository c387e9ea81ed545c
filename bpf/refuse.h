/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answer that nobody listens, made of the packet itself: a RST (RFC 9293 §3.10.7.1) or an ICMP port unreachable
 * (RFC 792, RFC 4443 §3.1). The hook resizes the frame between the two steps, because that moves it.
 */
#pragma once

#include "rewrite.h"

/* <linux/icmp.h> drags in the C library. */
struct icmphdr {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__u16 unused[2];
};

enum icmp_unreachable {
	ICMP_DEST_UNREACH = 3,
	ICMP_PORT_UNREACH = 3,
	ICMPV6_DEST_UNREACH = 1,
	ICMPV6_PORT_UNREACH = 4,
};

#define REFUSAL_TTL 64
#define QUOTE_IPV4 (sizeof(struct iphdr) + sizeof(struct udphdr))
#define QUOTE_IPV6 (sizeof(struct ipv6hdr) + sizeof(struct udphdr))

struct rst_ipv4 {
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed, aligned(4)));

struct rst_ipv6 {
	struct ipv6hdr ip;
	struct tcphdr tcp;
} __attribute__((packed, aligned(4)));

struct unreachable_ipv4 {
	struct iphdr ip;
	struct icmphdr icmp;
	__u8 quote[QUOTE_IPV4];
} __attribute__((packed, aligned(4)));

struct unreachable_ipv6 {
	struct ipv6hdr ip;
	struct icmphdr icmp;
	__u8 quote[QUOTE_IPV6];
} __attribute__((packed, aligned(4)));

/* The headers refused, and the answer to them. */
struct refusal {
	__u8 link[24];	/* Ethernet header and VLAN tags, l3_offset bytes */
	__u8 original[sizeof(struct ipv6hdr) + sizeof(struct tcphdr)];
	__u32 length;	/* of the answer from the IP header on; 0: none, leave the packet to the stack */
	union {
		struct rst_ipv4 rst4;
		struct rst_ipv6 rst6;
		struct unreachable_ipv4 unreachable4;
		struct unreachable_ipv6 unreachable6;
	} answer;
};

/* Too large for a stack shared with the caller's. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct refusal));
} scratch_refusal SEC(".maps");

static __always_inline struct refusal *refusal_buffer(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch_refusal, &zero);
}

static __always_inline __u64 sum_halves(const void *from, int bytes)
{
	const __u16 *half = from;
	__u64 sum = 0;

	barrier(); /* read memory: what was just written would not fit the stack */
#pragma unroll
	for (int i = 0; i < bytes / 2; i++)
		sum += half[i];
	return sum;
}

/* The pseudo-header of the answer: its ends are those of the packet, and a sum does not mind which is which. */
static __always_inline __u64 pseudo_sum(const struct tuple *t, __u8 family, __u8 protocol, __u16 length)
{
	__u64 sum = bpf_htons(protocol) + bpf_htons(length);

	if (family == 4)
		return sum + sum32(ipv4_of(t->src.address)) + sum32(ipv4_of(t->dst.address));
	return sum + sum_words(t->src.address) + sum_words(t->dst.address);
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct tuple *t, __u8 protocol, __u16 length)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(length);
	ip->frag_off = bpf_htons(0x4000); /* do not fragment */
	ip->ttl = REFUSAL_TTL;
	ip->protocol = protocol;
	ip->saddr = ipv4_of(t->dst.address);
	ip->daddr = ipv4_of(t->src.address);
	ip->check = ~fold(sum_halves(ip, sizeof(*ip)));
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct tuple *t, __u8 protocol, __u16 length)
{
	ip->version = 6;
	ip->payload_len = bpf_htons(length - sizeof(*ip));
	ip->nexthdr = protocol;
	ip->hop_limit = REFUSAL_TTL;
	__builtin_memcpy(&ip->saddr, &t->dst.address, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &t->src.address, sizeof(ip->daddr));
}

static __always_inline __u32 l3_length(const struct tuple *t)
{
	return t->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* With SUMMED_PARTIAL the device completes the sum. */
static __always_inline void write_rst(struct tcphdr *rst, const struct refusal *r, const struct tuple *t,
				      enum summed summed)
{
	__u64 pseudo = pseudo_sum(t, t->family, IPPROTO_TCP, sizeof(*rst));
	const struct tcphdr *tcp = (const void *)(r->original + l3_length(t));
	__u32 length = t->bytes - l3_length(t) - tcp->doff * 4;

	rst->source = tcp->dest;
	rst->dest = tcp->source;
	rst->doff = sizeof(*rst) / 4;
	rst->rst = 1;
	if (t->flags & TCP_ACK) {
		rst->seq = tcp->ack_seq;
	} else {
		length += !!(t->flags & TCP_SYN) + !!(t->flags & TCP_FIN);
		rst->ack = 1;
		rst->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + length);
	}
	if (summed == SUMMED_PARTIAL)
		rst->check = fold(pseudo);
	else
		rst->check = ~fold(pseudo + sum_halves(rst, sizeof(*rst)));
}

static __always_inline void refuse_tcp(struct refusal *r, const struct tuple *t, enum summed summed)
{
	if (t->flags & TCP_RST)
		return; /* never answered */
	if (t->family == 4) {
		r->length = sizeof(r->answer.rst4);
		write_rst(&r->answer.rst4.tcp, r, t, summed);
		write_ipv4(&r->answer.rst4.ip, t, IPPROTO_TCP, sizeof(r->answer.rst4));
	} else {
		r->length = sizeof(r->answer.rst6);
		write_rst(&r->answer.rst6.tcp, r, t, summed);
		write_ipv6(&r->answer.rst6.ip, t, IPPROTO_TCP, sizeof(r->answer.rst6));
	}
}

/*
 * With SUMMED_PARTIAL the device, if it sums at all, adds up from the ICMP header on and writes where UDP's checksum was:
 * into the unused word. A complemented sum makes the whole valid wherever it stands; what the device does not see, the
 * pseudo-header of ICMPv6, waits for it in that place.
 */
static __always_inline void refuse_udp(struct refusal *r, const struct tuple *t, enum summed summed)
{
	if (t->family == 4) {
		struct unreachable_ipv4 *u = &r->answer.unreachable4;

		r->length = sizeof(*u);
		u->icmp.type = ICMP_DEST_UNREACH;
		u->icmp.code = ICMP_PORT_UNREACH;
		__builtin_memcpy(u->quote, r->original, sizeof(u->quote));
		if (summed != SUMMED_PARTIAL)
			u->icmp.checksum = ~fold(sum_halves(&u->icmp, sizeof(*u) - sizeof(u->ip)));
		write_ipv4(&u->ip, t, IPPROTO_ICMP, sizeof(*u));
	} else {
		struct unreachable_ipv6 *u = &r->answer.unreachable6;
		__u32 payload = sizeof(*u) - sizeof(u->ip);
		__u64 pseudo;

		r->length = sizeof(*u);
		u->icmp.type = ICMPV6_DEST_UNREACH;
		u->icmp.code = ICMPV6_PORT_UNREACH;
		__builtin_memcpy(u->quote, r->original, sizeof(u->quote));
		pseudo = pseudo_sum(t, 6, IPPROTO_ICMPV6, payload);
		if (summed == SUMMED_PARTIAL)
			u->icmp.unused[1] = fold(pseudo);
		else
			u->icmp.checksum = ~fold(pseudo + sum_halves(&u->icmp, payload));
		write_ipv6(&u->ip, t, IPPROTO_ICMPV6, sizeof(*u));
	}
}

/*
 * Bounds a value as the verifier can follow it: in a register, and not by the one comparison of a difference the compiler
 * would make of the two, from which kernel 6.1 learns nothing.
 */
#define within(value, least, most)                 \
	({                                         \
		bool inside = false;               \
		barrier_var(value);                \
		if ((value) >= (least)) {          \
			barrier_var(value);        \
			inside = (value) <= (most); \
		}                                  \
		inside;                            \
	})

/* Length of the link header. */
static __always_inline __u32 link_length(const struct tuple *t)
{
	__u32 length = t->l3_offset;

	return within(length, sizeof(struct ethhdr), 22) ? length : sizeof(struct ethhdr);
}

/* Can somebody have sent from this address (RFC 1122 §3.2.1.3, RFC 4291 §2.5.2, §2.5.3, §2.7)? */
static __always_inline bool is_sender(const struct tuple *t)
{
	const __u8 *address = (const __u8 *)&t->src.address;

	if (t->family == 4)
		return address[12] != 0 && address[12] != 127 && address[12] < 224;
	return address[0] != 0xff && (t->src.address.high || t->src.address.low & ~bpf_cpu_to_be64(1));
}

/* How much of the packet the hook loads into `original`, from the IP header on; 0: this packet gets no answer. */
static __always_inline __u32 refusal_needs(const struct tuple *t)
{
	__u32 l4 = t->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);

	return t->plain_header && is_sender(t) ? l3_length(t) + l4 : 0;
}

/*
 * The answer to a packet nobody takes, made of the loaded headers: its length, or 0. The hook gives the frame the length
 * l3_offset + that, and stores it.
 */
static __always_inline __u32 refusal_of(struct refusal *r, const struct tuple *t, enum summed summed)
{
	__u8 mac[ETH_ALEN];
	__u32 length;

	__builtin_memset(&r->length, 0, sizeof(r->length) + sizeof(r->answer));
	__builtin_memcpy(mac, r->link, ETH_ALEN);
	__builtin_memcpy(r->link, r->link + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(r->link + ETH_ALEN, mac, ETH_ALEN);
	if (t->protocol == IPPROTO_TCP)
		refuse_tcp(r, t, summed);
	else
		refuse_udp(r, t, summed);
	length = r->length;
	return within(length, sizeof(r->answer.rst4), sizeof(r->answer)) ? length : 0;
}
