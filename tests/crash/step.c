/* SPDX-License-Identifier: Apache-2.0 */
#include "step.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

pid_t step_start(void (*run)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(STEP_SKIPPED);
		raise(SIGSTOP);
		run(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	(void)ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL);
	return pid;
}

/* One instruction, or to the watchpoint. */
static bool resume(pid_t pid, bool step)
{
	int status;

	if (ptrace(step ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, NULL) < 0)
		return false;
	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

bool step_resume(pid_t pid)
{
	return resume(pid, true);
}

bool step_kill(pid_t pid)
{
	int status;

	return kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

#if defined(__x86_64__)
static bool set_debug(pid_t pid, unsigned int reg, uintptr_t value)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + 8 * reg, value) ==
	       0;
}

bool step_to_store(pid_t pid, const uint32_t *word)
{
	const uintptr_t write_4_bytes = 1 | 1 << 16 | 3 << 18;

	return set_debug(pid, 0, (uintptr_t)word) && set_debug(pid, 7, write_4_bytes) &&
	       resume(pid, false) && set_debug(pid, 7, 0);
}
#else
bool step_to_store(pid_t pid, const uint32_t *word)
{
	(void)pid;
	(void)word;
	return false;
}
#endif

static void run_nothing(void *unused)
{
	(void)unused;
}

/* Some containers and hardened kernels forbid it. */
static bool may_trace(void)
{
	pid_t pid = step_start(run_nothing, NULL);
	bool good;

	if (pid < 0)
		return false;
	good = step_resume(pid);
	return step_kill(pid) && good;
}

bool step_possible(void)
{
	if (SANITIZED) {
		printf("skipped: single-stepping sanitized code takes too long\n");
		return false;
	}
	if (!may_trace()) {
		printf("skipped: ptrace is not permitted here (%s)\n", strerror(errno));
		return false;
	}
	return true;
}
