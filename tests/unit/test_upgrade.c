/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/upgrade.h: what keeps a primary from becoming another program. That it becomes one is in
 * e2e/primary_upgrade.
 */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "control.h"
#include "fd_ledger.h"
#include "holder.h"
#include "journal.h"
#include "log.h"
#include "primary_rig.h"
#include "program.h"
#include "store.h"
#include "suite.h"

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

/* It says what a holdfastd of ours would; executed, it would say so and end with 1. */
static void make_program(void)
{
	char abi[128];
	FILE *file;

	program_abi(abi, sizeof(abi));
	snprintf(program, sizeof(program), "%s/program", rig.dir);
	file = fopen(program, "we");
	REQUIRE(file != NULL);
	fprintf(file, "#!/bin/sh\necho '%s'\nexit $((1 - $#))\n", abi);
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
	REQUIRE(upgrade_open(p) == 0);
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
	for (int i = 0; i < 100 && !upgrade_due(p); i++)
		rig_until(&rig, NULL, NULL, 100);
	CHECK_EQ(checked, 0);
	REQUIRE(upgrade_due(p));
}

static void a_holder_that_is_gone_is_named_at_once(void)
{
	const char *reason = "";

	begin();
	holder_goes();
	store_notify(p->store, "STATUS=serving");
	REQUIRE(store_keeps(p->store) == STORE_LOST);
	CHECK_EQ(upgrade_start(p, program, &waiter, &reason), -ENOTCONN);
	CHECK(strstr(reason, "nobody keeps our descriptors") && strstr(reason, "restart"));
	end();
}

/* Found out by the last thing that is told it. Went it on, this test would be another program. */
static void one_that_goes_at_the_last_moment_is_named_as_well(void)
{
	struct upgrade_status status;

	begin();
	settle();
	holder_goes();
	upgrade_execute(p);
	upgrade_status(p, &status);
	CHECK_EQ(status.error, -ENOTCONN);
	CHECK(strstr(status.reason, "nobody keeps our descriptors") != NULL);
	CHECK(!status.under_way && !upgrade_due(p) && !p->holding);
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

static const struct sentence sentences[] = {
	SENTENCE(a_holder_that_is_gone_is_named_at_once),
	SENTENCE(one_that_goes_at_the_last_moment_is_named_as_well),
	SENTENCE(whoever_ends_becomes_no_other_program),
};
SUITE("upgrade", sentences)
