/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade while a caller's memory is looked at: it waits for the look, for as long as it
 * settles; and what is executed then has no children that it does not know.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "attach.h"
#include "control.h"
#include "faults.h"
#include "log.h"
#include "seats.h"
#include "suite.h"
#include "upgrade.h"

static const struct upgrade_above above = {control_hold, control_at_rest};
static char program[128];
static int checked;

static void on_checked(struct upgrade_waiter *waiter, int error, const char *reason)
{
	(void)waiter;
	(void)reason;
	checked = error;
}

/* Who is killed, in dying. */
static bool takes_its_time;

/* In the place of libc's. */
int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	bool whatever_it_takes = ms < 0 || (ms > 0 && takes_its_time);

	return (int)syscall(SYS_ppoll, fds, n, whatever_it_takes ? NULL : &limit, NULL, 0);
}

/* It says what a holdfastd of ours would. */
static void make_program(void)
{
	char abi[128];
	FILE *file;

	abi_line(abi, sizeof(abi));
	snprintf(program, sizeof(program), "%s/program", rig.dir);
	file = fopen(program, "we");
	REQUIRE(file != NULL);
	fprintf(file, "#!/bin/sh\necho '%s'\n", abi);
	(void)fclose(file);
	REQUIRE(chmod(program, 0755) == 0);
}

static void begin(void)
{
	static char name[] = "holdfastd";
	static char *argv[] = {name, NULL};

	faults_open();
	seats_begin(1);
	rig.conf.argv = argv;
	REQUIRE(attach_open(&rig.primary) == 0);
	REQUIRE(upgrade_open(&rig.primary, &above) == 0);
	make_program();
	checked = 1;
}

static void end(void)
{
	unlink(program);
	upgrade_close(&rig.primary);
	seats_end(1);
	faults_close();
}

static bool holds(void *primary)
{
	return ((const struct primary *)primary)->holding;
}

static bool due(void *primary)
{
	return upgrade_due(primary);
}

/* Within so long. It stops the loop then, too. */
static bool is_due(unsigned int ms)
{
	return rig_until(&rig, due, &rig.primary, ms) || upgrade_due(&rig.primary);
}

/* Here it is not executed in the end: there is no memory. */
static void one_that_looks_is_waited_for_and_gone_before_another_program_is_executed(void)
{
	struct upgrade_waiter waiter = {.checked = on_checked};
	const char *reason = "";
	uint64_t unique;

	begin();
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	CHECK_EQ(upgrade_start(&rig.primary, program, &waiter, &reason), 0);
	REQUIRE(rig_until(&rig, holds, &rig.primary, WAIT_MS));
	CHECK_EQ(checked, 0);
	CHECK(!is_due(20));
	/* As when that has taken too long. */
	rig.primary.looks.running = 0;
	CHECK(is_due(WAIT_MS));
	rig.primary.looks.running = 1;
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1000);
	takes_its_time = true;
	upgrade_execute(&rig.primary);
	takes_its_time = false;
	faults_disarm(NULL);
	CHECK(looker_is_buried(&(pid_t){lookers->last}));
	CHECK_EQ(rig.primary.looks.running, 0);
	/* And it is begun again. */
	CHECK(!rig.primary.holding);
	seat_is_answered(0, unique, 0);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(one_that_looks_is_waited_for_and_gone_before_another_program_is_executed,
		  "[U-4]"),
};

SUITE("cuse_upgrade", sentences)
