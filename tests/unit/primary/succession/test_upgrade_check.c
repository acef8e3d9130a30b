/* SPDX-License-Identifier: Apache-2.0 */
/* primary/succession/upgrade_check.h: the judgement. What is done to the programs is in
 * e2e/primary_upgrade.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "clock.h"
#include "fd_ledger.h"
#include "journal_layout.h"
#include "loop.h"
#include "program.h"
#include "suite.h"
#include "upgrade_check.h"

static char reason[256];

static int judge(const char *format, const char *ours)
{
	char said[512];

	snprintf(said, sizeof(said), "%s%s", format, ours);
	reason[0] = '\0';
	return upgrade_check_judge(said, reason, sizeof(reason));
}

static const char *ours(void)
{
	static char line[128];

	abi_line(line, sizeof(line));
	return line;
}

static void our_own_line_will_do_wherever_it_stands(void)
{
	char with_end[160];

	CHECK_EQ(judge("", ours()), 0);
	snprintf(with_end, sizeof(with_end), "%s\n", ours());
	CHECK_EQ(judge("", with_end), 0);
	CHECK_EQ(judge("warning: something\n", with_end), 0);
	/* A later release that can take over from this one says so on a line of its own. */
	CHECK_EQ(judge("abi 9 journal 9\n", with_end), 0);
}

static void the_first_difference_is_named(void)
{
	char ours_so_far[64], other_journal[64];

	snprintf(other_journal, sizeof(other_journal), "abi %u journal 4294967294 port-record 1",
		 HF_ABI_MAJOR);
	snprintf(ours_so_far, sizeof(ours_so_far), "abi %u journal %u", HF_ABI_MAJOR,
		 JOURNAL_VERSION);
	CHECK_EQ(judge("abi 4294967295 journal 1", ""), -EPROTO);
	CHECK(strstr(reason, "abi 4294967295") && strstr(reason, "shared memory"));
	CHECK_EQ(judge(other_journal, ""), -EPROTO);
	CHECK(strstr(reason, "journal 4294967294"));
	CHECK_EQ(judge(ours_so_far, ""), -EPROTO);
	CHECK(strstr(reason, "port-record 0"));
	CHECK_EQ(judge("journal 1 abi 4294967294\nabi 4294967295 journal 1", ""), -EPROTO);
	CHECK(strstr(reason, "abi 4294967295"));
}

static void more_than_our_line_is_another_one(void)
{
	char more[200];

	snprintf(more, sizeof(more), "%s colour 3", ours());
	CHECK_EQ(judge("", more), -EPROTO);
	CHECK(strlen(reason) > 0);
}

static void what_is_no_such_line_is_no_holdfastd(void)
{
	static const char *const texts[] = {"",
					    "\n",
					    "abi",
					    "abi\n1",
					    "ABI 1 journal 1",
					    "\x7f"
					    "ELF",
					    " abi 1",
					    "abi1 2",
					    "%s%n%s"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CHECK_EQ(judge(texts[i], ""), -EBADMSG);
		CHECK(strstr(reason, "--abi") != NULL);
	}
}

static void what_cannot_be_started_is_refused_at_once(void)
{
	static const struct {
		const char *path;
		int error;
	} files[] = {
		{"", -EINVAL},		{"holdfastd", -EINVAL},	   {"/", -EACCES},
		{"/dev/null", -EACCES}, {"/nonexistent", -ENOENT}, {"/etc/passwd/x", -ENOTDIR}};
	static struct upgrade_check check;
	struct loop *loop = loop_create();
	char *argv[] = {(char *)(uintptr_t) "holdfastd", NULL};
	char path[5000];
	int open = fds_open();
	const char *why;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		why = NULL;
		CHECK_EQ(upgrade_check_start(&check, loop, files[i].path, argv, &why),
			 files[i].error);
		CHECK(why && strlen(why) > 20);
	}
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	CHECK_EQ(upgrade_check_start(&check, loop, path, argv, &why), -EINVAL);
	CHECK_EQ(fds_open(), open);
	loop_destroy(loop);
}

/* --- programs that are no holdfastd */

