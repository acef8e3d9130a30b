/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop over three things: signals, the notify socket, and who is to be started when.
 *
 * The primary gets NOTIFY_SOCKET, and what is kept as LISTEN_FDS. Only its own datagrams count (the
 * kernel says whose they are), and all that it sent before its death are read before its successor
 * starts. One that had become ready is started again at once; one that had not, with back-off.
 *
 * With --user this process stays what it is, so that it can start switches that need root's rights;
 * the primary becomes that user itself. Nothing here reads what that one could have written but the
 * notify socket.
 *
 * Should this process die the primary runs on, without survival: it is not worth a guest's network
 * to die along. In good order it ends first, then the switches, and nobody is left behind.
 */
#include "supervise.h"

/* calls before the filter: bind clock_nanosleep clone flock kill nanosleep poll ppoll recvmsg
 * setsockopt signalfd4 socket umask unlink unlinkat wait4 */

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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "handon.h"
#include "log.h"
#include "privilege.h"
#include "program.h"
#include "pulse.h"
#include "supervise_keep.h"

#define TAG		 "supervisor"
#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_LAST_NS	 (5 * NS_PER_S)
#define SHORT_LIFE_NS	 (100 * NS_PER_MS)
#define LONG_LIFE_NS	 (10 * NS_PER_S)
/* After so many crashes in a row there is no hurry: they are not of one session's message, whose
 * session would be ended by now (resume.c). */
#define CRASHES_AT_ONCE	    16u
#define END_NS		    (10 * NS_PER_S)
#define DATAGRAM_BYTES	    4096u
#define DATAGRAMS_PER_ROUND 256u
#define POLL_AGAIN_US	    10000
#define ABORT_NS	    (5 * NS_PER_S) /* for a core to be written */
#define SPARE_FDS	    64u		   /* what we need ourselves */
#define SWITCHES_EACH	    2u		   /* one that runs, one that waits */

struct child {
	const char *command; /* of a switch; NULL: the primary */
	size_t instance;     /* 1, 2: of this command */
	pid_t pid;	     /* 0: not running */
	uint64_t started_ns;
	uint64_t start_at_ns; /* 0: not to be started */
	uint64_t backoff_ns;
};

struct supervisor {
	char **argv; /* of the primary */
	struct keep *keep;
	size_t max_kept;
	int notify;
	int lock;
	char notify_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int signals;
	struct child primary;
	struct child switches[CONF_MAX_RUNS * SWITCHES_EACH];
	size_t nr_switches;
	bool was_ready;	     /* ever */
	bool ready;	     /* this life */
	bool reloading;	     /* it is becoming another program */
	bool own_image;	     /* what the path holds did not become ready: start what we are */
	uint32_t crashes;    /* of ready primaries, soon after their start, in a row */
	struct pulse pulse;  /* of a primary that is ready */
	uint64_t kill_at_ns; /* it was told to dump core, and may not manage to; 0: it was not */
	uint64_t ended_ns;   /* the last time that the primary was seen to die; 0: never */
	bool ending;
	uint64_t end_by_ns;
	int status;
};

/* --- starting --- */

