/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * Theory of operation. The maps of a process are read under the lock of its address space, and a
 * caller can hold that for as long as it likes: it replaces a mapping of a file of FUSE that it has
 * written to, and does not answer as its server. So another process looks (cuse_looker.h), and the
 * loop goes on; what the process says is an event, and so is that it says nothing in time.
 *
 *   state     leaves when                                         then
 *   IN_LINE   it is its turn: there is a place, also of those     RUNS
 *             that its user may have, and no upgrade under way
 *             LINE_NS are over                                    refused: busy
 *             it is interrupted                                   EINTR
 *   RUNS      the process has said what it found                  the message is handled
 *             LOOK_NS are over                                    killed, refused: deadline
 *             HURRIED_NS after it was interrupted are over        killed, EINTR
 *   any       its session, port or primary ends (drop)            killed, as what is in hand then
 *             the primary becomes another program (cuse_rest)     killed, and begun again
 *
 * Interrupted, it is not given up at once: a good caller's other threads send it signals all the
 * time, and all good looks end within that moment.
 *
 * Killing ends a wait for that lock. What else the process may hang in (close(2) of a file that was
 * exchanged meanwhile) is its own affair: it is counted with those that hang of the port
 * (foreign.h). Who holds a place pays with a multiple of that time, so that a hostile port has none
 * most of the time; and a user has at most half of them, however many ports are its. In line those
 * go first whose user has fewest, then those whose port owes least, then who came first. And
 * beginning and hearing, which is all that the loop has to do for it, has a third of its time.
 */
/* clang-format on */
#include "cuse_look.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

#include "check.h"
#include "clock.h"
#include "cuse_looker.h"
#include "fd.h"
#include "foreign.h"
#include "port.h"
#include "primary.h"

#define LINE_NS	   (30 * NS_PER_S)
#define LOOK_NS	   (5 * NS_PER_S)
#define HURRIED_NS (500 * NS_PER_MS)
/* While an upgrade is under way: is it over? */
#define HOLDING_NS (5 * NS_PER_MS)
/* What a port pays, for each millisecond that it had a place. What it may spend at once (as for
 * other descriptors: session_pause.c) is enough for all good looks. */
#define PRICE 10u
/* All looks together, of the loop's time. */
#define AT_ONCE_NS NS_PER_S

static int fault(struct cuse_look *look, enum refusal reason, const char *what)
{
	look->fault = (struct cuse_memory_fault){.reason = reason};
	snprintf(look->fault.what, sizeof(look->fault.what), "%s", what);
	return -EPROTO;
}

uint64_t cuse_look_wait_ns(const struct primary *primary)
{
	return rate_wait_ns(&primary->looks.loop_time, 1, AT_ONCE_NS);
}

static void spend_loop_time(struct primary *primary, uint64_t since_ns)
{
	rate_spend(&primary->looks.loop_time, 2 * (hf_now_ns() - since_ns));
}

/* --- the line --- */

static void join(struct cuse_look **at, struct cuse_look *look)
{
	while (*at)
		at = &(*at)->next;
	*at = look;
	look->next = NULL;
}

static void leave(struct cuse_look **at, struct cuse_look *look)
{
	while (*at != look)
		at = &(*at)->next;
	*at = look->next;
}

static uint32_t places_of_its_user(const struct cuse_look *look)
{
	uint32_t n = 0;

	for (const struct cuse_look *r = look->port->primary->looks.runs; r; r = r->next)
		n += r->user == look->user;
	return n;
}

/* What was spent and is over is not owed. */
static uint64_t owes_until_ns(const struct cuse_look *look, uint64_t now_ns)
{
	return max_u64(look->port->foreigners.until_ns, now_ns);
}

/* Those who keep coming have spent, and have a place already: nobody else waits for more than the
 * first of them that ends. */
static bool goes_before(const struct cuse_look *a, const struct cuse_look *b, uint64_t now_ns)
{
	uint32_t has_a = places_of_its_user(a), has_b = places_of_its_user(b);

	if (has_a != has_b)
		return has_a < has_b;
	return owes_until_ns(a, now_ns) < owes_until_ns(b, now_ns);
}

/* NULL: it is nobody's turn. */
static struct cuse_look *next_in_line(const struct primary *primary)
{
	struct cuse_look *next = NULL;
	uint64_t now_ns = hf_now_ns();

	if (primary->looks.running == CUSE_LOOKS)
		return NULL;
	for (struct cuse_look *look = primary->looks.first; look; look = look->next)
		if (places_of_its_user(look) < CUSE_LOOKS_OF_A_USER &&
		    (!next || goes_before(look, next, now_ns)))
			next = look;
	return next;
}

/* It begins by its own timer: whoever calls this may be about another port. */
static void call_next(struct primary *primary)
{
	struct cuse_look *next = next_in_line(primary);

	if (next)
		(void)loop_timer_set(primary->loop, &next->deadline, 0);
}

/* --- the end --- */

static void pay(struct cuse_look *look)
{
	rate_spend(&look->port->foreigners, (hf_now_ns() - look->since_ns) * PRICE);
}

/* calls: pidfd_send_signal */
void cuse_look_kill(struct cuse_look *look)
{
	if (look->pidfd >= 0 && !look->said)
		(void)pidfd_send_signal(look->pidfd, SIGKILL, NULL, 0);
}

