/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks: processes that are gone, cannot be seen, or are not the owner; and more of them at once
 * than there is room for. Who asks may be refused, but is never left without an answer.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cuse_caller.h"
#include "cuse_wire.h"
#include "fake_cuse.h"
#include "fake_grants.h"
#include "fd.h"
#include "front.h"
#include "owner.h"
#include "port.h"
#include "refusal.h"
#include "session.h"
#include "suite.h"

/* --- the caller itself --- */

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	REQUIRE(pid > 0);
	return pid;
}

static void end_of(pid_t pid)
{
	kill(pid, SIGKILL);
	REQUIRE(waitpid(pid, NULL, 0) == pid);
}

static void a_caller_that_is_gone_or_not_to_be_seen_is_refused(void)
{
	pid_t child = sleeper();

	end_of(child);
	owner_begin();
	kernel.thread = (uint32_t)child;
	CHECK_EQ(kernel_file(owner.handle, VH_SET_VRING_CALL, 0, owner.kick), -EOWNERDEAD);
	CHECK_EQ(kernel_memory(owner.handle, owner.memory, MEMORY), -EOWNERDEAD);
	kernel.thread = 0; /* of another pid namespace */
	CHECK_EQ(kernel_file(owner.handle, VH_SET_VRING_CALL, 0, owner.kick), -EOWNERDEAD);
	kernel.thread = UINT32_MAX;
	CHECK_EQ(kernel_file(owner.handle, VH_SET_VRING_CALL, 0, owner.kick), -EOWNERDEAD);
	CHECK_EQ(primary.refusals[REFUSED_CALLER], 4);
	CHECK_EQ(kernel_release(owner.handle), 0);
	CHECK_EQ(kernel_open(), -EOWNERDEAD);
	kernel.thread = (uint32_t)gettid();
	owner.handle = (uint64_t)kernel_open();
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_OWNER, NULL), 0);
	owner_end();
}

/* Of all numbers so many are taken that the few left are for who is there. */
static void without_descriptors_nobody_new_opens(void)
{
	struct rlimit old, tight;
	int held[64];

	front_begin();
	kernel_begin();
	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		held[i] = dup(kernel.socket);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	tight = old;
	tight.rlim_cur = (rlim_t)held[ARRAY_SIZE(held) - 1] + 5;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK_EQ(kernel_open(), -EMFILE);
	CHECK_EQ(primary.refusals[REFUSED_NO_RESOURCES], 1);
	CHECK(!kernel_port()->session);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	hf_fd_close_all(held, ARRAY_SIZE(held));
	CHECK(kernel_open() > 0);
	kernel_end();
	front_end();
}

static void another_process_than_the_owner_sets_nothing_up(void)
{
	pid_t child = sleeper();

	owner_begin();
	kernel.thread = (uint32_t)child;
	CHECK_EQ(kernel_file(owner.handle, VH_SET_VRING_CALL, 0, owner.kick), -EPERM);
	CHECK_EQ(kernel_memory(owner.handle, owner.memory, MEMORY), -EPERM);
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), -EPERM);
	CHECK_EQ(primary.refusals[REFUSED_NOT_THE_OWNER], 3);
	kernel.thread = (uint32_t)gettid();
	end_of(child);
	owner_end();
}

/* The same number again, but not the same process. */
static void a_number_that_was_given_to_another_process_is_not_the_owner(void)
{
	owner_begin();
	kernel_port()->session->owner_start++;
	CHECK_EQ(kernel_memory(owner.handle, owner.memory, MEMORY), -EPERM);
	kernel_port()->session->owner_start--;
	owner_end();
}

/* As another user, who may not look at its descriptors. */
static int eventfd_for_another_user(const struct cuse_caller *caller, int number)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid)
		_exit(setuid(65534) < 0 ? 255 : -cuse_caller_eventfd(caller, number));
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void what_is_no_eventfd_of_the_callers_is_not_taken(void)
{
	struct cuse_caller caller;
	int fd;

	owner_begin();
	REQUIRE(cuse_caller_open((uint32_t)gettid(), &caller) == 0);
	fd = cuse_caller_eventfd(&caller, owner.kick);
	CHECK(fd >= 0 && fd != owner.kick);
	close(fd);
	CHECK_EQ(cuse_caller_eventfd(&caller, -1), -EBADF);
	CHECK_EQ(cuse_caller_eventfd(&caller, 100000), -EBADF);
	CHECK_EQ(cuse_caller_eventfd(&caller, owner.file), -EBADF);
	CHECK_EQ(cuse_caller_fd(&caller, 100000), -EBADF);
	if (geteuid() == 0)
		CHECK_EQ(eventfd_for_another_user(&caller, owner.kick), -EPERM);
	cuse_caller_close(&caller);
	owner_end();
}

