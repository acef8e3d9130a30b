/* SPDX-License-Identifier: Apache-2.0 */
#include "primary_child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "handon.h"
#include "log.h"
#include "program.h"
#include "supervise_keep.h"

#define TAG	      "supervisor"
#define SHORT_LIFE_NS (100 * NS_PER_MS)
#define ABORT_NS      (5 * NS_PER_S) /* for a core to be written */
/* After so many crashes in a row there is no hurry: they are not of one session's message, whose
 * session would be ended by now (resume.c). */
#define CRASHES_AT_ONCE 16u

/* --- starting --- */

/* It is the pause that its successor reports. */
static int tell_end(uint64_t ended_ns)
{
	char text[24];

	if (!ended_ns)
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)ended_ns);
	return setenv(PROGRAM_ENDED_NS, text, 1);
}

/* As systemd asks for them; whoever asks us does not ask our child. */
static int ask_for_signs(const struct primary_child *p)
{
	char usec[24], pid[24];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (!p->running.limit_ns)
		return 0;
	snprintf(usec, sizeof(usec), "%llu", (unsigned long long)(p->running.limit_ns / NS_PER_US));
	snprintf(pid, sizeof(pid), "%d", getpid());
	return setenv("WATCHDOG_USEC", usec, 1) || setenv("WATCHDOG_PID", pid, 1) ? -1 : 0;
}

static void become_primary(const struct child *child)
{
	const struct primary_child *p = container_of(child, const struct primary_child, child);
	struct handon *handon = handon_create();
	char max[24];

	snprintf(max, sizeof(max), "%zu", p->max_kept);
	if (handon && setenv("NOTIFY_SOCKET", p->notify_path, 1) == 0 &&
	    setenv("FDSTORE", max, 1) == 0 && ask_for_signs(p) == 0 &&
	    program_tell_path(program_path()) == 0 && tell_end(p->ended_ns) == 0 &&
	    keep_hand_on(p->keep, handon) == 0)
		(void)handon_exec(handon, p->own_image ? PROGRAM_OWN_IMAGE : program_path(), -1,
				  p->argv);
	log_error(TAG, "cannot execute the primary: %m; free memory or descriptors");
}

static void on_started(struct child *child)
{
	struct primary_child *p = container_of(child, struct primary_child, child);

	p->ready = p->reloading = false;
	pulse_begin(&p->starting);
}

/* --- what it says --- */

static void become_ready(struct primary_child *p)
{
	/* After an upgrade what its path holds has another chance. */
	if (p->reloading)
		p->own_image = false;
	p->ready = true;
	p->reloading = false;
	pulse_begin(&p->running);
	if (p->was_ready)
		return;
	p->was_ready = true;
	p->ready_first(p);
}

void primary_child_said(struct primary_child *p, char *text, int *fds, size_t nr_fds)
{
	enum keep_said said = keep_datagram(p->keep, text, fds, nr_fds);

	/* Whatever it was, its loop came round to say it. */
	pulse_felt(&p->running);
	/* A sign comes from the loop, which runs behind READY=1: that one was lost, as it may be
	 * where it found no room and no memory. */
	if (said == KEEP_READY || (said == KEEP_ALIVE && !p->ready))
		become_ready(p);
	if (said == KEEP_RELOADING) {
		p->ready = false;
		p->reloading = true;
		pulse_begin(&p->starting);
	}
}

/* --- deaths --- */

/* One that is told to end before it can listen has ended in good order as well. */
static bool ended_as_told(const struct primary_child *p, int status)
{
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	return p->ending && !p->ready &&
	       (number == SIGTERM || number == SIGINT || number == SIGHUP);
}

static int exit_status(const struct primary_child *p, int status)
{
	if (ended_as_told(p, status))
		return EXIT_SUCCESS;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Usage, no first start, or an end in good order: starting again would change nothing. */
static bool is_final(const struct primary_child *p, int status)
{
	/* One that never was ready ends nothing that was: another program stands at its path now.
	 */
	if (!WIFEXITED(status) || p->reloading || (p->was_ready && !p->ready))
		return false;
	return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2 || !p->was_ready;
}

/* Up, and down again by itself, again and again? SIGKILL is somebody's will. */
static bool keeps_crashing(struct primary_child *p, int status, uint64_t now)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	if (killed || now - p->child.started_ns >= CHILD_LONG_LIFE_NS)
		p->crashes = 0;
	else
		p->crashes++;
	return p->crashes > CRASHES_AT_ONCE;
}

static void start_again(struct primary_child *p, int status, uint64_t now)
{
	if (p->ready ? keeps_crashing(p, status, now) : !p->reloading) {
		child_back_off(&p->child, now);
		return;
	}
	p->child.backoff_ns = 0;
	p->child.start_at_ns = max_u64(now, p->child.started_ns + SHORT_LIFE_NS);
}

static void on_died(struct child *child, int status)
{
	struct primary_child *p = container_of(child, struct primary_child, child);
	uint64_t now = hf_now_ns();

	p->kill_at_ns = 0;
	if (p->ending || is_final(p, status)) {
		p->ended(p, exit_status(p, status));
		return;
	}
	log_warning(TAG, "the primary died (%s %d): starting it again, %zu descriptors kept",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    keep_count(p->keep));
	/* One that dies before it is ready has ended no service. */
	if (p->ready)
		p->ended_ns = now;
	/* A program that is there but cannot start: the one that we are could. */
	else
		p->own_image = !p->own_image;
	start_again(p, status, now);
}

void primary_child_begin(struct primary_child *p)
{
	p->child = (struct child){.become = become_primary,
				  .started = on_started,
				  .died = on_died,
				  .start_at_ns = hf_now_ns()};
}

/* --- hanging --- */

/* SIGABRT leaves a core to look at. */
static void end_it(struct primary_child *p, uint64_t now)
{
	const struct pulse *pulse = p->ready ? &p->running : &p->starting;

	log_error(TAG,
		  "the primary %s %llu s: ending it (SIGABRT), the next one goes on with its "
		  "sessions",
		  p->ready ? "has not come round for" : "is not ready after",
		  (unsigned long long)(pulse->limit_ns / NS_PER_S));
	child_signal(&p->child, SIGABRT);
	p->kill_at_ns = now + ABORT_NS;
}

void primary_child_watch(struct primary_child *p, uint64_t now, uint64_t *next)
{
	struct pulse *pulse = p->ready ? &p->running : &p->starting;

	if (!p->child.pid || !pulse->limit_ns)
		return;
	if (!p->kill_at_ns && pulse_stopped(pulse, p->child.pid, now))
		end_it(p, now);
	if (p->kill_at_ns && now >= p->kill_at_ns) {
		child_signal(&p->child, SIGKILL);
		p->kill_at_ns = now + ABORT_NS;
	}
	*next = min_u64(*next, p->kill_at_ns ? p->kill_at_ns : now + pulse_wait_ns(pulse, now));
}
