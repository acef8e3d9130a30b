/* SPDX-License-Identifier: Apache-2.0 */
/* What the front-end, the log and the counters are told: replies and refusals. */
#ifndef PRIMARY_SESSION_ANSWER_H
#define PRIMARY_SESSION_ANSWER_H

#include <stdint.h>

#include "session.h"

/* Say no. Always returns VU_REFUSED. */
enum vu_outcome session_refuse(struct session *session, enum refusal reason, const char *format,
			       ...) __attribute__((format(printf, 3, 4)));
/* Queue the answer. Always return VU_REPLIED. */
enum vu_outcome session_reply_u64(struct session *session, uint64_t value);
/* A no, for who is always told why. */
enum vu_outcome session_reply_error(struct session *session, int error);
enum vu_outcome session_reply_state(struct session *session, uint32_t index, uint32_t num);

/* Count, log, tell: the same for a message and for a stream that cannot be followed. */
void session_report_refusal(struct session *session, const char *what);
/* Send what is left of the reply. 0: all gone; -EAGAIN; or another -errno: the peer is gone. */
int session_flush(struct session *session);

#endif