/* --- interrupted while its memory is looked for --- */

/* Who looks waits here for the test, in the middle. Shared with it. */
static struct pause {
	_Atomic bool wanted, reached;
} * pause_in_look;

/* In the place of libc's. */
int memfd_create(const char *name, unsigned int flags)
{
	if (pause_in_look && pause_in_look->wanted) {
		pause_in_look->reached = true;
		while (pause_in_look->wanted)
			(void)usleep(100);
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

/* A table, with a signal in the middle of the look. Its number. */
static uint64_t ask_interrupted(void)
{
	struct {
		struct vh_memory head;
		struct vh_region region;
	} table = {{.count = 1}, {.size = MEMORY, .user_addr = (uintptr_t)owner.memory}};
	struct fuse_interrupt_in in;

	pause_in_look->wanted = true;
	in.unique = kernel_phase(owner.handle, VH_SET_MEM_TABLE, 4096, &table, sizeof(table), 0);
	for (int ms = 0; ms < 20000 && !pause_in_look->reached; ms++)
		front_wait(1);
	REQUIRE(pause_in_look->reached);
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	front_turn();
	pause_in_look->wanted = pause_in_look->reached = false;
	return in.unique;
}

/* The kernel says it once: what comes behind the look may take for ever. */
static void who_was_interrupted_in_the_look_waits_for_no_revocation(void)
{
	struct vh_vring_file stop = {0, -1};
	uint64_t unique;

	owner_begin();
	pause_in_look = owner_map(-1, PAGE, 0, MAP_SHARED | MAP_ANONYMOUS);
	owner_alive();
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), 0);
	/* Without a wait it is not spoilt. */
	unique = ask_interrupted();
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, 0);
	fake.hold = true;
	unique = ask_interrupted();
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, -EINTR);
	CHECK_EQ(kernel_port()->session->state, SESSION_WAITING);
	/* The place of its request is another's then, which nobody has interrupted. */
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	while (kernel_answer())
		CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), 0);
	fake.hold = true;
	(void)kernel_phase(owner.handle, VH_NET_SET_BACKEND, 4096, &stop, sizeof(stop), 0);
	CHECK(!kernel_answer());
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answer_error, 0);
	munmap(pause_in_look, PAGE);
	pause_in_look = NULL;
	owner_end();
}

/* --- too much, too late --- */

static void more_requests_at_once_than_are_kept_are_turned_away(void)
{
	struct vh_vring_state state = {0};
	int busy = 0, done = 0;

	owner_begin();
	owner_alive();
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), 0);
	fake.hold = true;
	for (uint32_t i = 0; i < 3 * CUSE_REQUESTS; i++)
		(void)kernel_phase(owner.handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state),
				   sizeof(state));
	while (kernel_answer()) {
		CHECK_EQ(kernel.answer_error, -EBUSY);
		busy++;
	}
	CHECK_EQ(busy, 2 * (int)CUSE_REQUESTS);
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	while (kernel_answer()) {
		CHECK_EQ(kernel.answer_error, 0);
		done++;
	}
	CHECK_EQ(done, (int)CUSE_REQUESTS);
	owner_end();
}

/* Closing cannot be refused, and the file is gone: even when there is no room to note it. */
static void a_release_is_answered_though_there_is_no_room(void)
{
	struct vh_vring_state state = {0};
	bool released = false;

	owner_begin();
	owner_alive();
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), 0);
	fake.hold = true;
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		(void)kernel_phase(owner.handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state),
				   sizeof(state));
	CHECK(!kernel_answer());
	CHECK_EQ(kernel_release(owner.handle), 0);
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	while (kernel_answer())
		released |= kernel.answer_error == -EIO;
	CHECK(released);
	CHECK(kernel_port()->session == NULL);
	owner.handle = (uint64_t)kernel_open();
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_OWNER, NULL), 0);
	owner_end();
}

int main(void)
{
	static const struct sentence sentences[] = {
		CATALOGUE(a_caller_that_is_gone_or_not_to_be_seen_is_refused, "[U-3]"),
		SENTENCE(without_descriptors_nobody_new_opens),
		CATALOGUE(another_process_than_the_owner_sets_nothing_up, "[U-3]"),
		CATALOGUE(a_number_that_was_given_to_another_process_is_not_the_owner, "[U-3]"),
		CATALOGUE(what_is_no_eventfd_of_the_callers_is_not_taken, "[U-5]"),
		CATALOGUE(who_was_interrupted_in_the_look_waits_for_no_revocation, "[U-6]"),
		CATALOGUE(more_requests_at_once_than_are_kept_are_turned_away, "[U-6]"),
		CATALOGUE(a_release_is_answered_though_there_is_no_room, "[U-6]"),
	};

	return suite_run("cuse_callers", sentences, ARRAY_SIZE(sentences));
}
