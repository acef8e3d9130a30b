/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending an answer, and consuming the message it was to, exactly once over the death of the
 * sender.
 *
 * "Send, then note that it was sent" leaves an instant between the two, and a successor that finds
 * no note sends again. So the kernel keeps the note: the bytes go from a pipe into the socket, and
 * out of the socket into a pipe, each by one splice(2), which a process dies before or after and
 * never within. The pipes are stored; what is left in them tells how far the dead one came.
 */
#ifndef PRIMARY_ONCE_H
#define PRIMARY_ONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_once;

struct once {
	int answer[2];	 /* what is sent next */
	int consumed[2]; /* what was just taken out of a socket */
	struct journal_once *notes;
};

/* Send `len` bytes (at most a pipe's atomic write) as the answer to message `id`. 0: all sent;
 * -EAGAIN: nothing sent, no room; -errno: the peer is gone. `once` NULL: plainly. */
int once_send(struct once *once, uint64_t id, int socket, const void *bytes, size_t len);
/* After a death: was the answer to `id` sent? */
bool once_was_sent(const struct once *once, uint64_t id);

/* Take `len` bytes of message `id` out of the socket, with whatever descriptors came along; after a
 * death, those that are still in it. */
void once_consume(struct once *once, uint64_t id, int socket, size_t len);
/* The pipes, empty. 0 or -errno. */
int once_open(struct once *once);
void once_close(struct once *once);

#endif
