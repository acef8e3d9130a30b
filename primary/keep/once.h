/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending an answer, and consuming the message it was to, exactly once over the death of the
 * sender.
 *
 * "Send, then note that it was sent" leaves an instant between the two, and a successor that finds
 * no note sends again. So the kernel keeps the note: the bytes go from a pipe into the socket, and
 * out of the socket into a pipe, each by one splice(2), which a process dies before or after and
 * never within. The pipes are stored; what is left in them tells how far the dead one came.
 *
 * A cuse device's requests are not looked at: who reads one has it alone, and who asked waits for
 * ever if it is lost. So it goes into a pipe by one splice(2) as well, is looked at there by
 * tee(2), and leaves it when it is noted.
 */
#ifndef PRIMARY_ONCE_H
#define PRIMARY_ONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct journal_once;

struct once {
	int answer[2];	 /* what is sent next */
	int consumed[2]; /* what was just taken out of a socket */
	int taken[2];	 /* the request that was just taken from a device */
	int look[2];	 /* this life's own: to read what is in `taken` without taking it out */
	struct journal_once *notes;
};

/* Send `len` bytes (at most a pipe's atomic write) as the answer to message `id`. 0: all sent;
 * -EAGAIN: nothing sent, no room; -errno: the peer is gone, or it cannot be done. `once` NULL:
 * plainly. */
int once_send(struct once *once, uint64_t id, int socket, const void *bytes, size_t len);
/* After a death: was the answer to `id` sent? */
bool once_was_sent(const struct once *once, uint64_t id);

/* Take `len` bytes of message `id` out of the socket, with whatever descriptors came along; after a
 * death, those that are still in it. 0; -errno: they are in it, and would be read again. */
int once_consume(struct once *once, uint64_t id, int socket, size_t len);
/* The device's next request, which stays ours until once_taken. Bytes; -errno: as its read(2) says.
 * `room` is at least what the device demands of a read. */
ssize_t once_take(struct once *once, uint32_t slot, int device, void *bytes, size_t room);
/* It is noted. */
void once_taken(struct once *once);
/* After a death: the request of this slot's device that was not noted yet, or 0. */
ssize_t once_left(struct once *once, uint32_t slot, void *bytes, size_t room);
/* The pipes, empty. 0 or -errno. */
int once_open(struct once *once);
/* Those that are not stored. 0 or -errno. */
int once_open_rest(struct once *once);
void once_close(struct once *once);

#endif
