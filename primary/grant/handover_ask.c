/* SPDX-License-Identifier: Apache-2.0 */
/* Who may have what handed over; refused before anything is touched. */
#include <errno.h>
#include <string.h>

#include "attach.pb-c.h"
#include "choose.h"
#include "device.h"
#include "handover_move.h"
#include "log.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"
#include "secondary_publish.h"

static int refuse(const char **ret_reason, int error, const char *reason)
{
	*ret_reason = reason;
	return error;
}

int handover_find(const struct primary *primary, const char *name, struct secondary **ret_secondary,
		  const char **ret_reason)
{
	struct secondary *found = NULL;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (!s || !secondary_usable(s) || strcmp(s->name, name) != 0)
			continue;
		if (found)
			return refuse(ret_reason, -ENOTUNIQ,
				      "several secondaries have this name; start them with names "
				      "of their own (--name)");
		found = s;
	}
	if (!found)
		return refuse(ret_reason, -ENOENT,
			      "no such secondary is attached; holdfast secondary list shows those "
			      "that are");
	*ret_secondary = found;
	return 0;
}

static int check_port(struct handover *wanted, const struct primary *primary, const char *name,
		      const struct secondary *to, const char **ret_reason)
{
	const struct port *port = port_find(primary, name);

	if (!port)
		return refuse(ret_reason, -ENOENT,
			      "no such port; holdfast port list shows those there are");
	if (!secondary_serves(to, name))
		return refuse(ret_reason, -EINVAL,
			      "this secondary does not serve the port; start it with a pattern "
			      "that matches (--ports)");
	if (!port->session)
		return refuse(ret_reason, -ENOTCONN,
			      "no front-end is connected to the port, so there is nothing to hand "
			      "over; start the guest");
	wanted->only = port->device.slot;
	return 0;
}

int handover_start(struct primary *primary, const char *port, const char *to_name,
		   struct handover_waiter *waiter, const char **ret_reason)
{
	struct handover wanted = {.only = UINT32_MAX, .asker = waiter ? waiter->asker : 0};
	struct secondary *to;
	int error = handover_find(primary, to_name, &to, ret_reason);

	if (!error && to->role == HOLDFAST__ATTACH__ROLE__OBSERVER)
		error = refuse(ret_reason, -EPERM,
			       "an observer runs nothing; attach it as vswitch or standby");
	if (!error && port && *port)
		error = check_port(&wanted, primary, port, to, ret_reason);
	if (error)
		return error;
	wanted.to = to->id;
	error = handover_begin(primary, &wanted, waiter, ret_reason);
	if (!error && to->draining)
		secondary_set_draining(to, false);
	return error;
}

static bool all_have_a_successor(const struct primary *primary, struct secondary *from)
{
	bool draining = from->draining, all = true;

	from->draining = true; /* it is not its own successor */
	for (uint32_t i = 0; all && i < primary->conf->max_devices; i++) {
		const struct port *port = primary->ports[i];

		if (port && port->device.owner == from)
			all = grant_next_owner(&port->device) != NULL;
	}
	from->draining = draining;
	return all;
}

int handover_drain(struct primary *primary, struct secondary *from, bool force,
		   struct handover_waiter *waiter, const char **ret_reason)
{
	struct handover wanted = {.from = from->id, .only = UINT32_MAX, .force = force};
	int error;

	if (!force && !all_have_a_successor(primary, from))
		return refuse(ret_reason, -EBUSY,
			      "nobody else serves one of its ports; start another switch first, "
			      "or use --force");
	error = handover_begin(primary, &wanted, waiter, ret_reason);
	if (!error)
		secondary_set_draining(from, true);
	return error;
}

bool handover_can_relieve(const struct secondary *from)
{
	const struct primary *primary = from->primary;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct port *port = primary->ports[i];

		if (port && port->device.owner == from && !port->removing && !port->device.moving &&
		    handover_has_relief(&port->device))
			return true;
	}
	return false;
}

void handover_relieve(struct secondary *from)
{
	struct handover wanted = {.from = from->id, .only = UINT32_MAX, .hung = true};
	const char *reason;
	int error = handover_begin(from->primary, &wanted, NULL, &reason);

	if (error && hf_log_allowed(&from->log_limit))
		log_warning(from->tag, "hangs, and is not relieved: %s", reason);
}
