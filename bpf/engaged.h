/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Does this data plane take new connections, or another one that serves beside it? */
#pragma once

#include "conn.h"
#include "opening.h"

static __always_inline bool engaged(void)
{
	struct settings *s = settings_now();

	return s && s->engaged;
}

/*
 * Is a packet ours to choose a backend for? `word` is its flow's entry, where that has no good backend, or 0. An entry that
 * never named one was made by tc_leave.
 */
static __always_inline bool takes(const struct tuple *t, __u64 word)
{
	struct settings *s = settings_now();

	if (!s || s->engaged != ENGAGED_OPENING)
		return s && s->engaged;
	return word ? flow_backend(word) : opens_connection(t);
}
