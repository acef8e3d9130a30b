/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. What a switch has taken from one guest it is about to give to another. If
 * devices moved one after the other, or both directions at once, whatever is in between would be
 * lost. So all devices of a hand-over move together, in two steps:
 *
 *   STILL  the dequeue vrings of all devices are revoked: nothing new comes into the old owner;
 *   FLUSH  it has heard of that, and what it had taken has been enqueued (Flush, Flushed): its
 *          callbacks promise so. Who does not answer within FLUSH_NS is not waited for. The new
 *          owner reads the old one's state meanwhile;
 *   TAKE   the rest is revoked, positions are read; then owners are exchanged, and granted: the
 *          vrings to all guests before those from any.
 *
 * While a device moves (`moving`) nobody is granted any of it. Messages of its front-end go on.
 *
 * Secondaries are remembered by id, since each may die at any time:
 *   - the old owner dies in the middle: its positions are recovered as after any death, and what
 *     it ran goes on with the new owner;
 *   - the new one dies: the devices go to whoever is next.
 * Who hangs is relieved by TAKE alone: it would not answer a Flush.
 *
 * A session that ends takes its device out of our hands (handover_device_gone): the device may be
 * freed by then.
 *
 * The old owner stays prepared for what it gave away (prepare.c): giving it back costs no more.
 */
#include "handover_move.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "choose.h"
#include "clock.h"
#include "device.h"
#include "grant.h"
#include "journal.h"
#include "life_signs.h"
#include "lost.h"
#include "outbox.h"
#include "port.h"
#include "primary.h"
#include "revoke.h"
#include "secondary.h"
#include "secondary_publish.h"
#include "state.h"

#define FLUSH_NS (200 * NS_PER_MS)

static struct secondary *by_id(const struct primary *primary, uint64_t id)
{
	for (uint32_t i = 0; id && i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i] && primary->secondaries[i]->id == id)
			return primary->secondaries[i];
	return NULL;
}

static void destroy(struct handover *h)
{
	struct handover **at = &h->primary->handovers;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	for (uint32_t i = 0; i < h->nr_moves; i++) {
		revoke_cancel(&h->moves[i].revocation);
		if (h->moves[i].device)
			h->moves[i].device->moving = false;
	}
	loop_timer_clear(h->primary->loop, &h->timer);
	free(h->moves);
	free(h);
}

static void finish(struct handover *h)
{
	struct handover_waiter *waiter = h->waiter;
	struct handover_result result = h->result;

	destroy(h);
	if (!waiter)
		return;
	waiter->handover = NULL;
	waiter->done(waiter, &result);
}

bool handover_has_relief(const struct device *device)
{
	const struct secondary *next = grant_next_owner(device);

	return next && next != device->owner && life_signs_outlives(next, device->owner);
}

/* Does the device change hands? */
static bool is_meant(const struct handover *h, const struct device *device)
{
	const struct secondary *to = by_id(h->primary, h->to);

	if (device->port->removing || device->moving || !device->session || !device->memory.count)
		return false;
	if (h->only != UINT32_MAX && device->slot != h->only)
		return false;
	/* It was asked about who had it then. */
	if (h->asker && device->owner && device->owner->id != h->asker)
		return false;
	if (h->from)
		return device->owner && device->owner->id == h->from &&
		       (!h->hung || handover_has_relief(device));
	return to && device->owner != to && grant_may_run(device, to);
}

/* Where it goes now that nobody has it. */
static struct secondary *target_of(const struct handover *h, const struct device *device)
{
	struct secondary *to = by_id(h->primary, h->to), *from = by_id(h->primary, h->from);

	if (to && grant_may_run(device, to))
		return to;
	to = grant_next_owner(device);
	/* A drain that was not forced leaves nothing without an owner. */
	return !to && from && !h->force && secondary_usable(from) ? from : to;
}

