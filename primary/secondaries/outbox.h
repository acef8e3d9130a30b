/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent to a secondary. */
#ifndef PRIMARY_OUTBOX_H
#define PRIMARY_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attach.pb-c.h"

struct primary;
struct secondary;
struct state;

/*
 * Send, or queue when the peer's buffer is full. The descriptors are duplicated when queued; they
 * stay the caller's. A peer whose queue is over its bound is cut off (its socket is shut down, its
 * vrings are revoked); that is reported by the loop later, never from inside this call.
 */
void secondary_send(struct secondary *secondary, Holdfast__Attach__ToSecondary *message,
		    const int *fds, size_t nr_fds);

/* After each change of its queue, and when it was read: what the loop is to wait for. Who is behind
 * with reading is not read either: each Reply would put it back further. 0 or -errno. */
int secondary_await(struct secondary *secondary);
/* A message has found its end closed. It is sent nothing more, and read to the end: there may be a
 * Bye, or one to come, for some seconds. 0 or -errno. */
int secondary_hung_up(struct secondary *secondary);
/* Once in a while: who is behind for so long that its guests' front-ends, which are not read either
 * meanwhile, have waited long enough is cut off. So is who hung up and still has not said Bye: what
 * it runs is nobody else's until it leaves. */
void secondaries_look(const struct primary *primary, uint64_t now);

/* It is behind with reading: nothing that a front-end can repeat at will should be added. */
bool secondary_congested(const struct secondary *secondary);
/* It has read everything it was sent. */
bool secondary_idle(const struct secondary *secondary);
/* PeerState: `name`, whose state it is, ran before what `secondary` runs now. */
void secondary_send_state(struct secondary *secondary, const struct state *state, const char *name);

#endif
