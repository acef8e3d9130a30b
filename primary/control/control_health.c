/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: a list of named checks, each with the number that decided. With a port's name, the
 * checks are about that port where they are about ports at all.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "control_answer.h"
#include "device.h"
#include "memory.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"
#include "stats.h"
#include "store.h"
#include "unusable.h"

#define STALE_NS (5 * NS_PER_S)

typedef Holdfast__Control__HealthReply Reply;

struct tally {
	uint32_t ports, ready, failed, orphaned, broken, put_off;
	uint32_t secondaries, stale, hung, draining;
	const char *failed_name, *orphaned_name, *broken_name, *put_off_name, *stale_name,
		*hung_name, *draining_name;
};

static void note(uint32_t *count, const char **name, bool bad, const char *which)
{
	if (!bad)
		return;
	*count += 1;
	if (!*name)
		*name = which;
}

static void tally_port(struct tally *t, const struct port *port)
{
	const struct device *device = &port->device;
	bool ready = device_state(device) == HF_DEVICE_READY, broken = false;
	bool put_off = false;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		broken |= device->vrings[i].broken;
		put_off |= device->vrings[i].started && vring_lacks(&device->vrings[i]);
	}
	t->ports++;
	t->ready += ready;
	note(&t->failed, &t->failed_name, !port->client && !port->session && port->listener < 0,
	     port->name);
	note(&t->orphaned, &t->orphaned_name, ready && !device->owner, port->name);
	note(&t->broken, &t->broken_name, broken, port->name);
	note(&t->put_off, &t->put_off_name, put_off, port->name);
}

static struct tally take_tally(const struct primary *primary, const struct port *only)
{
	struct tally t = {0};

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct port *port = primary->ports[i];

		if (port && !port->removing && (!only || port == only))
			tally_port(&t, port);
	}
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		const struct secondary *s = primary->secondaries[i];

		if (!s)
			continue;
		t.secondaries++;
		note(&t.draining, &t.draining_name, s->leaving && s->nr_vrings, s->name);
		/* A secondary that has just come has not had the time for its first beat. */
		note(&t.hung, &t.hung_name, s->watch.hung, s->name);
		note(&t.stale, &t.stale_name,
		     hf_now_ns() - s->attached_ns > STALE_NS && stats_heartbeat_age(s) > STALE_NS,
		     s->name);
	}
	return t;
}

static void check(struct answer *answer, Reply *reply, const char *name, bool ok, char *detail)
{
	Holdfast__Control__HealthReply__Check *to = answer_alloc(answer, 1, sizeof(*to));

	holdfast__control__health_reply__check__init(to);
	to->name = answer_borrow(name);
	to->ok = ok;
	to->detail = detail;
	reply->checks[reply->n_checks++] = to;
	reply->healthy &= ok;
}

static char *how_many(struct answer *answer, uint32_t bad, uint32_t all, const char *name)
{
	return bad ? answer_text(answer, "%u of %u, first %s", bad, all, name)
		   : answer_text(answer, "none of %u", all);
}

#define MAX_CHECKS 8u

static void fill_checks(struct answer *answer, Reply *reply, const struct tally *t)
{
	check(answer, reply, "ports_not_listening", !t->failed,
	      how_many(answer, t->failed, t->ports, t->failed_name));
	check(answer, reply, "ready_ports_without_owner", !t->orphaned,
	      how_many(answer, t->orphaned, t->ready, t->orphaned_name));
	check(answer, reply, "ports_with_broken_vrings", !t->broken,
	      how_many(answer, t->broken, t->ports, t->broken_name));
	check(answer, reply, "ports_whose_switch_lacks_memory_or_descriptors", !t->put_off,
	      how_many(answer, t->put_off, t->ports, t->put_off_name));
	check(answer, reply, "secondaries_without_heartbeat", !t->stale,
	      how_many(answer, t->stale, t->secondaries, t->stale_name));
	check(answer, reply, "secondaries_hung", !t->hung,
	      how_many(answer, t->hung, t->secondaries, t->hung_name));
	check(answer, reply, "secondaries_stuck_leaving", !t->draining,
	      how_many(answer, t->draining, t->secondaries, t->draining_name));
}

/* Would our death be noticed? Only where somebody was asked to keep what it takes. */
static void check_keeper(struct answer *answer, Reply *reply, const struct primary *primary)
{
	enum store_keeps keeps = store_keeps(primary->store);

	check(answer, reply, "descriptors_not_kept", keeps == STORE_NOBODY || keeps == STORE_KEEPS,
	      answer_text(answer, "%s",
			  keeps == STORE_NOBODY ? "nobody was asked to: no --supervise, no systemd"
			  : keeps == STORE_LATE ? "the supervisor does not read"
			  : keeps == STORE_LOST ? "the supervisor is gone"
						: "none"));
}

int control_health(struct answer *answer, Holdfast__Control__Response *response)
{
	const struct primary *primary = answer->primary;
	const char *name = answer->request->health->port;
	const struct port *only = *name ? port_find(primary, name) : NULL;
	Reply *reply = answer_alloc(answer, 1, sizeof(*reply));
	struct tally t;
	long total;

	if (*name && !only)
		return answer_refuse(response, -ENOENT, control_no_port);
	holdfast__control__health_reply__init(reply);
	t = take_tally(primary, only);
	reply->healthy = true;
	reply->ports = t.ports;
	reply->ports_ready = t.ready;
	reply->secondaries = t.secondaries;
	reply->huge_pages_free = (uint32_t)hf_huge_pages_free(&total);
	reply->huge_pages_total = (uint32_t)total;
	reply->directory_on_huge_pages = primary->directory_memory.page_bytes >= 2u << 20;
	reply->checks = answer_alloc(answer, MAX_CHECKS, sizeof(reply->checks[0]));
	fill_checks(answer, reply, &t);
	check_keeper(answer, reply, primary);
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_HEALTH;
	response->health = reply;
	return 0;
}
