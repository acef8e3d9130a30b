/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends while a caller's memory is looked at: the caller, its session, its device, the port,
 * the primary. The look ends with it, and nothing is left of it.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse_file.h"
#include "check.h"
#include "cuse.h"
#include "cuse_looker.h"
#include "device.h"
#include "fake_cuse.h"
#include "fd.h"
#include "fd_ledger.h"
#include "front.h"
#include "ports.h"
#include "refusal.h"
#include "seats.h"
#include "session.h"
#include "suite.h"

/* --- the caller is not who it was --- */

static bool has_said(void *socket)
{
	char byte;

	return recv(*(int *)socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* What a look at that caller is refused for; it is killed in the middle, if asked. */
static enum refusal look_at(const struct cuse_caller *caller, bool dies)
{
	struct vu_region region = {.size = SEATS_MEMORY, .user_addr = (uintptr_t)seats_memory};
	struct cuse_memory_fault fault = {.reason = NR_REFUSALS};
	int pidfd, socket, fd, error;

	lookers->to_hang = 1;
	REQUIRE(cuse_looker_start(caller, &region, 1, &pidfd, &socket) == 0);
	lookers_await(1);
	if (dies) {
		kill(caller->pid, SIGKILL);
		REQUIRE(waitpid(caller->pid, NULL, 0) == caller->pid);
	}
	lookers->go_on = true;
	CHECK(rig_until(&rig, has_said, &socket, WAIT_MS));
	error = cuse_looker_hear(socket, &region, &fd, 1, &fault);
	REQUIRE(waitpid(lookers->last, NULL, __WALL) == lookers->last);
	hf_fd_close(&pidfd);
	hf_fd_close(&socket);
	if (!error)
		hf_fd_close(&fd);
	CHECK_EQ(error, error ? -EPROTO : 0);
	return fault.reason;
}

/* Between the look at its maps and what is opened by them. */
static void a_caller_that_dies_in_the_middle_of_it_is_refused(void)
{
	struct cuse_caller caller;
	enum refusal reason;

	seats_begin(0);
	REQUIRE(cuse_caller_open((uint32_t)seats_sleeper(), &caller) == 0);
	reason = look_at(&caller, true);
	CHECK(reason == REFUSED_MEMORY_HIDDEN || reason == REFUSED_CALLER ||
	      reason == REFUSED_REGION_MAP);
	cuse_caller_close(&caller);
	seats_end(0);
}

/* All was found, but in the memory of who has that number now. */
static void what_is_found_in_another_process_of_its_number_is_not_taken(void)
{
	struct cuse_caller caller;

	seats_begin(0);
	REQUIRE(cuse_caller_open((uint32_t)gettid(), &caller) == 0);
	caller.start++;
	CHECK_EQ(look_at(&caller, false), REFUSED_CALLER);
	lookers->go_on = false;
	lookers->hanging = 0;
	caller.start--;
	CHECK_EQ(look_at(&caller, false), 0);
	cuse_caller_close(&caller);
	seats_end(0);
}

/* --- how it dies --- */

static enum { DIES_AT_ONCE, DIES_WHEN_WAITED_FOR, DIES_NOT } dies;
static int doomed[64]; /* pidfds of those who do not die at once */
static uint32_t nr_doomed;
static int waited_ms; /* for them: no other time passes meanwhile */
static struct timespec stopped_at;

static void from_now_on(int how)
{
	REQUIRE(clock_gettime(CLOCK_MONOTONIC, &stopped_at) == 0);
	nr_doomed = 0;
	waited_ms = 0;
	dies = how;
}

static int kill_by(int pidfd)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

static int poll_for(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	return (int)syscall(SYS_ppoll, fds, n, ms < 0 ? NULL : &limit, NULL, 0);
}

static void all_die(void)
{
	for (uint32_t i = 0; i < nr_doomed; i++) {
		struct pollfd ended = {.fd = doomed[i], .events = POLLIN};

		if (kill_by(doomed[i]) == 0)
			CHECK_EQ(poll_for(&ended, 1, -1), 1);
	}
	nr_doomed = 0;
}

/* In the place of libc's, all three. */
int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)
{
	(void)sig;
	(void)info;
	(void)flags;
	if (dies == DIES_AT_ONCE)
		return kill_by(pidfd);
	doomed[nr_doomed++ % ARRAY_SIZE(doomed)] = pidfd;
	return 0;
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
	if (dies != DIES_AT_ONCE && n == 1 && ms > 0) {
		if (dies == DIES_WHEN_WAITED_FOR)
			all_die();
		else
			waited_ms += ms;
		ms = 0;
	}
	return poll_for(fds, n, ms);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (dies == DIES_AT_ONCE || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ret);
	*ret = stopped_at;
	ret->tv_sec += waited_ms / 1000;
	ret->tv_nsec += waited_ms % 1000 * 1000000L;
	ret->tv_sec += ret->tv_nsec / 1000000000;
	ret->tv_nsec %= 1000000000;
	return 0;
}

/* All but buried. */
static void dies_now(pid_t pid)
{
	siginfo_t info;

	kill(pid, SIGKILL);
	REQUIRE(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) == 0);
}

