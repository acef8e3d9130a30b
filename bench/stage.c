/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command_line.h"
#include "control_ask.h"
#include "fd.h"
#include "flood_kinds.h"

#define COME_UP_NS   (10 * NS_PER_S)
#define LOOK_US	     500u
#define LOOKS_ASLEEP 4u
#define END_MS	     5000

struct stage_options stage_defaults(void)
{
	return (struct stage_options){.mode = "adaptive",
				      .entries = 256,
				      .cpu = get_nprocs_conf() > 1 ? get_nprocs_conf() - 1 : -1,
				      .huge = true};
}

int stage_option(struct stage_options *o, int option, const char *name, const char *value)
{
	long n = 0;
	int error = 0;

	switch (option) {
	case 'p':
		error = line_number(value, 1, 100000, name, &n);
		o->period_ns = (uint64_t)n * NS_PER_US;
		break;
	case 'm':
		o->mode = value;
		break;
	case 'P':
		o->huge = false;
		break;
	case 'c':
		error = line_number(value, 0, CPU_SETSIZE - 1, name, &n);
		o->cpu = (int)n;
		break;
	case 'H':
		o->holdfastd = value;
		break;
	case 'V':
		o->vswitch = value;
		break;
	default:
		error = -EINVAL;
	}
	return error;
}

int stage_run_on(const struct stage *s, bool guests)
{
	cpu_set_t set;

	if (s->options.cpu < 0)
		return 0;
	CPU_ZERO(&set);
	for (int i = 0; i < get_nprocs_conf() && i < CPU_SETSIZE; i++)
		if ((i == s->options.cpu) == guests)
			CPU_SET((unsigned int)i, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return 0;
	fprintf(stderr, "cannot run %s CPU %d: %s\n", guests ? "on" : "off", s->options.cpu,
		strerror(errno));
	return -errno;
}

static void run_switch(const struct stage *s, const char *program, const char *name)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* "port p0: here", hundreds of times; errors are looked for in what is measured. */
	if (null >= 0) {
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
	}
	execl(program, program, "--run-dir", s->daemon.run_dir, "--name", name, "--role",
	      s->started == 1 ? "vswitch" : "standby", "--mode", s->options.mode, (char *)NULL);
	_exit(127);
}

int stage_start(struct stage *s, uint32_t place)
{
	struct stage_switch *sw = &s->switches[place];
	char program[PATH_MAX];
	int error = 0;

	if (s->options.vswitch)
		snprintf(program, sizeof(program), "%s", s->options.vswitch);
	else
		error = holdfastd_find("/vswitch/holdfast-vswitch", program);
	if (error) {
		fprintf(stderr, "%s: %s; name it with --vswitch\n", program, strerror(-error));
		return error;
	}
	snprintf(sw->name, sizeof(sw->name), "switch%u", ++s->started);
	error = stage_run_on(s, false);
	if (error)
		return error;
	sw->pid = fork();
	if (sw->pid < 0)
		return -errno;
	if (sw->pid == 0)
		run_switch(s, program, sw->name);
	error = stage_run_on(s, true);
	if (error)
		return error;
	sw->pidfd = (int)syscall(SYS_pidfd_open, sw->pid, 0);
	return sw->pidfd < 0 ? -errno : 0;
}

void stage_reap(struct stage *s, uint32_t place)
{
	struct stage_switch *sw = &s->switches[place];

	if (sw->pid > 0)
		(void)waitpid(sw->pid, NULL, 0);
	hf_fd_close(&sw->pidfd);
	sw->pid = 0;
}

/* Does it have the guest's memory? */
static bool has_mapped(pid_t pid, const struct front *front)
{
	char path[64], line[512];
	unsigned long inode;
	bool found = false;
	struct stat st;
	FILE *maps;

	if (fstat(front->memfd, &st) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && inode == st.st_ino;
	if (maps)
		fclose(maps);
	return found;
}

/* Its control thread sleeps: it has worked off what it was sent. */
static bool is_asleep(pid_t pid)
{
	char path[64], state = 0;
	int threads = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file &&
	    fscanf(file,
		   "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
		   "%*d %*d %d",
		   &state, &threads) != 2)
		state = 0;
	if (file)
		fclose(file);
	return state == 'S' && threads > 1;
}

static bool is_prepared(const struct stage *s, pid_t pid)
{
	return has_mapped(pid, &s->fronts[0]) && has_mapped(pid, &s->fronts[1]) && is_asleep(pid);
}

