/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many messages front-ends may send: so many at once, then so many a second (--message-rate).
 * A port has that once; a user has that of 16 ports for all its front-ends together, so that one of
 * them alone cannot spend what the others need. Who has spent it is not read for a moment; nothing
 * is lost, nobody else waits. A connection that ends and comes again finds what it left.
 */
#ifndef PRIMARY_ALLOWANCE_H
#define PRIMARY_ALLOWANCE_H

#include <stdint.h>
#include <sys/types.h>

#define ALLOWANCE_PORTS_OF_USER 16u

struct port;
struct primary;
struct user_allowance;

/* A session's user. NULL: no memory, then its port's allowance alone holds. */
struct user_allowance *allowance_take(struct primary *primary, uid_t uid);
void allowance_give_back(struct user_allowance *user); /* NULL: no-op */

/* How long until the next message may be read; 0: now. `user` NULL: the port alone. */
uint64_t allowance_wait_ns(const struct port *port, const struct user_allowance *user);
/* One was. */
void allowance_spend(struct port *port, struct user_allowance *user);

/* At the end of the primary's life, when no session is left. */
void allowance_destroy(struct primary *primary);

#endif
