/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/succession/upgrade.h: what the next program is told of the holder, and what keeps a
 * primary from becoming one. How it goes on is in e2e/primary_upgrade.
 */
#include "abi.h"
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "control.h"
#include "faults.h"
#include "fd_ledger.h"
#include "holder.h"
#include "journal.h"
#include "log.h"
#include "primary_rig.h"
#include "program.h"
#include "store.h"
#include "suite.h"

static const struct upgrade_above above = {control_hold, control_at_rest};
static struct rig rig;
static struct primary *p = &rig.primary;
static struct holder holder;
static char program[128];
static int checked;
static int open_before;

static void on_checked(struct upgrade_waiter *waiter, int error, const char *reason)
{
	(void)waiter;
	(void)reason;
	checked = error;
}

static struct upgrade_waiter waiter = {.checked = on_checked};

/* It says what a holdfastd of ours would; executed, it writes down whom it would speak to. */
static void make_program(void)
{
	char abi[128];
	FILE *file;

	abi_line(abi, sizeof(abi));
	snprintf(program, sizeof(program), "%s/program", rig.dir);
	file = fopen(program, "we");
	REQUIRE(file != NULL);
	fprintf(file,
		"#!/bin/sh\n[ $# = 0 ] && echo \"to $NOTIFY_SOCKET$HOLDFAST_KEEPER_LOST\" "
		">%s.said\necho '%s'\n",
		program, abi);
	fclose(file);
	REQUIRE(chmod(program, 0755) == 0);
}

static void begin(void)
{
	static char name[] = "holdfastd";
	static char *argv[] = {name, NULL};

	open_before = fds_open();
	holder_open(&holder);
	rig_open(&rig);
	rig.conf.argv = argv;
	REQUIRE(store_open(p->loop, &p->store) == 0);
	REQUIRE(store_put(p->store, STORE_DIRECTORY, 'd', p->directory_memory.fd) == 0);
	REQUIRE(journal_create(p) == 0);
	REQUIRE(upgrade_open(p, &above) == 0);
	REQUIRE(attach_open(p) == 0 && control_open(p) == 0);
	REQUIRE(store_keeps(p->store) == STORE_KEEPS);
	make_program();
	checked = 1;
	hf_log_set_level(0);
}

static void end(void)
{
	unlink(program);
	control_close(p);
	attach_close(p);
	upgrade_close(p);
	journal_close(p);
	store_close(p->store);
	p->store = NULL;
	rig_close(&rig);
	holder_close(&holder);
	CHECK_EQ(fds_open(), open_before);
}

static void holder_goes(void)
{
	if (holder.socket >= 0)
		(void)shutdown(holder.socket, SHUT_RDWR); /* the other process has it as well */
	close(holder.socket);
	holder.socket = -1;
}

static int start(void)
{
	const char *reason = "";

	return upgrade_start(p, program, &waiter, &reason);
}

/* Until the loop was stopped for it. */
static void settle(void)
{
	CHECK_EQ(start(), 0);
	for (int i = 0; i < 200 && !upgrade_due(p); i++)
		rig_until(&rig, NULL, NULL, 100);
	CHECK_EQ(checked, 0);
	REQUIRE(upgrade_due(p));
}

/* What the next program finds in $NOTIFY_SOCKET; this process stays what it is. */
static const char *becomes(bool holder_gone)
{
	static char line[160];
	char path[160];
	FILE *file;
	pid_t pid;

	settle();
	pid = fork();
	if (pid == 0) {
		if (holder_gone)
			holder_goes();
		upgrade_execute(p);
		_exit(2);
	}
	REQUIRE(pid > 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	snprintf(path, sizeof(path), "%s.said", program);
	file = fopen(path, "re");
	REQUIRE(file && fgets(line, sizeof(line), file));
	fclose(file);
	unlink(path);
	return line;
}

static void the_next_program_speaks_to_the_same_holder(void)
{
	char expected[160];

	begin();
	snprintf(expected, sizeof(expected), "to %s\n", getenv("NOTIFY_SOCKET"));
	CHECK(strcmp(becomes(false), expected) == 0);
	end();
}

/* What is said to it, behind its address: somebody may listen there again, who has other things by
 * our names. */
static const char *lost(void)
{
	static char expected[160];

	snprintf(expected, sizeof(expected), "to %s1\n", getenv("NOTIFY_SOCKET"));
	return expected;
}

static void one_that_was_lost_is_lost_to_it_as_well(void)
{
	begin();
	holder_goes();
	store_notify(p->store, "STATUS=serving");
	REQUIRE(store_keeps(p->store) == STORE_LOST);
	CHECK(strcmp(becomes(true), lost()) == 0);
	end();
}

static void so_is_one_that_goes_at_the_last_moment(void)
{
	begin();
	REQUIRE(store_keeps(p->store) == STORE_KEEPS);
	CHECK(strcmp(becomes(true), lost()) == 0);
	end();
}

static void whoever_ends_becomes_no_other_program(void)
{
	begin();
	settle();
	CHECK(p->holding);
	upgrade_forbid(p);
	CHECK(!upgrade_due(p) && !p->holding);
	CHECK_EQ(start(), -ESHUTDOWN);
	end();
}

/* In a child, since it may succeed. What the try has come to there. */
static int failed_with(void (*spoil)(void))
{
	struct upgrade_status status;
	int code = 0;
	pid_t pid;

	settle();
	pid = fork();
	if (pid == 0) {
		spoil();
		upgrade_execute(p);
		faults_disarm(NULL);
		upgrade_status(p, &status);
		_exit(p->holding || !*status.reason ? 0 : -status.error);
	}
	REQUIRE(pid > 0);
	CHECK_EQ(waitpid(pid, &code, 0), pid);
	CHECK(WIFEXITED(code));
	upgrade_forbid(p);
	return WEXITSTATUS(code);
}

static void no_listener_is_kept(void)
{
	p->journal->header->attach_listener.number = 0;
}

static void no_memory_is_left(void)
{
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1000);
}

static void the_program_is_replaced(void)
{
	(void)chmod(program, 0700);
	unlink(program);
}

static void what_cannot_be_handed_on_leaves_a_primary_that_serves(void)
{
	begin();
	faults_open();
	CHECK_EQ(failed_with(no_listener_is_kept), EMFILE);
	faults_close();
	end();
	begin();
	faults_open();
	CHECK_EQ(failed_with(no_memory_is_left), ENOMEM);
	faults_close();
	end();
	begin();
	faults_open();
	CHECK_EQ(failed_with(the_program_is_replaced), ESTALE);
	faults_close();
	end();
}

static void whoever_waits_for_the_look_is_told_when_the_primary_ends(void)
{
	begin();
	CHECK_EQ(start(), 0);
	upgrade_forbid(p);
	CHECK_EQ(checked, -ESHUTDOWN);
	CHECK_EQ(start(), -ESHUTDOWN);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(the_next_program_speaks_to_the_same_holder),
	SENTENCE(one_that_was_lost_is_lost_to_it_as_well),
	SENTENCE(so_is_one_that_goes_at_the_last_moment),
	SENTENCE(whoever_ends_becomes_no_other_program),
	SENTENCE(what_cannot_be_handed_on_leaves_a_primary_that_serves),
	SENTENCE(whoever_waits_for_the_look_is_told_when_the_primary_ends),
};
SUITE("upgrade", sentences)
