/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary as an unprivileged user, seen from outside: what it is, what it may still do (end a
 * switch of another user, become another program, be started again), and whom it lets in.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "frame.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	 500u
#define WAIT_MS	 20000
#define USER	 4711
#define STRANGER 4712
#define CAP_KILL "0000000000000020"

static struct world world;
static struct front_end fe;
static uint32_t next;
#ifdef HAVE_FILTER
static const bool filtered = true;
#else
static const bool filtered; /* no libseccomp, or a sanitizer, whose own calls are many */
#endif
static const char *const all[] = {"*", NULL};
static const char *const alone[] = {"--user", "4711:4711", "--no-huge-pages",  "--port", "p0",
				    "--port", "q0",	   "--fence-deadline", "300",	 NULL};
static const char *const supervised[] = {"--supervise", "--user", "4711:4711", "--no-huge-pages",
					 "--port",	"p0",	  NULL};
static const char *const ruled[] = {
	"--user",	  "4711:4711",	  "--no-huge-pages", "--port",	       "p0", "--port", "q0",
	"--allow-attach", "user:4712=p*", "--allow-control", "user:4712=read", NULL};

static void open_session(const char *port)
{
	static const struct session_shape shape;

	REQUIRE(front_end_connect(&fe, world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
}

static void close_session(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
}

/* What stands behind "NAME:" in /proc/PID/status, tabs as spaces; until the next call. */
static const char *status_of(pid_t pid, const char *name)
{
	static char line[256], path[64];
	size_t len = strlen(name);
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strncmp(line, name, len) == 0 && line[len] == ':';
	if (file)
		fclose(file);
	if (!found)
		return "";
	for (char *c = line; *c; c++)
		if (*c == '\t' || *c == '\n')
			*c = ' ';
	return line + len + 1;
}

#define CHECK_STATUS(pid, name, expected)                                                          \
	do {                                                                                       \
		const char *found_ = status_of(pid, name);                                         \
		if (strcmp(found_, expected) != 0)                                                 \
			printf("\n    %s:%s, not%s ", name, found_, expected);                     \
		CHECK(strcmp(found_, expected) == 0);                                              \
	} while (0)

static void check_unprivileged(pid_t pid)
{
	CHECK_STATUS(pid, "Uid", " 4711 4711 4711 4711 ");
	CHECK_STATUS(pid, "Gid", " 4711 4711 4711 4711 ");
	CHECK_STATUS(pid, "Groups", "   ");
	CHECK_STATUS(pid, "CapInh", " " CAP_KILL " ");
	CHECK_STATUS(pid, "CapPrm", " " CAP_KILL " ");
	CHECK_STATUS(pid, "CapEff", " " CAP_KILL " ");
	CHECK_STATUS(pid, "CapBnd", " " CAP_KILL " ");
	CHECK_STATUS(pid, "CapAmb", " " CAP_KILL " ");
	CHECK_STATUS(pid, "NoNewPrivs", " 1 ");
	if (filtered) {
		CHECK_STATUS(pid, "Seccomp", " 2 ");
		CHECK_STATUS(pid, "Seccomp_filters", " 1 ");
	}
}

/* A process of user 4712, in place `index`. */
static void start_stranger(size_t index, const char *const *arguments)
{
	const char *argv[16] = {"/usr/bin/setpriv", "--reuid=4712", "--regid=4712",
				"--clear-groups"};
	size_t n = 4;

	for (; *arguments && n + 1 < ARRAY_SIZE(argv); arguments++)
		argv[n++] = *arguments;
	world_start(&world, index, argv);
}

static void start_stranger_echo(size_t index, const char *glob)
{
	const char *const arguments[] = {getenv("ECHO"), world.dir, "stranger",
					 "vswitch",	 glob,	    NULL};

	start_stranger(index, arguments);
}

/* How the process in this place ends, within a bounded time; -1: it does not. */
static int status_at_end(size_t index)
{
	int status = -1;

	for (int i = 0; i < WAIT_MS; i++) {
		if (world_echo_ended(&world, index, &status))
			return status;
		usleep(1000);
	}
	return -1;
}

static bool upgraded(uint64_t upgrades)
{
	return world_counter_becomes(&world, "upgrades", upgrades);
}

static void the_primary_is_that_user_with_one_capability(void)
{
	world_open(&world, alone);
	check_unprivileged(world.primary);
	world_close(&world);
}

static void guests_are_served_by_it_as_by_root(void)
{
	world_open(&world, alone);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_session();
	world_close(&world);
}

/* The switch is root's. */
static void a_switch_of_another_user_that_hangs_in_a_burst_is_killed(void)
{
	world_open(&world, alone);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	(void)driver_consume_all(&fe.rings[1]);
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
	CHECK(front_end_stop_ring(&fe, 1) >= 0);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	front_end_close(&fe);
	world_close(&world);
}

static void upgraded_it_is_what_it_was(void)
{
	world_open(&world, alone);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	for (uint64_t i = 1; i <= 3; i++) {
		CHECK_EQ(world_upgrade_begun(world_upgrade(&world, ""), NULL), 0);
		CHECK(world_ask_pid(&world, NULL) == world.primary);
		CHECK(upgraded(i));
		check_unprivileged(world.primary);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	close_session();
	world_close(&world);
}

static void a_program_that_others_can_write_is_not_executed(void)
{
	char path[128];
	const char *reason;
	struct stat st;
	FILE *to;

	world_open(&world, alone);
	snprintf(path, sizeof(path), "%s/program", world.dir);
	to = fopen(path, "we");
	REQUIRE(to != NULL);
	fputs("#!/bin/sh\necho\n", to);
	fclose(to);
	REQUIRE(chmod(path, 0777) == 0 && stat(path, &st) == 0);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), &reason), -EKEYREJECTED);
	CHECK(strstr(reason, "can write the file") != NULL);
	REQUIRE(chown(path, STRANGER, STRANGER) == 0 && chmod(path, 0755) == 0);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), NULL), -EKEYREJECTED);
	REQUIRE(chown(path, 0, STRANGER) == 0 && chmod(path, 0775) == 0);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), NULL), -EKEYREJECTED);
	/* Root's, and only root's to write: it is asked, and is no holdfastd. */
	REQUIRE(chown(path, 0, 0) == 0 && chmod(path, 0755) == 0);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), NULL), -EBADMSG);
	check_unprivileged(world.primary);
	world_close(&world);
}

