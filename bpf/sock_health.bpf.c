// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * health: how the connections of translated TCP sockets begin, for each backend. Called for every TCP socket of the
 * cgroup: one that connects elsewhere pays a lookup at that, one that was accepted nothing but the calls.
 */
#include <linux/errno.h>

#include "config.h"
#include "maps.h"

#define NS_PER_US 1000
#define NS_PER_SECOND 1000000000ULL

/* What a socket failed with is known to the kernel alone. */
struct sock___failed {
	int sk_err;
} __attribute__((preserve_access_index));

/* 0 for what the owner of the socket did itself. */
static __always_inline int error_of(struct bpf_sock *sk)
{
	struct sock___failed *failed = (void *)bpf_skc_to_tcp_sock(sk);

	return failed ? failed->sk_err : 0;
}

static __always_inline void on_begin(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct sock_origin *origin;

	if (!sk)
		return;
	origin = bpf_sk_storage_get(&sock_origins, sk, NULL, 0);
	if (!origin)
		return;
	if (!origin->backend_port) {
		origin->since = 0;
		return;
	}
	origin->since = bpf_ktime_get_ns();
	origin->tried = origin->backend;
	origin->tried_generation = origin->generation;
	/* Others may have set theirs, and may want this one: it is never taken away. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* NULL when the backend is gone and its id another's. */
static __always_inline struct connects *connects_of(const struct sock_origin *origin)
{
	__u32 id = origin->tried;
	struct backend *backend = bpf_map_lookup_elem(&backends, &id);

	if (!backend || backend->generation != origin->tried_generation)
		return NULL;
	return bpf_map_lookup_elem(&backend_connects, &id);
}

static __always_inline __u32 bucket_of(__u64 us)
{
	__u32 bucket = 0;

	us >>= CONNECT_BUCKET_SHIFT;
	for (; us && bucket < CONNECT_BUCKETS - 1; us >>= 1)
		bucket++;
	return bucket;
}

/* Of two CPUs at once one may go unheard: it is an average. */
static __always_inline __u64 averaged(__u64 before, __u64 took)
{
	return before ? before + ((__s64)(took - before) >> 3) : took;
}

static __always_inline void connected(struct connects *c, __u64 took)
{
	__u32 bucket = bucket_of(took / NS_PER_US);

	__sync_fetch_and_add(&c->connected, 1);
	__sync_fetch_and_add(&c->latency, took);
	if (bucket < CONNECT_BUCKETS)
		__sync_fetch_and_add(&c->bucket[bucket], 1);
	c->recent = averaged(c->recent, took);
	if (c->failing)
		c->failing = 0;
}

static __always_inline void failed(struct connects *c, __u64 *count)
{
	__sync_fetch_and_add(count, 1);
	__sync_fetch_and_add(&c->failing, 1);
}

/* An owner that closes before there is an answer has not waited if it was less than a second: SYNs are repeated then. */
static __always_inline void not_connected(struct connects *c, int error, __u64 took)
{
	if (error == ECONNREFUSED)
		failed(c, &c->refused);
	else if (error == ETIMEDOUT || (!error && took >= NS_PER_SECOND))
		failed(c, &c->timed_out);
	else if (error && error != ECONNABORTED)
		failed(c, &c->unreachable);
	else
		__sync_fetch_and_add(&c->abandoned, 1);
}

static __always_inline void on_change(struct bpf_sock_ops *ctx)
{
	__u32 before = ctx->args[0], after = ctx->args[1];
	struct bpf_sock *sk = ctx->sk;
	struct sock_origin *origin;
	struct connects *c;
	__u64 now, took;

	if (!sk)
		return;
	origin = bpf_sk_storage_get(&sock_origins, sk, NULL, 0);
	if (!origin || !origin->since)
		return;
	now = bpf_ktime_get_ns();
	took = now - origin->since;
	origin->since = after == BPF_TCP_ESTABLISHED ? now : 0;
	c = connects_of(origin);
	if (!c)
		return;
	if (after == BPF_TCP_ESTABLISHED)
		connected(c, took);
	else if (before == BPF_TCP_SYN_SENT)
		not_connected(c, error_of(sk), took);
	else if (before == BPF_TCP_ESTABLISHED && took < NS_PER_SECOND && error_of(sk) == ECONNRESET)
		__sync_fetch_and_add(&c->reset, 1);
}

SEC("sockops")
int sock_outcome(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		on_begin(ctx);
	else if (ctx->op == BPF_SOCK_OPS_STATE_CB)
		on_change(ctx);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