/* --- ends --- */

static void closing_the_file_ends_it(void)
{
	struct fuse_release_in in;
	uint64_t table, release;

	seats_begin(1);
	in = (struct fuse_release_in){.fh = seats[0].handle};
	lookers->to_hang = 1;
	table = seat_ask_for_look(0);
	lookers_await(1);
	release = kernel_send(FUSE_RELEASE, &in, sizeof(in));
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, kernel.answer_error ? table : release);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, kernel.answer_error ? table : release);
	CHECK(seat_port(0)->session == NULL);
	looker_is_buried_soon(lookers->last);
	seat_open(0);
	seat_is_answered(0, seat_ask_for_look(0), 0);
	seats_end(1);
}

static void the_callers_death_ends_it(void)
{
	uint64_t unique;
	pid_t caller;

	seats_begin(1);
	CHECK_EQ(kernel_ioctl(seats[0].handle, VH_RESET_OWNER, NULL), 0);
	caller = seats_sleeper();
	kernel.thread = (uint32_t)caller;
	CHECK_EQ(kernel_ioctl(seats[0].handle, VH_SET_OWNER, NULL), 0);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	kill(caller, SIGKILL);
	REQUIRE(waitpid(caller, NULL, 0) == caller);
	seat_is_answered(0, unique, -EIO);
	CHECK(seat_port(0)->session == NULL);
	looker_is_buried_soon(lookers->last);
	seats_end(1);
}

/* A process that holds the lock of its own address space: it maps something else over a page of a
 * file of FUSE that it has written to, and nobody answers for that file. Shared with it. */
static struct holder {
	struct fuse_file file;
	_Atomic enum { HOLDS_NOT_YET, HOLDS, CANNOT_HOLD } state;
} * holder;

static void *map_over(void *page)
{
	(void)mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return NULL;
}

/* The file is opened here and nowhere else: whoever closes it hangs. Nothing faults behind
 * pthread_create that was not touched before. */
static _Noreturn void hold_the_lock(void)
{
	static struct fuse_file file;
	char *page = MAP_FAILED;
	struct stat size; /* the kernel asks for it */
	pthread_t thread;

	if (fuse_file_begin(&file) && fstat(file.fd, &size) == 0)
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
	if (page == MAP_FAILED) {
		holder->state = CANNOT_HOLD;
		_exit(0);
	}
	page[0] = 1;
	holder->file = file;
	(void)fuse_file_is_written(&file);
	(void)usleep(1);
	(void)pthread_create(&thread, NULL, map_over, page);
	while (!fuse_file_is_written(&file))
		(void)usleep(1000);
	holder->state = HOLDS;
	for (;;)
		(void)usleep(1000);
}

static pid_t start_holder(void)
{
	pid_t pid;

	holder = mmap(NULL, sizeof(*holder), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	REQUIRE(holder != MAP_FAILED);
	pid = fork();
	if (!pid)
		hold_the_lock();
	REQUIRE(pid > 0);
	for (int ms = 0; ms < WAIT_MS && holder->state == HOLDS_NOT_YET; ms++)
		usleep(1000);
	CHECK(holder->state != HOLDS_NOT_YET);
	return pid;
}

/* Whoever waits for the file goes on when its server is gone. */
static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	if (holder->state == HOLDS) {
		CHECK_EQ(kill(holder->file.server, SIGKILL), 0);
		CHECK_EQ(umount2(holder->file.path, MNT_DETACH), 0);
		CHECK_EQ(unlink(holder->file.path), 0);
	}
	REQUIRE(waitpid(pid, NULL, 0) == pid);
	munmap(holder, sizeof(*holder));
}