/* It would be killed when it makes the call, with all sessions. */
static void a_program_that_the_filter_would_stop_is_refused_by_name(void)
{
	char path[128], line[256] = "", command[160];
	const char *reason;
	FILE *from, *to;

	if (!filtered) {
		printf("(needs libseccomp, and no sanitizer) ");
		return;
	}
	world_open(&world, alone);
	snprintf(command, sizeof(command), "%s --abi", getenv("HOLDFASTD"));
	from = popen(command, "re");
	REQUIRE(from && fgets(line, sizeof(line), from));
	pclose(from);
	snprintf(path, sizeof(path), "%s/program", world.dir);
	to = fopen(path, "we");
	REQUIRE(to != NULL);
	fprintf(to, "#!/bin/sh\necho '%.*s'\necho 'calls read io_uring_setup write ptrace'\n",
		(int)strcspn(line, "\n"), line);
	fclose(to);
	REQUIRE(chmod(path, 0755) == 0);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), &reason), -EPERM);
	CHECK(strstr(reason, "(io_uring_setup, ptrace)") != NULL);
	/* One that does not say. */
	to = fopen(path, "we");
	REQUIRE(to != NULL);
	fprintf(to, "#!/bin/sh\necho '%.*s'\n", (int)strcspn(line, "\n"), line);
	fclose(to);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), &reason), -EPERM);
	CHECK(strstr(reason, "does not say") != NULL);
	/* One that is ended by it when it is looked at. */
	to = fopen(path, "we");
	REQUIRE(to != NULL);
	fputs("#!/bin/sh\nexec unshare --net true\n", to);
	fclose(to);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, path), &reason), -EPERM);
	CHECK(strstr(reason, "forbids") != NULL);
	CHECK_EQ(world_counter(&world, "lives"), 1);
	world_close(&world);
}

