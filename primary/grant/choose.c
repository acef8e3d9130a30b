/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"

#include <fnmatch.h>

#include "allow.h"
#include "attach.pb-c.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"

bool secondary_serves(const struct secondary *secondary, const char *port_name)
{
	if (!allow_port(&secondary->primary->conf->attach_rules, secondary->allowed, port_name))
		return false;
	for (size_t i = 0; i < secondary->nr_globs; i++)
		if (fnmatch(secondary->globs[i], port_name, 0) == 0)
			return true;
	return secondary->nr_globs == 0;
}

/* Those that hang last, then who lacks what the device takes; vswitches before standbys, then by
 * priority, then by who attached first. */
static bool is_better(const struct device *device, const struct secondary *a,
		      const struct secondary *b)
{
	if ((a->id == device->lacks) != (b->id == device->lacks) && a->watch.hung == b->watch.hung)
		return b->id == device->lacks;
	if (a->watch.hung != b->watch.hung)
		return b->watch.hung;
	if (a->role != b->role)
		return a->role == HOLDFAST__ATTACH__ROLE__VSWITCH;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->id < b->id;
}

bool grant_may_run(const struct device *device, const struct secondary *secondary)
{
	return secondary_usable(secondary) && !secondary->draining &&
	       secondary->role != HOLDFAST__ATTACH__ROLE__OBSERVER &&
	       secondary_serves(secondary, device->port->name);
}

struct secondary *grant_next_owner(const struct device *device)
{
	const struct primary *primary = device->primary;
	struct secondary *best = NULL;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (s && grant_may_run(device, s) && (!best || is_better(device, s, best)))
			best = s;
	}
	return best;
}
