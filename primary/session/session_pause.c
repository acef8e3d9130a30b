/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message makes the primary send to the secondary costs the secondary's queue, and that is
 * one for all the devices it serves. So who revokes faster than a guest that lives could, or whose
 * secondary is behind with reading, is not read for a moment; never refused for it. That secondary
 * is cut off after ten seconds (outbox.c): a front-end that is killed is not seen meanwhile, and a
 * ring that it stops is not revoked. Nor is read who says more than a front-end that sets devices
 * up would (allowance.h), nor anybody while the primary comes to rest for an upgrade.
 */
#include "session_pause.h"

#include "allowance.h"
#include "check.h"
#include "clock.h"
#include "device.h"
#include "foreign.h"
#include "log.h"
#include "port.h"
#include "primary.h"
#include "refusal.h"
#include "session.h"
#include "tell.h"
#include "vu_recv.h"

/* Revocations that a port's front-ends may cause: so many at once, as 128 queue pairs that stop and
 * start, then one in so long. */
#define REVOCATIONS_AT_ONCE 512u
/* Messages with descriptors that have to be closed elsewhere, of a port: each is some processes. */
#define FOREIGNERS_AT_ONCE 32u

/* Until it is known whether they hang. */
static bool wait_for_foreign(struct session *session)
{
	struct foreign *foreign = &session->port->foreign;

	return foreign_full_since(foreign) && !foreign_hangs(foreign);
}

/* Until its port or its user may send one more. */
static uint64_t wait_for_allowance(struct session *session)
{
	uint64_t ns = allowance_wait_ns(session->port, session->user);

	if (ns && session->throttled != session->messages + 1) {
		refusal_count(session->primary, REFUSED_THROTTLED);
		if (!session->throttled)
			log_warning(session->device->tag, "read slower: too many messages; %s",
				    refusal_remedy(REFUSED_THROTTLED));
		session->throttled = session->messages + 1;
	}
	return ns;
}

uint64_t session_pause_ns(struct session *session)
{
	uint64_t ns;

	if (session->primary->holding)
		return SESSION_PAUSE_NS;
	if (vu_recv_begun(&session->raw))
		return 0;
	ns = max_u64(rate_wait_ns(&session->port->revocations, REVOCATIONS_AT_ONCE,
				  SESSION_REVOCATION_NS),
		     rate_wait_ns(&session->port->foreigners, FOREIGNERS_AT_ONCE, FOREIGNER_NS));
	ns = max_u64(ns, wait_for_allowance(session));
	if (!ns && (grant_congested(session->device) || wait_for_foreign(session)))
		ns = SESSION_PAUSE_NS;
	return ns;
}
