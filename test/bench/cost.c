// SPDX-License-Identifier: Apache-2.0
/*
 * What one run of a packet program costs, in CPU time of this thread, so that what else the machine does counts less.
 *
 *   cost KEY=VALUE…    prints for each batch: ns of the wrapper with an empty program before it, ns with the program under
 *                      test, ns with the empty program behind it; and on a last line the verdict of the last run
 *
 * With an outer header the wrapper has to take it off again; its half of what a pair of bpf_xdp_adjust_head() costs counts
 * as its own.
 *
 * wrapper, hook (xdp or tc), target (a pinned program, or the name of one in the wrapper's object), frame (hex), flows, first, address, port, ipv6,
 * udp, outer: see plan.h; repeat: runs in a batch; batches: 0 only runs, for flows to be known; cpu; rival: a second CPU on which
 * the same program meanwhile has the flows behind these, -1 none.
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "fixtures/plan.h"

struct job {
	const char *wrapper, *hook, *target;
	struct plan plan;
	long repeat, batches;
	int cpu, rival;
};

/* A loaded wrapper in front of one program. */
struct wrapped {
	int program;
	unsigned char frame[FRAME_BYTES], out[512];
	unsigned verdict;
};

static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

static struct bpf_map *section(struct bpf_object *object, const char *suffix)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const char *name = bpf_map__name(map);

		if (strlen(name) >= strlen(suffix) && !strcmp(name + strlen(name) - strlen(suffix), suffix))
			return map;
	}
	errx(1, "the wrapper has no %s", suffix);
}

static int named(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	return program ? bpf_program__fd(program) : -1;
}

static struct wrapped wrap(const struct job *job, const struct plan *plan, const char *target)
{
	struct bpf_object *object = bpf_object__open_file(job->wrapper, NULL);
	struct wrapped wrapped = {};
	struct bpf_program *program;
	unsigned zero = 0;
	char wanted[32];
	int behind;

	if (!object)
		err(1, "%s", job->wrapper);
	snprintf(wanted, sizeof(wanted), "wrap_%s", job->hook);
	bpf_object__for_each_program(program, object) {
		const char *name = bpf_program__name(program);

		bpf_program__set_autoload(program, !strcmp(name, wanted) || !strcmp(name, target));
	}
	if (bpf_map__set_initial_value(section(object, ".rodata"), plan, sizeof(*plan)))
		errx(1, "the plan does not fit the wrapper's");
	if (bpf_object__load(object))
		err(1, "load of %s", job->wrapper);
	behind = *target == '/' ? bpf_obj_get(target) : named(object, target);
	if (behind < 0)
		err(1, "%s", target);
	if (bpf_map_update_elem(bpf_map__fd(bpf_object__find_map_by_name(object, "target")), &zero, &behind, 0))
		err(1, "%s behind the wrapper", target);
	wrapped.program = named(object, wanted);
	memcpy(wrapped.frame, plan->frame, FRAME_BYTES);
	return wrapped;
}

static double run(struct wrapped *wrapped, long repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = wrapped->frame, .data_size_in = FRAME_BYTES,
		    .data_out = wrapped->out, .data_size_out = sizeof(wrapped->out), .repeat = repeat);
	double start = cpu_now();

	if (bpf_prog_test_run_opts(wrapped->program, &options))
		err(1, "test run");
	wrapped->verdict = options.retval;
	return (cpu_now() - start) / repeat;
}

/* What the wrapper takes by itself. With an outer header one of the two adjustments is its own. */
static double floor_of(struct wrapped *empty, struct wrapped *outer, long repeat)
{
	double plain = run(empty, repeat);

	return outer ? (plain + run(outer, repeat)) / 2 : plain;
}

static atomic_int over;
static const struct job *rival_job;

static void *rival(void *unused)
{
	struct plan plan = rival_job->plan;
	struct wrapped wrapped;

	(void)unused;
	plan.first_flow += plan.flow_mask + 1;
	stay_on(rival_job->rival);
	wrapped = wrap(rival_job, &plan, rival_job->target);
	while (!over)
		run(&wrapped, 20000);
	return NULL;
}

static void hex(const char *text, unsigned char *bytes, size_t room)
{
	for (size_t i = 0; text[0] && text[1] && i < room; i++, text += 2)
		if (sscanf(text, "%2hhx", &bytes[i]) != 1)
			errx(1, "no hex: %s", text);
}

static void take(struct job *job, char *argument)
{
	char *value = strchr(argument, '=');

	if (!value)
		errx(1, "no KEY=VALUE: %s", argument);
	*value++ = 0;
	if (!strcmp(argument, "wrapper")) job->wrapper = value;
	else if (!strcmp(argument, "hook")) job->hook = value;
	else if (!strcmp(argument, "target")) job->target = value;
	else if (!strcmp(argument, "frame")) hex(value, job->plan.frame, FRAME_BYTES);
	else if (!strcmp(argument, "flows")) job->plan.flow_mask = atol(value) - 1;
	else if (!strcmp(argument, "first")) job->plan.first_flow = atol(value);
	else if (!strcmp(argument, "address")) job->plan.address_at = atol(value);
	else if (!strcmp(argument, "port")) job->plan.port_at = atol(value);
	else if (!strcmp(argument, "ipv6")) job->plan.ipv6 = atol(value);
	else if (!strcmp(argument, "udp")) job->plan.udp = atol(value);
	else if (!strcmp(argument, "outer")) job->plan.outer = atol(value);
	else if (!strcmp(argument, "repeat")) job->repeat = atol(value);
	else if (!strcmp(argument, "batches")) job->batches = atol(value);
	else if (!strcmp(argument, "cpu")) job->cpu = atol(value);
	else if (!strcmp(argument, "rival")) job->rival = atol(value);
	else errx(1, "unknown: %s", argument);
}

int main(int count, char **arguments)
{
	struct job job = { .repeat = 100000, .batches = 15, .rival = -1 };
	struct wrapped floor, outer, target, *around = NULL;
	pthread_t thread;
	char empty[32];
	double before;

	for (int i = 1; i < count; i++)
		take(&job, arguments[i]);
	stay_on(job.cpu);
	target = wrap(&job, &job.plan, job.target);
	if (!job.batches)
		run(&target, job.repeat);
	if (!job.batches)
		return 0;
	snprintf(empty, sizeof(empty), "empty_%s", job.hook);
	floor = wrap(&job, &job.plan, empty);
	if (job.plan.outer) {
		outer = wrap(&job, &job.plan, "outer_xdp");
		around = &outer;
	}
	run(&target, job.repeat); /* warm */
	rival_job = &job;
	if (job.rival >= 0 && pthread_create(&thread, NULL, rival, NULL))
		errx(1, "no second thread");
	before = floor_of(&floor, around, job.repeat);
	for (long i = 0; i < job.batches; i++) {
		double whole = run(&target, job.repeat), behind = floor_of(&floor, around, job.repeat);

		printf("%.2f %.2f %.2f\n", before, whole, behind);
		before = behind;
	}
	over = 1;
	if (job.rival >= 0)
		pthread_join(thread, NULL);
	printf("%d\n", (int)target.verdict);
	return 0;
}
