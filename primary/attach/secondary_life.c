/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary from Welcome to its end.
 *
 * It ends in one of three ways, and each can overtake the other:
 *   - Bye, or a closed socket: it leaves. No new grants, a revocation takes back what it runs.
 *   - its pidfd says that it is dead: positions are recovered, everything goes on at once.
 *   - both: a process that is killed closes its socket a moment before it is dead. If the
 *     revocation finds its lanes quiet it is done before the death is known; the secondary then
 *     lingers for a moment, so that what happened is called by its name.
 * Who says Bye has unmapped what it was sent. Who has closed its socket without, and lives after
 * that moment, is killed: it may keep guests' memory for ever, and is asked for no Retired any
 * more. Who was cut off by us had no chance to say it, and is believed to have gone in good order.
 * The directory slot is free again, and the lane unmapped, when nothing of it is left.
 */
#include "secondary_life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "attach.h"
#include "check.h"
#include "clock.h"
#include "death.h"
#include "directory.h"
#include "event.h"
#include "fd.h"
#include "frame.h"
#include "grant.h"
#include "handover.h"
#include "journal.h"
#include "lane.h"
#include "lane_entries.h"
#include "outbox.h"
#include "primary.h"
#include "process.h"
#include "refusal.h"
#include "revoke.h"
#include "secondary.h"
#include "secondary_price.h"
#include "secondary_publish.h"
#include "secondary_request.h"
#include "send_queue.h"
#include "seq.h"
#include "state.h"
#include "store.h"
#include "tell.h"
#include "watch.h"

/* A lane full of grants, each a packet of some 100 bytes, with a device's memory before. */
#define QUEUE_BYTES   ((size_t)8 * 1024 * 1024)
#define QUEUE_PACKETS 16384u
/* Of the descriptors that this process may have; at least as many as one device can need. */
#define QUEUE_FDS_SHARE	   4u
#define QUEUE_FDS_LEAST	   2048u
#define MESSAGES_PER_ROUND 16u
#define LINGER_NS	   NS_PER_S

static int find_slot(const struct primary *primary, uint32_t *ret_slot)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (!primary->secondaries[i]) {
			*ret_slot = i;
			return 0;
		}
	return -EBUSY;
}

static int copy_identity(struct secondary *s, const struct secondary_identity *identity)
{
	snprintf(s->name, sizeof(s->name), "%s", identity->name);
	snprintf(s->tag, sizeof(s->tag), "secondary %s", s->name);
	snprintf(s->version, sizeof(s->version), "%s", identity->version);
	s->role = identity->role;
	s->priority = identity->priority;
	s->membarrier = identity->membarrier;
	s->pid = identity->pid;
	s->uid = identity->uid;
	s->allowed = identity->allowed;
	for (; s->nr_globs < identity->nr_globs; s->nr_globs++) {
		s->globs[s->nr_globs] = strdup(identity->globs[s->nr_globs]);
		if (!s->globs[s->nr_globs])
			return -ENOMEM;
	}
	return 0;
}

static size_t queue_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return QUEUE_FDS_LEAST;
	return max_u64(limit.rlim_cur / QUEUE_FDS_SHARE, QUEUE_FDS_LEAST);
}

static int make_tables(struct secondary *s)
{
	s->lane_entries = (uint32_t)(s->lane.size / sizeof(struct hf_lane_vring));
	s->lane_used = calloc(s->lane_entries / 64 + 1, sizeof(s->lane_used[0]));
	s->devices = calloc(s->primary->conf->max_devices, sizeof(s->devices[0]));
	s->queue = send_queue_create(QUEUE_BYTES, QUEUE_PACKETS, queue_fds());
	return s->lane_used && s->devices && s->queue ? 0 : -ENOMEM;
}

static int create_lane(struct secondary *s)
{
	const struct primary *primary = s->primary;
	int error = hf_memory_create(&s->lane, "holdfast-lane", primary->conf->lane_bytes,
				     primary->directory_memory.node, primary->conf->huge_pages);

	if (error)
		return error;
	hf_lane_format(s->lane.base, s->lane.size, s->id);
	return make_tables(s);
}

