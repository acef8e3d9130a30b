/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a local socket: what the kernel says, not what it says itself. */
#ifndef PRIMARY_PEER_H
#define PRIMARY_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_GROUPS 64u

struct peer {
	bool known;	 /* else nothing below is true */
	pid_t pid;	 /* 0: a process of another pid namespace */
	uint64_t met_ns; /* since boot: when it was asked who that is */
	uid_t uid;
	gid_t groups[PEER_GROUPS]; /* its own first */
	uint32_t nr_groups;
};

/* As it was when it connected. */
void peer_of(int socket, struct peer *ret_peer);
/* Root, or our own user? */
bool peer_is_own(const struct peer *peer);
bool peer_is_in(const struct peer *peer, gid_t group);

#endif