/* As it would be without us: what is blocked and ignored here would stay so there. */
static void prepare_child(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

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
static int ask_for_signs(const struct supervisor *s)
{
	char usec[24], pid[24];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (!s->pulse.limit_ns)
		return 0;
	snprintf(usec, sizeof(usec), "%llu", (unsigned long long)(s->pulse.limit_ns / NS_PER_US));
	snprintf(pid, sizeof(pid), "%d", getpid());
	return setenv("WATCHDOG_USEC", usec, 1) || setenv("WATCHDOG_PID", pid, 1) ? -1 : 0;
}

static _Noreturn void become_primary(const struct supervisor *s)
{
	struct handon *handon = handon_create();
	char max[24];

	prepare_child();
	snprintf(max, sizeof(max), "%zu", s->max_kept);
	if (handon && setenv("NOTIFY_SOCKET", s->notify_path, 1) == 0 &&
	    setenv("FDSTORE", max, 1) == 0 && ask_for_signs(s) == 0 &&
	    program_tell_path(program_path()) == 0 && tell_end(s->ended_ns) == 0 &&
	    keep_hand_on(s->keep, handon) == 0)
		(void)handon_exec(handon, s->own_image ? PROGRAM_OWN_IMAGE : program_path(), -1,
				  s->argv);
	log_error(TAG, "cannot execute the primary: %m; free memory or descriptors");
	_exit(127);
}

/* The same command twice, and no two secondaries have one name: the library reads which this is. */
static _Noreturn void become_switch(const struct child *child)
{
	char line[CONF_RUN_BYTES + 8], instance[24];

	prepare_child();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	snprintf(instance, sizeof(instance), "%zu", child->instance);
	(void)setenv("HOLDFAST_INSTANCE", instance, 1);
	snprintf(line, sizeof(line), "exec %s", child->command);
	execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(127);
}

static void start(struct supervisor *s, struct child *child)
{
	pid_t pid = fork();

	child->started_ns = hf_now_ns();
	if (pid < 0) {
		log_error(TAG, "cannot start a process: %m; trying again");
		child->start_at_ns = child->started_ns + BACKOFF_LAST_NS;
		return;
	}
	if (pid == 0 && child->command)
		become_switch(child);
	if (pid == 0)
		become_primary(s);
	child->pid = pid;
	child->start_at_ns = 0;
	if (!child->command)
		s->ready = s->reloading = false;
}

static void back_off(struct child *child, uint64_t now)
{
	if (now - child->started_ns >= LONG_LIFE_NS)
		child->backoff_ns = 0;
	child->backoff_ns = child->backoff_ns ? min_u64(2 * child->backoff_ns, BACKOFF_LAST_NS)
					      : BACKOFF_FIRST_NS;
	child->start_at_ns = now + child->backoff_ns;
}

/* --- what the primary says --- */

static size_t take_fds(struct msghdr *msg, int *fds, size_t room, pid_t *ret_pid)
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		struct ucred peer;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&peer, CMSG_DATA(c), sizeof(peer));
			*ret_pid = peer.pid;
		} else if (c->cmsg_type == SCM_RIGHTS && n <= room - count) {
			memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
			count += n;
		}
	}
	return count;
}

static void primary_ready(struct supervisor *s)
{
	/* After an upgrade what its path holds has another chance. */
	if (s->reloading)
		s->own_image = false;
	s->ready = true;
	s->reloading = false;
	pulse_felt(&s->pulse);
	if (s->was_ready)
		return;
	s->was_ready = true;
	for (size_t i = 0; i < s->nr_switches; i++)
		s->switches[i].start_at_ns = hf_now_ns();
}

static void primary_said(struct supervisor *s, enum keep_said said)
{
	/* Whatever it was, its loop came round to say it. */
	pulse_felt(&s->pulse);
	if (said == KEEP_READY)
		primary_ready(s);
	if (said == KEEP_RELOADING) {
		s->ready = false;
		s->reloading = true;
	}
}

/* False: nothing more to read. */
static bool read_datagram(struct supervisor *s)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char text[DATAGRAM_BYTES + 1];
	struct iovec iov = {.iov_base = text, .iov_len = DATAGRAM_BYTES};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int fds[253];
	size_t nr_fds;
	pid_t pid = 0;
	ssize_t n = recvmsg(s->notify, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR;
	text[n] = '\0';
	if (msg.msg_flags & MSG_CTRUNC)
		log_error(TAG,
			  "descriptors of the primary were lost: %s; raise the limit of open "
			  "files",
			  text);
	nr_fds = take_fds(&msg, fds, ARRAY_SIZE(fds), &pid);
	if (pid != s->primary.pid || !pid || (msg.msg_flags & MSG_TRUNC))
		hf_fd_close_all(fds, nr_fds);
	else
		primary_said(s, keep_datagram(s->keep, text, fds, nr_fds));
	return true;
}

/* At most so many a round: signals and deaths are looked at in between. */
static void read_some_datagrams(struct supervisor *s)
{
	for (unsigned int i = 0; i < DATAGRAMS_PER_ROUND && read_datagram(s); i++)
		;
}

/* --- deaths --- */

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Usage, no first start, or an end in good order: starting again would change nothing. */
static bool is_final(const struct supervisor *s, int status)
{
	/* One that never was ready ends nothing that was: another program stands at its path now.
	 */
	if (!WIFEXITED(status) || s->reloading || (s->was_ready && !s->ready))
		return false;
	return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2 || !s->was_ready;
}