static void on_linger_over(struct loop_timer *timer);
static void on_pause_over(struct loop_timer *timer);
static void on_socket(struct loop_source *source, uint32_t events);
static void on_pidfd(struct loop_source *source, uint32_t events);

static void free_parts(struct secondary *s)
{
	secondary_lane_free(s);
	hf_memory_destroy(&s->lane);
	send_queue_destroy(s->queue);
	for (size_t i = 0; i < s->nr_globs; i++)
		free(s->globs[i]);
	free(s->lane_used);
	free(s->devices);
	state_put(s->state);
	foreign_forget(&s->foreign);
	free(s);
}

static struct secondary *new_secondary(struct primary *primary)
{
	struct secondary *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->primary = primary;
	s->lane.fd = -1;
	foreign_init(&s->foreign, primary->loop);
	s->socket_source = (struct loop_source){.ready = on_socket, .fd = -1};
	s->pidfd_source = (struct loop_source){.ready = on_pidfd, .fd = -1};
	s->linger = (struct loop_timer){.fire = on_linger_over};
	s->pause = (struct loop_timer){.fire = on_pause_over};
	s->attached_ns = hf_now_ns();
	s->oom_kills = process_oom_kills();
	return s;
}

int secondary_adopt(struct primary *primary, uint32_t slot,
		    const struct secondary_identity *identity, uint64_t id, int socket, int pidfd,
		    int lane, struct secondary **ret_secondary)
{
	struct secondary *s = new_secondary(primary);
	int error;

	if (!s)
		return -ENOMEM;
	s->slot = slot;
	s->id = id;
	error = copy_identity(s, identity);
	if (!error)
		error = hf_memory_adopt(&s->lane, lane);
	if (!error)
		error = make_tables(s);
	if (error) {
		s->lane.fd = -1; /* stays the caller's */
		free_parts(s);
		return error;
	}
	s->socket = socket;
	s->pidfd = pidfd;
	primary->secondaries[slot] = s;
	secondary_publish(s, HF_SECONDARY_ATTACHED);
	*ret_secondary = s;
	return 0;
}

int secondary_create(struct primary *primary, const struct secondary_identity *identity, int socket,
		     int pidfd, struct secondary **ret_secondary)
{
	struct secondary *s = new_secondary(primary);
	int error;

	if (!s)
		return -ENOMEM;
	error = find_slot(primary, &s->slot);
	if (!error)
		error = copy_identity(s, identity);
	s->id = primary->next_secondary++;
	journal_numbers(primary);
	if (!error)
		error = create_lane(s);
	if (error) {
		free_parts(s);
		return error;
	}
	s->socket = socket;
	s->pidfd = pidfd;
	error = journal_secondary(s);
	if (error) {
		journal_secondary_gone(s);
		free_parts(s);
		return error;
	}
	/* A death before they are there would leave rings that it runs to a successor that knows
	 * nothing of it. */
	s->storing = store_pending(primary->store);
	primary->secondaries[s->slot] = s;
	secondary_publish(s, HF_SECONDARY_ATTACHED);
	*ret_secondary = s;
	return 0;
}

int secondary_listen(struct secondary *s)
{
	int error = loop_add(s->primary->loop, &s->socket_source, s->socket, EPOLLIN);

	return error ? error : loop_add(s->primary->loop, &s->pidfd_source, s->pidfd, EPOLLIN);
}

void secondary_destroy(struct secondary *s)
{
	struct primary *primary = s->primary;

	revoke_cancel(&s->revocation);
	handover_unwatch(&s->waiter);
	watch_secondary_gone(s);
	loop_timer_clear(primary->loop, &s->linger);
	loop_timer_clear(primary->loop, &s->pause);
	loop_remove(primary->loop, &s->socket_source);
	loop_remove(primary->loop, &s->pidfd_source);
	/* Packets may wait in it that nobody read any more, with descriptors that could hang us. */
	attach_drop(s);
	hf_fd_close(&s->pidfd);
	secondary_publish(s, HF_SECONDARY_FREE);
	journal_secondary_gone(s);
	primary->secondaries[s->slot] = NULL;
	free_parts(s);
}

