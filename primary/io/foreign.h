/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors from a peer whose close(2) may never return.
 *
 * Known to close at once is what can be sealed (memfd, tmpfs, hugetlbfs), an eventfd and a pipe.
 * Everything else is foreign: a file whose FUSE server does not answer, a socket that lingers, a
 * file of a server that is gone. Nothing is ever asked of a foreign one, and this process does not
 * close it: it is handed to processes that may hang in its place.
 */
#ifndef PRIMARY_FOREIGN_H
#define PRIMARY_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

/* So many of a port's may hang; then it is not read and not accepted from until one has ended. */
#define FOREIGN_MAX_HUNG 4u
#define FOREIGN_PLACES	 8u

/* Of one port, or of whoever else receives. */
struct foreign {
	int hold[2]; /* while [1] is open, the files are kept open elsewhere */
	struct foreign_helper {
		struct loop_source ended; /* of its pidfd; fd -1: free */
		struct loop *loop;
	} helpers[FOREIGN_PLACES]; /* those who may hang */
	uint64_t full_ns;	   /* since when so many are there; 0: they are not */
};

void foreign_init(struct foreign *foreign, struct loop *loop);
/* Asked before anything is read. 0: more may come; else since when not: who does not hang ends
 * within a moment. */
uint64_t foreign_full_since(struct foreign *foreign);
/* The same: too long for a moment. */
bool foreign_hangs(struct foreign *foreign);
/* Nobody hangs. */
bool foreign_is_idle(struct foreign *foreign);

bool foreign_is(int fd);
/*
 * Get rid of the foreign ones among these: they are out of this process's table, and -1 is in their
 * place. Their files live until foreign_let_go, so that consuming the message that brought them is
 * not what closes them. How many they were; -errno: no process or descriptor for it, and they stay
 * open for ever: nobody dares to close them, and each copy of our table that is made later closes
 * them again.
 */
int foreign_discard(struct foreign *foreign, int *fds, size_t nr_fds);
/* The message is consumed. */
void foreign_let_go(struct foreign *foreign);

/* Do descriptors come with what waits to be read? Reads nothing. Who is told so closes
 * the socket. */
bool foreign_in_queue(int socket);
/* Shut down and close a socket of a peer, or a listener, whatever waits in its queue. `foreign`
 * NULL: nobody counts who hangs. */
void foreign_close_socket(struct foreign *foreign, int *socket);
/* The same, of a peer's, if there are no descriptors in its queue; else false, and it is only shut
 * down. */
bool foreign_close_empty(int *socket);
/* Close sockets that are shut down, at most 259, and have descriptors in their queues: by one
 * process in our place. Without one they stay open: nobody dares to. */
void foreign_drain(struct foreign *foreign, int *sockets, size_t n);
/* A child that may hang in our place: it has none of our descriptors but `kept`, does that, and
 * ends. Its pidfd, owned, or -errno. */
int foreign_start(void (*work)(void *context), void *context, const int *kept, size_t nr_kept);
/* Wait for its end, so long; then it counts as one that hangs. The pidfd is taken. */
void foreign_end(struct foreign *foreign, int pidfd, int ms);
/* Bury those whom foreign_start has started and who have ended unseen: once in a while. */
void foreign_bury_ended(void);
/* At the end: who hangs goes on hanging. */
void foreign_forget(struct foreign *foreign);

#endif
