// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * BPF_PROG_TEST_RUN hands one buffer to every repetition, so a program that rewrites would see its own output from the
 * second on. These wrappers keep the first frame, put it back each time with another source port, and tail-call the
 * program under test. The frame's last four bytes say how many flows there are, minus one: a power of two minus one.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { WORDS = 8, SOURCE_PORT = 34, FLOW_MASK = 60, FIRST_PORT = 1024 };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target_xdp SEC(".maps"), target_tc SEC(".maps");

static __u64 frame[WORDS];
static __u32 runs;

/* An IPv4 frame of 64 bytes. The upper bits of the flow's number go into the source address. */
static __always_inline int restore(void *data, void *end)
{
	__u64 *words = data;
	__u8 *bytes = data;
	__u32 flow;

	if (data + sizeof(frame) > end)
		return -1;
	if (!runs)
		for (int i = 0; i < WORDS; i++)
			frame[i] = words[i];
	for (int i = 0; i < WORDS; i++)
		words[i] = frame[i];
	flow = (runs++ * 2654435761u >> 3) & *(__u32 *)(bytes + FLOW_MASK);
	*(__u16 *)(bytes + SOURCE_PORT) = __builtin_bswap16(FIRST_PORT + (flow & 0x7fff));
	*(__u16 *)(bytes + SOURCE_PORT - 6) = flow >> 15;
	return 0;
}

SEC("xdp.frags")
int wrap_xdp(struct xdp_md *ctx)
{
	if (!restore((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		bpf_tail_call(ctx, &target_xdp, 0);
	return XDP_ABORTED;
}

SEC("tc")
int wrap_tc(struct __sk_buff *skb)
{
	if (!restore((void *)(long)skb->data, (void *)(long)skb->data_end))
		bpf_tail_call(skb, &target_tc, 0);
	return 2;
}

SEC("xdp.frags")
int empty_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int empty_tc(struct __sk_buff *skb)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