static void see_it_end(struct cuse_look *look, uint64_t until_ns)
{
	uint64_t now_ns = hf_now_ns();
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

	cuse_look_kill(look);
	foreign_end(&look->port->foreign, hf_fd_take(&look->pidfd), (int)(left_ns / NS_PER_MS));
}

void cuse_look_drop(struct cuse_look *look, uint64_t until_ns)
{
	struct primary *primary = look->port->primary;

	if (look->state == CUSE_LOOK_NONE)
		return;
	loop_timer_clear(primary->loop, &look->deadline);
	if (look->state == CUSE_LOOK_IN_LINE) {
		leave(&primary->looks.first, look);
	} else {
		leave(&primary->looks.runs, look);
		primary->looks.running--;
		loop_remove(primary->loop, &look->answer);
		hf_fd_close(&look->socket);
		pay(look);
		if (look->pidfd >= 0)
			see_it_end(look, until_ns);
	}
	cuse_caller_close(&look->caller);
	look->state = CUSE_LOOK_NONE;
	call_next(primary);
}

static void end(struct cuse_look *look, int error, int *fds)
{
	cuse_look_drop(look, 0);
	look->done(look, error, fds);
}

/* --- while it runs --- */

static void on_answer(struct loop_source *source, uint32_t events)
{
	struct cuse_look *look = container_of(source, struct cuse_look, answer);
	struct primary *primary = look->port->primary;
	uint64_t since_ns = hf_now_ns();
	int fds[VU_RAW_REGIONS], error;

	(void)events;
	error = cuse_looker_hear(look->socket, look->regions, fds, look->count, &look->fault);
	if (error == -EAGAIN)
		return;
	look->said = true;
	spend_loop_time(primary, since_ns);
	end(look, error, fds);
}

static void run(struct cuse_look *look)
{
	struct primary *primary = look->port->primary;
	uint64_t begun_ns = hf_now_ns();
	int error;

	leave(&primary->looks.first, look);
	join(&primary->looks.runs, look);
	look->state = CUSE_LOOK_RUNS;
	look->since_ns = begun_ns;
	primary->looks.running++;
	error = cuse_looker_start(&look->caller, look->regions, look->count, &look->pidfd,
				  &look->socket);
	if (!error)
		error = loop_add(primary->loop, &look->answer, look->socket, EPOLLIN);
	if (!error)
		error = loop_timer_set(primary->loop, &look->deadline, LOOK_NS);
	spend_loop_time(primary, begun_ns);
	if (error)
		end(look, fault(look, REFUSED_NO_RESOURCES, strerror(-error)), NULL);
	else
		call_next(primary);
}

/* In line: it was called, or has stood there too long. */
static void on_turn(struct cuse_look *look)
{
	struct primary *primary = look->port->primary;
	bool next = next_in_line(primary) == look;
	uint64_t now_ns = hf_now_ns();
	uint64_t left_ns = look->turn_by_ns > now_ns ? look->turn_by_ns - now_ns : 0;

	if (next && !primary->holding)
		run(look);
	else if (!left_ns || loop_timer_set(primary->loop, &look->deadline,
					    next ? min_u64(left_ns, HOLDING_NS) : left_ns) < 0)
		end(look, fault(look, REFUSED_LOOKS_BUSY, "waited for its turn"), NULL);
}

static void on_deadline(struct loop_timer *timer)
{
	struct cuse_look *look = container_of(timer, struct cuse_look, deadline);

	if (look->state == CUSE_LOOK_IN_LINE)
		on_turn(look);
	else if (look->hurried)
		end(look, -EINTR, NULL);
	else
		end(look,
		    fault(look, REFUSED_LOOK_DEADLINE, "something holds the lock of its maps"),
		    NULL);
}

/* --- for who asks --- */

void cuse_look_init(struct cuse_look *look, struct port *port,
		    void (*done)(struct cuse_look *look, int error, int *fds))
{
	*look = (struct cuse_look){.port = port,
				   .done = done,
				   .caller = {.pidfd = -1},
				   .pidfd = -1,
				   .socket = -1,
				   .answer = {.ready = on_answer, .fd = -1},
				   .deadline = {.fire = on_deadline}};
}

int cuse_look_begin(struct cuse_look *look, struct cuse_caller *caller, uid_t user, uint32_t count)
{
	struct primary *primary = look->port->primary;

	if (foreign_hangs(&look->port->foreign))
		return fault(look, REFUSED_FOREIGN_FD, "earlier ones hang");
	if (loop_timer_set(primary->loop, &look->deadline, LINE_NS) < 0)
		return fault(look, REFUSED_NO_RESOURCES, "no timer");
	look->caller = *caller;
	caller->pidfd = -1;
	look->user = user;
	look->count = count;
	look->hurried = look->said = false;
	look->turn_by_ns = hf_now_ns() + LINE_NS;
	look->state = CUSE_LOOK_IN_LINE;
	join(&primary->looks.first, look);
	call_next(primary);
	return 0;
}

void cuse_look_hurry(struct cuse_look *look)
{
	if (look->state == CUSE_LOOK_IN_LINE) {
		end(look, -EINTR, NULL);
	} else if (look->state == CUSE_LOOK_RUNS && !look->hurried) {
		look->hurried = true;
		(void)loop_timer_set(look->port->primary->loop, &look->deadline, HURRIED_NS);
	}
}