bool stage_wait_prepared(struct stage *s, uint32_t place)
{
	uint64_t end = hf_now_ns() + COME_UP_NS;
	pid_t pid = s->switches[place].pid;

	for (uint32_t looks = 0; looks < LOOKS_ASLEEP; usleep(LOOK_US)) {
		looks = is_prepared(s, pid) ? looks + 1 : 0;
		if (!looks && hf_now_ns() > end) {
			fprintf(stderr, "%s does not get ready\n", s->switches[place].name);
			return false;
		}
	}
	return true;
}

static int plug(struct stage *s, uint32_t i)
{
	const struct front_shape shape = {.size = s->options.entries,
					  .mergeable = true,
					  .huge = s->options.huge,
					  .places = s->options.places};
	char path[HOLDFASTD_PATH_MAX];
	int error = front_create(&s->fronts[i], &shape);

	if (error)
		return error;
	snprintf(path, sizeof(path), "%s/p%u.sock", s->daemon.run_dir, i);
	return front_connect(&s->fronts[i], path);
}

static int start_daemon(struct stage *s)
{
	char deadline[16], attach[32], control[32];
	const char *more[24] = {"--port", "p0", "--port", "p1", "--fence-deadline", deadline};
	size_t n = 6;
	int error;

	snprintf(deadline, sizeof(deadline), "%u", s->options.deadline_ms);
	if (s->options.hostile) {
		more[n++] = "--port";
		more[n++] = "bad";
		/* As if what may be said at once had been said. */
		more[n++] = "--message-rate";
		more[n++] = "500,64";
		/* Another user may come to the doors. */
		snprintf(attach, sizeof(attach), "user:%d=bad*", FLOOD_USER);
		snprintf(control, sizeof(control), "user:%d", FLOOD_USER);
		more[n++] = "--allow-attach";
		more[n++] = attach;
		more[n++] = "--allow-control";
		more[n++] = control;
	}
	if (s->options.supervised)
		more[n++] = "--supervise";
	/* "switch died", each time. */
	more[n++] = "--log-level";
	more[n++] = "error";
	more[n] = NULL;
	error = stage_run_on(s, false);
	if (!error)
		error = holdfastd_start(&s->daemon, s->options.holdfastd, s->options.dir, more);
	if (!error && s->options.hostile &&
	    (chmod(s->options.dir, 0711) < 0 || chmod(s->daemon.run_dir, 0711) < 0))
		error = -errno;
	return error ? error : stage_run_on(s, true);
}

int stage_open(struct stage *s, const struct stage_options *options)
{
	int error;

	*s = (struct stage){.options = *options, .fronts = {FRONT_NONE, FRONT_NONE}};
	for (uint32_t i = 0; i < STAGE_SWITCHES; i++)
		s->switches[i].pidfd = -1;
	error = start_daemon(s);
	if (!error)
		error = stage_start(s, 0);
	for (uint32_t i = 0; !error && i < 2; i++)
		error = plug(s, i);
	if (!error && !stage_wait_prepared(s, 0))
		error = -ETIMEDOUT;
	if (error) {
		fprintf(stderr, "the stage does not stand: %s\n", strerror(-error));
		return error;
	}
	flow_start(&s->flow, &s->fronts[0], &s->fronts[1], options->period_ns);
	if (options->standby) {
		error = stage_start(s, 1);
		if (!error && !stage_wait_prepared(s, 1))
			error = -ETIMEDOUT;
	}
	if (!error && !flow_run_until(&s->flow, 1000, COME_UP_NS)) {
		fprintf(stderr, "no packet comes from guest to guest\n");
		error = -ETIMEDOUT;
	}
	return error;
}

void stage_close(struct stage *s)
{
	for (uint32_t i = 0; i < STAGE_SWITCHES; i++) {
		struct pollfd p = {.fd = s->switches[i].pidfd, .events = POLLIN};

		if (s->switches[i].pid <= 0)
			continue;
		kill(s->switches[i].pid, SIGTERM);
		if (poll(&p, 1, END_MS) <= 0)
			kill(s->switches[i].pid, SIGKILL);
		stage_reap(s, i);
	}
	for (uint32_t i = 0; i < 2; i++)
		front_destroy(&s->fronts[i]);
	holdfastd_stop(&s->daemon);
}
