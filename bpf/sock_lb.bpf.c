// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sock: every process of a cgroup. The backend is chosen once, at connect() or sendmsg(), and the packets are plain
 * from then on. The socket's own storage remembers the VIP for whoever asks for the peer's name.
 */
#include "socket.h"

static __always_inline void remember(struct bpf_sock_addr *ctx, const struct end *vip, const struct choice *c)
{
	struct sock_origin *origin;

	if (!ctx->sk)
		return;
	origin = bpf_sk_storage_get(&sock_origins, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!origin)
		return;
	__builtin_memcpy(origin->vip_address.bytes, &vip->address, sizeof(vip->address));
	__builtin_memcpy(origin->backend_address.bytes, c->backend->address.bytes, sizeof(vip->address));
	origin->vip_port = vip->port;
	origin->backend_port = c->backend->port;
	origin->backend = c->id;
	origin->generation = c->backend->generation;
	origin->vip = c->vip_id;
}

/* A socket connected anew, and not through us, must be neither told of the VIP it had before nor severed for it. */
static __always_inline void forget(struct bpf_sock_addr *ctx)
{
	struct sock_origin *origin = ctx->sk ? bpf_sk_storage_get(&sock_origins, ctx->sk, NULL, 0) : NULL;

	if (origin)
		origin->backend_port = 0;
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct end target = user_end(ctx, ipv6), backend;
	__u8 protocol = protocol_of(ctx);
	struct choice c;

	choose_for_connect(ctx, &c, &target, protocol);
	if (!c.backend) {
		/* Refused, a UDP socket keeps the peer it had. */
		if (c.refused == ALLOW)
			forget(ctx);
		return c.refused;
	}
	backend.address = words_of(&c.backend->address);
	backend.port = c.backend->port;
	remember(ctx, &target, &c);
	count_flow(c.vip_id, c.id, 0, 0, true);
	count_verdict(VERDICT_TRANSLATED);
	sample_connection(HOOK_SOCK, protocol, &nobody, &target, c.vip_id, c.id);
	set_user_end(ctx, ipv6, &backend);
	return ALLOW;
}

/* Each datagram of an unconnected socket. */
static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct end target = user_end(ctx, ipv6), backend;
	struct datagram_key key = { .cookie = bpf_get_socket_cookie(ctx) };
	struct datagram_origin origin = {}, *known;
	struct choice c;

	choose_for_datagram(ctx, &c, &target, protocol_of(ctx), key.cookie);
	if (!c.backend)
		return c.refused;
	backend.address = words_of(&c.backend->address);
	backend.port = c.backend->port;
	__builtin_memcpy(key.address.bytes, &backend.address, sizeof(backend.address));
	key.port = backend.port;
	known = bpf_map_lookup_elem(&datagram_origins, &key);
	if (!known || known->vip_port != target.port || !same_words(words_of(&known->vip_address), target.address)) {
		__builtin_memcpy(origin.vip_address.bytes, &target.address, sizeof(target.address));
		origin.vip_port = target.port;
		bpf_map_update_elem(&datagram_origins, &key, &origin, BPF_ANY);
		count_flow(c.vip_id, c.id, 0, 0, true);
		sample_connection(HOOK_SOCK, IPPROTO_UDP, &nobody, &target, c.vip_id, c.id);
	}
	count_verdict(VERDICT_TRANSLATED);
	set_user_end(ctx, ipv6, &backend);
	return ALLOW;
}

/* The peer a socket sees is a backend it was given: name the VIP instead. */
static __always_inline bool name_of_connected(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct end peer = user_end(ctx, ipv6), vip;
	struct sock_origin *origin;

	if (!ctx->sk)
		return false;
	origin = bpf_sk_storage_get(&sock_origins, ctx->sk, NULL, 0);
	if (!origin || origin->backend_port != peer.port || !same_words(words_of(&origin->backend_address), peer.address))
		return false;
	vip.address = words_of(&origin->vip_address);
	vip.port = origin->vip_port;
	set_user_end(ctx, ipv6, &vip);
	return true;
}

static __always_inline void name_of_datagram(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct end peer = user_end(ctx, ipv6), vip;
	struct datagram_key key = { .cookie = bpf_get_socket_cookie(ctx), .port = peer.port };
	struct datagram_origin *origin;

	__builtin_memcpy(key.address.bytes, &peer.address, sizeof(peer.address));
	origin = bpf_map_lookup_elem(&datagram_origins, &key);
	if (!origin)
		return;
	vip.address = words_of(&origin->vip_address);
	vip.port = origin->vip_port;
	set_user_end(ctx, ipv6, &vip);
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, false);
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, true);
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, false);
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, true);
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx)
{
	if (!name_of_connected(ctx, false))
		name_of_datagram(ctx, false);
	return ALLOW;
}

SEC("cgroup/recvmsg6")
int sock_recvmsg6(struct bpf_sock_addr *ctx)
{
	if (!name_of_connected(ctx, true))
		name_of_datagram(ctx, true);
	return ALLOW;
}

SEC("cgroup/getpeername4")
int sock_getpeername4(struct bpf_sock_addr *ctx)
{
	name_of_connected(ctx, false);
	return ALLOW;
}

SEC("cgroup/getpeername6")
int sock_getpeername6(struct bpf_sock_addr *ctx)
{
	name_of_connected(ctx, true);
	return ALLOW;
}

static __always_inline struct bpf_sock *socket_of(struct __sk_buff *skb, const struct sock_query *q)
{
	struct words local = words_of(&q->local), remote = words_of(&q->remote);
	struct bpf_sock_tuple tuple = {};
	__u32 size = sizeof(tuple.ipv6);

	/* As a packet to the socket would have them; to the kernel IPv4 in IPv6 is IPv4. */
	if (same_words(words_of_ipv4(ipv4_of(remote)), remote)) {
		size = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = ipv4_of(remote);
		tuple.ipv4.daddr = ipv4_of(local);
		tuple.ipv4.sport = q->remote_port;
		tuple.ipv4.dport = q->local_port;
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &remote, sizeof(remote));
		__builtin_memcpy(tuple.ipv6.daddr, &local, sizeof(local));
		tuple.ipv6.sport = q->remote_port;
		tuple.ipv6.dport = q->local_port;
	}
	if (q->protocol == IPPROTO_TCP)
		return bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	return bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

/*
 * Never attached: user space runs it on a frame of queries, in the network namespace of the sockets. Storage cannot be
 * read from outside except through a descriptor of the socket itself.
 */
SEC("tc")
int sock_origins_of(struct __sk_buff *skb)
{
	for (int i = 0; i < SOCK_QUERIES; i++) {
		struct sock_query *q = (void *)(long)skb->data + sizeof(struct ethhdr) + i * sizeof(*q);
		struct sock_origin *origin;
		struct bpf_sock *sk;

		if ((void *)(q + 1) > (void *)(long)skb->data_end)
			break;
		sk = socket_of(skb, q);
		if (!sk)
			continue;
		origin = bpf_sk_storage_get(&sock_origins, sk, NULL, 0);
		if (origin)
			q->origin = *origin;
		bpf_sk_release(sk);
	}
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
