/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Why does my port pass no traffic?" as a list of steps. Facts are gathered first, by code that
 * talks and reads files; the steps only judge them, so that each can be tested with made-up facts.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stdbool.h>
#include <sys/stat.h>

#include "finding.h"
#include "ports.h"

#define DOCTOR_SAMPLE_MS 200 /* between the two looks at the rings */

/* A file as the path showed it; no link was followed. */
struct path_facts {
	int error; /* errno of lstat */
	mode_t mode;
	char owner[32], group[32];
	/* The directory it is in, where it can be seen. */
	char dir[108];
	mode_t dir_mode;
	bool dir_group; /* it is of the same group */
};

struct process_facts {
	char state; /* as in /proc/PID/stat; '?' unknown */
	int node;   /* NUMA node of the processor it last ran on; -1 unknown */
	char name[32];
};

/* Sums over one port's vrings, or its counters of one kind. */
struct counter_facts {
	uint64_t notification_errors;
	uint64_t dropped; /* all drop_ and break_ counters */
	char worst[64];	  /* the largest of them */
	uint64_t worst_value;
	uint64_t no_buffer; /* packets that found no buffer of the guest */
};

/* What is not known is zero, NULL or said to be missing by its flag. */
struct doctor_facts {
	const char *port_name;
	const char *trouble; /* the primary does not answer: why */
	const char *no_port; /* the primary answers, but not about this port: why */
	const pb_version *primary;
	const struct port_view *first, *second; /* the second one DOCTOR_SAMPLE_MS later */
	bool have_path;
	struct path_facts path;
	struct process_facts peer;
	bool have_secondaries;
	const pb_secondary *owner; /* NULL: not in the list */
	size_t nr_secondaries;
	struct process_facts owner_process;
	bool have_counters, have_later_counters;
	struct counter_facts counters, later_counters;
};

struct step {
	const char *name;
	/* Are the facts it judges there? NULL: always. */
	bool (*applies)(const struct doctor_facts *facts);
	void (*judge)(const struct doctor_facts *facts, struct finding *ret);
	int code; /* exit code when it is broken */
};

/* From the primary to the guest's buffers, in this order. */
extern const struct step doctor_port_steps[];
extern const size_t doctor_nr_port_steps;

/* Steps that judge packets in motion; their own file. */
void doctor_step_receive_buffers(const struct doctor_facts *facts, struct finding *ret);
void doctor_step_dequeue(const struct doctor_facts *facts, struct finding *ret);
void doctor_step_progress(const struct doctor_facts *facts, struct finding *ret);
void doctor_step_notifications(const struct doctor_facts *facts, struct finding *ret);
void doctor_step_drops(const struct doctor_facts *facts, struct finding *ret);

/* Does it answer? The first step of either command. */
void doctor_judge_primary(const char *trouble, const pb_version *version, struct finding *ret);

const pb_vring *doctor_vring(const struct port_view *view, uint32_t index);
/* Started and enabled: packets are meant to pass. */
bool doctor_in_use(const pb_vring *vring);

/*
 * Run the steps that apply, up to and with the first broken one. `findings` has room for all;
 * `ran[i]` is the step of findings[i]. Returns how many; the last is the broken one if any is.
 */
size_t doctor_walk(const struct step *steps, size_t nr_steps, const struct doctor_facts *facts,
		   struct finding *findings, const struct step **ran);

/* Gathering. */
void doctor_look_at_path(const char *path, struct path_facts *ret);
void doctor_look_at_process(int pid, struct process_facts *ret);
void doctor_count(const struct reply *stats, const char *port, struct counter_facts *ret);

/* One line on what stands in the way, from one look at the port alone. */
void doctor_verdict_line(struct output *out, const struct port_view *view);

/* The steps about the machine, for `doctor` without a port; they do not depend on each other. */
struct host_facts {
	const char *trouble;
	const pb_version *primary;
	const struct reply *health; /* NULL: not answered */
	uint64_t huge_total, huge_free, huge_bytes;
	bool have_limits;
	uint64_t memlock, open_files;
	bool have_kvm, kvm_usable;
	size_t nr_secondaries;
	bool have_secondaries;
};
struct host_step {
	const char *name;
	void (*judge)(const struct host_facts *facts, struct finding *ret);
};
extern const struct host_step doctor_host_steps[];
extern const size_t doctor_nr_host_steps;

void doctor_look_at_host(int primary_pid, struct host_facts *ret);

#endif