/* Not one that plays to hang: the kernel's own lock, and a signal that must end the wait for it. */
static void one_that_waits_for_the_callers_lock_can_be_killed(void)
{
	uint64_t unique;
	pid_t caller, looker = 0;

	seats_begin(2);
	(void)seat_use(0);
	CHECK_EQ(kernel_ioctl(seats[0].handle, VH_RESET_OWNER, NULL), 0);
	caller = start_holder();
	kernel.thread = (uint32_t)caller;
	if (holder->state == HOLDS) {
		CHECK_EQ(kernel_ioctl(seats[0].handle, VH_SET_OWNER, NULL), 0);
		unique = seat_ask_for_look(0);
		CHECK_EQ(seat_set_up(1), OF_A_SETUP);
		if (seat_look(0)->state == CUSE_LOOK_RUNS)
			looker = seat_looker(0);
	}
	if (looker) {
		seat_let_time_pass(seat_look(0));
		seat_is_answered(0, unique, -ETIMEDOUT);
		looker_is_buried_soon(looker);
	} else {
		printf("\n    skipped: no FUSE for this user, or it writes back without that "
		       "lock\n");
	}
	end_holder(caller);
	seats_end(2);
}

/* While the session's rings are taken back, what it found is of no use any more. */
static void what_is_found_for_a_session_that_ends_is_closed(void)
{
	uint64_t unique;
	int open_now;

	seats_begin(1);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	open_now = fds_open();
	seat_port(0)->session->must_end = "it is over";
	lookers->go_on = true;
	seat_is_answered(0, unique, -EIO);
	looker_is_buried_soon(lookers->last);
	CHECK_EQ(fds_open(), open_now - 3); /* the caller's and its pidfd, its socket */
	CHECK_EQ(seat_port(0)->device.memory.count, 0);
	seats_end(1);
}

static void removing_the_port_ends_it(void)
{
	seats_begin(2);
	lookers->to_hang = 1;
	(void)seat_ask_for_look(0);
	lookers_await(1);
	from_now_on(DIES_NOT);
	CHECK_EQ(port_del(&rig.primary, "c0"), 0);
	CHECK(seat_port(0) == NULL);
	CHECK_EQ(waited_ms, 0);
	CHECK_EQ(rig.primary.looks.running, 0);
	from_now_on(DIES_AT_ONCE);
	/* There is no port any more that would bury it: who looks next does. */
	dies_now(lookers->last);
	CHECK(!looker_is_buried(&(pid_t){lookers->last}));
	CHECK_EQ(seat_set_up(1), OF_A_SETUP);
	CHECK(looker_is_buried(&(pid_t){lookers->last}));
	seats_end(2);
}

static void a_device_that_is_cut_off_ends_it(void)
{
	seats_begin(1);
	lookers->to_hang = 1;
	(void)seat_ask_for_look(0);
	lookers_await(1);
	hf_fd_close(&kernel.socket);
	front_turn();
	CHECK(seat_port(0)->session == NULL);
	CHECK_EQ(rig.primary.looks.running, 0);
	looker_is_buried_soon(lookers->last);
	seats_end(1);
}

/* The program that we become would find the requests in the journal, and children that it does not
 * know. Here exec fails. */
