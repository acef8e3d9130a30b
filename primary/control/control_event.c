/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: the last of them, and then, when asked, those to come. The ring of events is the queue:
 * a follower has the number of the next one it wants, and when that was overwritten it was too
 * slow.
 */
#include <errno.h>

#include "check.h"
#include "control_answer.h"
#include "event.h"
#include "primary.h"

#define EVENTS_PER_PACKET 64u

enum phase { START, RUNNING };

static Holdfast__Control__Event *fill(struct answer *answer, const struct event *from)
{
	Holdfast__Control__Event *to = answer_alloc(answer, 1, sizeof(*to));

	holdfast__control__event__init(to);
	to->number = from->number;
	to->realtime_ns = from->realtime_ns;
	to->kind = from->kind;
	to->port = answer_borrow(from->port);
	to->secondary = answer_borrow(from->secondary);
	to->vring = from->vring;
	to->duration_ns = from->duration_ns;
	to->detail = answer_borrow(from->detail);
	return to;
}

static void begin(struct answer *answer)
{
	uint64_t newest = events_newest(answer->primary->events);
	uint64_t last = min_u64(answer->request->events->last, min_u64(newest, EVENT_RING));

	answer->number = newest + 1 - last;
	/* The oldest may be one that a primary died at writing over. */
	while (answer->number <= newest && !events_get(answer->primary->events, answer->number))
		answer->number++;
	answer->session = newest; /* where an answer without `follow` ends */
}

int control_events(struct answer *answer, Holdfast__Control__Response *response)
{
	const struct events *events = answer->primary->events;
	bool follow = answer->request->events->follow, first = answer->phase == START;
	Holdfast__Control__EventsReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	uint64_t end;

	if (first)
		begin(answer);
	answer->phase = RUNNING;
	end = follow ? events_newest(events) : answer->session;
	/* The first Response goes out even when empty: it tells that the stream stands. */
	if (answer->number > end && !first)
		return ANSWER_WAIT;
	if (answer->number <= end && !events_get(events, answer->number))
		return answer_refuse(
			response, -EOVERFLOW,
			"more events came than were read; read faster and start again");
	holdfast__control__events_reply__init(reply);
	reply->events = answer_alloc(answer, EVENTS_PER_PACKET, sizeof(reply->events[0]));
	while (reply->n_events < EVENTS_PER_PACKET && answer->number <= end)
		reply->events[reply->n_events++] =
			fill(answer, events_get(events, answer->number++));
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_EVENTS;
	response->events = reply;
	response->more = follow || answer->number <= end;
	return 0;
}
