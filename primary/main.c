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
#include <unistd.h>

#include "attach.h"
#include "check.h"
#include "clock.h"
#include "conf.h"
#include "confine.h"
#include "control.h"
#include "cuse.h"
#include "fd.h"
#include "grant.h"
#include "history.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "placement.h"
#include "port.h"
#include "ports.h"
#include "primary.h"
#include "privilege.h"
#include "program.h"
#include "resume.h"
#include "retire.h"
#include "store.h"
#include "supervise.h"
#include "upgrade.h"
#include "watch.h"
#include "watchdog.h"

#define TAG	      "holdfastd"
#define STOP_LOOK_NS  (5 * NS_PER_MS)
#define LOCK_WAIT_MS  2000
#define STOP_GRACE_NS (2 * NS_PER_S) /* beyond the fence's deadline */

struct holdfastd {
	struct conf conf;
	struct primary primary;
	int lock;
	int signals;
	struct loop_source signal_source;
	bool resumed;		      /* an earlier life left something */
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

/* Which only root can: those that the command line names. A life before this one may have died when
 * it had made none, or had not stored it yet; what it has stored is there. */
static int make_devices(struct holdfastd *d)
{
	if (!d->conf.user.given || geteuid() != 0)
		return 0;
	return cuse_make_early(&d->conf, getenv("LISTEN_FDS") != NULL);
}

static void close_devices(struct holdfastd *d)
{
	for (size_t i = 0; i < d->conf.nr_ports; i++)
		if (d->conf.ports[i].cuse)
			hf_fd_close(&d->conf.ports[i].device);
}

/* Behind it nothing is done as root. */
static int drop_privileges(struct holdfastd *d)
{
	int error = privilege_make_run_dir(&d->conf);

	if (!error)
		error = privilege_drop(&d->conf);
	/* All names of users were looked up. */
	if (!error)
		error = confine_begin(d->conf.seccomp);
	return error;
}

/* Another one that starts where this process has just become another program, or died, may hold it
 * for the moment until it finds the sockets in use. */
/* calls: flock clock_nanosleep nanosleep */
static int lock_file(int fd)
{
	bool successor = getenv("LISTEN_FDS") != NULL;
	int result = flock(fd, LOCK_EX | LOCK_NB);

	for (int ms = 0; result < 0 && successor && ms < LOCK_WAIT_MS; ms += 10) {
		usleep(10000);
		result = flock(fd, LOCK_EX | LOCK_NB);
	}
	return result;
}

/* One primary a run directory: a second one would take the sockets away from the first. */
static int take_lock(struct holdfastd *d)
{
	char path[sizeof(d->conf.run_dir) + 16];

	snprintf(path, sizeof(path), "%s/holdfastd.lock", d->conf.run_dir);
	d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0) {
		log_error(TAG, "cannot open %s: %m; run as the owner of the directory", path);
		return -errno;
	}
	if (lock_file(d->lock) < 0) {
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

static int make_loop(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	p->conf = &d->conf;
	p->features_enabled = port_supported_features();
	p->resumed.life = 1;
	p->next_grant = 2;
	p->next_session = 1;
	p->next_flush = 1;
	p->next_secondary = 1;
	p->started_ns = hf_now_ns();
	p->loop = loop_create();
	return p->loop ? 0 : out_of_memory();
}

static void free_loop(struct holdfastd *d)
{
	loop_destroy(d->primary.loop);
}

/* Numbers and sizes are those of the life before. */
static void take_numbers(struct holdfastd *d)
{
	const struct journal_header *h = d->primary.journal->header;
	struct primary *p = &d->primary;

	if (h->max_devices != d->conf.max_devices || h->max_secondaries != d->conf.max_secondaries)
		log_notice(TAG,
			   "--max-devices and --max-secondaries stay %u and %u until all is "
			   "started anew",
			   h->max_devices, h->max_secondaries);
	d->conf.max_devices = h->max_devices;
	d->conf.max_secondaries = h->max_secondaries;
	p->resumed.life = h->lives + 1;
	p->next_grant = h->next_grant;
	p->next_session = h->next_session;
	/* No answer to an earlier life's Flush is one to ours. */
	p->next_flush = (h->lives << 32) + 1;
	p->next_secondary = h->next_secondary;
	p->features_enabled = h->features_enabled;
}

static void on_stored(void *context)
{
	attach_stored_all(context);
	port_stored_all(context);
}

/* Did an earlier life leave descriptors? */
static int open_store(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	int error;

	error = store_open(p->loop, &p->store);
	if (!p->store)
		return out_of_memory();
	store_on_drained(p->store, on_stored, p);
	if (!error)
		error = journal_adopt(p);
	d->resumed = !error;
	if (d->resumed) {
		take_numbers(d);
		journal_drop_listeners(p);
	} else if (error == -ENOENT)
		store_drop_unreferenced(p->store);
	else
		log_error(TAG, "cannot take what an earlier life left: %s; trying again",
			  strerror(-error));
	return error == -ENOENT ? 0 : error;
}

static void close_store(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	journal_close(p);
	if (p->store && d->stop_by_ns)
		store_forget_all(p->store);
	store_close(p->store);
	p->store = NULL;
}

static int open_upgrade(struct holdfastd *d)
{
	return upgrade_open(&d->primary) ? out_of_memory() : 0;
}

static void close_upgrade(struct holdfastd *d)
{
	upgrade_close(&d->primary);
}

/* Will somebody start another one, with what we leave? */
static bool is_kept(const struct holdfastd *d)
{
	enum store_keeps keeps = store_keeps(d->primary.store);

	return keeps == STORE_KEEPS || keeps == STORE_LATE;
}

static int make_tables(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	p->ports = calloc(d->conf.max_devices, sizeof(struct port *));
	p->secondaries = calloc(d->conf.max_secondaries, sizeof(struct secondary *));
	return p->ports && p->secondaries ? 0 : out_of_memory();
}

static void free_tables(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	free(p->secondaries);
	free(p->ports);
}

static int adopt_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	int fd = store_get(p->store, STORE_DIRECTORY);
	int error = fd < 0 ? fd : hf_memory_adopt(&p->directory_memory, fd);

	if (!error)
		error = hf_directory_adopt(&p->directory, &p->directory_memory);
	/* Both were made by one life: every slot of the one is in the other. */
	if (!error && (p->directory.header.max_devices != d->conf.max_devices ||
		       p->directory.header.max_secondaries != d->conf.max_secondaries))
		error = -EINVAL;
	if (error)
		log_error(TAG, "cannot take over the directory: %s", strerror(-error));
	else
		store_reference(p->store, STORE_DIRECTORY);
	return error;
}

/* The journal is stored last: with it, there is something to take over. */
static int keep_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	int error = store_put(p->store, STORE_DIRECTORY, 'd', p->directory_memory.fd);

