/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfastd. Starts what the primary consists of in the order of `parts`, runs the loop, stops
 * them in reverse. A part that fails has printed one line with the remedy; those started before
 * it are stopped, and the exit status is 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "check.h"
#include "clock.h"
#include "conf.h"
#include "control.h"
#include "event.h"
#include "fd.h"
#include "grant.h"
#include "log.h"
#include "loop.h"
#include "placement.h"
#include "port.h"
#include "primary.h"

#define TAG	      "holdfastd"
#define STOP_LOOK_NS  (5 * NS_PER_MS)
#define STOP_GRACE_NS (2 * NS_PER_S) /* beyond the fence's deadline */

struct holdfastd {
	struct conf conf;
	struct primary primary;
	int lock;
	int signals;
	struct loop_source signal_source;
	struct loop_timer stop_timer; /* armed while the last sessions end */
	uint64_t stop_by_ns;
};

/* Descriptors come with every region and every vring. */
static int raise_limits(struct holdfastd *d)
{
	struct rlimit limit;

	(void)d;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			log_warning(TAG, "cannot raise the limit of open files: %m");
	}
	return 0;
}

static int make_run_dir(struct holdfastd *d)
{
	const char *path = d->conf.run_dir;

	if (mkdir(path, 0750) < 0 && errno != EEXIST) {
		log_error(TAG, "cannot create %s: %m; create it, or use --run-dir", path);
		return -errno;
	}
	return 0;
}

/* One primary a run directory: a second one would take the sockets away from the first. */
static int take_lock(struct holdfastd *d)
{
	char path[sizeof(d->conf.run_dir) + 16];

	snprintf(path, sizeof(path), "%s/holdfastd.lock", d->conf.run_dir);
	d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock < 0) {
		log_error(TAG, "cannot open %s: %m; run as the owner of the directory", path);
		return -errno;
	}
	if (flock(d->lock, LOCK_EX | LOCK_NB) < 0) {
		log_error(TAG, "another holdfastd runs on %s; end it, or use another --run-dir",
			  d->conf.run_dir);
		hf_fd_close(&d->lock);
		return -EBUSY;
	}
	return 0;
}

static void drop_lock(struct holdfastd *d)
{
	hf_fd_close(&d->lock);
}

static int out_of_memory(void)
{
	log_error(TAG, "out of memory: %m; free some, or lower --max-devices");
	return -ENOMEM;
}

static int make_tables(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	p->conf = &d->conf;
	p->features_enabled = port_supported_features();
	p->next_grant = 2;
	p->next_session = 1;
	p->next_flush = 1;
	p->next_secondary = 1;
	p->started_ns = hf_now_ns();
	p->loop = loop_create();
	p->events = events_create();
	p->ports = calloc(d->conf.max_devices, sizeof(struct port *));
	p->secondaries = calloc(d->conf.max_secondaries, sizeof(struct secondary *));
	return p->loop && p->events && p->ports && p->secondaries ? 0 : out_of_memory();
}

static void free_tables(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	free(p->secondaries);
	free(p->ports);
	if (p->events)
		events_destroy(p->events);
	loop_destroy(p->loop);
}

static int make_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	uint64_t epoch = 0;
	int error;

	error = hf_memory_create(&p->directory_memory, "holdfast-directory",
				 hf_directory_size(d->conf.max_devices, d->conf.max_secondaries),
				 placement_node(), d->conf.huge_pages);
	if (error) {
		log_error(TAG, "no memory for the directory: %s; lower --max-devices",
			  strerror(-error));
		return error;
	}
	while (!epoch)
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			epoch = hf_now_ns();
	return hf_directory_format(&p->directory, &p->directory_memory, d->conf.max_devices,
				   d->conf.max_secondaries, epoch);
}

static void free_directory(struct holdfastd *d)
{
	hf_memory_destroy(&d->primary.directory_memory);
}

/* --- ending --- */

static void on_stop_timer(struct loop_timer *timer)
{
	struct holdfastd *d = container_of(timer, struct holdfastd, stop_timer);

	if (port_all_idle(&d->primary) || hf_now_ns() >= d->stop_by_ns ||
	    loop_timer_set(d->primary.loop, timer, STOP_LOOK_NS) < 0)
		loop_stop(d->primary.loop);
}

