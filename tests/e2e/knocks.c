/* SPDX-License-Identifier: Apache-2.0 */
#include "knocks.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define MOST 256u

/* They end with us. */
static void become(uid_t uid)
{
	if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(99);
}

bool knocks_possible(const struct world *world)
{
	if (geteuid() || chmod(world->dir, 0755) < 0) {
		printf("\n    skipped: needs root\n");
		return false;
	}
	return true;
}

bool knocks_are_kept_away(const struct world *world)
{
	static const uint8_t list[] = {2,    0,	  0, 0, 1,   0,	  7,   0,   255, 255,
				       255,  255, 4, 0, 5,   0,	  255, 255, 255, 255,
				       0x20, 0,	  5, 0, 255, 255, 255, 255};
	char path[128];
	bool works;

	snprintf(path, sizeof(path), "%s/lists", world->dir);
	REQUIRE(mkdir(path, 0755) == 0);
	works = setxattr(path, "system.posix_acl_access", list, sizeof(list), 0) == 0;
	CHECK_EQ(rmdir(path), 0);
	return works;
}

static int knock(const struct world *world, const char *door)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.sock", world->dir, door);
	return hf_seqpacket_connect(path);
}

static void ask_once(const struct world *world, struct knocks *counts)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	int fd = knock(world, "control");

	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	if (fd == -EACCES)
		counts->kept_away++;
	else if (fd < 0)
		counts->other++;
	else if (hf_frame_send(fd, &request.base, NULL, 0) == 0 && hf_frame_receive(fd, &frame) > 0)
		counts->answered++;
	else
		counts->closed++;
	hf_fd_close(&fd);
}

struct knocks knocks_of(const struct world *world, uid_t uid, uint32_t times)
{
	struct knocks counts = {0};
	int told[2], status = 0;
	pid_t pid;

	REQUIRE(pipe2(told, O_CLOEXEC) == 0);
	/* With our table: its end closes nothing that may hang. */
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		become(uid);
		while (times--)
			ask_once(world, &counts);
		_exit(write(told[1], &counts, sizeof(counts)) != sizeof(counts));
	}
	REQUIRE(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	hf_fd_close(&told[1]);
	CHECK_EQ(read(told[0], &counts, sizeof(counts)), sizeof(counts));
	hf_fd_close(&told[0]);
	CHECK_EQ(counts.other, 0);
	return counts;
}

static int say_all(const struct world *world, const char *door, uint32_t times, int fd)
{
	struct front_end peers[MOST];

	for (uint32_t i = 0; i < times; i++) {
		peers[i].socket = knock(world, door);
		if (peers[i].socket < 0)
			return 1;
	}
	for (uint32_t i = 0; i < times && fd >= 0; i++)
		if (front_end_send_bytes(&peers[i], "x", 1, &fd, 1, 0) < 0)
			return 2;
	return 0;
}

pid_t knocks_with(const struct world *world, uid_t uid, const char *door, uint32_t times, int fd)
{
	int told[2];
	char error = 1;
	pid_t pid;

	REQUIRE(times <= MOST && pipe2(told, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		become(uid);
		error = (char)say_all(world, door, times, fd);
		(void)!write(told[1], &error, 1);
		pause();
		_exit(0);
	}
	hf_fd_close(&told[1]);
	REQUIRE(pid > 0);
	CHECK_EQ(read(told[0], &error, 1), 1);
	CHECK_EQ(error, 0);
	hf_fd_close(&told[0]);
	return pid;
}
