/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/cuse/cuse_looker.h: what the process that looks says is not taken for more than it is,
 * and it is not there when the primary is not.
 */
#include "cuse_looker.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "fd_ledger.h"
#include "suite.h"
#include "vu_msg.h"

#define ROOM 4096u

/* --- what it says --- */

/* As the process says it. */
struct finding {
	int error;
	struct cuse_memory_fault fault;
	uint64_t offsets[VU_RAW_REGIONS];
};

static void say(int socket, struct finding *finding, size_t len, uint32_t nr_fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(nr_fds * sizeof(int))}};
	struct iovec iov = {.iov_base = finding, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memset(CMSG_DATA(&control.header), 0, nr_fds * sizeof(int)); /* all of them: 0 */
	if (nr_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
	}
	REQUIRE(sendmsg(socket, &msg, 0) == (ssize_t)len);
}

/* What comes of it for two regions; nothing may stay open. */
static int hear(struct finding finding, size_t len, uint32_t nr_fds, struct cuse_memory_fault *ret)
{
	struct vu_region regions[2] = {{.file_offset = 77}, {.file_offset = 77}};
	int open_before = fds_open(), ends[2], fds[VU_RAW_REGIONS], error;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	say(ends[1], &finding, len, nr_fds);
	error = cuse_looker_hear(ends[0], regions, fds, 2, ret);
	if (!error)
		hf_fd_close_all(fds, 2);
	for (uint32_t i = 0; i < 2; i++)
		CHECK_EQ(regions[i].file_offset, error ? 77 : finding.offsets[i]);
	hf_fd_close_all(ends, 2);
	CHECK_EQ(fds_open(), open_before);
	return error;
}

static void a_descriptor_for_each_region_and_not_one_more_is_taken(void)
{
	struct finding finding = {.offsets = {4096, 8192}};
	struct cuse_memory_fault fault;

	CHECK_EQ(hear(finding, sizeof(finding), 2, &fault), 0);
	for (uint32_t n = 0; n < 4; n++) {
		if (n == 2)
			continue;
		CHECK_EQ(hear(finding, sizeof(finding), n, &fault), -EPROTO);
		CHECK_EQ(fault.reason, REFUSED_NO_RESOURCES);
	}
}

static void a_reason_that_there_is_not_is_not_counted(void)
{
	struct finding finding = {.error = -EPROTO, .fault = {.reason = NR_REFUSALS}};
	struct cuse_memory_fault fault;

	for (uint32_t n = 0; n < 2; n++) {
		CHECK_EQ(hear(finding, sizeof(finding), 2 * n, &fault), -EPROTO);
		CHECK_EQ(fault.reason, REFUSED_NO_RESOURCES);
		finding.error = 0;
	}
	finding = (struct finding){.error = -EPROTO, .fault = {.reason = REFUSED_MEMORY_PRIVATE}};
	CHECK_EQ(hear(finding, sizeof(finding), 0, &fault), -EPROTO);
	CHECK_EQ(fault.reason, REFUSED_MEMORY_PRIVATE);
}

static void words_without_an_end_end(void)
{
	struct finding finding = {.error = -EPROTO};
	struct cuse_memory_fault fault;

	memset(finding.fault.what, 'x', sizeof(finding.fault.what));
	CHECK_EQ(hear(finding, sizeof(finding), 0, &fault), -EPROTO);
	CHECK_EQ(strnlen(fault.what, sizeof(fault.what)), sizeof(fault.what) - 1);
}

static void what_comes_with_a_refusal_or_half_of_it_is_closed(void)
{
	struct finding finding = {.error = -EPROTO};
	struct cuse_memory_fault fault;

	CHECK_EQ(hear(finding, sizeof(finding), 2, &fault), -EPROTO);
	finding.error = 0;
	CHECK_EQ(hear(finding, sizeof(finding) - 1, 2, &fault), -EPROTO);
	CHECK_EQ(fault.reason, REFUSED_NO_RESOURCES);
}

/* --- the end of the primary --- */

/* Shared with it. */
static struct {
	pid_t parent;
	_Atomic pid_t looker;
	_Atomic bool looked;
} * scene;

/* In the place of libc's: it is about to say that it wants to die with its parent. */
int prctl(int option, ...)
{
	unsigned long value;
	va_list list;

	va_start(list, option);
	value = va_arg(list, unsigned long);
	va_end(list);
	if (scene && option == PR_SET_PDEATHSIG) {
		scene->looker = getpid();
		while (getppid() == scene->parent)
			(void)usleep(100);
	}
	return (int)syscall(SYS_prctl, option, value, 0, 0, 0);
}

/* The same: it looks. */
int memfd_create(const char *name, unsigned int flags)
{
	if (scene)
		scene->looked = true;
	return (int)syscall(SYS_memfd_create, name, flags);
}

static _Noreturn void be_primary(uint32_t caller_thread, const void *memory)
{
	struct vu_region region = {.size = ROOM, .user_addr = (uintptr_t)memory};
	struct cuse_caller caller;
	int pidfd, socket;

	scene->parent = getpid();
	if (cuse_caller_open(caller_thread, &caller) == 0)
		(void)cuse_looker_start(&caller, &region, 1, &pidfd, &socket);
	while (!scene->looker)
		(void)usleep(100);
	_exit(0);
}

static void nobody_looks_for_a_primary_that_died_meanwhile(void)
{
	uint32_t caller = (uint32_t)gettid();
	pid_t primary;

	scene = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(scene != MAP_FAILED);
	REQUIRE(syscall(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	primary = fork();
	if (!primary)
		be_primary(caller, scene);
	REQUIRE(waitpid(primary, NULL, 0) == primary);
	CHECK_EQ(waitpid(scene->looker, NULL, 0), scene->looker);
	CHECK(!scene->looked);
	REQUIRE(syscall(SYS_prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0);
	munmap(scene, ROOM);
	scene = NULL;
}

static void who_has_said_nothing_yet_is_waited_for(void)
{
	struct vu_region regions[2] = {{.file_offset = 77}, {.file_offset = 77}};
	struct cuse_memory_fault fault = {.reason = REFUSED_CALLER};
	int ends[2], fds[VU_RAW_REGIONS];

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_EQ(cuse_looker_hear(ends[0], regions, fds, 2, &fault), -EAGAIN);
	CHECK_EQ(fault.reason, REFUSED_CALLER);
	CHECK_EQ(regions[0].file_offset, 77);
	hf_fd_close_all(ends, 2);
}

static const struct sentence sentences[] = {
	SENTENCE(a_descriptor_for_each_region_and_not_one_more_is_taken),
	SENTENCE(who_has_said_nothing_yet_is_waited_for),
	SENTENCE(a_reason_that_there_is_not_is_not_counted),
	SENTENCE(words_without_an_end_end),
	SENTENCE(what_comes_with_a_refusal_or_half_of_it_is_closed),
	SENTENCE(nobody_looks_for_a_primary_that_died_meanwhile),
};

SUITE("cuse_looker", sentences)
