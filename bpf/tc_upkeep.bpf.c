// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Never attached: programs that user space runs itself, where its own hands would be too slow or would race with packets.
 */
#include "conn.h"
#include "exact_flow.h"

/*
 * For a frame of keys of exact_flows that user space takes for expired. Only what still is goes; how many did is the answer.
 */
SEC("tc")
int tc_expire(struct __sk_buff *skb)
{
	struct exact *e = exact_now();
	int gone = 0;

	if (!e)
		return 0;
	for (int i = 0; i < EXACT_QUERIES; i++) {
		struct exact_key *key = (void *)(long)skb->data + sizeof(struct ethhdr) + i * sizeof(*key);
		struct exact_flow *flow;

		if ((void *)(key + 1) > (void *)(long)skb->data_end)
			break;
		__builtin_memcpy(&e->doomed, key, sizeof(*key));
		flow = exact_flow_of(&e->doomed);
		if (flow && exact_expired(flow))
			gone += exact_remove();
	}
	return gone;
}

/*
 * For a frame of flows that another data plane carries. Those without an entry get one that names no backend: while that plane
 * goes on they are left to it, though nothing in their packets says that they go on.
 */
SEC("tc")
int tc_leave(struct __sk_buff *skb)
{
	for (int i = 0; i < LEFT_FLOWS; i++) {
		struct left_flow *flow = (void *)(long)skb->data + sizeof(struct ethhdr) + i * sizeof(*flow);
		struct end client, vip;
		__u64 hash;

		if ((void *)(flow + 1) > (void *)(long)skb->data_end)
			break;
		client = (struct end){ words_of(&flow->client), flow->client_port };
		vip = (struct end){ words_of(&flow->vip), flow->vip_port };
		hash = flow_hash(&client, &vip, flow->protocol, is_mapped_ipv4(vip.address) ? 4 : 6);
		if (!flow_find_anywhere(hash))
			flow_insert(hash, flow_tag(hash) << FLOW_TAG_SHIFT | (__u64)FLOW_ESTABLISHED << FLOW_STATE_SHIFT |
						  flow_age_now());
	}
	return 0;
}

/* Kernel ticks, for user space to measure how many make a second. */
SEC("tc")
int tc_ticks(struct __sk_buff *skb)
{
	return bpf_jiffies64() & 0x7fffffff;
}

char _license[] SEC("license") = "Dual BSD/GPL";
