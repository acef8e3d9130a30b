/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who parts while the primary's life ends: the next one cannot see who closed a socket, and kills
 * whom it believes to keep guests' memory. And what of that it can only know from the journal.
 */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "fd.h"
#include "fd_ledger.h"
#include "frame.h"
#include "grant.h"
#include "journal.h"
#include "lane.h"
#include "lives.h"
#include "outbox.h"
#include "resume.h"
#include "retire.h"
#include "revoke.h"
#include "secondary_life.h"
#include "session.h"
#include "suite.h"

static struct rig rig; /* the first life */
static struct primary *p = &rig.primary;
static struct primary heir;
static struct port *port;
static int front;

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	rig_open(&rig);
	lives_begin(p);
	port = lives_session(&rig, 2, 1, &front);
}

static void end(void)
{
	struct session *session = port->session;

	port->session = NULL;
	hf_fd_close(&session->socket);
	free(session);
	hf_fd_close(&front);
	lives_end(p);
	rig_close(&rig);
}

static void take_over(void)
{
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
	REQUIRE(resume_secondaries(&heir) == 0 && resume_ports(&heir) == 0);
	REQUIRE(heir.ports[0] && heir.secondaries[0]);
}

/* A process that does nothing until it is killed. */
static pid_t bystander(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

/* From now on the secondary is that process; of this life only. */
static void becomes(struct secondary *secondary, pid_t pid)
{
	struct loop *loop = secondary->primary->loop;

	loop_remove(loop, &secondary->pidfd_source);
	hf_fd_close(&secondary->pidfd);
	secondary->pid = pid;
	secondary->pidfd = pidfd_open(pid, 0);
	REQUIRE(secondary->pidfd >= 0);
	REQUIRE(loop_add(loop, &secondary->pidfd_source, secondary->pidfd, EPOLLIN) == 0);
}

static void bury(pid_t pid, bool lived)
{
	pid_t ended = waitpid(pid, NULL, WNOHANG);

	CHECK_EQ(ended, lived ? 0 : pid);
	if (ended != pid && kill(pid, SIGKILL) == 0)
		waitpid(pid, NULL, 0);
}

static void stop_loop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(heir.loop);
}

/* The heir's loop, until its only secondary is gone. */
static bool heirs_secondary_goes(void)
{
	struct loop_timer stop = {.fire = stop_loop};

	for (int i = 0; i < 2000 && heir.secondaries[0]; i++) {
		REQUIRE(loop_timer_set(heir.loop, &stop, 10 * NS_PER_MS) == 0);
		REQUIRE(loop_run(heir.loop) == 0);
	}
	return !heir.secondaries[0];
}

/* What the heir said of it last. */
static const struct event *last_of_heir(Holdfast__Control__EventKind kind)
{
	const struct event *last = NULL;

	for (uint64_t n = 1; n <= events_newest(heir.events); n++) {
		const struct event *event = events_get(heir.events, n);

		if (event && event->kind == kind)
			last = event;
	}
	return last;
}

static struct secondary *begin_with_a_switch(int *ret_socket)
{
	struct secondary *secondary;

