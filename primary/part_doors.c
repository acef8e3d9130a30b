/* SPDX-License-Identifier: Apache-2.0 */
/* The doors, and who comes through them: taken over from an earlier life, or new. */
#include <errno.h>
#include <string.h>

#include "attach.h"
#include "control.h"
#include "cuse.h"
#include "holdfastd.h"
#include "journal.h"
#include "log.h"
#include "port.h"
#include "ports.h"
#include "resume.h"
#include "retire.h"
#include "upgrade.h"
#include "watch.h"

static const struct upgrade_above above = {control_hold, control_at_rest};

static int open_upgrade(struct holdfastd *d)
{
	return upgrade_open(&d->primary, &above) ? holdfastd_out_of_memory() : 0;
}

static void close_upgrade(struct holdfastd *d)
{
	upgrade_close(&d->primary);
}

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
	return watch_open(&d->primary) ? holdfastd_out_of_memory() : 0;
}

static void stop_watch(struct holdfastd *d)
{
	watch_close(&d->primary);
}

static int start_control(struct holdfastd *d)
{
	return said("control", control_open(&d->primary));
}

static void stop_control(struct holdfastd *d)
{
	control_close(&d->primary);
}

const struct part part_upgrade = {open_upgrade, close_upgrade};
const struct part part_attach = {start_attach, stop_attach};
const struct part part_sessions = {take_over, NULL};
const struct part part_ports = {add_ports, remove_ports};
const struct part part_control = {start_control, stop_control};
const struct part part_watch = {start_watch, stop_watch};
