/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: why no wake-up is lost
 *
 * A worker sleeps only after a round in which every source was empty (or sat out, and had nothing
 * but chains to drop before: share.h; arming says 1 if there are more), and starts a full round
 * after every sleep. Between that round and epoll_wait(), three kinds of news may come:
 *
 * 1. A guest makes buffers available. We arm each vring; arming stores the request, makes a full
 *    fence and looks at the vring once more (and says 1: we do not sleep). The guest's driver
 *    does the mirror image: available index, full fence, look at the request. At least one of the
 *    two sees the other. If it is the guest, it kicks, and the kick is an edge on a descriptor
 *    that is in our epoll set: remembered there, whether we already wait or not.
 * 2. A frame comes from an uplink. Its round ended with EAGAIN, so the frame is a new edge, and is
 *    remembered as in 1. Or the round ended before that, having found nothing good for too long:
 *    then its arming says 1 (uplink_arm).
 * 3. Another thread has news: packets left for it, a new port table, the end. It makes the news
 *    visible, then a full fence, then looks at `asleep` (idle_wake). We set `asleep`, make a full
 *    fence, then look for the news (`due`). At least one of the two sees the other.
 *
 * All descriptors are edge-triggered and none is ever read. An eventfd needs no reading to give
 * its next edge, a front-end that passes a blocking descriptor cannot block us in read(), a
 * descriptor with a lasting error wakes us once and not forever, and an event that was meant for
 * an earlier moment costs one empty round. A vring without a kick descriptor (its front-end asks
 * to be polled) shortens the sleep instead.
 *
 * A guest can make a vring that always has something and never a packet, and so can a network for
 * an uplink. The worker notices that it is told so again and again, and then naps, so that this
 * costs no core.
 */
#include "idle.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS	16 /* one epoll_wait; the rest stays for the next and costs an empty round */
#define POLL_MS 1  /* longest sleep beside a vring that cannot wake us */

int idle_open(struct idle *idle)
{
	int error;

	atomic_init(&idle->asleep, false);
	idle->wake_fd = -1;
	idle->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (idle->epoll_fd < 0)
		return -errno;
	idle->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = idle->wake_fd < 0 ? -errno : idle_watch(idle, idle->wake_fd);
	if (error)
		idle_close(idle);
	return error;
}

void idle_close(struct idle *idle)
{
	if (idle->wake_fd >= 0)
		(void)close(idle->wake_fd);
	if (idle->epoll_fd >= 0)
		(void)close(idle->epoll_fd);
	idle->wake_fd = -1;
	idle->epoll_fd = -1;
}

int idle_watch(struct idle *idle, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(idle->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void idle_unwatch(struct idle *idle, int fd)
{
	(void)epoll_ctl(idle->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void idle_wake(struct idle *idle)
{
	const uint64_t one = 1;

	/* Pairs with the fence in idle_sleep(): our caller's news, then `asleep`. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&idle->asleep, memory_order_relaxed))
		return;
	/* One waker is enough. The write cannot fail in a way that matters: full means readable. */
	if (atomic_exchange_explicit(&idle->asleep, false, memory_order_relaxed))
		(void)!write(idle->wake_fd, &one, sizeof(one));
}

/* True if a source has packets already. */
static bool arm(const struct view *view, bool wanted)
{
	bool ready = false;

	for (unsigned i = 0; i < view->nr_sources; i++) {
		const struct source *source = &view->sources[i];

		/* A vring that is not granted just now has nothing to say; the control thread
		 * will, when that changes. */
		if (source->port->ops->arm &&
		    source->port->ops->arm(source->port, source->queue, wanted) > 0)
			ready = true;
	}
	return ready;
}

bool idle_sleep(struct idle *idle, const struct view *view, bool doubtful, bool (*due)(void *),
		void *context)
{
	struct epoll_event events[EVENTS];
	bool ready = arm(view, true);
	bool sleeps = !ready || doubtful;

	if (sleeps) {
		int timeout = ready || view->must_poll ? POLL_MS : -1;

		atomic_store_explicit(&idle->asleep, true, memory_order_relaxed);
		/* Pairs with the fence in idle_wake(): `asleep`, then the news. */
		atomic_thread_fence(memory_order_seq_cst);
		sleeps = !due(context);
		if (sleeps)
			(void)epoll_wait(idle->epoll_fd, events, EVENTS, timeout);
		atomic_store_explicit(&idle->asleep, false, memory_order_relaxed);
	}
	(void)arm(view, false);
	return sleeps;
}
