/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary goes on as another program: with a supervisor and without, under traffic, at every
 * message of a set-up, again and again. The front-end's socket never closes, no packet is lost, the
 * secondary runs on. A program that could not take over is refused by name, and nobody notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	 500u
#define UPGRADES 20u
#define WAIT_MS	 20000

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};
static const char *const supervised[] = {"--supervise", "--no-huge-pages", "--port", "p0", NULL};
/* The filter of system calls is the candidate's too: a shell that sleeps, or starts programs, would
 * be ended by it. */
static const char *const unfiltered[] = {
	"--supervise", "--no-huge-pages", "--port", "p0", "--seccomp", "off", NULL};
static const char *const unfiltered_alone[] = {"--no-huge-pages", "--port", "p0",
					       "--seccomp",	  "off",    NULL};
static const char *const alone[] = {"--no-huge-pages",	"--port", "p0",
				    "--fence-deadline", "300",	  NULL};

static void open_world(const char *const *arguments)
{
	world_open(&world, arguments);
	REQUIRE(world_ask_pid(&world, NULL) > 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	next = 0;
}

static void open_session(void)
{
	static const struct session_shape shape;

	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void close_session(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
}

/* ---- `holdfast upgrade` as people run it */

static char said[2048];

struct command {
	pid_t pid;
	int output;
};

static struct command upgrade_command(const char *binary)
{
	const char *argv[] = {
		getenv("HOLDFAST"),	    "--run-dir", world.dir, "upgrade", "-o", "json",
		binary ? "--binary" : NULL, binary,	 NULL};
	struct command command;
	int ends[2];

	REQUIRE(argv[0] != NULL);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	command.pid = fork();
	if (command.pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	REQUIRE(command.pid > 0);
	close(ends[1]);
	command.output = ends[0];
	return command;
}

/* Its exit status; what it said is in `said`. */
static int command_ended(struct command *command)
{
	size_t len = 0;
	int status = -1;
	ssize_t n;

	while ((n = read(command->output, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(command->output);
	REQUIRE(waitpid(command->pid, &status, 0) == command->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int upgrade_now(const char *binary)
{
	struct command command = upgrade_command(binary);

	return command_ended(&command);
}

static uint64_t said_number(const char *key)
{
	const char *at = strstr(said, key);

	REQUIRE(at != NULL);
	return strtoull(at + strlen(key) + 2, NULL, 10);
}

/* ---- programs that are none of ours */

static const char *make_file(const char *name, const char *text, mode_t mode)
{
	static char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", world.dir, name);
	file = fopen(path, "we");
	REQUIRE(file != NULL);
	fputs(text, file);
	fclose(file);
	REQUIRE(chmod(path, mode) == 0);
	return path;
}

/* What the real one says to --abi, without its line end. */
static const char *real_abi(void)
{
	static char line[256];
	char command[512];
	FILE *out;

	snprintf(command, sizeof(command), "%s --abi", getenv("HOLDFASTD"));
	out = popen(command, "re");
	REQUIRE(out && fgets(line, sizeof(line), out));
	pclose(out);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* A script that answers --abi as the real one, but for one number. */
static const char *abi_with(const char *key, unsigned long number)
{
	static char text[512];
	const char *line = real_abi(), *at = strstr(line, key), *rest;

	REQUIRE(at != NULL);
	at += strlen(key) + 1;
	rest = at + strspn(at, "0123456789");
	snprintf(text, sizeof(text), "#!/bin/sh\necho '%.*s%lu%s'\n", (int)(at - line), line,
		 number, rest);
	return text;
}

/* ---- what works */

static void upgrade_under_traffic(const char *const *arguments)
{
	pid_t pid, echo;
	uint64_t longest = 0;

	open_world(arguments);
	open_session();
	pid = world_ask_pid(&world, NULL);
	echo = world.secondaries[0].pid;
	for (unsigned int i = 0; i < 5; i++) {
		struct command command = upgrade_command(NULL);

		CHECK_EQ(front_end_echo(&fe, 0, &next, 20000), 0);
		CHECK_EQ(command_ended(&command), 0);
		CHECK_EQ(said_number("\"sessions\""), 1);
		CHECK_EQ(said_number("\"secondaries\""), 1);
		longest = max_u64(longest, said_number("\"pause_ns\""));
	}
	CHECK_EQ(world_ask_pid(&world, NULL), pid);
	CHECK_EQ(kill(echo, 0), 0);
	CHECK_EQ(world_counter(&world, "upgrades"), 5);
	CHECK_EQ(world_counter(&world, "lives"), 6);
	printf("\n    5 upgrades, %u packets, nobody answered for %llu us at most\n    ", next,
	       (unsigned long long)longest / 1000);
	/* And the session can still be worked with: stop, start, stop. */
	for (uint32_t ring = 0; ring < 2; ring++)
		CHECK_EQ(front_end_stop_ring(&fe, ring), driver_used_idx(&fe.rings[ring]));
	close_session();
	next = 0;
	open_session();
	close_session();
	world_close(&world);
}

static void an_upgrade_under_traffic_loses_nothing(void)
{
	upgrade_under_traffic(supervised);
}

static void nor_does_one_without_a_supervisor(void)
{
	upgrade_under_traffic(alone);
}

static void check_ledger(pid_t pid, size_t *fds, size_t *maps)
{
	if (*fds) {
		CHECK(world_fds_become(pid, *fds));
		CHECK(world_maps_become(pid, -1, *maps));
		return;
	}
	world_rest(&world);
	*fds = world_fds(pid, -1);
	*maps = world_maps(pid, -1);
}

static void upgrade_many_times(const char *const *arguments)
{
	size_t parent_fds = 0, parent_maps = 0, fds = 0, maps = 0;
	pid_t pid;

	open_world(arguments);
	open_session();
	pid = world_ask_pid(&world, NULL);
	for (unsigned int i = 0; i <= UPGRADES; i++) {
		CHECK_EQ(upgrade_now(getenv("HOLDFASTD")), 0);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		check_ledger(pid, &fds, &maps);
		check_ledger(world.primary, &parent_fds, &parent_maps);
	}
	printf("\n    after %u upgrades: %zu descriptors, %zu maps\n    ", UPGRADES + 1, fds, maps);
	close_session();
	world_close(&world);
}

static void twenty_in_a_row_leak_nothing(void)
{
	upgrade_many_times(supervised);
}

static void nor_do_they_without_a_supervisor(void)
{
	upgrade_many_times(alone);
}

/* ---- at each message of a set-up */

static uint32_t message, fatal;
static int asked;

static void strike(struct front_end *front_end)
{
	(void)front_end;
	if (++message == fatal)
		asked = world_upgrade(&world, "");
}

static uint32_t set_up_with_an_upgrade(uint32_t number, size_t cut)
{
	static const struct session_shape shape;

	message = 0;
	fatal = number;
	asked = -1;
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	fe.disturb = strike;
	fe.cut = cut;
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	fe.disturb = NULL;
	if (asked >= 0)
		CHECK_EQ(world_upgrade_begun(asked, NULL), 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&fe, 0, &next, 2000), 0);
	close_session();
	return message;
}

static void a_set_up_completes_whatever_message_an_upgrade_comes_at(void)
{
	static const size_t cuts[] = {0, 1, 12, 15};
	uint32_t count;

	open_world(alone);
	count = set_up_with_an_upgrade(0, 0);
	CHECK(count > 10);
	for (uint32_t i = 1; i <= 2 * count; i++) {
		(void)set_up_with_an_upgrade(1 + i % count, cuts[i % ARRAY_SIZE(cuts)]);
		CHECK(world_counter_becomes(&world, "upgrades", i));
	}
	printf("\n    %u messages\n    ", count);
	world_close(&world);
}

/* ---- what is under way at the same time */

static void a_hand_over_under_way_is_finished_first(void)
{
	open_world(alone);
	open_session();
	world_start_echo(&world, 1, "spare", "standby", all);
	CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1));
	for (unsigned int i = 0; i < 10; i++) {
		int upgrade = world_upgrade(&world, "");
		int handover = world_hand_over(&world, "p0", i % 2 ? "echo" : "spare");
		int moved = world_handed_over(handover, NULL);

		CHECK_EQ(world_upgrade_begun(upgrade, NULL), 0);
		CHECK(moved == 1 || moved == -EBUSY);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		CHECK(world_counter_becomes(&world, "upgrades", i + 1));
		if (moved != 1)
			CHECK_EQ(world_handed_over(
					 world_hand_over(&world, "p0", i % 2 ? "echo" : "spare"),
					 NULL),
				 1);
	}
	close_session();
	world_close(&world);
}

static void a_front_end_that_waits_for_a_hung_secondary_is_answered(void)
{
	const struct {
		uint32_t request, flags, size, index, number;
	} stop = {FE_GET_VRING_BASE, FE_VERSION, 8, 1, 0};
	uint32_t state[2];

	open_world(alone);
	open_session();
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 50);
	REQUIRE(world_echo_stopped(&world, 0));
	REQUIRE(front_end_send_bytes(&fe, &stop, sizeof(stop), NULL, 0, 0) == 0);
	CHECK_EQ(upgrade_now(NULL), 0);
	CHECK_EQ(front_end_reply(&fe, FE_GET_VRING_BASE, state, sizeof(state)), 8);
	CHECK_EQ(state[1], driver_used_idx(&fe.rings[1]));
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	front_end_close(&fe);
	world_close(&world);
}

static void a_second_one_at_once_is_refused(void)
{
	const char *reason;
	int first, second;

	char text[256];

	open_world(unfiltered);
	/* Under way until it is told to go on. */
	snprintf(text, sizeof(text),
		 "#!/bin/sh\nuntil [ -e %s/go ]; do sleep 0.1; done\necho nothing\n", world.dir);
	first = world_upgrade(&world, make_file("slow", text, 0755));
	second = world_upgrade(&world, "");
	CHECK_EQ(world_upgrade_begun(second, &reason), -EBUSY);
	CHECK(strstr(reason, "under way") != NULL);
	(void)make_file("go", "", 0600);
	CHECK_EQ(world_upgrade_begun(first, &reason), -EBADMSG);
	CHECK_EQ(upgrade_now(NULL), 0);
	world_close(&world);
}

/* ---- what is refused */

static void check_refused(const char *binary, int error, const char *part)
{
	const char *reason;
	pid_t pid = world_ask_pid(&world, NULL);
	int result = world_upgrade_begun(world_upgrade(&world, binary), &reason);

	if (result != error || !strstr(reason, part))
		printf("\n    %s: %d, %s\n    ", binary, result, reason);
	CHECK_EQ(result, error);
	CHECK(strstr(reason, part) != NULL);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_ask_pid(&world, NULL), pid);
}

static void another_abi_or_journal_is_refused_by_name(void)
{
	open_world(alone);
	open_session();
	check_refused(make_file("fake", abi_with("abi", 99), 0755), -EPROTO, "abi 99");
	check_refused(make_file("fake", abi_with("journal", 7), 0755), -EPROTO, "journal 7");
	check_refused(make_file("fake", abi_with("port-record", 8), 0755), -EPROTO,
		      "port-record 8");
	check_refused(make_file("fake", abi_with("secondary-record", 9), 0755), -EPROTO,
		      "secondary-record 9");
	CHECK_EQ(world_counter(&world, "lives"), 1);
	close_session();
	world_close(&world);
}

static void what_is_not_a_program_of_ours_is_refused_by_name(void)
{
	open_world(supervised);
	open_session();
	check_refused("relative", -EINVAL, "absolute");
	check_refused("/nonexistent/holdfastd", -ENOENT, "no such file");
	check_refused(world.dir, -EACCES, "cannot be executed");
	check_refused(make_file("fake", "abi 1 journal 1\n", 0644), -EACCES, "cannot be executed");
	check_refused(make_file("fake", "neither script nor program\n", 0755), -ENOEXEC,
		      "not a program");
	check_refused(make_file("fake", "#!/bin/sh\n", 0755), -EBADMSG, "--abi");
	check_refused(make_file("fake", "#!/bin/sh\necho abi\nhead -c 9000 /dev/zero\n", 0755),
		      -EBADMSG, "--abi");
	check_refused(make_file("fake", "#!/bin/sh\nexit 3\n", 0755), -EBADMSG, "status 3");
	check_refused(make_file("fake", "#!/bin/sh\nkill -SEGV $$\n", 0755), -EBADMSG, "signal 11");
	CHECK_EQ(world_counter(&world, "lives"), 1);
	CHECK_EQ(upgrade_now("/nonexistent/holdfastd"), 1);
	CHECK(strstr(said, "no such file") != NULL);
	CHECK_EQ(upgrade_now(NULL), 0);
	close_session();
	world_close(&world);
}

static void check_ended(const char *file)
{
	char path[160];
	pid_t pid = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", world.dir, file);
	in = fopen(path, "re");
	REQUIRE(in != NULL);
	REQUIRE(fscanf(in, "%d", &pid) == 1);
	fclose(in);
	for (int i = 0; i < WAIT_MS && kill(pid, 0) == 0; i++)
		usleep(1000);
	CHECK_EQ(kill(pid, 0), -1);
}

static void one_that_hangs_is_refused_and_holds_up_nobody(void)
{
	char text[512];
	unsigned int ms;
	const char *reason;
	int asked_for;

	open_world(unfiltered_alone);
	open_session();
	snprintf(text, sizeof(text),
		 "#!/bin/sh\ncd %s\nsleep 1000 & echo $! >child\necho $$ >self\nwait\n", world.dir);
	asked_for = world_upgrade(&world, make_file("hangs", text, 0755));
	CHECK(world_ask_pid(&world, &ms) > 0);
	/* Front-ends are served meanwhile. */
	CHECK_EQ(front_end_stop_ring(&fe, 1), driver_used_idx(&fe.rings[1]));
	CHECK_EQ(world_upgrade_begun(asked_for, &reason), -ETIMEDOUT);
	CHECK(strstr(reason, "within 5 s") != NULL);
	check_ended("self");
	check_ended("child");
	/* One that says more than anybody wants to hear, too. */
	asked_for = world_upgrade(&world, make_file("talks", "#!/bin/sh\nexec yes\n", 0755));
	CHECK_EQ(world_upgrade_begun(asked_for, &reason), -ETIMEDOUT);
	close_session();
	next = 0;
	open_session();
	close_session();
	world_close(&world);
}

/* ---- what goes wrong behind the check */

/* As good as real when looked at. */
static const char *make_traitor(const char *name, const char *when_asked, const char *else_do)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\nfor a; do last=$a; done\nif [ \"$last\" = --abi ]; then\n%s\necho "
		 "'%s'\nexit 0\nfi\n%s\n",
		 when_asked, real_abi(), else_do);
	return make_file(name, text, 0755);
}

static void one_that_ends_at_its_start_is_followed_by_the_old_one(void)
{
	static const char *const ends[] = {"exit 1", "exit 2", "exit 0", "kill -9 $$"};

	open_world(unfiltered);
	open_session();
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct command command = upgrade_command(make_traitor("traitor", "", ends[i]));

		CHECK_EQ(front_end_echo(&fe, 0, &next, 5000), 0);
		CHECK_EQ(command_ended(&command), 1);
		CHECK(strstr(said, "ended at its start") != NULL);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	CHECK_EQ(world_counter(&world, "upgrades"), 0);
	CHECK_EQ(upgrade_now(NULL), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_session();
	world_close(&world);
}

/* A package was replaced by one that does not know our options, and then the primary crashes. */
static void what_stands_at_the_path_and_cannot_start_ends_nothing(void)
{
	static const char *const endings[] = {"exit 2", "exit 0", "exit 1"};
	char copy[] = "/tmp/hf-holdfastd-XXXXXX", bad[sizeof(copy) + 4], command[512];
	char *real = strdup(getenv("HOLDFASTD"));
	int fd = mkstemp(copy);

	REQUIRE(real && fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "cp -f --preserve=mode '%s' %s", real, copy);
	REQUIRE(system(command) == 0);
	REQUIRE(setenv("HOLDFASTD", copy, 1) == 0);
	open_world(supervised);
	open_session();
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		pid_t pid = world_ask_pid(&world, NULL);

		snprintf(bad, sizeof(bad), "%s.bad", copy);
		snprintf(command, sizeof(command),
			 "printf '#!/bin/sh\\n%s\\n' >%s && chmod 755 %s && mv -f %s %s",
			 endings[i], bad, bad, bad, copy);
		REQUIRE(system(command) == 0);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		CHECK(world_ask_pid(&world, NULL) > 0);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	close_session();
	world_close(&world);
	unlink(copy);
	setenv("HOLDFASTD", real, 1);
	free(real);
}

/* More to tell a stopped supervisor than its socket holds. */
static void stop_supervisor(void)
{
	CHECK_EQ(kill(world.primary, SIGSTOP), 0);
	for (int i = 0; i < 4; i++) {
		world_start_echo(&world, 1, "filler", "vswitch", all);
		CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1));
		CHECK_EQ(world_stop_echo(&world, 1), 0);
	}
}

static void a_supervisor_that_does_not_read_stands_in_the_way(void)
{
	open_world(supervised);
	open_session();
	usleep(200000);
	stop_supervisor();
	CHECK_EQ(upgrade_now(NULL), 1);
	CHECK(strstr(said, "does not read") != NULL);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(kill(world.primary, SIGCONT), 0);
	/* When it has read what waited for it. */
	for (int tries = 0; upgrade_now(NULL) && tries < WAIT_MS / 10; tries++) {
		CHECK(strstr(said, "does not read") != NULL);
		usleep(10000);
	}
	CHECK_EQ(world_counter(&world, "upgrades"), 1);
	/* And a death is survived, with all there was. */
	CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	REQUIRE(world_ask_pid(&world, NULL) > 0);
	close_session();
	world_close(&world);
}

static void one_that_cannot_be_executed_any_more_leaves_the_old_one(void)
{
	pid_t pid;

	open_world(unfiltered_alone);
	open_session();
	pid = world_ask_pid(&world, NULL);
	CHECK_EQ(upgrade_now(make_traitor("traitor", "chmod 644 $0", "exit 1")), 1);
	CHECK(strstr(said, "could not be executed") != NULL);
	CHECK_EQ(world_ask_pid(&world, NULL), pid);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(upgrade_now(make_traitor("traitor", "echo >>$0", "exit 1")), 1);
	CHECK(strstr(said, "replaced while") != NULL);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_counter(&world, "upgrades"), 0);
	/* And it still knows where it came from. */
	CHECK_EQ(upgrade_now(NULL), 0);
	close_session();
	world_close(&world);
}

static const struct sentence sentences[] = {
	SENTENCE(an_upgrade_under_traffic_loses_nothing),
	SENTENCE(nor_does_one_without_a_supervisor),
	SENTENCE(twenty_in_a_row_leak_nothing),
	SENTENCE(nor_do_they_without_a_supervisor),
	SENTENCE(a_set_up_completes_whatever_message_an_upgrade_comes_at),
	SENTENCE(a_hand_over_under_way_is_finished_first),
	SENTENCE_OF("vhost-user", a_front_end_that_waits_for_a_hung_secondary_is_answered),
	SENTENCE(a_second_one_at_once_is_refused),
	SENTENCE(another_abi_or_journal_is_refused_by_name),
	SENTENCE(what_is_not_a_program_of_ours_is_refused_by_name),
	SENTENCE(one_that_hangs_is_refused_and_holds_up_nobody),
	SENTENCE(one_that_ends_at_its_start_is_followed_by_the_old_one),
	SENTENCE(what_stands_at_the_path_and_cannot_start_ends_nothing),
	SENTENCE(one_that_cannot_be_executed_any_more_leaves_the_old_one),
	SENTENCE(a_supervisor_that_does_not_read_stands_in_the_way),
};
SUITE("primary_upgrade", sentences)