static void its_supervisor_stays_root_and_starts_it_again_as_that_user(void)
{
	pid_t first, second;

	world_open(&world, supervised);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	first = world_ask_pid(&world, NULL);
	CHECK(first != world.primary);
	CHECK_STATUS(world.primary, "Uid", " 0 0 0 0 ");
	check_unprivileged(first);
	CHECK_EQ(kill(first, SIGKILL), 0);
	CHECK(world_counter_becomes(&world, "lives", 2));
	second = world_ask_pid(&world, NULL);
	CHECK(second != first);
	check_unprivileged(second);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	/* A life that began by an upgrade is kept as well as one that began by root. */
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, ""), NULL), 0);
	CHECK(upgraded(1));
	CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
	CHECK(world_counter_becomes(&world, "lives", 4));
	check_unprivileged(world_ask_pid(&world, NULL));
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_session();
	world_close(&world);
}

/* Exit status of a supervisor on this directory; 0: its primary serves, and it is ended. */
static int try_supervisor(const char *dir)
{
	const char *argv[] = {
		getenv("HOLDFASTD"), "--supervise", "--user",	 "4711:4711", "--no-huge-pages",
		"--log-level",	     "error",	    "--run-dir", dir,	      NULL};
	pid_t pid = fork();
	int status = 0, door = -1;
	char control[128];

	if (pid == 0) {
		int none = open("/dev/null", O_WRONLY);

		dup2(none, STDERR_FILENO);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	snprintf(control, sizeof(control), "%s/control.sock", dir);
	for (int i = 0; i < WAIT_MS && (door = hf_seqpacket_connect(control)) < 0; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		usleep(1000);
	}
	hf_fd_close(&door);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	return 0;
}

static void links_in_that_users_directory_lead_root_nowhere(void)
{
	char dir[] = "/tmp/hf-e2e-XXXXXX", outside[] = "/tmp/hf-e2e-XXXXXX";
	char link[64], victim[64];
	struct stat st;

	REQUIRE(mkdtemp(dir) && mkdtemp(outside));
	REQUIRE(chown(dir, USER, USER) == 0);
	snprintf(victim, sizeof(victim), "%s/victim", outside);
	for (int i = 0; i < 2; i++) {
		static const char *const names[] = {"supervisor.lock", "supervisor.sock"};

		snprintf(link, sizeof(link), "%s/%s", dir, names[i]);
		REQUIRE(symlink(victim, link) == 0);
		REQUIRE(lchown(link, USER, USER) == 0);
		/* A lock is refused; a socket takes the link's own place. */
		CHECK_EQ(try_supervisor(dir), i == 0);
		CHECK(lstat(victim, &st) < 0 && errno == ENOENT);
		unlink(link);
	}
	/* Nor a directory that is a link itself, to where that user could not write. */
	snprintf(link, sizeof(link), "%s/dir", dir);
	REQUIRE(symlink(outside, link) == 0);
	CHECK_EQ(try_supervisor(link), 1);
	CHECK_EQ(rmdir(outside), 0);
	unlink(link);
	snprintf(link, sizeof(link), "rm -rf %s", dir);
	CHECK_EQ(system(link), 0);
}

static void another_user_is_refused_by_default(void)
{
	const char *const list[] = {
		getenv("HOLDFAST"), "--run-dir", world.dir, "port", "list", NULL};
	char path[128];

	world_open(&world, alone);
	/* Not for want of a way to the sockets. */
	snprintf(path, sizeof(path), "%s/attach.sock", world.dir);
	REQUIRE(chmod(path, 0666) == 0);
	snprintf(path, sizeof(path), "%s/control.sock", world.dir);
	REQUIRE(chmod(path, 0666) == 0);
	start_stranger_echo(0, "p*");
	CHECK(status_at_end(0) != 0);
	start_stranger(0, list);
	CHECK(status_at_end(0) != 0);
	CHECK_EQ(world_counter(&world, "refused.attach_peer_not_allowed"), 1);
	CHECK_EQ(world_counter(&world, "refused.control_peer_not_allowed"), 1);
	CHECK_EQ(world_count_secondaries(&world), 0);
	world_close(&world);
}

static void a_rule_gives_another_user_its_ports_and_no_others(void)
{
	world_open(&world, ruled);
	start_stranger_echo(0, "*");
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK(world_maps(world.secondaries[0].pid, fe.guest.fd) > 0);
	close_session();
	/* It would serve q0 as well: it is not asked, and maps nothing of it. */
	open_session("q0");
	CHECK_EQ(front_end_send_packets(&fe, 0, next, 10), 10);
	usleep(200000);
	CHECK_EQ(driver_used_idx(&fe.rings[1]), 0);
	CHECK_EQ(world_maps(world.secondaries[0].pid, fe.guest.fd), 0);
	CHECK_EQ(world_fds(world.secondaries[0].pid, fe.guest.fd), 0);
	front_end_close(&fe);
	world_close(&world);
}

static void a_rule_outlives_an_upgrade(void)
{
	world_open(&world, ruled);
	start_stranger_echo(0, "*");
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, ""), NULL), 0);
	CHECK(upgraded(1));
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_session();
	open_session("q0");
	usleep(100000);
	CHECK_EQ(world_maps(world.secondaries[0].pid, fe.guest.fd), 0);
	front_end_close(&fe);
	world_close(&world);
}

