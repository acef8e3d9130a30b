/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing waits for a secondary for long: what it has not read yet is queued, and who does not read
 * is cut off when the queue is full. While it is a quarter full front-ends are not read
 * (session_pause.c), so that it may stay so: that has a time.
 */
#include "outbox.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"
#include "journal.h"
#include "primary.h"
#include "refusal.h"
#include "secondary.h"
#include "send_queue.h"
#include "state.h"

#define CROWDED_NS (10 * NS_PER_S)
/* For who reads no more to unmap what it was sent, and to say Bye. */
#define BYE_NS (10 * NS_PER_S)

bool secondary_congested(const struct secondary *secondary)
{
	return secondary_usable(secondary) && send_queue_crowded(secondary->queue);
}

bool secondary_idle(const struct secondary *secondary)
{
	return send_queue_empty(secondary->queue);
}

int secondary_hung_up(struct secondary *secondary)
{
	int error;

	secondary->cut = true;
	secondary->hung_ns = hf_now_ns();
	error = secondary_await(secondary);
	secondary->hung_up = !error;
	return error;
}

static const char *why_cut_off(int error)
{
	switch (error) {
	case -ENOBUFS:
		return "it does not read what it is sent";
	case -ETIMEDOUT:
		return "it has shut its socket for reading, and does not say Bye";
	default:
		return "no memory or descriptors to send to it";
	}
}

/* Our own shutdown makes the loop report the socket: the rest happens from there. */
/* calls: shutdown */
static void cut_off(struct secondary *secondary, int error)
{
	if ((error == -EPIPE || error == -ECONNRESET) && secondary_hung_up(secondary) == 0)
		return;
	secondary->cut = true;
	secondary->hung_up = false;
	secondary->hung_ns = 0;
	journal_parting(secondary, JOURNAL_CUT_OFF);
	(void)shutdown(secondary->socket, SHUT_RDWR);
	if (error == -ENOBUFS)
		refusal_count(secondary->primary, REFUSED_ATTACH_SLOW);
	if (error != -EPIPE && error != -ECONNRESET)
		log_warning(secondary->tag, "cut off: %s", why_cut_off(error));
}

int secondary_await(struct secondary *secondary)
{
	/* Nothing more leaves for who is cut off, and its socket may be writable for ever. */
	bool sends = !secondary->cut && !secondary_idle(secondary);
	uint32_t events = sends ? EPOLLIN | EPOLLOUT : EPOLLIN;

	if (!sends || !send_queue_crowded(secondary->queue))
		secondary->crowded_ns = 0;
	else if (!secondary->crowded_ns)
		secondary->crowded_ns = hf_now_ns();
	if (secondary->crowded_ns || secondary->paused)
		events &= ~(uint32_t)EPOLLIN;
	return loop_modify(secondary->primary->loop, &secondary->socket_source, events);
}

void secondaries_look(const struct primary *primary, uint64_t now)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (!s || s->leaving)
			continue;
		if (secondary_usable(s) && s->crowded_ns && now - s->crowded_ns > CROWDED_NS)
			cut_off(s, -ENOBUFS);
		else if (s->hung_ns && now - s->hung_ns > BYE_NS)
			cut_off(s, -ETIMEDOUT);
	}
}

void secondary_send(struct secondary *secondary, Holdfast__Attach__ToSecondary *message,
		    const int *fds, size_t nr_fds)
{
	int error;

	if (!secondary_usable(secondary))
		return;
	error = send_queue_send(secondary->queue, secondary->socket, &message->base, fds, nr_fds);
	if (!error && !send_queue_empty(secondary->queue))
		error = secondary_await(secondary);
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