	if (!error)
		error = journal_create(p);
	if (error)
		log_error(TAG,
			  "cannot make the journal: %s; free some memory, or lower --max-devices",
			  strerror(-error));
	return error;
}

static int make_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	uint64_t epoch = 0;
	int error;

	if (d->resumed)
		return adopt_directory(d);
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
	error = hf_directory_format(&p->directory, &p->directory_memory, d->conf.max_devices,
				    d->conf.max_secondaries, epoch);
	return error ? error : keep_directory(d);
}

static void free_directory(struct holdfastd *d)
{
	hf_memory_destroy(&d->primary.directory_memory);
}

static int open_history(struct holdfastd *d)
{
	return history_open(&d->primary) < 0 ? out_of_memory() : 0;
}

static void close_history(struct holdfastd *d)
{
	history_close(&d->primary);
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
	upgrade_forbid(&d->primary);
	d->stop_by_ns = hf_now_ns() + d->conf.fence_deadline_ns + STOP_GRACE_NS;
	port_stop_all(&d->primary);
	on_stop_timer(&d->stop_timer);
}

/* calls: signalfd4 */
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
		remedy = "is the run directory ours to write, and --socket-group one of ours?";
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

/* Once for all lives: what was removed since stays removed. */
static int add_ports(struct holdfastd *d)
{
	struct journal_header *h = d->primary.journal->header;

	if (h->configured) {
		cuse_drop_early(&d->primary);
		return 0;
	}
	for (size_t i = 0; i < d->conf.nr_ports; i++) {
		const struct conf_port *port = &d->conf.ports[i];
		const char *reason = "";
		int error;

		if (port_find(&d->primary, port->name))
			continue; /* of a life before */
		if (port->cuse)
			error = port_add_cuse(&d->primary, port->name, port->path,
					      port->queue_pairs, &reason);
		else
			error = port_add(&d->primary, port->name, port->path, port->client,
					 port->queue_pairs, &reason);
		if (error) {
			log_error(TAG, "port %s: %s", port->name, reason);
			return error;
		}
	}
	h->configured = 1;
	return 0;
}

static void remove_ports(struct holdfastd *d)
{
	grant_withdraw_all(&d->primary);
	port_destroy_all(&d->primary);
}

