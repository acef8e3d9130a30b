/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of the last events: the only history the primary keeps, and also the queue of whoever
 * follows them (a follower that falls a whole ring behind has lost some, and knows it by the
 * numbers).
 *
 * What a front-end can cause as often as it likes is rationed for each port: else one of them
 * would push everything else out of the ring, and fill the log.
 */
#include "event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "order.h"
#include "port.h"
#include "primary.h"

/* Of one port, caused by its front-end: so many at once, then one in so long. */
#define PORT_EVENTS_AT_ONCE 128u
#define PORT_EVENT_NS	    (100 * NS_PER_MS)

struct events {
	struct event_follower *followers;
	struct event_ring *past; /* `own`, or somebody else's */
	struct event_ring *own;
};

struct events *events_create(void)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->own = calloc(1, sizeof(*events->own));
	events->past = events->own;
	if (!events->own) {
		free(events);
		return NULL;
	}
	return events;
}

void events_use(struct events *events, struct event_ring *ring)
{
	free(events->own);
	events->own = NULL;
	events->past = ring;
}

void events_destroy(struct events *events)
{
	free(events->own);
	free(events);
}

uint64_t events_newest(const struct events *events)
{
	return events->past->newest;
}

const struct event *events_get(const struct events *events, uint64_t number)
{
	const struct event *event = &events->past->ring[number % EVENT_RING];

	return number && event->number == number ? event : NULL;
}

void events_follow(struct events *events, struct event_follower *follower)
{
	follower->next = events->followers;
	events->followers = follower;
}

void events_unfollow(struct events *events, struct event_follower *follower)
{
	for (struct event_follower **at = &events->followers; *at; at = &(*at)->next)
		if (*at == follower) {
			*at = follower->next;
			return;
		}
}

static void copy_text(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from ? from : "");
	/* A peer chose some of it, and it ends on somebody's terminal. */
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || *to == 0x7f)
			*to = '?';
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* "secondary fenced" out of SECONDARY_FENCED, the name in control.proto. */
static void kind_words(char *to, size_t room, Holdfast__Control__EventKind kind)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
		&holdfast__control__event_kind__descriptor, (int)kind);

	snprintf(to, room, "%s", value ? value->name : "event");
	for (; *to; to++)
		*to = (char)(*to == '_' ? ' ' : *to | 0x20);
}

static enum hf_log_level level_of(Holdfast__Control__EventKind kind)
{
	switch (kind) {
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_REVOKED:
	case HOLDFAST__CONTROL__EVENT_KIND__MESSAGE_REFUSED:
		return HF_LOG_INFO;
	case HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_DIED:
	case HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED:
	case HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_HUNG:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_PUT_OFF:
	case HOLDFAST__CONTROL__EVENT_KIND__PORT_ORPHANED:
	case HOLDFAST__CONTROL__EVENT_KIND__PRIMARY_RESUMED:
	case HOLDFAST__CONTROL__EVENT_KIND__TAKEN_OVER:
	case HOLDFAST__CONTROL__EVENT_KIND__FEATURES_CHANGED:
		return HF_LOG_WARNING;
	default:
		return HF_LOG_NOTICE;
	}
}

static void log_event(const struct event *event)
{
	char words[48], tag[80], with[80] = "", took[40] = "";

	kind_words(words, sizeof(words), event->kind);
	if (*event->port || *event->secondary)
		snprintf(tag, sizeof(tag), "%s %s", *event->port ? "port" : "secondary",
			 *event->port ? event->port : event->secondary);
	else
		snprintf(tag, sizeof(tag), "holdfastd");
	if (*event->port && *event->secondary)
		snprintf(with, sizeof(with), " (secondary %s)", event->secondary);
	if (event->duration_ns)
		snprintf(took, sizeof(took), ", %llu us",
			 (unsigned long long)(event->duration_ns / NS_PER_US));
	hf_log(level_of(event->kind), tag, "%s%s%s%s%s", words, with, *event->detail ? ": " : "",
	       event->detail, took);
}

/* Can whoever connects to the port make any number of these? */
static bool is_rationed(Holdfast__Control__EventKind kind)
{
	switch (kind) {
	case HOLDFAST__CONTROL__EVENT_KIND__SESSION_OPENED:
	case HOLDFAST__CONTROL__EVENT_KIND__SESSION_CLOSED:
	case HOLDFAST__CONTROL__EVENT_KIND__DEVICE_READY:
	case HOLDFAST__CONTROL__EVENT_KIND__DEVICE_GONE:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_REVOKED:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN:
	case HOLDFAST__CONTROL__EVENT_KIND__PORT_ORPHANED:
	case HOLDFAST__CONTROL__EVENT_KIND__MESSAGE_REFUSED:
	case HOLDFAST__CONTROL__EVENT_KIND__FEATURES_CHANGED:
		return true;
	default:
		return false;
	}
}

/* False: one too many, only counted. *ret_left_out: how many were, before this one. */
static bool may_emit(const struct primary *primary, Holdfast__Control__EventKind kind,
		     const char *port_name, uint32_t *ret_left_out)
{
	struct port *port = NULL;

	*ret_left_out = 0;
	if (port_name && primary->ports && is_rationed(kind))
		port = port_find(primary, port_name);
	if (!port)
		return true;
	if (rate_wait_ns(&port->events, PORT_EVENTS_AT_ONCE, PORT_EVENT_NS)) {
		port->events_left_out++;
		return false;
	}
	rate_spend(&port->events, PORT_EVENT_NS);
	*ret_left_out = port->events_left_out;
	port->events_left_out = 0;
	return true;
}

/* Whoever dies between the two leaves one event less, and none that is half another. */
static struct event *begin_event(struct event_ring *past)
{
	struct event *event = &past->ring[(past->newest + 1) % EVENT_RING];

	hf_store_release(&event->number, 0ull);
	return event;
}

static void end_event(struct event_ring *past, struct event *event)
{
	hf_store_release(&event->number, past->newest + 1);
	hf_store_release(&past->newest, past->newest + 1);
}

void event_emit(struct primary *primary, Holdfast__Control__EventKind kind, const char *port,
		const char *secondary, int vring, uint64_t duration_ns, const char *format, ...)
{
	struct events *events = primary->events;
	struct event_follower *next;
	struct event *event;
	char detail[sizeof(event->detail)];
	uint32_t left_out;
	va_list args;
	size_t len;

	if (!may_emit(primary, kind, port, &left_out))
		return;
	event = begin_event(events->past);
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format ? format : "", args);
	va_end(args);
	len = strlen(detail);
	if (left_out)
		snprintf(detail + len, sizeof(detail) - len, " (%u more before it left out)",
			 left_out);
	*event = (struct event){.realtime_ns = realtime_ns(),
				.kind = kind,
				.vring = (uint32_t)vring,
				.duration_ns = duration_ns};
	copy_text(event->port, sizeof(event->port), port);
	copy_text(event->secondary, sizeof(event->secondary), secondary);
	copy_text(event->detail, sizeof(event->detail), detail);
	end_event(events->past, event);
	log_event(event);
	for (struct event_follower *f = events->followers; f; f = next) {
		next = f->next;
		f->event(f, event);
	}
}