static void a_rule_to_read_changes_nothing(void)
{
	const char *const list[] = {
		getenv("HOLDFAST"), "--run-dir", world.dir, "port", "list", NULL};
	const char *const del[] = {
		getenv("HOLDFAST"), "--run-dir", world.dir, "port", "del", "p0", NULL};
	const char *const upgrade[] = {getenv("HOLDFAST"), "--run-dir", world.dir, "upgrade", NULL};

	world_open(&world, ruled);
	start_stranger(0, list);
	CHECK_EQ(status_at_end(0), 0);
	start_stranger(0, del);
	CHECK(status_at_end(0) != 0);
	start_stranger(0, upgrade);
	CHECK(status_at_end(0) != 0);
	CHECK(world_has_port(&world, "p0"));
	CHECK_EQ(world_counter(&world, "refused.control_beyond_rule"), 2);
	CHECK_EQ(world_counter(&world, "lives"), 1);
	world_close(&world);
}

/* A process of another user connects to the port's socket, or cannot; its exit status. */
static int front_end_of(uid_t uid, gid_t gid)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
			_exit(99);
		_exit(front_end_connect(&fe, world_port_path(&world, "p0")) < 0);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

static void sockets_are_of_the_group_and_mode_that_was_said(void)
{
	static const char *const grouped[] = {"--no-huge-pages",
					      "--port",
					      "p0",
					      "--port-group",
					      "4713",
					      "--port-mode",
					      "0660",
					      "--socket-group",
					      "4714",
					      "--socket-mode",
					      "0660",
					      NULL};
	struct stat st;

	world_open(&world, grouped);
	REQUIRE(chmod(world.dir, 0755) == 0);
	CHECK(stat(world_port_path(&world, "p0"), &st) == 0 && st.st_gid == 4713);
	CHECK_EQ(st.st_mode & 0777, 0660);
	CHECK(stat(world_port_path(&world, "attach"), &st) == 0 && st.st_gid == 4714);
	CHECK_EQ(st.st_mode & 0777, 0660);
	CHECK(stat(world_port_path(&world, "control"), &st) == 0 && st.st_gid == 4714);
	CHECK_EQ(front_end_of(STRANGER, 4712), 1);
	CHECK_EQ(front_end_of(STRANGER, 4713), 0);
	world_close(&world);
}

