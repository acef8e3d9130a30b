/* SPDX-License-Identifier: Apache-2.0 */
/* Taking vrings back from who hangs in a burst, and from who dies. */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bursts.h"
#include "clock.h"
#include "dead.h"
#include "faults.h"
#include "fd.h"
#include "frame.h"
#include "grant.h"
#include "lane.h"
#include "outbox.h"
#include "primary_scene.h"
#include "refusal.h"
#include "retire.h"
#include "revoke.h"
#include "suite.h"

static bool slot_is_free(void *context)
{
	(void)context;
	return scene.primary->secondaries[0] == NULL;
}

/* From now on the secondary is that process. */
static void becomes(struct secondary *secondary, pid_t pid)
{
	struct loop *loop = scene.primary->loop;

	loop_remove(loop, &secondary->pidfd_source);
	hf_fd_close(&secondary->pidfd);
	secondary->pid = pid;
	secondary->pidfd = pidfd_open(pid, 0);
	REQUIRE(secondary->pidfd >= 0);
	REQUIRE(loop_add(loop, &secondary->pidfd_source, secondary->pidfd, EPOLLIN) == 0);
}

/* From now on the owner is a process that is stuck in a burst; its socket's other end stays ours.
 */
static pid_t gets_stuck_in(struct hf_lane_vring *lane)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		close(scene.sockets[0]);
		hf_store_release(&lane->busy, 1u);
		for (;;)
			pause();
	}
	becomes(scene.owner, pid);
	while (!hf_load_acquire(&lane->busy))
		;
	return pid;
}

/* It does nothing until it is killed. */
static pid_t bystander(struct secondary *secondary)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		hf_fd_close_all(scene.sockets, RIG_SECONDARIES);
		for (;;)
			pause();
	}
	becomes(secondary, pid);
	return pid;
}

static void who_does_not_leave_its_burst_is_killed_first(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;
	int status;
	pid_t pid;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	lane = rig_lane(vring);
	pid = gets_stuck_in(lane);
	kill(pid, SIGSTOP); /* and its signals would wait */
	w = waiting_for(vring);
	revoke_start(&w.revocation, scene.device, 0);
	rig_until(&scene.rig, is_done, &w, 50);
	CHECK_EQ(w.done, 0);
	CHECK(!scene.owner->killed);
	w.revocation.deadline_ns = w.revocation.started_ns;
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	CHECK_EQ(w.done, 1);
	CHECK(rig_until(&scene.rig, slot_is_free, NULL, 20000));
	REQUIRE(waitpid(pid, &status, WNOHANG) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_FENCED), NULL), 1);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DIED), NULL), 1);
	scene_end();
}

/* Somebody else's doing, that its pidfd has not told us of yet. */
static void who_is_dead_already_is_not_fenced(void)
{
	struct dead dead = dead_by(SIGTERM, 0);
	struct vring *vring;
	struct waiting w;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	rig_lane(vring)->busy = 1;
	becomes(scene.owner, dead.pid);
	w = waiting_for(vring);
	revoke_start(&w.revocation, scene.device, 0);
	CHECK(revoke_fence(scene.owner, 0, "did not leave its burst"));
	CHECK(!scene.owner->killed);
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_FENCED), NULL), 0);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DIED), NULL), 1);
	dead_bury(&dead);
	close(dead.pidfd);
	scene_end();
}

