/* SPDX-License-Identifier: Apache-2.0 */
/* primary/supervise/primary_child.h: what a primary's words make of it. */
#include <signal.h>
#include <stdio.h>

#include "clock.h"
#include "primary_child.h"
#include "suite.h"
#include "supervise_keep.h"

static struct primary_child child;
static int firsts;

static void on_ready_first(struct primary_child *primary)
{
	(void)primary;
	firsts++;
}

static void begin(void)
{
	firsts = 0;
	child = (struct primary_child){.keep = keep_create(10),
				       .ready_first = on_ready_first,
				       .running.limit_ns = NS_PER_S,
				       .starting.limit_ns = NS_PER_S};
	REQUIRE(child.keep != NULL);
}

static void hear(const char *text)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", text);
	primary_child_said(&child, copy, NULL, 0);
}

static void one_that_says_so_is_ready(void)
{
	begin();
	hear("STATUS=resuming");
	CHECK(!child.ready);
	hear("READY=1\nSTATUS=serving");
	CHECK(child.ready);
	CHECK_EQ(firsts, 1);
	hear("RELOADING=1");
	CHECK(!child.ready && child.reloading);
	hear("READY=1");
	CHECK(child.ready && !child.reloading);
	CHECK_EQ(firsts, 1);
	keep_destroy(child.keep);
}

static int told; /* how the supervisor ends */

static void on_ended(struct primary_child *primary, int status)
{
	(void)primary;
	told = status;
}

/* How the supervisor ends, whose primary dies of that signal when it is told to end. */
static int end_by(int number, bool ready)
{
	begin();
	primary_child_begin(&child);
	child.ended = on_ended;
	child.ready = ready;
	child.ending = true;
	told = -1;
	child.child.died(&child.child, number);
	keep_destroy(child.keep);
	return told;
}

static void one_that_is_told_to_end_before_it_listens_ends_well(void)
{
	CHECK_EQ(end_by(SIGTERM, false), 0);
	CHECK_EQ(end_by(SIGINT, false), 0);
	CHECK_EQ(end_by(SIGHUP, false), 0);
	CHECK_EQ(end_by(SIGTERM, true), 128 + SIGTERM);
	CHECK_EQ(end_by(SIGKILL, false), 128 + SIGKILL);
	CHECK_EQ(end_by(SIGSEGV, false), 128 + SIGSEGV);
}

static void one_whose_word_was_lost_is_ready_by_its_next_sign(void)
{
	begin();
	hear("WATCHDOG=1");
	CHECK(child.ready);
	CHECK_EQ(firsts, 1);
	hear("RELOADING=1"); /* and it could not, and could not say so */
	hear("WATCHDOG=1");
	CHECK(child.ready && !child.reloading);
	keep_destroy(child.keep);
}

static const struct sentence sentences[] = {
	SENTENCE(one_that_says_so_is_ready),
	SENTENCE(one_that_is_told_to_end_before_it_listens_ends_well),
	SENTENCE(one_whose_word_was_lost_is_ready_by_its_next_sign),
};
SUITE("primary_child", sentences)
