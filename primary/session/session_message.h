/* SPDX-License-Identifier: Apache-2.0 */
/* The road of a message. */
#ifndef PRIMARY_SESSION_MESSAGE_H
#define PRIMARY_SESSION_MESSAGE_H

#include <stdint.h>

struct session;
struct vu_rule;

/* Carry out the message in session->raw; only at rest. May end it. */
void session_handle(struct session *session, const struct vu_rule *rule, uint32_t request);
/* For how long the next message has to wait; 0: not at all. */
uint64_t session_pause_ns(struct session *session);
/* What it waited for is in the store. May end it. */
void session_stored(struct session *session);

#endif
