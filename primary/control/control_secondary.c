/* SPDX-License-Identifier: Apache-2.0 */
/* secondary list: who is attached, and what it runs. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "control_answer.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"
#include "stats.h"

/* One secondary a packet: the names of its ports alone may be 30 KiB. */
#define PORTS_SHOWN 512u

static void fill_ports(struct answer *answer, Holdfast__Control__Secondary *to,
		       const struct secondary *secondary)
{
	const struct primary *primary = answer->primary;

	to->ports = answer_alloc(answer, PORTS_SHOWN, sizeof(to->ports[0]));
	for (uint32_t i = 0; i < primary->conf->max_devices && to->n_ports < PORTS_SHOWN; i++)
		if (primary->ports[i] && primary->ports[i]->device.owner == secondary)
			to->ports[to->n_ports++] = primary->ports[i]->name;
}

static Holdfast__Control__Secondary *fill(struct answer *answer, struct secondary *secondary)
{
	Holdfast__Control__Secondary *to = answer_alloc(answer, 1, sizeof(*to));

	holdfast__control__secondary__init(to);
	to->slot = secondary->slot;
	to->id = secondary->id;
	to->name = secondary->name;
	to->role = secondary->role;
	to->pid = secondary->pid;
	to->uid = secondary->uid;
	to->priority = secondary->priority;
	to->globs = secondary->globs;
	to->n_globs = secondary->nr_globs;
	to->vrings = secondary->nr_vrings;
	to->heartbeat_age_ns = stats_heartbeat_age(secondary);
	to->attached_ns = hf_now_ns() - secondary->attached_ns;
	to->version = secondary->version;
	to->drained = secondary->draining;
	fill_ports(answer, to, secondary);
	return to;
}

/* The next secondary at or after answer->item that was asked for. */
static struct secondary *next_listed(struct answer *answer)
{
	const struct primary *primary = answer->primary;
	const char *name = answer->request->secondary_list->name;

	for (; answer->item < primary->conf->max_secondaries; answer->item++) {
		struct secondary *s = primary->secondaries[answer->item];

		if (s && (!*name || strcmp(s->name, name) == 0))
			return s;
	}
	return NULL;
}

int control_secondary_list(struct answer *answer, Holdfast__Control__Response *response)
{
	Holdfast__Control__SecondaryListReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	struct secondary *secondary = next_listed(answer);

	if (!secondary && !answer->part && *answer->request->secondary_list->name)
		return answer_refuse(response, -ENOENT,
				     "no such secondary is attached; holdfast secondary list "
				     "shows those that are");
	holdfast__control__secondary_list_reply__init(reply);
	if (secondary) {
		reply->secondaries = answer_alloc(answer, 1, sizeof(reply->secondaries[0]));
		reply->secondaries[reply->n_secondaries++] = fill(answer, secondary);
		answer->item++;
		answer->part++;
	}
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_SECONDARY_LIST;
	response->secondary_list = reply;
	response->more = next_listed(answer) != NULL;
	return 0;
}
