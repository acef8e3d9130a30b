/* SPDX-License-Identifier: Apache-2.0 */
/* A process of another user at the doors of a primary. Root only: knocks_possible says so. */
#ifndef E2E_KNOCKS_H
#define E2E_KNOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct world;

/* What became of connections that asked for the version at the control socket. */
struct knocks {
	uint32_t answered; /* a refusal counts as well */
	uint32_t closed;   /* at once */
	uint32_t kept_away;
	uint32_t other;
};

/* Are we root? Others may reach the sockets then. */
bool knocks_possible(const struct world *world);
/* Has the file system of the run directory access lists? */
bool knocks_are_kept_away(const struct world *world);
/* So many of a user, one after the other. */
struct knocks knocks_of(const struct world *world, uid_t uid, uint32_t times);
/* So many that ask nothing, at that door, all of them first; then each says `fd`. When this is back
 * they have; their process is the caller's to end. */
pid_t knocks_with(const struct world *world, uid_t uid, const char *door, uint32_t times, int fd);

#endif
