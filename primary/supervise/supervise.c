/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop over three things: signals, the notify socket, and who is to be started when.
 *
 * The primary gets NOTIFY_SOCKET, and what is kept as LISTEN_FDS. Only its own datagrams count (the
 * kernel says whose they are), and all that it sent before its death are read before its successor
 * starts.
 *
 * With --user this process stays what it is, so that it can start switches that need root's rights;
 * the primary becomes that user itself. Nothing here reads what that one could have written but the
 * notify socket.
 *
 * Should this process die the primary runs on, without survival: it is not worth a guest's network
 * to die along. In good order it ends first, then the switches, and nobody is left behind.
 */
#include "supervise.h"

/* calls before the filter: clock_nanosleep flock nanosleep poll ppoll signalfd4 wait4 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "child.h"
#include "clock.h"
#include "fd.h"
#include "log.h"
#include "notify_listener.h"
#include "primary_child.h"
#include "privilege.h"
#include "program.h"
#include "supervise_keep.h"
#include "switches.h"

#define TAG		    "supervisor"
#define END_NS		    (10 * NS_PER_S)
#define DATAGRAMS_PER_ROUND 256u
#define POLL_AGAIN_US	    10000
#define SPARE_FDS	    64u /* what we need ourselves */

struct supervisor {
	struct primary_child primary;
	struct switches switches;
	struct notify_listener notify;
	int lock;
	int signals;
	bool ending;
	uint64_t end_by_ns;
	int status;
};

/* --- all children: the primary is the first --- */

static size_t nr_children(const struct supervisor *s)
{
	return 1 + s->switches.count;
}

static struct child *child_at(struct supervisor *s, size_t i)
{
	return i ? &s->switches.of[i - 1].child : &s->primary.child;
}

static void signal_switches(struct supervisor *s, int number)
{
	for (size_t i = 1; i < nr_children(s); i++)
		child_signal(child_at(s, i), number);
}

static bool anybody_left(struct supervisor *s)
{
	for (size_t i = 0; i < nr_children(s); i++)
		if (child_at(s, i)->pid)
			return true;
	return false;
}

/* --- the primary --- */

static void on_ready_first(struct primary_child *primary)
{
	struct supervisor *s = container_of(primary, struct supervisor, primary);

	switches_begin(&s->switches);
}

static void begin_end(struct supervisor *s, int status)
{
	s->ending = s->primary.ending = true;
	s->status = status;
	s->end_by_ns = hf_now_ns() + END_NS;
	switches_end(&s->switches);
	if (!s->primary.child.pid)
		signal_switches(s, SIGTERM);
}

static void on_ended(struct primary_child *primary, int status)
{
	begin_end(container_of(primary, struct supervisor, primary), status);
}

/* False: nothing more to read. */
static bool read_datagram(struct supervisor *s)
{
	struct notice notice;
	int error = notify_listener_read(&s->notify, &notice);

	if (error)
		return error == -EINTR;
	if (!notice.pid || notice.pid != s->primary.child.pid || notice.cut)
		hf_fd_close_all(notice.fds, notice.nr_fds);
	else
		primary_child_said(&s->primary, notice.text, notice.fds, notice.nr_fds);
	return true;
}

/* At most so many a round: signals and deaths are looked at in between. */
static void read_some_datagrams(struct supervisor *s)
{
	for (unsigned int i = 0; i < DATAGRAMS_PER_ROUND && read_datagram(s); i++)
		;
}

/* --- signals and time --- */

static void bury(struct supervisor *s, struct child *child, int status)
{
	/* All that it said; it can say no more. */
	while (child == &s->primary.child && read_datagram(s))
		;
	child->pid = 0;
	child->died(child, status);
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < nr_children(s); i++)
			if (pid == child_at(s, i)->pid)
				bury(s, child_at(s, i), status);
}

static void on_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		log_notice(TAG, "signal %u: ending", info.ssi_signo);
		if (!s->ending)
			begin_end(s, EXIT_SUCCESS);
		s->primary.child.start_at_ns = 0;
		child_signal(&s->primary.child, (int)info.ssi_signo);
	}
	reap(s);
}