static struct upgrade_check check;
static struct loop *loop;
static char program[64];
static bool checked;
static int judged;

static void on_checked(struct upgrade_check *of, int error, const char *why)
{
	(void)of;
	checked = true;
	judged = error;
	snprintf(reason, sizeof(reason), "%s", why);
	loop_stop(loop);
}

static void begin(const char *script)
{
	FILE *file;

	checked = false;
	judged = 1;
	loop = loop_create();
	REQUIRE(loop != NULL);
	check = (struct upgrade_check){.done = on_checked};
	strcpy(program, "/tmp/holdfast-test-XXXXXX");
	REQUIRE(mkdtemp(program) != NULL);
	strcat(program, "/program");
	file = fopen(program, "we");
	REQUIRE(file != NULL);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	REQUIRE(chmod(program, 0755) == 0);
}

static void end(void)
{
	upgrade_check_close(&check);
	upgrade_check_forget(&check);
	loop_destroy(loop);
	unlink(program);
	*strrchr(program, '/') = '\0';
	CHECK_EQ(rmdir(program), 0);
}

static int start(const char **ret_why)
{
	static char name[] = "holdfastd";
	static char *argv[] = {name, NULL};

	*ret_why = NULL;
	return upgrade_check_start(&check, loop, program, argv, ret_why);
}

static void give_up(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* What becomes of a look at one that does this. */
static int look_at(const char *script)
{
	struct loop_timer late = {.fire = give_up};
	const char *why;

	begin(script);
	CHECK_EQ(start(&why), 0);
	REQUIRE(loop_timer_set(loop, &late, 20 * NS_PER_S) == 0);
	CHECK_EQ(loop_run(loop), 0);
	CHECK(checked);
	end();
	return judged;
}

static void how_a_program_ends_says_what_it_is(void)
{
	CHECK_EQ(look_at("exit 3"), -EBADMSG);
	CHECK(strstr(reason, "status 3") != NULL);
	CHECK_EQ(look_at("kill -KILL $$"), -EBADMSG);
	CHECK(strstr(reason, "signal 9") != NULL);
	CHECK_EQ(look_at("kill -SYS $$"), -EPERM);
	CHECK(strstr(reason, "filter") != NULL);
	CHECK_EQ(look_at("printf 'a\\0b'"), -EBADMSG);
}

static void one_that_is_being_written_is_not_started(void)
{
	const char *why;
	int fd;

	begin("exit 0");
	fd = open(program, O_WRONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_EQ(start(&why), -ETXTBSY);
	CHECK(why && strstr(why, "written") != NULL);
	close(fd);
	CHECK_EQ(start(&why), 0);
	end();
}

static bool is_over(void)
{
	struct loop_timer late = {.fire = give_up};

	for (int i = 0; i < 2000 && check.pid; i++) {
		REQUIRE(loop_timer_set(loop, &late, 10 * NS_PER_MS) == 0);
		CHECK_EQ(loop_run(loop), 0);
	}
	return !check.pid;
}

static void one_that_was_given_up_says_nothing_and_is_waited_for(void)
{
	const char *why;

	begin("exec sleep 60");
	CHECK_EQ(start(&why), 0);
	upgrade_check_cancel(&check);
	CHECK_EQ(start(&why), -EBUSY);
	CHECK(why && strstr(why, "earlier") != NULL);
	CHECK(is_over());
	CHECK(!checked);
	upgrade_check_cancel(&check);
	upgrade_check_forget(&check);
	CHECK_EQ(start(&why), 0);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(our_own_line_will_do_wherever_it_stands),
	SENTENCE(the_first_difference_is_named),
	SENTENCE(more_than_our_line_is_another_one),
	SENTENCE(what_is_no_such_line_is_no_holdfastd),
	SENTENCE(what_cannot_be_started_is_refused_at_once),
	SENTENCE(how_a_program_ends_says_what_it_is),
	SENTENCE(one_that_is_being_written_is_not_started),
	SENTENCE(one_that_was_given_up_says_nothing_and_is_waited_for),
};
SUITE("upgrade_check", sentences)