/* Secondaries first: ports need to know who runs their rings. */
static int take_over(struct holdfastd *d)
{
	int error = d->resumed ? resume_secondaries(&d->primary) : 0;

	if (!error && d->resumed)
		error = resume_ports(&d->primary);
	if (!error && d->resumed)
		resume_go_on(&d->primary);
	return error;
}

static int start_watch(struct holdfastd *d)
{
	return watch_open(&d->primary) ? out_of_memory() : 0;
}

static void stop_watch(struct holdfastd *d)
{
	watch_close(&d->primary);
}

static int start_watchdog(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	return watchdog_open(p->loop, p->store, &p->watchdog) ? out_of_memory() : 0;
}

static void stop_watchdog(struct holdfastd *d)
{
	watchdog_close(d->primary.watchdog);
}

static int start_control(struct holdfastd *d)
{
	return said("control", control_open(&d->primary));
}

static void stop_control(struct holdfastd *d)
{
	control_close(&d->primary);
}

/* What no record names: an earlier life died before it was written, or after it was replaced. */
static int drop_rest(struct holdfastd *d)
{
	if (d->resumed)
		store_drop_unreferenced(d->primary.store);
	return 0;
}

/* Whoever finds the control socket finds everything else there already. */
static const struct part {
	int (*start)(struct holdfastd *d);
	void (*stop)(struct holdfastd *d); /* NULL: nothing to undo; also after a failed start */
} parts[] = {
	{raise_limits, NULL},
	{make_devices, close_devices},
	{drop_privileges, NULL},
	{take_lock, drop_lock},
	{make_loop, free_loop},
	{open_store, close_store},
	{start_watchdog, stop_watchdog},
	{open_upgrade, close_upgrade},
	{make_tables, free_tables},
	{watch_signals, forget_signals},
	{make_directory, free_directory},
	{open_history, close_history},
	{start_attach, stop_attach},
	{take_over, NULL},
	{add_ports, remove_ports},
	{start_control, stop_control},
	{start_watch, stop_watch},
	{drop_rest, NULL},
};

/* Everything but --supervise and --run is the child's. */
static char **child_arguments(int argc, char **argv)
{
	char **child = calloc((size_t)argc + 1, sizeof(char *));
	int n = 0;

	for (int i = 0; child && i < argc; i++) {
		if (strcmp(argv[i], "--run") == 0)
			i++;
		else if (strcmp(argv[i], "--supervise") != 0 && strncmp(argv[i], "--run=", 6) != 0)
			child[n++] = argv[i];
	}
	return child;
}

/* Who is answered may rely on it, and kill us: a life that was not ready counts as a failed start.
 */
static void say_ready(struct holdfastd *d)
{
	store_notify(d->primary.store, "READY=1\nSTATUS=serving");
	store_flush(d->primary.store);
	upgrade_ready(&d->primary);
	log_notice(TAG, "version %s serves %zu ports, sockets in %s", HOLDFAST_VERSION,
		   d->conf.nr_ports, d->conf.run_dir);
}

/* Until told to end; an upgrade that cannot be done is followed by another round. */
static int serve(struct holdfastd *d)
{
	int error = loop_run(d->primary.loop);

	while (!error && upgrade_due(&d->primary)) {
		upgrade_execute(&d->primary);
		error = loop_run(d->primary.loop);
	}
	if (error)
		log_error(TAG, "the event loop failed: %s; restart", strerror(-error));
	return error;
}

int main(int argc, char **argv)
{
	static struct holdfastd d = {.lock = -1, .signals = -1};
	int error = conf_parse(&d.conf, argc, argv);
	size_t i;

	program_begin();
	if (error)
		return error > 0 ? EXIT_SUCCESS : 2;
	hf_log_never_wait();
	hf_log_set_level((enum hf_log_level)d.conf.log_level);
	error = privilege_check(&d.conf);
	if (error)
		return EXIT_FAILURE;
	if (d.conf.supervise)
		return supervise(&d.conf, child_arguments(argc, argv));
	for (i = 0; i < ARRAY_SIZE(parts) && !error; i++)
		error = parts[i].start(&d);
	/* What could not be taken over stays as it is, for another try or another release. */
	if (error && (d.resumed || is_kept(&d)))
		_exit(EXIT_FAILURE);
	if (!error) {
		say_ready(&d);
		error = serve(&d);
		/* As a crash: in good order, all that is kept would be ended. */
		if (error && is_kept(&d))
			_exit(EXIT_FAILURE);
	}
	while (i-- > 0)
		if (parts[i].stop)
			parts[i].stop(&d);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
