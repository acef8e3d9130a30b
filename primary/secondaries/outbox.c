/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing waits for a secondary: what it has not read yet is queued, and who does not read is cut
 * off.
 */
#include "outbox.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "primary.h"
#include "refusal.h"
#include "secondary.h"
#include "send_queue.h"
#include "state.h"

bool secondary_congested(const struct secondary *secondary)
{
	return secondary_usable(secondary) && send_queue_crowded(secondary->queue);
}

bool secondary_idle(const struct secondary *secondary)
{
	return send_queue_empty(secondary->queue);
}

/* Our own shutdown makes the loop report the socket: the rest happens from there. */
/* calls: shutdown */
static void cut_off(struct secondary *secondary, int error)
{
	secondary->cut = true;
	(void)shutdown(secondary->socket, SHUT_RDWR);
	if (error == -ENOBUFS)
		refusal_count(secondary->primary, REFUSED_ATTACH_SLOW);
	if (error != -EPIPE && error != -ECONNRESET)
		log_warning(secondary->tag, "cut off: %s",
			    error == -ENOBUFS ? "it does not read what it is sent"
					      : "no memory or descriptors to send to it");
}

void secondary_send(struct secondary *secondary, Holdfast__Attach__ToSecondary *message,
		    const int *fds, size_t nr_fds)
{
	int error;

	if (!secondary_usable(secondary))
		return;
	error = send_queue_send(secondary->queue, secondary->socket, &message->base, fds, nr_fds);
	if (!error && !send_queue_empty(secondary->queue))
		error = loop_modify(secondary->primary->loop, &secondary->socket_source,
				    EPOLLIN | EPOLLOUT);
	if (error)
		cut_off(secondary, error);
}

void secondary_send_state(struct secondary *secondary, const struct state *state, const char *name)
{
	Holdfast__Attach__PeerState peer = HOLDFAST__ATTACH__PEER_STATE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	int fd = state_fd(state);

	peer.name = (char *)(uintptr_t)name; /* only read by the packing */
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_PEER_STATE;
	message.peer_state = &peer;
	secondary_send(secondary, &message, &fd, 1);
}