static void an_upgrade_begins_all_of_them_again(void)
{
	uint64_t unique[CUSE_LOOKS + 2];
	struct fuse_interrupt_in in;
	pid_t looker[CUSE_LOOKS];

	seats_begin(CUSE_LOOKS + 2);
	lookers->to_hang = CUSE_LOOKS;
	for (uint32_t i = 0; i < CUSE_LOOKS + 1; i++)
		unique[i] = seat_ask_for_look(i);
	lookers_await(CUSE_LOOKS);
	for (uint32_t i = 0; i < CUSE_LOOKS; i++)
		looker[i] = seat_looker(i);
	/* Nobody would tell the next program of this. */
	in.unique = unique[1];
	(void)seat_use(1);
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	front_turn();
	rig.primary.holding = true;
	/* Nothing new is begun, also where there is room. */
	unique[CUSE_LOOKS + 1] = seat_ask_for_look(CUSE_LOOKS + 1);
	CHECK_EQ(seat_look(CUSE_LOOKS + 1)->state, CUSE_LOOK_NONE);
	seat_let_time_pass(seat_look(0));
	seat_is_answered(0, unique[0], -ETIMEDOUT);
	/* The loop killed it and did not wait, nor does the upgrade wait for it. */
	looker_is_buried_soon(looker[0]);
	CHECK_EQ(seat_look(CUSE_LOOKS)->state, CUSE_LOOK_IN_LINE);
	from_now_on(DIES_WHEN_WAITED_FOR);
	cuse_rest(&rig.primary);
	from_now_on(DIES_AT_ONCE);
	CHECK_EQ(rig.primary.looks.running, 0);
	for (uint32_t i = 1; i < CUSE_LOOKS; i++)
		CHECK(looker_is_buried(&looker[i]));
	seat_is_answered(1, unique[1], -EINTR);
	for (uint32_t i = 2; i < CUSE_LOOKS + 2; i++)
		CHECK(seat_is_silent(i));
	rig.primary.holding = false;
	for (uint32_t i = 2; i < CUSE_LOOKS + 2; i++)
		seat_is_answered(i, unique[i], 0);
	seats_end(CUSE_LOOKS + 2);
}

static void an_upgrade_does_not_wait_for_one_after_the_other(void)
{
	pid_t looker[3];

	seats_begin(3);
	lookers->to_hang = 3;
	for (uint32_t i = 0; i < 3; i++)
		(void)seat_ask_for_look(i);
	lookers_await(3);
	for (uint32_t i = 0; i < 3; i++)
		looker[i] = seat_looker(i);
	from_now_on(DIES_NOT);
	cuse_rest(&rig.primary);
	CHECK(waited_ms > 0 && waited_ms <= 500);
	from_now_on(DIES_AT_ONCE);
	for (uint32_t i = 0; i < 3; i++) {
		dies_now(looker[i]);
		looker_is_buried_soon(looker[i]);
	}
	seats_end(3);
}

/* Its lock may be held for as long as somebody likes: nobody would end it then. */
static void it_does_not_outlive_the_primary(void)
{
	pid_t parent, looker = 0, self = getpid();

	seats_begin(0);
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	lookers->to_hang = 1;
	parent = fork();
	if (!parent) {
		struct vu_region region = {.size = SEATS_MEMORY,
					   .user_addr = (uintptr_t)seats_memory};
		struct cuse_caller caller;
		int pidfd, socket;

		if (cuse_caller_open((uint32_t)self, &caller) == 0 &&
		    cuse_looker_start(&caller, &region, 1, &pidfd, &socket) == 0)
			for (;;)
				pause();
		_exit(1);
	}
	lookers_await(1);
	looker = lookers->last;
	kill(parent, SIGKILL);
	REQUIRE(waitpid(parent, NULL, 0) == parent);
	for (int ms = 0; ms < WAIT_MS && waitpid(looker, NULL, WNOHANG) != looker; ms++)
		usleep(1000);
	CHECK(looker_is_buried(&looker));
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	seats_end(0);
}

int main(void)
{
	static const struct sentence sentences[] = {
		CATALOGUE(a_caller_that_dies_in_the_middle_of_it_is_refused, "[U-3]"),
		CATALOGUE(what_is_found_in_another_process_of_its_number_is_not_taken, "[U-3]"),
		CATALOGUE(closing_the_file_ends_it, "[U-6]"),
		CATALOGUE(the_callers_death_ends_it, "[U-3]"),
		CATALOGUE(one_that_waits_for_the_callers_lock_can_be_killed, "[U-4]"),
		CATALOGUE(what_is_found_for_a_session_that_ends_is_closed, "[U-3]"),
		SENTENCE(removing_the_port_ends_it),
		CATALOGUE(a_device_that_is_cut_off_ends_it, "[U-6]"),
		SENTENCE(an_upgrade_begins_all_of_them_again),
		SENTENCE(an_upgrade_does_not_wait_for_one_after_the_other),
		SENTENCE(it_does_not_outlive_the_primary),
	};

	return suite_run("cuse_look_ends", sentences, ARRAY_SIZE(sentences));
}
