/* SPDX-License-Identifier: Apache-2.0 */
/* When a session is not read for a moment. */
#ifndef PRIMARY_SESSION_PAUSE_H
#define PRIMARY_SESSION_PAUSE_H

#include <stdint.h>

#include "clock.h"

struct session;

/* What a revocation costs of session->revocations. */
#define SESSION_REVOCATION_NS (10 * NS_PER_MS)
/* A moment. */
#define SESSION_PAUSE_NS (5 * NS_PER_MS)

/* For how long the next message has to wait; 0: not at all. */
uint64_t session_pause_ns(struct session *session);

#endif
