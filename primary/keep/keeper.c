/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "notify_socket.h"

#define TAG	 "store"
#define RETRY_NS NS_PER_MS
#define WAIT_MS	 500
#define SIGN	 "WATCHDOG=1"
#define LOST	 "HOLDFAST_KEEPER_LOST"
#define LATE_NS	 NS_PER_S

struct datagram {
	struct datagram *next;
	uint32_t number; /* of what it stores or, without a descriptor, takes out; 0: neither */
	int fd;		 /* -1: none; owned */
	char text[];
};

static void drop_first(struct keeper *keeper)
{
	struct datagram *d = keeper->first;

	keeper->first = d->next;
	if (!keeper->first)
		keeper->last = &keeper->first;
	hf_fd_close(&d->fd);
	free(d);
}

static void lose(struct keeper *keeper, int error)
{
	if (!keeper->lost)
		log_error(
			TAG,
			"nobody keeps our descriptors any more (%s): a crash from now on ends all "
			"sessions; restart when it suits",
			strerror(-error));
	keeper->lost = true;
	while (keeper->first)
		drop_first(keeper);
}

static void send_sign(struct keeper *keeper)
{
	if (keeper->sign && keeper->socket >= 0 &&
	    !notify_is_full(notify_send(keeper->socket, SIGN, -1)))
		keeper->sign = false;
}

/* One datagram; its descriptor has not reached the keeper, or is not taken out there. */
static void has_failed(struct keeper *keeper, int error)
{
	if (notify_is_gone(error))
		lose(keeper, error);
	else if (hf_log_allowed(&keeper->log_limit))
		log_warning(TAG,
			    "cannot tell who keeps our descriptors about one: %s; a crash would "
			    "end its session; free memory or descriptors",
			    strerror(-error));
}

static void has_left(struct keeper *keeper, uint32_t number, bool stores)
{
	if (number)
		keeper->told(keeper, number, stores);
}

static void flush(struct keeper *keeper)
{
	send_sign(keeper);
	while (keeper->first && !keeper->lost) {
		const struct datagram *d = keeper->first;
		int error = notify_send(keeper->socket, d->text, d->fd);

		if (notify_is_full(error))
			return;
		if (error)
			has_failed(keeper, error);
		else
			has_left(keeper, d->number, d->fd >= 0);
		if (keeper->first)
			drop_first(keeper);
	}
}

static void tell_drained(struct keeper *keeper)
{
	if (keeper->drained)
		keeper->drained(keeper->context);
}

static void become_late(struct keeper *keeper)
{
	keeper->late = true;
	log_error(TAG, "who keeps our descriptors does not read: going on, and a crash would end "
		       "what is new; look whether the supervisor is stopped");
	tell_drained(keeper);
}

static void caught_up(struct keeper *keeper)
{
	if (keeper->late)
		log_notice(TAG, "who keeps our descriptors reads again");
	keeper->late = false;
	tell_drained(keeper);
}

static void on_retry(struct loop_timer *timer)
{
	struct keeper *keeper = container_of(timer, struct keeper, retry);

	flush(keeper);
	if (keeper->first)
		(void)loop_timer_set(keeper->loop, timer, RETRY_NS);
	if (keeper->first && !keeper->late && hf_now_ns() - keeper->waiting_since_ns > LATE_NS)
		become_late(keeper);
	else if (!keeper->first)
		caught_up(keeper);
}

/* 0 or -ENOMEM. */
static int queue(struct keeper *keeper, const char *text, uint32_t number, int fd)
{
	size_t len = strlen(text) + 1;
	struct datagram *d = malloc(sizeof(*d) + len);
	int copy = -1;

	if (d && fd >= 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (!d || (fd >= 0 && copy < 0) ||
	    loop_timer_set(keeper->loop, &keeper->retry, RETRY_NS) < 0) {
		hf_fd_close(&copy);
		free(d);
		return -ENOMEM;
	}
	if (!keeper->first)
		keeper->waiting_since_ns = hf_now_ns();
	*d = (struct datagram){.number = number, .fd = copy};
	memcpy(d->text, text, len);
	*keeper->last = d;
	keeper->last = &d->next;
	return 0;
}

int keeper_say(struct keeper *keeper, const char *text, uint32_t number, int fd)
{
	int error;

	if (keeper->lost)
		return 0;
	/* Nothing may overtake what waits. */
	error = keeper->first ? -EAGAIN : notify_send(keeper->socket, text, fd);
	if (!error)
		has_left(keeper, number, fd >= 0);
	if (notify_is_full(error))
		error = queue(keeper, text, number, fd);
	if (error)
		has_failed(keeper, error);
	return keeper->lost ? 0 : error;
}

bool keeper_never_mind(struct keeper *keeper, uint32_t number)
{
	struct datagram **at = &keeper->first, *d;

	while (*at && ((*at)->number != number || (*at)->fd < 0))
		at = &(*at)->next;
	d = *at;
	if (!d)
		return false;
	*at = d->next;
	if (keeper->last == &d->next)
		keeper->last = at;
	hf_fd_close(&d->fd);
	free(d);
	return true;
}

void keeper_notify(struct keeper *keeper, const char *text)
{
	if (keeper->lost && keeper->socket >= 0)
		(void)notify_send(keeper->socket, text, -1);
	else
		(void)keeper_say(keeper, text, 0, -1);
}

bool keeper_alive(struct keeper *keeper)
{
	keeper->sign = true;
	send_sign(keeper);
	return keeper->socket < 0 || !keeper->sign;
}

bool keeper_pending(const struct keeper *keeper)
{
	return keeper->first && !keeper->late;
}

bool keeper_at_rest(const struct keeper *keeper)
{
	return !keeper->first;
}

/* calls: clock_nanosleep nanosleep */
void keeper_flush(struct keeper *keeper)
{
	for (int ms = 0; keeper->first && ms < WAIT_MS; ms++) {
		flush(keeper);
		if (keeper->first)
			usleep(1000);
	}
}

void keeper_open(struct keeper *keeper, struct loop *loop)
{
	const char *path = getenv("NOTIFY_SOCKET");

	keeper->loop = loop;
	keeper->socket = path ? notify_connect(path) : -1;
	if (path && keeper->socket < 0)
		log_warning(TAG, "cannot use $NOTIFY_SOCKET: %s; a crash will end all sessions",
			    strerror(-keeper->socket));
	keeper->nobody = !path;
	keeper->lost = keeper->socket < 0 || getenv(LOST);
	keeper->last = &keeper->first;
	keeper->retry.fire = on_retry;
}

/* Who listens there now, or again, has other things by our names; but it may be the one who asks
 * for signs. */
int keeper_hand_on(const struct keeper *keeper)
{
	return keeper->lost && !keeper->nobody && setenv(LOST, "1", 1) < 0 ? -ENOMEM : 0;
}

void keeper_close(struct keeper *keeper)
{
	loop_timer_clear(keeper->loop, &keeper->retry);
	while (keeper->first)
		drop_first(keeper);
	hf_fd_close(&keeper->socket);
}
