/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "frame.h"
#include "suite.h"
#include "world_inside.h"

#define MAX_ARGS 96

static const char *program(const char *variable)
{
	const char *path = getenv(variable);

	REQUIRE(path != NULL);
	return path;
}

bool ports_are_devices(void)
{
	return !strcmp(suite_door(), "cuse");
}

void device_name(const struct world *world, const char *port, char *ret, size_t size)
{
	snprintf(ret, size, "%s-%s", strrchr(world->dir, '/') + 1, port);
}

/* What says "--port p0" says "--cuse p0,device=…" instead. Until the next call, but one for each.
 */
static const char *argument_for_door(const struct world *world, const char *before,
				     const char *argument)
{
	static char texts[MAX_ARGS][96];
	static size_t at;
	char name[64];

	if (!ports_are_devices())
		return argument;
	if (!strcmp(argument, "--port"))
		return "--cuse";
	if (!before || strcmp(before, "--port") != 0)
		return argument;
	device_name(world, argument, name, sizeof(name));
	at = (at + 1) % MAX_ARGS;
	snprintf(texts[at], sizeof(texts[at]), "%s,device=%s", argument, name);
	return texts[at];
}

/* Nothing of the test's own is inherited: no descriptor, no map (exec). */
static pid_t start(const char *const *argv, int *ret_stdin, unsigned int descriptors)
{
	const struct rlimit limit = {descriptors, descriptors};
	int ends[2], started[2];
	char none;
	pid_t pid;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(pipe2(started, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		if (descriptors && setrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(127);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	/* Until exec it has our maps, and would pass for having mapped the guest's memory. */
	close(started[1]);
	while (read(started[0], &none, 1) < 0)
		;
	close(started[0]);
	close(ends[0]);
	if (ret_stdin)
		*ret_stdin = ends[1];
	else
		close(ends[1]);
	REQUIRE(pid > 0);
	return pid;
}

void hang_up(int *fd)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	char byte;

	(void)shutdown(*fd, SHUT_WR);
	(void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (recv(*fd, &byte, 1, 0) > 0)
		;
	hf_fd_close(fd);
}

/* Until somebody is seen to come and go: the file is there a moment before that, and there is a
 * backlog before anybody accepts. */
static void wait_for_socket(const char *path)
{
	int fd = hf_seqpacket_connect(path);

	for (int i = 0; i < WAIT_MS && fd < 0; i++) {
		usleep(1000);
		fd = hf_seqpacket_connect(path);
	}
	REQUIRE(fd >= 0);
	hang_up(&fd);
}

void world_open(struct world *world, const char *const *arguments)
{
	world_open_limited(world, arguments, 0);
}

/* Whom the primary becomes the directory belongs to: as an administrator, or systemd, makes it. */
static void give_to_user(const char *dir, const char *const *arguments)
{
	for (; arguments && *arguments; arguments++)
		if (strcmp(*arguments, "--user") == 0) {
			uid_t uid = (uid_t)atoi(arguments[1]);

			REQUIRE(chown(dir, uid, uid) == 0 && chmod(dir, 0755) == 0);
		}
}

void world_open_limited(struct world *world, const char *const *arguments, unsigned int descriptors)
{
	const char *argv[MAX_ARGS] = {program("HOLDFASTD"), "--log-level",
				      getenv("HF_LOG") ? getenv("HF_LOG") : "error", "--run-dir"};
	char path[128];
	const char *before = NULL;
	size_t n = 4;

	signal(SIGPIPE, SIG_IGN);
	*world = (struct world){0};
	snprintf(world->dir, sizeof(world->dir), "/tmp/hf-e2e-XXXXXX");
	REQUIRE(mkdtemp(world->dir) != NULL);
	argv[n++] = world->dir;
	give_to_user(world->dir, arguments);
	for (; arguments && *arguments && n + 1 < MAX_ARGS; before = *arguments++)
		argv[n++] = argument_for_door(world, before, *arguments);
	world->primary = start(argv, NULL, descriptors);
	snprintf(path, sizeof(path), "%s/control.sock", world->dir);
	wait_for_socket(path);
	snprintf(path, sizeof(path), "%s/attach.sock", world->dir);
	wait_for_socket(path);
}

/* Wait at most `ms`; the status, or -1: it lives. */
static int reap(pid_t pid, int ms)
{
	int status = 0;

	for (int i = 0; i < ms; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(1000);
	}
	return -1;
}

static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

void world_lose_primary(struct world *world)
{
	kill(world->primary, SIGKILL);
	waitpid(world->primary, NULL, 0);
	world->primary = 0;
}

static void end_primary(struct world *world)
{
	int status;

	kill(world->primary, SIGTERM);
	status = reap(world->primary, WAIT_MS);
	if (status == -1)
		world_lose_primary(world);
	CHECK_EQ(status, 0);
}

void world_close(struct world *world)
{
	for (size_t i = 0; i < WORLD_SECONDARIES; i++)
		if (world->secondaries[i].pid)
			CHECK_EQ(world_stop_echo(world, i), 0);
	if (world->primary)
		end_primary(world);
	remove_dir(world->dir);
}

const char *socket_path(const struct world *world, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s.sock", world->dir, name);
	return path;
}

const char *world_port_path(const struct world *world, const char *name)
{
	static char path[160];
	char device[64];

	if (!ports_are_devices())
		return socket_path(world, name);
	device_name(world, name, device, sizeof(device));
	snprintf(path, sizeof(path), "/dev/%s", device);
	return path;
}

pid_t world_find_primary(const struct world *world)
{
	char path[64];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", world->primary, world->primary);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

void world_start(struct world *world, size_t index, const char *const *argv)
{
	struct world_secondary *s = &world->secondaries[index];

	s->pid = start(argv, &s->stdin, 0);
}

void world_start_echo(struct world *world, size_t index, const char *name, const char *role,
		      const char *const *globs)
{
	const char *argv[MAX_ARGS] = {program("ECHO"), world->dir, name, role};
	size_t n = 4;

	for (; *globs && n + 1 < MAX_ARGS; globs++)
		argv[n++] = *globs;
	world_start(world, index, argv);
}

int world_stop_echo(struct world *world, size_t index)
{
	struct world_secondary *s = &world->secondaries[index];
	int status;

	close(s->stdin);
	status = reap(s->pid, WAIT_MS);
	if (status == -1) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
	return status;
}

void world_signal_echo(struct world *world, size_t index, int number)
{
	kill(world->secondaries[index].pid, number);
}

static void set_trap(struct world *world, size_t index, int number)
{
	world_signal_echo(world, index, number);
	usleep(20000); /* it polls */
}

void world_trap_echo(struct world *world, size_t index)
{
	set_trap(world, index, SIGUSR1);
}

void world_loop_echo(struct world *world, size_t index)
{
	set_trap(world, index, SIGUSR2);
}

void world_exit_echo(struct world *world, size_t index)
{
	set_trap(world, index, SIGHUP);
}

bool world_echo_stopped(const struct world *world, size_t index)
{
	char path[64], state;
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/proc/%d/stat", world->secondaries[index].pid);
	for (int i = 0; i < WAIT_MS; i++) {
		file = fopen(path, "re");
		got = file ? fscanf(file, "%*d %*s %c", &state) : 0;
		if (file)
			fclose(file);
		if (got == 1 && state == 'T')
			return true;
		usleep(1000);
	}
	return false;
}

int world_reap_echo(struct world *world, size_t index)
{
	struct world_secondary *s = &world->secondaries[index];
	int status = reap(s->pid, WAIT_MS);

	if (status == -1)
		return -1;
	close(s->stdin);
	s->pid = 0;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

bool world_echo_ended(struct world *world, size_t index, int *ret_status)
{
	struct world_secondary *s = &world->secondaries[index];

	if (waitpid(s->pid, ret_status, WNOHANG) != s->pid)
		return false;
	close(s->stdin);
	s->pid = 0;
	return true;
}