static void say_detached(struct secondary *s, const char *how)
{
	event_emit(s->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_DETACHED, NULL, s->name, -1,
		   s->pause_ns, "%s", how);
	secondary_destroy(s);
}

/* Has it been sent memory that it did not say Retired of? */
static bool has_memory(const struct secondary *s)
{
	for (uint32_t i = 0; i < s->primary->conf->max_devices; i++)
		if (s->devices[i].session)
			return true;
	/* A session for which its lane had no room is in no binding. */
	return s->retiring || journal_has_sent(s);
}

static void detach_silent(struct secondary *s)
{
	if (!s->hung_up) {
		say_detached(s, "was cut off");
		return;
	}
	if (!has_memory(s)) {
		say_detached(s, "closed its socket without Bye");
		return;
	}
	if (s->primary->conf->fence &&
	    revoke_fence(s, hf_now_ns() - s->left_ns, "closed its socket without Bye and lives on"))
		return; /* on_pidfd does the rest */
	say_detached(s,
		     "closed its socket without Bye, and keeps the guests' memory it has mapped");
}

static void on_linger_over(struct loop_timer *timer)
{
	detach_silent(container_of(timer, struct secondary, linger));
}

static void on_pause_over(struct loop_timer *timer)
{
	struct secondary *s = container_of(timer, struct secondary, pause);

	s->paused = false;
	if (!s->leaving && secondary_await(s) < 0)
		secondary_leave(s, false);
}

static void on_taken_back(struct revocation *revocation)
{
	struct secondary *s = container_of(revocation, struct secondary, revocation);

	s->pause_ns = hf_now_ns() - s->left_ns;
	if (s->dead) /* on_pidfd is up the stack and does the rest */
		return;
	if (s->said_bye)
		say_detached(s, "");
	else if (loop_timer_set(s->primary->loop, &s->linger, LINGER_NS) < 0)
		detach_silent(s);
}

/* The socket stays open until everything is back: its end tells the peer that we are done. */
void secondary_leave(struct secondary *s, bool said_bye)
{
	if (s->leaving)
		return;
	s->leaving = true;
	if (said_bye && !s->said_bye)
		journal_parting(s, JOURNAL_SAID_BYE);
	s->said_bye |= said_bye;
	if (!s->left_ns)
		s->left_ns = hf_now_ns();
	loop_remove(s->primary->loop, &s->socket_source);
	secondary_publish(s, HF_SECONDARY_DRAINING);
	s->revocation.done = on_taken_back;
	revoke_secondary(&s->revocation, s->primary, s);
}

static void on_pidfd(struct loop_source *source, uint32_t events)
{
	struct secondary *s = container_of(source, struct secondary, pidfd_source);
	uint64_t now = hf_now_ns();

	(void)events;
	loop_remove(s->primary->loop, &s->pidfd_source);
	loop_remove(s->primary->loop, &s->socket_source);
	loop_timer_clear(s->primary->loop, &s->linger);
	grant_secondary_died(s->primary, s);
	if (!s->pause_ns)
		s->pause_ns = hf_now_ns() - (s->left_ns ? s->left_ns : now);
	event_emit(s->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_DIED, NULL, s->name, -1,
		   s->pause_ns, "process %d%s", s->pid, s->killed ? ", fenced" : "");
	secondary_destroy(s);
}

/* Those of other secondaries of its user may hang, too: that is no fault of one that sends none. */
static bool brings_more_that_hangs(struct secondary *s)
{
	struct foreign *foreign = secondary_foreign(s);

	return foreign_full_since(foreign) &&
	       (foreign == &s->foreign || foreign_in_queue(s->socket));
}

/* What it asked. Behind its end nobody waits for an answer, nor can it be made to wait: what is not
 * paid for is not done. */