static void begin_end(struct supervisor *s, int status)
{
	s->ending = true;
	s->status = status;
	s->end_by_ns = hf_now_ns() + END_NS;
	for (size_t i = 0; i < s->nr_switches; i++) {
		s->switches[i].start_at_ns = 0;
		if (s->switches[i].pid && !s->primary.pid)
			kill(s->switches[i].pid, SIGTERM);
	}
}

/* Up, and down again by itself, again and again? SIGKILL is somebody's will. */
static bool keeps_crashing(struct supervisor *s, int status, uint64_t now)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	if (killed || now - s->primary.started_ns >= LONG_LIFE_NS)
		s->crashes = 0;
	else
		s->crashes++;
	return s->crashes > CRASHES_AT_ONCE;
}

static void primary_died(struct supervisor *s, int status)
{
	uint64_t now = hf_now_ns();

	/* All that it said; it can say no more. */
	while (read_datagram(s))
		;
	s->primary.pid = 0;
	s->kill_at_ns = 0;
	if (s->ending || is_final(s, status)) {
		begin_end(s, exit_status(status));
		return;
	}
	log_warning(TAG, "the primary died (%s %d): starting it again, %zu descriptors kept",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    keep_count(s->keep));
	/* One that dies before it is ready has ended no service. */
	if (s->ready)
		s->ended_ns = now;
	/* A program that is there but cannot start: the one that we are could. */
	if (!s->ready)
		s->own_image = !s->own_image;
	if (s->ready ? keeps_crashing(s, status, now) : !s->reloading) {
		back_off(&s->primary, now);
		return;
	}
	s->primary.backoff_ns = 0;
	if (now - s->primary.started_ns < SHORT_LIFE_NS)
		s->primary.start_at_ns = s->primary.started_ns + SHORT_LIFE_NS;
	else
		s->primary.start_at_ns = now;
}

static void switch_died(struct supervisor *s, struct child *child, int status)
{
	child->pid = 0;
	if (s->ending)
		return;
	back_off(child, hf_now_ns());
	log_warning(TAG, "%s ended (%s %d): starting it again in %llu ms", child->command,
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    (unsigned long long)(child->backoff_ns / NS_PER_MS));
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->primary.pid)
			primary_died(s, status);
		for (size_t i = 0; i < s->nr_switches; i++)
			if (pid == s->switches[i].pid)
				switch_died(s, &s->switches[i], status);
	}
}

/* --- signals and time --- */

static void on_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		log_notice(TAG, "signal %u: ending", info.ssi_signo);
		if (!s->ending)
			begin_end(s, EXIT_SUCCESS);
		s->primary.start_at_ns = 0;
		if (s->primary.pid)
			kill(s->primary.pid, (int)info.ssi_signo);
	}
	reap(s);
}

static void kill_all(struct supervisor *s)
{
	if (s->primary.pid)
		kill(s->primary.pid, SIGKILL);
	for (size_t i = 0; i < s->nr_switches; i++)
		if (s->switches[i].pid)
			kill(s->switches[i].pid, SIGKILL);
}

static bool anybody_left(const struct supervisor *s)
{
	for (size_t i = 0; i < s->nr_switches; i++)
		if (s->switches[i].pid)
			return true;
	return s->primary.pid;
}

static void start_due(struct supervisor *s, struct child *child, uint64_t now, uint64_t *next)
{
	if (child->start_at_ns && child->start_at_ns <= now)
		start(s, child);
	if (child->start_at_ns)
		*next = min_u64(*next, child->start_at_ns);
}

/* Does a primary that was ready come round no more? SIGABRT leaves a core to look at. */
static void watch_primary(struct supervisor *s, uint64_t now, uint64_t *next)
{
	if (!s->primary.pid || !s->ready || !s->pulse.limit_ns)
		return;
	if (!s->kill_at_ns && pulse_stopped(&s->pulse, s->primary.pid, now)) {
		log_error(
			TAG,
			"the primary has not come round for %llu s: ending it (SIGABRT), the next "
			"one goes on with its sessions",
			(unsigned long long)(s->pulse.limit_ns / NS_PER_S));
		kill(s->primary.pid, SIGABRT);
		s->kill_at_ns = now + ABORT_NS;
	}
	if (s->kill_at_ns && now >= s->kill_at_ns) {
		kill(s->primary.pid, SIGKILL);
		s->kill_at_ns = now + ABORT_NS;
	}
	*next = min_u64(*next, s->kill_at_ns ? s->kill_at_ns : now + pulse_wait_ns(&s->pulse, now));
}

