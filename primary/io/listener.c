/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting for the attach and the control socket.
 *
 * When this process has no descriptor left the listening socket stays readable, and a loop that
 * asks again at once would burn a processor: it is let alone for a moment instead, the peer waits
 * in the backlog. So it is while descriptors of those who may do all hang whoever closes them, or
 * too many of others wait for that (users.h): each is a process, and a local peer could leave one
 * with each connection.
 *
 * Those who are out and cannot be kept away are closed as they come, since the others are behind
 * them in the queue: that has a fifth of the loop's time. A longer pause would shut the others out.
 */
#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "foreign.h"
#include "frame.h"
#include "log.h"

#define ACCEPTS_PER_ROUND 16u
#define PAUSE_NS	  (100 * NS_PER_MS)
/* Between two rounds of closing; what it costs is paid with four times as much. */
#define TURN_PAUSE_NS (5 * NS_PER_MS)
#define TURN_PRICE    4u
/* One takes no longer: in the rest others had the processor, for which the door is not shut. */
#define TURN_MOST_NS NS_PER_MS

/* Without memory for a timer nobody would ever ask again: then at once, rather. */
static void pause_accepting(struct listener *listener, uint64_t ns)
{
	if (loop_timer_set(listener->loop, &listener->pause, ns) == 0)
		loop_remove(listener->loop, &listener->source);
}

static void on_pause_over(struct loop_timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, pause);

	if (loop_add(listener->loop, &listener->source, listener->fd, EPOLLIN) < 0)
		(void)loop_timer_set(listener->loop, &listener->pause, PAUSE_NS);
}

/* --- users --- */

static void look_later(struct listener *listener);

static void on_look(struct loop_timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, look);

	for (size_t n = users_look(&listener->users); n; n--)
		listener->shut(listener);
	look_later(listener);
}

/* Asked for at each connection: a timer that lacks memory is set at the next one. */
static void look_later(struct listener *listener)
{
	if (!listener->look.at_ns && users_wait(&listener->users))
		(void)loop_timer_set(listener->loop, &listener->look, PAUSE_NS);
}

struct user *listener_user(struct listener *listener, const struct peer *peer)
{
	return users_find(&listener->users, peer, listener->rule_of(listener, peer));
}

void listener_charge(struct listener *listener, const struct peer *peer)
{
	users_charge(&listener->users, listener_user(listener, peer), peer);
	look_later(listener);
}

void listener_drop(struct listener *listener, int *socket)
{
	struct peer peer;

	if (*socket < 0 || foreign_close_empty(socket))
		return;
	peer_of(*socket, &peer);
	users_drop(&listener->users, listener_user(listener, &peer), &peer, socket);
	look_later(listener);
}

/* Nothing is said to him: that would be a cost as well. */
static void turn_out(struct listener *listener, int socket, uint64_t begun_ns)
{
	listener->over(listener);
	listener_drop(listener, &socket);
	rate_spend(&listener->turned_out,
		   TURN_PRICE * min_u64(hf_now_ns() - begun_ns, TURN_MOST_NS));
}

static bool turned_out_enough(const struct listener *listener)
{
	return rate_wait_ns(&listener->turned_out, 1, TURN_PAUSE_NS);
}

/* --- accepting --- */

/* False: nothing more to accept now. */
/* calls: accept4 */
static bool accept_one(struct listener *listener)
{
	uint64_t begun_ns = hf_now_ns();
	struct peer peer;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		int error = errno;

		if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
			if (hf_log_allowed(&listener->log_limit))
				log_warning("holdfastd",
					    "cannot accept on %s: %s; raise the limit of open "
					    "files (ulimit -n)",
					    listener->path, strerrordesc_np(error));
			pause_accepting(listener, PAUSE_NS);
		}
		return error == ECONNABORTED || error == EINTR;
	}
	peer_of(fd, &peer);
	if (users_admit(&listener->users, listener_user(listener, &peer), &peer))
		listener->accepted(listener, fd, &peer);
	else
		turn_out(listener, fd, begun_ns);
	return true;
}

/* Who does not hang ends within a moment, and nobody hears of it. */
static bool must_wait(struct listener *listener)
{
	bool shut = users_shut(&listener->users);

	if (shut && listener->users.all[USER_OWN].hangs && hf_log_allowed(&listener->log_limit))
		log_warning("holdfastd",
			    "%s lets nobody in: close(2) of descriptors that came by it "
			    "does not return; end who serves those files",
			    listener->path);
	return shut;
}

static void accept_some(struct listener *listener)
{
	for (unsigned int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		if (must_wait(listener)) {
			pause_accepting(listener, PAUSE_NS);
			return;
		}
		if (turned_out_enough(listener)) {
			pause_accepting(listener, TURN_PAUSE_NS);
			return;
		}
		if (!accept_one(listener))
			return;
	}
}

static void on_readable(struct loop_source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);

	(void)events;
	accept_some(listener);
	look_later(listener);
}

static int begin(struct listener *listener, struct loop *loop, const char *run_dir,
		 const char *file)
{
	listener->loop = loop;
	listener->source = (struct loop_source){.ready = on_readable, .fd = -1};
	listener->pause = (struct loop_timer){.fire = on_pause_over};
	listener->fd = -1;
	listener->look = (struct loop_timer){.fire = on_look};
	users_init(&listener->users, loop, listener->path, listener->rate, listener->burst);
	if ((size_t)snprintf(listener->path, sizeof(listener->path), "%s/%s", run_dir, file) >=
	    sizeof(listener->path))
		return -ENAMETOOLONG;
	return 0;
}

int listener_adopt(struct listener *listener, struct loop *loop, const char *run_dir,
		   const char *file, int fd)
{
	int error = begin(listener, loop, run_dir, file);

	listener->fd = fd;
	users_begin(&listener->users);
	look_later(listener);
	if (!error)
		error = loop_add(loop, &listener->source, fd, EPOLLIN);
	if (error)
		listener_close(listener);
	return error;
}

int listener_open(struct listener *listener, struct loop *loop, const char *run_dir,
		  const char *file, mode_t mode)
{
	int error = begin(listener, loop, run_dir, file);

	if (error)
		return error;
	error = hf_seqpacket_listen(listener->path, mode);
	if (error < 0)
		return error;
	return listener_adopt(listener, loop, run_dir, file, error);
}

void listener_hold(struct listener *listener, bool hold)
{
	loop_timer_clear(listener->loop, &listener->pause);
	users_hold(&listener->users, hold);
	if (hold)
		loop_remove(listener->loop, &listener->source);
	else if (listener->source.fd < 0)
		on_pause_over(&listener->pause);
}

void listener_turn_away(struct listener *listener, int socket, const ProtobufCMessage *message)
{
	(void)hf_frame_send(socket, message, NULL, 0);
	listener_drop(listener, &socket);
}

/* calls: unlink unlinkat */
void listener_close(struct listener *listener)
{
	if (!listener->loop)
		return;
	loop_timer_clear(listener->loop, &listener->look);
	if (listener->fd >= 0) {
		loop_remove(listener->loop, &listener->source);
		loop_timer_clear(listener->loop, &listener->pause);
		/* Another process may hold it as well: nobody is let in by this. */
		foreign_close_socket(NULL, &listener->fd);
		(void)unlink(listener->path);
	}
	users_end(&listener->users);
}