static void with_fencing_off_the_front_end_waits(void)
{
	struct hf_lane_vring *lane;
	struct waiting w;

	scene_begin(1);
	scene.rig.conf.fence = false;
	scene.rig.conf.fence_deadline_ns = 10 * NS_PER_MS;
	grant_offer(scene.device);
	lane = rig_lane(&scene.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(&scene.vrings[0]);
	revoke_start(&w.revocation, scene.device, 0);
	rig_until(&scene.rig, NULL, NULL, 60);
	CHECK_EQ(w.done, 0);
	CHECK(!scene.owner->killed);
	hf_burst_leave(lane);
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	scene_end();
}

static void who_cannot_be_killed_is_waited_for(void)
{
	struct hf_lane_vring *lane;
	struct waiting w;
	uint32_t hit;
	pid_t pid;

	scene_begin(1);
	scene.rig.conf.fence_deadline_ns = 10 * NS_PER_MS;
	grant_offer(scene.device);
	lane = rig_lane(&scene.vrings[0]);
	pid = bystander(scene.owner);
	hf_write_once(&lane->busy, 1u);
	faults_open();
	faults_arm_every(0, FAULT_PROCESS, FAULT_ERROR, 1);
	w = waiting_for(&scene.vrings[0]);
	revoke_start(&w.revocation, scene.device, 0);
	rig_until(&scene.rig, NULL, NULL, 60);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(hit, 1);
	CHECK_EQ(w.done, 0);
	CHECK(!scene.owner->killed);
	hf_burst_leave(lane);
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	kill(pid, SIGKILL);
	CHECK(rig_until(&scene.rig, slot_is_free, NULL, 20000));
	REQUIRE(waitpid(pid, NULL, 0) == pid);
	scene_end();
}

static struct hf_lane_vring *stuck_lane;

/* As if the burst had ended at the very moment of the deadline: when its owner is named. */
static void end_burst(void *context, int priority, const char *tag, const char *line)
{
	(void)context;
	(void)priority;
	(void)tag;
	(void)line;
	hf_burst_leave(stuck_lane);
}

static void a_burst_that_ends_at_the_deadline_ends_the_revocation(void)
{
	struct waiting w;

	scene_begin(1);
	scene.rig.conf.fence = false;
	scene.rig.conf.fence_deadline_ns = 10 * NS_PER_MS;
	grant_offer(scene.device);
	stuck_lane = rig_lane(&scene.vrings[0]);
	hf_write_once(&stuck_lane->busy, 1u);
	hf_log_set_level(HF_LOG_WARNING);
	hf_log_set_sink(end_burst, NULL);
	w = waiting_for(&scene.vrings[0]);
	revoke_start(&w.revocation, scene.device, 0);
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	hf_log_set_sink(NULL, NULL);
	scene_end();
}

static void run_until_killed(struct hf_lane_vring *lane, const uint64_t *word, uint64_t mine,
			     uint16_t *used_idx)
{
	bool enabled;

	for (;;) {
		if (!hf_burst_enter(lane, word, mine, true, &enabled))
			continue;
		burst_publish(lane, used_idx, HF_INTENT_ENQUEUE);
		hf_burst_leave(lane);
	}
}

/* The parent is here while the child is killed at some instruction of its bursts. */
static void kill_once(struct vring *vring, int *wrong)
{
	struct secondary *secondary = scene_secondary("doomed", VSWITCH, NULL);
	struct runner r;
	pid_t pid;

	grant_offer(vring->device);
	r = runner_for(vring);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		run_until_killed(r.lane, r.grant_word, vring->grant, r.used_idx);
	becomes(secondary, pid);
	while (hf_load_acquire(&r.lane->used) == vring->base)
		;
	usleep((useconds_t)(rand() % 300));
	kill(pid, SIGKILL);
	*wrong += !rig_until(&scene.rig, slot_is_free, NULL, 20000);
	*wrong += vring->owner != NULL || vring->base != *rig_used_idx(vring);
	waitpid(pid, NULL, 0);
}

static void a_killed_burst_is_recovered_where_the_guest_saw_it(void)
{
	struct port *port;
	int wrong = 0;

	scene_open();
	port = rig_port(&scene.rig, "vm0", 1);
	for (int i = 0; i < 60; i++) {
		port->device.vrings[0].deaths = 0; /* each is the first: blame.h */
		kill_once(&port->device.vrings[0], &wrong);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(scene.primary->refusals[REFUSED_LANE_LIES], 0);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DIED), NULL), 60);
	scene_end();
}

static void death_hands_over_at_once_and_says_how_long_it_took(void)
{
	struct secondary *second;
	const struct event *event;
	struct hf_lane_vring *lane;
	struct waiting w;
	pid_t pid;

	scene_begin(2);
	second = scene_secondary("second", VSWITCH, NULL);
	grant_offer(scene.device);
	lane = rig_lane(&scene.vrings[1]);
	pid = gets_stuck_in(lane);
	/* Killed in its burst, with the position not stored and a front-end that waits for it. */
	lane->intent = HF_INTENT_DEQUEUE;
	lane->intent_count = 7;
	*rig_used_idx(&scene.vrings[1]) = 7;
	w = waiting_for(&scene.vrings[1]);
	revoke_start(&w.revocation, scene.device, 1);
	CHECK_EQ(w.done, 0);
	kill(pid, SIGKILL);
	CHECK(rig_until(&scene.rig, slot_is_free, NULL, 20000));
	CHECK_EQ(w.done, 1);
	CHECK(!w.owned);
	CHECK_EQ(scene.vrings[1].base, 7);
	CHECK(scene.device->owner == second);
	CHECK(scene.vrings[0].owner == second);
	REQUIRE(rig_events(&scene.rig, EVENT(SECONDARY_DIED), &event) == 1);
	CHECK(!strcmp(event->secondary, "vsw"));
	CHECK(event->duration_ns > 0);
	printf("(%llu us) ", (unsigned long long)event->duration_ns / 1000);
	waitpid(pid, NULL, 0);
	scene_end();
}

