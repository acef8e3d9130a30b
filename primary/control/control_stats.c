/* SPDX-License-Identifier: Apache-2.0 */
/* stats: every vring's counters, then the primary's own. All of them, also those at zero: a reader
 * that draws a curve must not have to guess. */
#include <errno.h>

#include "check.h"
#include "control_answer.h"
#include "device.h"
#include "port.h"
#include "primary.h"
#include "refusal.h"
#include "stats.h"

#define VRINGS_PER_PACKET 24u
#define PORTS_PER_PACKET  64u

typedef Holdfast__Control__StatsReply__VringStats VringStats;

/* The port at or after answer->port that was asked for. */
static const struct port *next_port(struct answer *answer)
{
	const struct primary *primary = answer->primary;
	const char *name = answer->request->stats->port;
	const struct port *only = *name ? port_find(primary, name) : NULL;

	for (; answer->port < primary->conf->max_devices; answer->port++) {
		const struct port *port = primary->ports[answer->port];

		if (port && !port->removing && (!*name || port == only))
			return port;
	}
	return NULL;
}

/* The vring at or after (answer->port, answer->item). */
static const struct vring *next_vring(struct answer *answer)
{
	const struct port *port;

	while ((port = next_port(answer))) {
		if (answer->item < device_nr_vrings(&port->device))
			return &port->device.vrings[answer->item];
		answer->port++;
		answer->item = 0;
	}
	return NULL;
}

static VringStats *fill_vring(struct answer *answer, const struct vring *vring)
{
	VringStats *to = answer_alloc(answer, 1, sizeof(*to));
	Holdfast__Control__Counter *counters =
		answer_alloc(answer, HF_NR_COUNTERS, sizeof(*counters));
	uint64_t totals[HF_NR_COUNTERS];

	holdfast__control__stats_reply__vring_stats__init(to);
	to->port = answer_borrow(vring->device->port->name);
	to->vring = vring->index;
	to->counters = answer_alloc(answer, HF_NR_COUNTERS, sizeof(to->counters[0]));
	stats_vring(vring, totals);
	for (uint32_t i = 0; i < HF_NR_COUNTERS; i++) {
		holdfast__control__counter__init(&counters[i]);
		counters[i].name = answer_borrow(hf_shm_counter_name(i));
		counters[i].value = totals[i];
		to->counters[to->n_counters++] = &counters[i];
	}
	return to;
}

static void add_counter(struct answer *answer, Holdfast__Control__StatsReply *reply, char *name,
			uint64_t value)
{
	Holdfast__Control__Counter *counter = answer_alloc(answer, 1, sizeof(*counter));

	holdfast__control__counter__init(counter);
	counter->name = name;
	counter->value = value;
	reply->primary[reply->n_primary++] = counter;
}

static void fill_ports(struct answer *answer, Holdfast__Control__StatsReply *reply)
{
	const struct port *port;

	for (uint32_t n = 0; n < PORTS_PER_PACKET && (port = next_port(answer)); n++) {
		add_counter(answer, reply, answer_text(answer, "port.%s.sessions", port->name),
			    port->sessions);
		add_counter(answer, reply,
			    answer_text(answer, "port.%s.refused_messages", port->name),
			    port->refused_messages);
		answer->port++;
	}
}

#define NR_CONTINUITY 8u

static void fill_own(struct answer *answer, Holdfast__Control__StatsReply *reply)
{
	const struct continuity *totals = &answer->primary->continuity;
	uint64_t longest_ns;

	add_counter(answer, reply, answer_borrow("takeovers"), totals->takeovers);
	add_counter(answer, reply, answer_borrow("handovers"), totals->handovers);
	add_counter(answer, reply, answer_borrow("fencings"), totals->fencings);
	add_counter(answer, reply, answer_borrow("longest_takeover_ns"),
		    totals->longest_takeover_ns);
	add_counter(answer, reply, answer_borrow("longest_handover_ns"),
		    totals->longest_handover_ns);
	add_counter(answer, reply, answer_borrow("lives"), answer->primary->resumed.life);
	add_counter(answer, reply, answer_borrow("upgrades"),
		    upgrade_count(answer->primary, &longest_ns));
	add_counter(answer, reply, answer_borrow("longest_upgrade_ns"), longest_ns);
	for (uint32_t i = 0; i < NR_REFUSALS; i++)
		add_counter(answer, reply,
			    answer_text(answer, "refused.%s", refusal_name((enum refusal)i)),
			    answer->primary->refusals[i]);
}

enum phase { VRINGS, PORTS, OWN, END };

static void fill_vrings(struct answer *answer, Holdfast__Control__StatsReply *reply)
{
	const struct vring *vring;

	reply->vrings = answer_alloc(answer, VRINGS_PER_PACKET, sizeof(reply->vrings[0]));
	while (reply->n_vrings < VRINGS_PER_PACKET && (vring = next_vring(answer))) {
		reply->vrings[reply->n_vrings++] = fill_vring(answer, vring);
		answer->item++;
	}
	if (next_vring(answer))
		return;
	answer->phase = PORTS;
	answer->port = 0;
}

int control_stats(struct answer *answer, Holdfast__Control__Response *response)
{
	Holdfast__Control__StatsReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	const char *name = answer->request->stats->port;

	if (*name && !port_find(answer->primary, name))
		return answer_refuse(response, -ENOENT, control_no_port);
	holdfast__control__stats_reply__init(reply);
	reply->primary = answer_alloc(answer, 2 * PORTS_PER_PACKET + NR_CONTINUITY + NR_REFUSALS,
				      sizeof(reply->primary[0]));
	if (answer->phase == VRINGS) {
		fill_vrings(answer, reply);
	} else if (answer->phase == PORTS) {
		fill_ports(answer, reply);
		if (!next_port(answer))
			answer->phase = *name ? END : OWN;
	} else {
		fill_own(answer, reply);
		answer->phase = END;
	}
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_STATS;
	response->stats = reply;
	response->more = answer->phase != END;
	return 0;
}