static void an_observer_maps_no_guest_memory(void)
{
	world_open(&world, alone);
	world_start_echo(&world, 0, "looker", "observer", all);
	world_start_echo(&world, 1, "echo", "vswitch", all);
	CHECK(world_secondaries_become(&world, 2));
	open_session("p0");
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK(world_maps(world.secondaries[1].pid, fe.guest.fd) > 0);
	CHECK_EQ(world_maps(world.secondaries[0].pid, fe.guest.fd), 0);
	CHECK_EQ(world_fds(world.secondaries[0].pid, fe.guest.fd), 0);
	close_session();
	world_close(&world);
}

/* Of all its threads, and of the process that has its memory. */
static bool switch_is_unprivileged(pid_t pid)
{
	char command[300];

	snprintf(command, sizeof(command),
		 "for s in /proc/%d/task/*/status /proc/$(tr -d ' ' "
		 "</proc/%d/task/%d/children)/status; do "
		 "grep -q '^Uid:.4712.4712.4712.4712' $s && grep -q '^CapPrm:.0*$' $s && "
		 "grep -q '^CapEff:.0*$' $s && grep -q '^NoNewPrivs:.1' $s || exit 1; done",
		 pid, pid, pid);
	return system(command) == 0;
}

static void a_switch_gives_up_root_when_its_uplinks_are_open(void)
{
	const char *const argv[] = {getenv("VSWITCH"), "--run-dir", world.dir, "--user",
				    "4712:4712",       "--workers", "2",       NULL};
	static const struct session_shape shape;
	pid_t pids[2], running = 0;
	bool is_it = false;

	world_open(&world, alone);
	world_start(&world, 0, argv);
	CHECK(world_secondaries_become(&world, 1));
	for (int i = 0; i < WAIT_MS / 50 && !is_it; i++) {
		is_it = switch_is_unprivileged(world.secondaries[0].pid);
		usleep(50000);
	}
	CHECK(is_it);
	/* Then it maps a guest and runs it. */
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	for (int i = 0; i < WAIT_MS && !running; i++) {
		(void)world_attached(&world, pids, ARRAY_SIZE(pids), &running);
		usleep(1000);
	}
	CHECK_EQ(running, world.secondaries[0].pid);
	CHECK(front_end_send_packets(&fe, 0, 0, 10) == 10);
	for (int i = 0; i < WAIT_MS && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx; i++)
		usleep(1000);
	CHECK_EQ(driver_used_idx(&fe.rings[1]), fe.rings[1].avail_idx);
	front_end_close(&fe);
	kill(world.secondaries[0].pid, SIGTERM);
	CHECK_EQ(status_at_end(0), 0);
	world_close(&world);
}

static const struct sentence sentences[] = {
	SENTENCE(the_primary_is_that_user_with_one_capability),
	SENTENCE(guests_are_served_by_it_as_by_root),
	SENTENCE(a_switch_of_another_user_that_hangs_in_a_burst_is_killed),
	SENTENCE(upgraded_it_is_what_it_was),
	SENTENCE(a_program_that_others_can_write_is_not_executed),
	SENTENCE(a_program_that_the_filter_would_stop_is_refused_by_name),
	SENTENCE(its_supervisor_stays_root_and_starts_it_again_as_that_user),
	SENTENCE(links_in_that_users_directory_lead_root_nowhere),
	{"another_user_is_refused_by_default [C-4]", another_user_is_refused_by_default},
	{"a_rule_gives_another_user_its_ports_and_no_others [C-5]",
	 a_rule_gives_another_user_its_ports_and_no_others},
	SENTENCE(a_rule_outlives_an_upgrade),
	SENTENCE(a_rule_to_read_changes_nothing),
	SENTENCE(a_switch_gives_up_root_when_its_uplinks_are_open),
	SENTENCE(sockets_are_of_the_group_and_mode_that_was_said),
	SENTENCE(an_observer_maps_no_guest_memory),
};

int main(void)
{
	if (getuid()) {
		printf("needs root, to become somebody else\n");
		return 77;
	}
	return suite_run("privilege", sentences, ARRAY_SIZE(sentences));
}
