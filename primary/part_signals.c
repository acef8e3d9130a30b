/* SPDX-License-Identifier: Apache-2.0 */
/* The end, when somebody asks for it. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "holdfastd.h"
#include "log.h"
#include "ports.h"
#include "upgrade.h"

#define STOP_LOOK_NS  (5 * NS_PER_MS)
#define STOP_GRACE_NS (2 * NS_PER_S) /* beyond the fence's deadline */

static void on_stop_timer(struct loop_timer *timer)
{
	struct holdfastd *d = container_of(timer, struct holdfastd, stop_timer);

	if (port_all_idle(&d->primary) || hf_now_ns() >= d->stop_by_ns ||
	    loop_timer_set(d->primary.loop, timer, STOP_LOOK_NS) < 0)
		loop_stop(d->primary.loop);
}

/* The front-ends' rings are taken back in order before anything else goes. */
static void on_signal(struct loop_source *source, uint32_t events)
{
	struct holdfastd *d = container_of(source, struct holdfastd, signal_source);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info) || d->stop_by_ns)
		return;
	log_notice(TAG, "signal %u from process %u: ending", info.ssi_signo, info.ssi_pid);
	upgrade_forbid(&d->primary);
	d->stop_by_ns = hf_now_ns() + d->conf.fence_deadline_ns + STOP_GRACE_NS;
	port_stop_all(&d->primary);
	on_stop_timer(&d->stop_timer);
}

/* calls: signalfd4 */
static int watch_signals(struct holdfastd *d)
{
	sigset_t set;
	int error = 0;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->stop_timer.fire = on_stop_timer;
	d->signal_source = (struct loop_source){.ready = on_signal, .fd = -1};
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals < 0)
		error = -errno;
	else
		error = loop_add(d->primary.loop, &d->signal_source, d->signals, EPOLLIN);
	if (error)
		log_error(TAG, "cannot watch signals: %s; free some memory", strerror(-error));
	return error;
}

static void forget_signals(struct holdfastd *d)
{
	loop_timer_clear(d->primary.loop, &d->stop_timer);
	loop_remove(d->primary.loop, &d->signal_source);
	hf_fd_close(&d->signals);
}

const struct part part_signals = {watch_signals, forget_signals};