static int listen_to(struct secondary *s, const Holdfast__Attach__ToPrimary *request,
		     struct hf_frame *frame, bool ended)
{
	if (secondary_price_spend(s, request) || !ended)
		return secondary_request(s, request, frame);
	refusal_count(s->primary, REFUSED_ATTACH_UNPAID);
	return 0;
}

/* One packet. 0: go on; -EAGAIN: none; else the connection is over. */
static int receive(struct secondary *s, struct hf_frame *frame, bool ended)
{
	ProtobufCMessage *message;
	int error = -EPROTO;
	ssize_t n;

	if (brings_more_that_hangs(s))
		return -EBUSY;
	n = hf_frame_receive(s->socket, frame);
	/* It closed with packets unread, which is told before what it said last. */
	if (n == -ECONNRESET)
		n = hf_frame_receive(s->socket, frame);
	if (n == -EAGAIN)
		return -EAGAIN;
	/* Also of what is no message. What could hang us is no memory either: -1 is in its place,
	 * and refused. */
	if (foreign_discard(secondary_foreign(s), frame->fds, frame->nr_fds))
		secondary_price_foreign(s);
	foreign_let_go(secondary_foreign(s));
	if (n <= 0) {
		hf_frame_close_fds(frame);
		return n == 0 || n == -ECONNRESET ? -ECONNRESET : -EPROTO;
	}
	message = hf_frame_unpack(&holdfast__attach__to_primary__descriptor, frame->bytes,
				  frame->len);
	if (message)
		error = listen_to(s, (const Holdfast__Attach__ToPrimary *)message, frame, ended);
	hf_frame_free_unpacked(message);
	hf_frame_close_fds(frame);
	return error;
}

/* It first reads what it has been sent, but for its end. */
static bool may_read(struct secondary *s, bool ended)
{
	return ended || (!secondary_congested(s) && !secondary_price_pause(s));
}

static void say_why(struct secondary *s, int error)
{
	refusal_count(s->primary,
		      error == -EDQUOT ? REFUSED_ATTACH_UNPAID : REFUSED_ATTACH_MESSAGE);
	log_warning(s->tag, "cut off: %s",
		    error == -EPROTO  ? "it sent a message that is not in the protocol"
		    : error == -EBUSY ? "what it sends hangs whoever closes it"
				      : "it left more than its user may ask for, with descriptors");
}

static void receive_some(struct secondary *s, bool ended)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES]; /* of one packet, for the time of this call */
	struct hf_frame frame = {.bytes = bytes};
	int error = 0;

	/* Of those it could send, each may be four processes of ours. */
	if (ended && secondary_price_spent(s) && foreign_in_queue(s->socket))
		error = -EDQUOT;
	for (unsigned int i = 0; i < MESSAGES_PER_ROUND && !error && may_read(s, ended); i++)
		error = receive(s, &frame, ended);
	if (!error || error == -EAGAIN)
		return;
	if (error == -EPROTO || error == -EBUSY || error == -EDQUOT)
		say_why(s, error);
	s->hung_up = error == -ECONNRESET;
	secondary_leave(s, error == -ESHUTDOWN); /* may be the end of s */
}

static void on_socket(struct loop_source *source, uint32_t events)
{
	struct secondary *s = container_of(source, struct secondary, socket_source);

	if (s->cut && !s->hung_up) {
		secondary_leave(s, false);
		return;
	}
	if (events & EPOLLOUT && !s->cut) {
		int error = send_queue_flush(s->queue, s->socket);

		if (!error)
			error = secondary_await(s);
		/* There may be a Bye to read, or to come. */
		if (error == -EPIPE || error == -ECONNRESET)
			error = secondary_hung_up(s);
		if (error) {
			secondary_leave(s, false);
			return;
		}
		if (send_queue_empty(s->queue))
			grant_catch_up(s);
	}
	if (events & ~(uint32_t)EPOLLOUT)
		receive_some(s, events & (EPOLLHUP | EPOLLERR));
}
