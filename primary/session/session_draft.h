/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a change of the draft. */
#ifndef PRIMARY_SESSION_DRAFT_H
#define PRIMARY_SESSION_DRAFT_H

struct session;

#define SESSION_ALL_VRINGS (-1)

/* Start what can start (one vring or all), publish, grant. */
void session_settle(struct session *session, int vring);
/* Taken over: the message that started a ring, or that it was started in the middle of, comes once
 * more, and may be one that needs it stopped: not these, then. */
void session_settle_but_ahead(struct session *session);
/* That message is done. */
void session_settle_ahead(struct session *session);

#endif
