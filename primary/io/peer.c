/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that is in more groups than we have room for counts as being in its own one only: that
 * can lose it a right, and gives it none.
 */
#include "peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

/* calls: getsockopt */
static void add_groups(int socket, struct peer *peer)
{
	gid_t more[PEER_GROUPS - 1];
	socklen_t len = sizeof(more);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, more, &len) < 0)
		return;
	memcpy(peer->groups + 1, more, len);
	peer->nr_groups += len / sizeof(more[0]);
}

static uint64_t since_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void peer_of(int socket, struct peer *ret_peer)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	*ret_peer = (struct peer){.uid = (uid_t)-1};
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return;
	ret_peer->known = true;
	ret_peer->pid = who.pid;
	ret_peer->met_ns = since_boot_ns();
	ret_peer->uid = who.uid;
	ret_peer->groups[0] = who.gid;
	ret_peer->nr_groups = 1;
	add_groups(socket, ret_peer);
}

bool peer_is_own(const struct peer *peer)
{
	return peer->known && (peer->uid == 0 || peer->uid == geteuid());
}

bool peer_is_in(const struct peer *peer, gid_t group)
{
	for (uint32_t i = 0; peer->known && i < peer->nr_groups; i++)
		if (peer->groups[i] == group)
			return true;
	return false;
}