static bool is_detached(void *context)
{
	(void)context;
	return rig_events(&scene.rig, EVENT(SECONDARY_DETACHED), NULL) != 0;
}

static bool is_dead(void *context)
{
	(void)context;
	return rig_events(&scene.rig, EVENT(SECONDARY_DIED), NULL) != 0;
}

static void a_closed_socket_is_called_what_it_was(void)
{
	struct secondary *lives;
	struct hf_lane_vring *lane;
	pid_t pid;

	scene_begin(1);
	lives = scene_secondary("lives", VSWITCH, NULL);
	grant_offer(scene.device);
	lane = rig_lane(&scene.vrings[0]);
	pid = gets_stuck_in(lane);
	hf_burst_leave(lane);
	hf_fd_close(&scene.sockets[0]); /* first the socket, a moment later the process */
	rig_until(&scene.rig, NULL, NULL, 20);
	CHECK(scene.vrings[0].owner == lives);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DETACHED), NULL), 0);
	CHECK(scene.owner->linger.at_ns != 0);
	loop_timer_clear(scene.primary->loop, &scene.owner->linger); /* however slowly it dies */
	kill(pid, SIGKILL);
	CHECK(rig_until(&scene.rig, slot_is_free, NULL, 20000));
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DIED), NULL), 1);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_FENCED), NULL), 0);
	waitpid(pid, NULL, 0);
	scene_end();
}

static void who_hangs_up_and_lives_on_is_killed(void)
{
	const struct event *event;
	int status;
	pid_t pid;

	scene_begin(1);
	pid = bystander(scene.owner);
	grant_offer(scene.device);
	hf_fd_close(&scene.sockets[0]);
	CHECK(rig_until(&scene.rig, is_dead, NULL, 20000));
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(slot_is_free(NULL));
	REQUIRE(rig_events(&scene.rig, EVENT(SECONDARY_FENCED), &event) == 1);
	CHECK(strstr(event->detail, "without Bye") != NULL);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DETACHED), NULL), 0);
	CHECK_EQ(rig_events(&scene.rig, EVENT(PORT_ORPHANED), NULL), 1);
	scene_end();
}

/* From here on it is this very process that goes, and that would be killed. */
static void check_is_let_go(const char *how)
{
	const struct event *event;

	CHECK(rig_until(&scene.rig, is_detached, NULL, 20000));
	REQUIRE(rig_events(&scene.rig, EVENT(SECONDARY_DETACHED), &event) == 1);
	CHECK(!strcmp(event->detail, how));
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_FENCED), NULL), 0);
	CHECK(slot_is_free(NULL));
}

static const char keeps[] = "closed its socket without Bye, and keeps the guests' memory it has "
			    "mapped";

static void who_hangs_up_and_cannot_be_killed_is_let_go_and_named(void)
{
	uint32_t hit;

	scene_begin(1);
	grant_offer(scene.device);
	faults_open();
	faults_arm_every(0, FAULT_PROCESS, FAULT_ERROR, 1);
	hf_fd_close(&scene.sockets[0]);
	check_is_let_go(keeps);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(hit, 1);
	scene_end();
}

static void with_fencing_off_who_hangs_up_is_let_go_and_named(void)
{
	scene_begin(1);
	scene.rig.conf.fence = false;
	grant_offer(scene.device);
	hf_fd_close(&scene.sockets[0]);
	check_is_let_go(keeps);
	scene_end();
}

static void who_hangs_up_and_was_sent_no_memory_is_let_go(void)
{
	scene_begin(1);
	hf_fd_close(&scene.sockets[0]);
	check_is_let_go("closed its socket without Bye");
	scene_end();
}

/* It may be we who lacked the memory, or the descriptors, to read what it said. */
static void whom_we_cut_off_is_let_go(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	CHECK_EQ(send(scene.sockets[0], "\xff", 1, 0), 1);
	check_is_let_go("was cut off");
	scene_end();
}

