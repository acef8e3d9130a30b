/* SPDX-License-Identifier: Apache-2.0 */
/* What the process may and has, before anything of the primary is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "confine.h"
#include "cuse.h"
#include "fd.h"
#include "holdfastd.h"
#include "log.h"
#include "privilege.h"

#define LOCK_WAIT_MS 2000

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
	int error = privilege_make_run_dir(d->conf.run_dir, conf_is_open(&d->conf), &d->conf.user);

	if (!error)
		error = privilege_drop(&d->conf.user, d->conf.cuse);
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

const struct part part_limits = {raise_limits, NULL};
const struct part part_devices = {make_devices, close_devices};
const struct part part_privileges = {drop_privileges, NULL};
const struct part part_lock = {take_lock, drop_lock};