/* Start who is due; milliseconds until the next one is, -1 none. */
static int start_all_due(struct supervisor *s)
{
	uint64_t now = hf_now_ns(), next = UINT64_MAX;

	if (s->ending && now >= s->end_by_ns)
		kill_all(s);
	if (s->ending)
		return now >= s->end_by_ns ? 1000 : (int)((s->end_by_ns - now) / NS_PER_MS) + 1;
	start_due(s, &s->primary, now, &next);
	watch_primary(s, now, &next);
	for (size_t i = 0; i < s->nr_switches; i++)
		start_due(s, &s->switches[i], now, &next);
	return next == UINT64_MAX ? -1 : (int)((next - now) / NS_PER_MS) + 1;
}

static void run(struct supervisor *s)
{
	struct pollfd fds[2] = {{.fd = s->signals, .events = POLLIN},
				{.fd = s->notify, .events = POLLIN}};

	s->primary.start_at_ns = hf_now_ns();
	while (!s->ending || anybody_left(s)) {
		int timeout = start_all_due(s);

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

/* For our own user only: strangers could fill its queue. */
static int open_notify(struct supervisor *s, const char *run_dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int on = 1, error;
	char *dir = realpath(run_dir, NULL); /* whoever hears of it may be anywhere */
	int n = dir ? snprintf(address.sun_path, sizeof(address.sun_path), "%s/supervisor.sock",
			       dir)
		    : -1;
	mode_t mask;

	if (!dir)
		return -errno;
	free(dir);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(s->notify_path, address.sun_path, sizeof(s->notify_path));
	s->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->notify < 0)
		return -errno;
	(void)unlink(s->notify_path);
	mask = umask(0177);
	error = bind(s->notify, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (!error && setsockopt(s->notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		error = -errno;
	return error;
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

static void make_switches(struct supervisor *s, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nr_runs; i++)
		for (size_t n = 0; n < SWITCHES_EACH; n++)
			s->switches[s->nr_switches++] =
				(struct child){.command = conf->runs[i], .instance = n + 1};
}

int supervise(const struct conf *conf, char **argv)
{
	static struct supervisor s = {.notify = -1, .lock = -1, .signals = -1};
	int error = !argv ? -ENOMEM : *program_path() ? 0 : -ENOENT;

	s.argv = argv;
	s.pulse.limit_ns = conf->watchdog_ns;
	s.max_kept = most_descriptors();
	s.keep = keep_create(s.max_kept);
	if (!error && !s.keep)
		error = -ENOMEM;
	if (!error)
		error = privilege_make_run_dir(conf->run_dir, conf_is_open(conf), &conf->user);
	/* The directory is the primary's user's, and so is what lies in it. */
	privilege_lend(&conf->user);
	if (!error)
		error = take_lock(&s, conf->run_dir);
	if (!error)
		error = open_notify(&s, conf->run_dir);
	privilege_take_back(&conf->user);
	if (!error)
		error = open_signals(&s);
	if (error) {
		log_error(TAG, "cannot supervise in %s: %s; %s", conf->run_dir, strerror(-error),
			  error == -EBUSY ? "another supervisor does, end it or use another "
					    "--run-dir"
					  : "is the run directory ours to write?");
		s.status = EXIT_FAILURE;
	} else {
		(void)setenv("HOLDFAST_RUN_DIR", conf->run_dir, 1);
		make_switches(&s, conf);
		run(&s);
	}
	keep_destroy(s.keep);
	privilege_lend(&conf->user);
	if (s.notify >= 0)
		(void)unlink(s.notify_path);
	privilege_take_back(&conf->user);
	hf_fd_close(&s.notify);
	hf_fd_close(&s.lock);
	hf_fd_close(&s.signals);
	return s.status;
}