/* The front-ends' rings are taken back in order before anything else goes. */
static void on_signal(struct loop_source *source, uint32_t events)
{
	struct holdfastd *d = container_of(source, struct holdfastd, signal_source);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info) || d->stop_by_ns)
		return;
	log_notice(TAG, "signal %u from process %u: ending", info.ssi_signo, info.ssi_pid);
	d->stop_by_ns = hf_now_ns() + d->conf.fence_deadline_ns + STOP_GRACE_NS;
	port_stop_all(&d->primary);
	on_stop_timer(&d->stop_timer);
}

static int watch_signals(struct holdfastd *d)
{
	sigset_t set;
	int error = 0;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->stop_timer.fire = on_stop_timer;
	d->signal_source = (struct loop_source){.ready = on_signal, .fd = -1};
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals < 0)
		error = -errno;
	else
		error = loop_add(d->primary.loop, &d->signal_source, d->signals, EPOLLIN);
	if (error)
		log_error(TAG, "cannot watch signals: %s; free some memory", strerror(-error));
	return error;
}

static void forget_signals(struct holdfastd *d)
{
	loop_timer_clear(d->primary.loop, &d->stop_timer);
	loop_remove(d->primary.loop, &d->signal_source);
	hf_fd_close(&d->signals);
}

/* --- ports and peers --- */

static int said(const char *socket, int error)
{
	const char *remedy = "free memory or descriptors";

	if (error == -EACCES || error == -EPERM || error == -EROFS)
		remedy = "is the run directory ours to write?";
	else if (error == -EADDRINUSE)
		remedy = "end the process that listens there, or use another --run-dir";
	else if (error == -EEXIST)
		remedy = "a file that is not a socket is in the way, remove it";
	else if (error == -ENAMETOOLONG)
		remedy = "use a shorter --run-dir";
	if (error)
		log_error(TAG, "cannot open the %s socket: %s; %s", socket, strerror(-error),
			  remedy);
	return error;
}

static int start_attach(struct holdfastd *d)
{
	return said("attach", attach_open(&d->primary));
}

static void stop_attach(struct holdfastd *d)
{
	attach_close(&d->primary);
}

static int add_ports(struct holdfastd *d)
{
	for (size_t i = 0; i < d->conf.nr_ports; i++) {
		const struct conf_port *port = &d->conf.ports[i];
		const char *reason = "";
		int error = port_add(&d->primary, port->name, port->path, port->client,
				     port->queue_pairs, &reason);

		if (error) {
			log_error(TAG, "port %s: %s", port->name, reason);
			return error;
		}
	}
	return 0;
}

static void remove_ports(struct holdfastd *d)
{
	grant_withdraw_all(&d->primary);
	port_destroy_all(&d->primary);
}

static int start_control(struct holdfastd *d)
{
	return said("control", control_open(&d->primary));
}

static void stop_control(struct holdfastd *d)
{
	control_close(&d->primary);
}

/* Whoever finds the control socket finds everything else there already. */
static const struct part {
	int (*start)(struct holdfastd *d);
	void (*stop)(struct holdfastd *d); /* NULL: nothing to undo; also after a failed start */
} parts[] = {
	{raise_limits, NULL},
	{make_run_dir, NULL},
	{take_lock, drop_lock},
	{make_tables, free_tables},
	{watch_signals, forget_signals},
	{make_directory, free_directory},
	{start_attach, stop_attach},
	{add_ports, remove_ports},
	{start_control, stop_control},
};

int main(int argc, char **argv)
{
	static struct holdfastd d = {.lock = -1, .signals = -1};
	int error = conf_parse(&d.conf, argc, argv);
	size_t i;

	if (error)
		return error > 0 ? EXIT_SUCCESS : 2;
	hf_log_set_level((enum hf_log_level)d.conf.log_level);
	for (i = 0; i < ARRAY_SIZE(parts) && !error; i++)
		error = parts[i].start(&d);
	if (!error) {
		log_notice(TAG, "version %s serves %zu ports, sockets in %s", HOLDFAST_VERSION,
			   d.conf.nr_ports, d.conf.run_dir);
		error = loop_run(d.primary.loop);
		if (error)
			log_error(TAG, "the event loop failed: %s; restart", strerror(-error));
	}
	while (i-- > 0)
		if (parts[i].stop)
			parts[i].stop(&d);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
