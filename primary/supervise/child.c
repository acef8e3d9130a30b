/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "log.h"

/* calls before the filter: clone kill */

#define TAG		 "supervisor"
#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_LAST_NS	 (5 * NS_PER_S)

/* As it would be without us: what is blocked and ignored here would stay so there. */
static void unblock_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void start(struct child *child)
{
	pid_t pid = fork();

	child->started_ns = hf_now_ns();
	if (pid < 0) {
		log_error(TAG, "cannot start a process: %m; trying again");
		child->start_at_ns = child->started_ns + BACKOFF_LAST_NS;
		return;
	}
	if (pid == 0) {
		unblock_signals();
		child->become(child);
		_exit(127);
	}
	child->pid = pid;
	child->start_at_ns = 0;
	if (child->started)
		child->started(child);
}

void child_start_due(struct child *child, uint64_t now_ns, uint64_t *next_ns)
{
	if (child->start_at_ns && child->start_at_ns <= now_ns)
		start(child);
	if (child->start_at_ns)
		*next_ns = min_u64(*next_ns, child->start_at_ns);
}

void child_back_off(struct child *child, uint64_t now_ns)
{
	if (now_ns - child->started_ns >= CHILD_LONG_LIFE_NS)
		child->backoff_ns = 0;
	child->backoff_ns = child->backoff_ns ? min_u64(2 * child->backoff_ns, BACKOFF_LAST_NS)
					      : BACKOFF_FIRST_NS;
	child->start_at_ns = now_ns + child->backoff_ns;
}

void child_signal(const struct child *child, int number)
{
	if (child->pid)
		kill(child->pid, number);
}
