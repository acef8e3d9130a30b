/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a secondary asks costs us more than it costs the one who asks: a port is a socket, a file
 * and records; a descriptor that may hang whoever closes it is four processes. So each user that a
 * rule let in has an allowance for all its secondaries together, which outlives them as it does at
 * the door (users.h): who has spent it is read slower, nothing is lost, nobody else waits. What
 * answers the primary (Flushed, Retired, VringRefused) has no price: how much of that there is,
 * front-ends decide.
 *
 * What hangs is charged to the user as well, as if it had been left at the door: when four hang,
 * the user is kept away, and none of its secondaries may bring more.
 *
 * Root and our own user have no allowance. What hangs of theirs counts for each of their
 * secondaries alone: it would shut the door to all.
 */
#include "secondary_price.h"

#include "attach.h"
#include "clock.h"
#include "foreign.h"
#include "outbox.h"
#include "primary.h"
#include "rate.h"
#include "secondary.h"
#include "users.h"

#define UNIT_NS	      (10 * NS_PER_MS)
#define UNITS_AT_ONCE 3200u
#define CHANGE_UNITS  5u
#define FOREIGN_UNITS 100u

static unsigned int price_of(const Holdfast__Attach__ToPrimary *request)
{
	switch (request->body_case) {
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_ADD:
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_DEL:
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_CHANGE:
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_HANDOVER:
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_DRAIN:
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_STATE_SET:
		return CHANGE_UNITS;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_GET:
		return 1;
	default:
		return 0;
	}
}

static uint64_t wait_ns(const struct user *user)
{
	return rate_wait_ns(&user->requests, UNITS_AT_ONCE, UNIT_NS);
}

static void spend(struct secondary *secondary, unsigned int units)
{
	struct user *user = units ? attach_user(secondary) : NULL;

	if (user)
		user_spend(user, UNITS_AT_ONCE * UNIT_NS, units * UNIT_NS);
}

bool secondary_price_pause(struct secondary *secondary)
{
	const struct user *user = attach_user(secondary);
	uint64_t ns = user ? wait_ns(user) : 0;

	if (!ns || loop_timer_set(secondary->primary->loop, &secondary->pause, ns) < 0)
		return false;
	secondary->paused = true;
	(void)secondary_await(secondary);
	return true;
}

bool secondary_price_spent(const struct secondary *secondary)
{
	const struct user *user = attach_user(secondary);

	return user && wait_ns(user);
}

bool secondary_price_spend(struct secondary *secondary, const Holdfast__Attach__ToPrimary *request)
{
	unsigned int units = price_of(request);

	if (units && secondary_price_spent(secondary))
		return false;
	spend(secondary, units);
	return true;
}

struct foreign *secondary_foreign(struct secondary *secondary)
{
	struct user *user = attach_user(secondary);

	return user ? &user->foreign : &secondary->foreign;
}

void secondary_price_foreign(struct secondary *secondary)
{
	spend(secondary, FOREIGN_UNITS);
	attach_left_foreign(secondary);
}