static void say_bye(void)
{
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_BYE;
	message.bye = &bye;
	CHECK_EQ(hf_frame_send(scene.sockets[0], &message.base, NULL, 0), 0);
}

/* The kernel tells of unread packets before it gives what was sent last. */
static void bye_is_heard_of_who_has_not_read_everything(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	say_bye();
	hf_fd_close(&scene.sockets[0]);
	check_is_let_go("");
	scene_end();
}

/* We find it by what we send, before the loop has said so. */
static void who_hung_up_is_killed_also_when_a_message_finds_it(void)
{
	int status;
	pid_t pid;

	scene_begin(1);
	pid = bystander(scene.owner);
	grant_offer(scene.device);
	hf_fd_close(&scene.sockets[0]);
	/* Once the child has closed it as well. */
	for (int ms = 0; ms < 20000 && !scene.owner->cut; ms++) {
		usleep(1000);
		retire_send(scene.owner, 1, 1);
	}
	CHECK(scene.owner->cut);
	CHECK(rig_until(&scene.rig, is_dead, NULL, 20000));
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_FENCED), NULL), 1);
	scene_end();
}

static void bye_is_heard_though_a_message_found_the_end(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	say_bye();
	hf_fd_close(&scene.sockets[0]);
	retire_send(scene.owner, 1, 1);
	check_is_let_go("");
	scene_end();
}

/* As the library does that has lost a packet: it unmaps first. */
static void who_reads_no_more_has_time_to_say_bye(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	CHECK_EQ(shutdown(scene.sockets[0], SHUT_RD), 0);
	retire_send(scene.owner, 1, 1);
	CHECK(scene.owner->cut);
	rig_until(&scene.rig, NULL, NULL, 50);
	CHECK(!scene.owner->leaving);
	say_bye();
	check_is_let_go("");
	scene_end();
}

#define LONG_NS (11 * NS_PER_S)

/* What it runs is nobody else's until it leaves. It is ours who end it, so nobody is killed. */
static void who_reads_no_more_and_says_no_bye_is_cut_off_in_the_end(void)
{
	struct secondary *second;

	scene_begin(1);
	second = scene_secondary("second", VSWITCH, NULL);
	grant_offer(scene.device);
	secondaries_look(scene.primary, hf_now_ns() + LONG_NS);
	CHECK(!scene.owner->cut);
	CHECK_EQ(shutdown(scene.sockets[0], SHUT_RD), 0);
	retire_send(scene.owner, 1, 1);
	CHECK(scene.owner->cut && scene.owner->hung_up);
	secondaries_look(scene.primary, hf_now_ns());
	rig_until(&scene.rig, NULL, NULL, 50);
	CHECK(!scene.owner->leaving && scene.vrings[0].owner == scene.owner);
	secondaries_look(scene.primary, hf_now_ns() + LONG_NS);
	check_is_let_go("was cut off");
	CHECK(scene.vrings[0].owner == second);
	scene_end();
}

static const struct sentence sentences[] = {
	CATALOGUE(who_does_not_leave_its_burst_is_killed_first, "[F-2]"),
	SENTENCE(who_is_dead_already_is_not_fenced),
	SENTENCE(with_fencing_off_the_front_end_waits),
	SENTENCE(who_cannot_be_killed_is_waited_for),
	SENTENCE(a_burst_that_ends_at_the_deadline_ends_the_revocation),
	SENTENCE(a_killed_burst_is_recovered_where_the_guest_saw_it),
	SENTENCE(death_hands_over_at_once_and_says_how_long_it_took),
	SENTENCE(a_closed_socket_is_called_what_it_was),
	CATALOGUE(who_hangs_up_and_lives_on_is_killed, "[C-7] [F-2]"),
	SENTENCE(who_hangs_up_and_cannot_be_killed_is_let_go_and_named),
	SENTENCE(with_fencing_off_who_hangs_up_is_let_go_and_named),
	SENTENCE(who_hangs_up_and_was_sent_no_memory_is_let_go),
	SENTENCE(whom_we_cut_off_is_let_go),
	SENTENCE(bye_is_heard_of_who_has_not_read_everything),
	CATALOGUE(who_hung_up_is_killed_also_when_a_message_finds_it, "[C-7]"),
	SENTENCE(bye_is_heard_though_a_message_found_the_end),
	SENTENCE(who_reads_no_more_has_time_to_say_bye),
	CATALOGUE(who_reads_no_more_and_says_no_bye_is_cut_off_in_the_end, "[C-7]"),
};
SUITE("revoke_death", sentences)
