/* SPDX-License-Identifier: Apache-2.0 */
/* Step 1: bytes and descriptors → a raw message, complete, bounded, its descriptors owned. */
#ifndef PRIMARY_VU_RECV_H
#define PRIMARY_VU_RECV_H

#include <stdbool.h>

#include "refusal.h"
#include "vu_msg.h"

enum vu_recv_result {
	VU_RECV_AGAIN,	 /* nothing more to read now; the message may be half there */
	VU_RECV_MESSAGE, /* one whole message */
	VU_RECV_CLOSED,	 /* the peer closed, between two messages */
	VU_RECV_REFUSED, /* *ret_reason: the stream cannot be followed any further, close it */
};

/*
 * Look on at one message; it stays in the socket until it is consumed (once.h). The socket is
 * non-blocking, and watched by edges: what was looked at is still there to read.
 */
enum vu_recv_result vu_recv(struct vu_raw *raw, int socket, enum refusal *ret_reason);

/* Has a message begun that is not complete? */
static inline bool vu_recv_begun(const struct vu_raw *raw)
{
	return raw->have > 0;
}

/* Forget the message, close the descriptors that nobody took. */
void vu_raw_reset(struct vu_raw *raw);

#endif