/* Let go, and decided where it goes; granted when that is so for all. */
static void exchange_owner(struct handover *h, const struct move *move)
{
	struct device *device = move->device;
	enum lost_how how = move->flushed ? LOST_HANDED_OVER : LOST_UNFLUSHED;
	bool moved;

	device->moving = false;
	grant_let_go(device, h->hung ? LOST_HUNG : how, h->started_ns);
	device_forget_lacks(device);
	device->owner = target_of(h, device);
	if (device->owner && device->owner->id == move->told) {
		state_put(device->lost.state);
		device->lost.state = NULL;
		journal_lost(device);
	}
	if (h->from)
		moved = !device->owner || device->owner->id != h->from;
	else
		moved = device->owner && device->owner->id == h->to;
	h->result.moved += moved;
	h->result.failed += !moved;
}

static void give(struct handover *h)
{
	for (uint32_t i = 0; i < h->nr_moves; i++)
		if (h->moves[i].device)
			exchange_owner(h, &h->moves[i]);
	for (uint32_t i = 0; i < h->nr_moves; i++)
		if (h->moves[i].device)
			grant_now(h->moves[i].device, GRANT_ENQUEUE);
	for (uint32_t i = 0; i < h->nr_moves; i++)
		if (h->moves[i].device)
			grant_now(h->moves[i].device, GRANT_DEQUEUE);
	h->result.longest_ns = h->nr_moves ? hf_now_ns() - h->started_ns : 0;
	for (uint32_t i = 0; i < h->nr_moves; i++)
		if (h->moves[i].device)
			grant_follow_up(h->moves[i].device);
	finish(h);
}

static void flush(struct handover *h);

static void step_done(struct handover *h)
{
	if (--h->pending)
		return;
	if (h->phase == STILL)
		flush(h);
	else
		give(h);
}

static void on_taken_back(struct revocation *revocation)
{
	struct move *move = container_of(revocation, struct move, revocation);

	move->waiting = false;
	step_done(move->handover);
}

/* Of every device, and on when all are done: maybe before this returns. */
static void revoke_all(struct handover *h, int vrings)
{
	h->pending = 1;
	for (uint32_t i = 0; i < h->nr_moves; i++) {
		struct move *move = &h->moves[i];

		if (!move->device)
			continue;
		h->pending++;
		move->waiting = true;
		move->revocation.done = on_taken_back;
		revoke_start(&move->revocation, move->device, vrings);
	}
	step_done(h);
}

static void take(struct handover *h)
{
	loop_timer_clear(h->primary->loop, &h->timer);
	h->phase = TAKE;
	revoke_all(h, GRANT_ALL_VRINGS);
}

static bool all_flushed(const struct handover *h)
{
	for (uint32_t i = 0; i < h->nr_moves; i++)
		if (h->moves[i].device && !h->moves[i].flushed)
			return false;
	return true;
}

static void note_flushed(struct handover *h, uint64_t owner)
{
	for (uint32_t i = 0; i < h->nr_moves; i++)
		h->moves[i].flushed |= h->moves[i].owner == owner;
}

static void send_flush(const struct handover *h, struct secondary *secondary)
{
	Holdfast__Attach__Flush message = HOLDFAST__ATTACH__FLUSH__INIT;
	Holdfast__Attach__ToSecondary to = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	message.number = h->number;
	to.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_FLUSH;
	to.flush = &message;
	secondary_send(secondary, &to, NULL, 0);
}

/* Is it the first of its owner's? */
static bool is_first(const struct handover *h, uint32_t move)
{
	for (uint32_t i = 0; i < move; i++)
		if (h->moves[i].owner == h->moves[move].owner)
			return false;
	return true;
}

/* Was the same state sent to the same secondary for an earlier device? */
static bool is_told(const struct handover *h, uint32_t move)
{
	for (uint32_t i = 0; i < move; i++)
		if (h->moves[i].owner == h->moves[move].owner &&
		    h->moves[i].told == h->moves[move].told)
			return true;
	return false;
}

/* While the old owner empties its hands, the new one reads what it knew. */
static void send_states(struct handover *h)
{
	for (uint32_t i = 0; i < h->nr_moves; i++) {
		struct move *move = &h->moves[i];
		const struct secondary *owner = by_id(h->primary, move->owner);
		struct secondary *to = move->device ? target_of(h, move->device) : NULL;

		if (!owner || !owner->state || !to || to == owner)
			continue;
		move->told = to->id;
		if (!is_told(h, i))
			secondary_send_state(to, owner->state, owner->name);
	}
}

