/* SPDX-License-Identifier: Apache-2.0 */
/* The road of a message. */
#ifndef PRIMARY_SESSION_MESSAGE_H
#define PRIMARY_SESSION_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "session.h"

struct vu_rule;

/* Carry out the message in session->raw; only at rest. `rule` NULL: there is none for it.
 * `in_socket` is what the door's consume needs to know. False: the session is over, or waits. */
bool session_handle(struct session *session, const struct vu_rule *rule, uint32_t in_socket);
/* What is left to do after the handler. The same. */
bool session_finish_message(struct session *session, enum vu_outcome outcome);
/* The reply, and that the message is done with. False: the session is over, or waits for room. */
bool session_send_reply(struct session *session);
/* Nothing is left to do for the message but to forget it. 0; -errno: it would come once more. */
int session_consume(struct session *session);
/* What it waited for is in the store. May end it. */
void session_stored(struct session *session);

#endif