static int wait_for_end(struct supervisor *s, uint64_t now)
{
	if (now < s->end_by_ns)
		return (int)((s->end_by_ns - now) / NS_PER_MS) + 1;
	child_signal(&s->primary.child, SIGKILL);
	signal_switches(s, SIGKILL);
	return 1000;
}

/* Do what is due; milliseconds until the next thing is, -1 none. */
static int do_all_due(struct supervisor *s)
{
	uint64_t now = hf_now_ns(), next = UINT64_MAX;

	if (s->ending)
		return wait_for_end(s, now);
	for (size_t i = 0; i < nr_children(s); i++)
		child_start_due(child_at(s, i), now, &next);
	primary_child_watch(&s->primary, now, &next);
	return next == UINT64_MAX ? -1 : (int)((next - now) / NS_PER_MS) + 1;
}

static void run(struct supervisor *s)
{
	struct pollfd fds[2] = {{.fd = s->signals, .events = POLLIN},
				{.fd = s->notify.socket, .events = POLLIN}};

	primary_child_begin(&s->primary);
	while (!s->ending || anybody_left(s)) {
		int timeout = do_all_due(s);

		/* The kernel's memory is short; nobody else would look after the children. */
		if (poll(fds, ARRAY_SIZE(fds), timeout) < 0 && errno != EINTR)
			usleep(POLL_AGAIN_US);
		read_some_datagrams(s);
		on_signals(s);
	}
}

/* --- beginning --- */

/* One supervisor a run directory: a second one would take the socket away from the first. */
static int take_lock(struct supervisor *s, const char *run_dir)
{
	char path[sizeof(((struct conf *)0)->run_dir) + 32];

	snprintf(path, sizeof(path), "%s/supervisor.lock", run_dir);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return -errno;
	return flock(s->lock, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
}

static int open_signals(struct supervisor *s)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? -errno : 0;
}

static size_t most_descriptors(void)
{
	struct rlimit limit = {0};

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	/* The primary needs one to work with for each that is kept, and one of its own. */
	return limit.rlim_max > SPARE_FDS ? (size_t)(limit.rlim_max - SPARE_FDS) / 3 : 0;
}

/* Everything that takes the run directory to be ours. */
static int open_doors(struct supervisor *s, const struct conf *conf)
{
	int error = privilege_make_run_dir(conf->run_dir, conf_is_open(conf), &conf->user);

	/* The directory is the primary's user's, and so is what lies in it. */
	privilege_lend(&conf->user);
	if (!error)
		error = take_lock(s, conf->run_dir);
	if (!error)
		error = notify_listener_open(&s->notify, conf->run_dir);
	privilege_take_back(&conf->user);
	return error ? error : open_signals(s);
}

static void close_doors(struct supervisor *s, const struct conf *conf)
{
	privilege_lend(&conf->user);
	notify_listener_close(&s->notify);
	privilege_take_back(&conf->user);
	hf_fd_close(&s->lock);
	hf_fd_close(&s->signals);
}

static int make_primary(struct supervisor *s, const struct conf *conf, char **argv)
{
	size_t max = most_descriptors();

	s->primary = (struct primary_child){.argv = argv,
					    .keep = keep_create(max),
					    .max_kept = max,
					    .notify_path = s->notify.path,
					    .ready_first = on_ready_first,
					    .ended = on_ended,
					    .running.limit_ns = conf->watchdog_ns,
					    .starting.limit_ns = conf->start_deadline_ns};
	if (!argv || !s->primary.keep)
		return -ENOMEM;
	return *program_path() ? 0 : -ENOENT;
}

int supervise(const struct conf *conf, char **argv)
{
	static struct supervisor s = {.notify.socket = -1, .lock = -1, .signals = -1};
	int error = make_primary(&s, conf, argv);

	if (!error)
		error = open_doors(&s, conf);
	if (error) {
		log_error(TAG, "cannot supervise in %s: %s; %s", conf->run_dir, strerror(-error),
			  error == -EBUSY ? "another supervisor does, end it or use another "
					    "--run-dir"
					  : "is the run directory ours to write?");
		s.status = EXIT_FAILURE;
	} else {
		(void)setenv("HOLDFAST_RUN_DIR", conf->run_dir, 1);
		switches_make(&s.switches, conf);
		run(&s);
	}
	keep_destroy(s.primary.keep);
	close_doors(&s, conf);
	return s.status;
}