static void flush(struct handover *h)
{
	h->phase = FLUSH;
	for (uint32_t i = 0; i < h->nr_moves; i++) {
		struct secondary *owner = by_id(h->primary, h->moves[i].owner);

		if (!owner || !secondary_usable(owner))
			h->moves[i].flushed = true;
		else if (is_first(h, i))
			send_flush(h, owner);
	}
	send_states(h);
	if (all_flushed(h) || loop_timer_set(h->primary->loop, &h->timer, FLUSH_NS) < 0)
		take(h);
}

static int collect(struct handover *h)
{
	const struct primary *primary = h->primary;

	h->moves = calloc(primary->conf->max_devices, sizeof(*h->moves));
	if (!h->moves)
		return -ENOMEM;
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];
		struct device *device = port ? &port->device : NULL;

		if (!device || !is_meant(h, device))
			continue;
		device->moving = true;
		h->moves[h->nr_moves++] = (struct move){
			.handover = h,
			.device = device,
			.owner = device->owner ? device->owner->id : 0,
		};
	}
	return 0;
}

static void on_timer(struct loop_timer *timer)
{
	struct handover *h = container_of(timer, struct handover, timer);

	if (h->phase == FLUSH) {
		take(h);
		return;
	}
	if (collect(h) < 0) {
		h->result.failed = 1;
		finish(h);
		return;
	}
	h->started_ns = hf_now_ns();
	if (h->hung) {
		take(h);
		return;
	}
	h->phase = STILL;
	revoke_all(h, GRANT_DEQUEUE_VRINGS);
}

void handover_flushed(struct secondary *secondary, uint64_t number)
{
	struct handover *next;

	for (struct handover *h = secondary->primary->handovers; h; h = next) {
		next = h->next;
		if (h->phase != FLUSH || (number && number != h->number))
			continue;
		note_flushed(h, secondary->id);
		if (all_flushed(h))
			take(h);
	}
}

int handover_begin(struct primary *primary, const struct handover *wanted,
		   struct handover_waiter *waiter, const char **ret_reason)
{
	struct handover *h;
	int error;

	if (primary->holding) {
		*ret_reason = "the primary is being upgraded; try again in a second";
		return -EBUSY;
	}
	h = calloc(1, sizeof(*h));
	*ret_reason = "no memory; give holdfastd more";
	if (!h)
		return -ENOMEM;
	*h = *wanted;
	h->primary = primary;
	h->waiter = waiter;
	h->timer = (struct loop_timer){.fire = on_timer};
	error = loop_timer_set(primary->loop, &h->timer, 0);
	if (error) {
		free(h);
		return error;
	}
	h->number = primary->next_flush++;
	h->next = primary->handovers;
	primary->handovers = h;
	if (waiter)
		waiter->handover = h;
	return 0;
}

void handover_unwatch(struct handover_waiter *waiter)
{
	if (waiter->handover)
		waiter->handover->waiter = NULL;
	waiter->handover = NULL;
}

static void forget_device(struct handover *h, const struct device *device)
{
	for (uint32_t i = 0; i < h->nr_moves; i++) {
		struct move *move = &h->moves[i];

		if (move->device != device)
			continue;
		revoke_cancel(&move->revocation);
		move->device = NULL;
		h->result.failed++;
		if (move->waiting) {
			move->waiting = false;
			step_done(h);
		}
		return;
	}
}

void handover_device_gone(struct device *device)
{
	struct handover *next;

	for (struct handover *h = device->primary->handovers; h; h = next) {
		next = h->next;
		forget_device(h, device);
	}
	device->moving = false;
}

void handover_cancel_all(struct primary *primary)
{
	while (primary->handovers) {
		struct handover *h = primary->handovers;

		if (h->waiter)
			h->waiter->handover = NULL;
		destroy(h);
	}
}