	begin();
	secondary = rig_secondary(&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", ret_socket);
	REQUIRE(journal_secondary_at(p, 0)->id == secondary->id);
	journal_welcomed(secondary);
	grant_offer_all(p);
	REQUIRE(port->device.owner == secondary && journal_has_sent(secondary));
	return secondary;
}

static void end_with_a_switch(int *socket)
{
	lives_forget(&heir);
	hf_fd_close(socket);
	end();
}

/* To the heir it looks as if it had closed its socket. */
static void whom_we_cut_off_is_let_go_by_the_next_life_too(void)
{
	struct secondary *secondary;
	const struct event *event;
	pid_t pid = bystander();
	int socket;

	secondary = begin_with_a_switch(&socket);
	REQUIRE(shutdown(socket, SHUT_RD) == 0);
	retire_send(secondary, 1, 1);
	secondaries_look(p, hf_now_ns() + 11 * NS_PER_S);
	REQUIRE(secondary->cut && !secondary->hung_up);
	take_over();
	CHECK(!secondary_usable(heir.secondaries[0]));
	resume_go_on(&heir);
	becomes(heir.secondaries[0], pid);
	CHECK(heirs_secondary_goes());
	bury(pid, true);
	event = last_of_heir(HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_DETACHED);
	CHECK(event && strcmp(event->detail, "was cut off") == 0);
	CHECK(!last_of_heir(HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED));
	end_with_a_switch(&socket);
}

/* Else what did the sentence before show? */
static void who_closed_its_socket_is_killed_by_the_next_life(void)
{
	pid_t pid = bystander();
	int socket;

	(void)begin_with_a_switch(&socket);
	hf_fd_close(&socket);
	take_over();
	resume_go_on(&heir);
	becomes(heir.secondaries[0], pid);
	CHECK(heirs_secondary_goes());
	bury(pid, false);
	CHECK(last_of_heir(HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED));
	end_with_a_switch(&socket);
}

/* While one of its bursts lasted the primary died. It may keep its socket open for ever. */
static void who_said_bye_is_not_attached_again(void)
{
	struct secondary *secondary;
	const struct event *event;
	struct hf_lane_vring *lane;
	int socket;

	secondary = begin_with_a_switch(&socket);
	lane = rig_lane(&port->device.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	secondary_leave(secondary, true);
	REQUIRE(p->secondaries[0] == secondary);
	rig_drain(socket);
	take_over();
	CHECK(heir.secondaries[0]->said_bye && !secondary_usable(heir.secondaries[0]));
	resume_go_on(&heir);
	CHECK(heir.secondaries[0] && heir.secondaries[0]->leaving);
	CHECK(!rig_has_message(socket));
	hf_burst_leave(lane);
	CHECK(heirs_secondary_goes());
	event = last_of_heir(HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_DETACHED);
	CHECK(event && !*event->detail);
	CHECK(heir.ports[0]->device.owner == NULL);
	end_with_a_switch(&socket);
}

static void say_retired(int socket, uint64_t session)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	retired.session = session;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_RETIRED;
	message.retired = &retired;
	REQUIRE(hf_frame_send(socket, &message.base, NULL, 0) == 0);
}

static void nothing_more(struct revocation *revocation)
{
	(void)revocation;
}

/* That session of the port is over, the next begins. */
static uint64_t next_session(void)
{
	struct revocation r = {.done = nothing_more};
	uint64_t over = port->device.session;

	revoke_start(&r, &port->device, GRANT_ALL_VRINGS);
	REQUIRE(!r.active);
	grant_retire(&port->device);
	port->device.session = p->next_session++;
	grant_offer_all(p);
	return over;
}

static bool holds_no_entries(void *context)
{
	return ((struct secondary *)context)->retiring == NULL;
}

static bool is_gone(void *context)
{
	(void)context;
	return p->secondaries[0] == NULL;
}

/* It was sent it, and has been given no ring: too many sessions wait for its Retired. */
static void who_keeps_memory_that_it_got_no_entries_for_is_killed(void)
{
	struct secondary *secondary;
	uint64_t sessions[5];
	pid_t pid = bystander();
	int socket;

	secondary = begin_with_a_switch(&socket);
	becomes(secondary, pid);
	for (size_t i = 0; i < 5; i++)
		sessions[i] = next_session();
	port->device.vrings[0].started = port->device.vrings[1].started = false;
	grant_retire(&port->device);
	for (size_t i = 0; i < 4; i++)
		say_retired(socket, sessions[i]);
	CHECK(rig_until(&rig, holds_no_entries, secondary, 20000));
	CHECK(journal_has_sent(secondary));
	hf_fd_close(&socket);
	CHECK(rig_until(&rig, is_gone, NULL, 20000));
	bury(pid, false);
	CHECK_EQ(rig_events(&rig, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED, NULL), 1);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(whom_we_cut_off_is_let_go_by_the_next_life_too, "[C-7]"),
	CATALOGUE(who_closed_its_socket_is_killed_by_the_next_life, "[C-7]"),
	CATALOGUE(who_said_bye_is_not_attached_again, "[C-7]"),
	CATALOGUE(who_keeps_memory_that_it_got_no_entries_for_is_killed, "[C-7]"),
};
SUITE("parting", sentences)
