/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The kernel tells of a process's death after it has taken down its address space, and that takes
 * some 10 us for each MiB of guest memory on ordinary pages that we ever touched. All that time our
 * successor must wait: only the death proves that we store into the guest no more.
 *
 * So a second process has the same address space (CLONE_VM), and nothing else of ours. It executes
 * nothing but read(2) on a pipe whose other end we hold. When we die the address space still has a
 * user, our death is told at once, the pipe ends, and it is the unmapper that takes everything
 * down. Nothing is proven less by that: no thread of ours can run when our death is told, and the
 * unmapper has no instruction that stores into a guest.
 *
 * It has our thread-local storage, so it may use nothing that touches that: raw system calls that
 * do not fail, with all signals blocked. Who kills it takes away the gain and nothing else.
 */
#include "unmapper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rights.h"
#include "say.h"

#define STACK_BYTES 16384u

struct unmapper_start {
	const struct rights *rights;
	int ends[2];
};

static _Alignas(64) __attribute__((unused)) char stack[STACK_BYTES];

__attribute__((no_sanitize("address", "thread", "undefined"), unused)) static int unmap(
	void *context)
{
	static const struct sched_param ordinary;
	const struct unmapper_start *start = context;
	char byte;

	(void)syscall(SYS_dup3, start->ends[0], 0, 0);
	(void)syscall(SYS_close_range, 1u, ~0u, 0u);
	if (!rights_give_up_alone(start->rights))
		(void)syscall(SYS_exit_group, 1);
	(void)syscall(SYS_prctl, PR_SET_NAME, "hf-unmapper", 0, 0, 0);
	/* What is left to do then can wait for our successor, perhaps on the same core. */
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &ordinary);
	(void)syscall(SYS_setpriority, PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_read, 0, &byte, 1);
	(void)syscall(SYS_exit_group, 0);
	return 0;
}

void unmapper_start(const struct rights *rights)
{
#ifndef __SANITIZE_THREAD__		    /* which keeps its books in thread-local storage */
	static struct unmapper_start start; /* the unmapper reads it when it comes to run */
	sigset_t all, before;
	int pid, error = 0;

	if (pipe2(start.ends, O_CLOEXEC) < 0) {
		say("no unmapper: %s; raise the limit of open files", strerror(errno));
		return;
	}
	start.rights = rights;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	/* No signal at its end: it has nobody who waits for it. */
	pid = clone(unmap, stack + sizeof(stack), CLONE_VM, &start);
	if (pid < 0)
		error = errno;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		say("no unmapper: %s; raise the limit of tasks", strerror(error));
		(void)close(start.ends[1]);
	}
	(void)close(start.ends[0]);
#else
	(void)rights;
#endif
}
