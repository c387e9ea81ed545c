/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings fixed at load, in .rodata: the verifier takes them for constants and drops what they rule out. */
#pragma once

#include "lb.h"

const volatile __u32 vip_set_mask = 0;		/* sets in vip_sets - 1 */
const volatile __u32 reply_set_mask = 0;
const volatile __u32 arrival_set_mask = 0;
const volatile __u32 flow_set_mask = 0;
const volatile __u32 old_flow_set_mask = 0;	/* of old_flows; 0: there are none */
const volatile struct flow_layout old_flow_layout = {};
const volatile __u32 set_seed = 0;		/* copies of what the settings map keeps */
const volatile __u64 flow_seed = 0;
const volatile __u32 age_shift = 12;		/* jiffies >> age_shift is the flow age: units of about 16 s */
const volatile __u32 second_shift = 8;		/* jiffies >> second_shift is about one second */
const volatile __u32 hz = 250;			/* jiffies in a second */
const volatile __u64 node_namespace = 0;	/* cookie of the network namespace of the node itself */
const volatile __u32 sample_connections = 0;	/* one in so many new connections makes an event; 0: none */
const volatile __u32 old_exact = 0;		/* are there old_exact_flows and old_exact_answers? */
const volatile __u32 exact_unproven_mask = 0;	/* entries in exact_unproven - 1 */
const volatile __u32 nat_port_first = 0;	/* of the ports that full NAT takes for the client's; in host order */
const volatile __u32 nat_ports = 0;		/* how many there are */
const volatile __u32 events_per_second = 256;	/* of each CPU, of the other kinds */

/*
 * Types that no map mentions: naming them in a variable keeps them in the BTF, where user space finds their layout and
 * compares their values with the ones it was built with.
 */
const volatile struct {
	struct event record;
	struct sock_query query;
	struct left_flow left;
	enum lb_size size;
	enum id_set_special id_set;
	enum forward_mode forward_mode;
	enum vip_state vip;
	enum schedule schedule;
	enum vip_flags vip_flags;
	enum source_kind source;
	enum backend_state backend;
	enum flow_bits flow_bits;
	enum flow_state flow;
	enum flow_idle flow_idle;
	enum exact_state exact_state;
	enum exact_timeout exact_timeout;
	enum verdict verdict;
	enum event_kind event;
	enum event_hook hook;
	enum engagement engagement;
	__u32 pad;
} lb_types = {};
