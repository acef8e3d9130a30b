/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking vrings back from threads and processes that run, hang, lie and die. The bursts here do
 * what the library's do to grant, lane and used ring, and nothing else; when a revocation is done
 * the test writes to the guest's memory itself, with plain stores, so that the thread sanitizer
 * sees every access that should not be there any more.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "death.h"
#include "faults.h"
#include "fd.h"
#include "grant.h"
#include "lane.h"
#include "primary_rig.h"
#include "refusal.h"
#include "revocation.h"
#include "revoke.h"
#include "secondary_life.h"
#include "suite.h"
#include "waiting.h"

#define VSWITCH	    HOLDFAST__ATTACH__ROLE__VSWITCH
#define EVENT(name) HOLDFAST__CONTROL__EVENT_KIND__##name
#define BATCH	    3u

struct waiting {
	struct revocation revocation;
	struct vring *vring;
	unsigned int done;
	bool owned; /* was it still, when we were told that it is not? */
};

static void on_done(struct revocation *revocation)
{
	struct waiting *w = container_of(revocation, struct waiting, revocation);

	w->done++;
	w->owned |= w->vring && (w->vring->owner || rig_grant_word(w->vring));
}

static bool is_done(void *context)
{
	return ((struct waiting *)context)->done != 0;
}

static struct waiting waiting_for(struct vring *vring)
{
	return (struct waiting){.revocation = {.done = on_done}, .vring = vring};
}

static bool slot_is_free(void *context)
{
	return ((struct rig *)context)->primary.secondaries[0] == NULL;
}

/* ---- A data thread. */

struct runner {
	struct hf_lane_vring *lane;
	const uint64_t *grant_word;
	uint16_t *used_idx;
	uint64_t *scratch; /* in guest memory: only touched inside a burst */
	uint64_t mine;	   /* the control thread's message */
	uint32_t stop;
	uint64_t bursts;
};

/* Publish BATCH entries as the library does. */
static void publish(struct hf_lane_vring *lane, uint16_t *used_idx, uint16_t intent)
{
	uint16_t to = (uint16_t)(hf_read_once(&lane->used) + BATCH);

	hf_write_once(&lane->intent_count, (uint16_t)BATCH);
	hf_store_release(&lane->intent, intent);
	hf_store_release(used_idx, to);
	hf_write_once(&lane->avail, to);
	hf_store_release(&lane->used, to);
	hf_store_release(&lane->intent, (uint16_t)HF_INTENT_NONE);
	hf_write_once(&lane->counters[HF_COUNTER_GOOD_PACKETS],
		      hf_read_once(&lane->counters[HF_COUNTER_GOOD_PACKETS]) + BATCH);
}

static void *run_bursts(void *context)
{
	struct runner *r = context;
	bool enabled;

	while (!hf_load_acquire(&r->stop)) {
		uint64_t mine = hf_load_acquire(&r->mine);

		if (!mine || !hf_burst_enter(r->lane, r->grant_word, mine, false, &enabled))
			continue;
		*r->scratch += 1;
		publish(r->lane, r->used_idx, HF_INTENT_DEQUEUE);
		hf_burst_leave(r->lane);
		hf_store_release(&r->bursts, r->bursts + 1);
	}
	return NULL;
}

static struct runner runner_for(struct vring *vring)
{
	const struct device *device = vring->device;

	return (struct runner){
		.lane = rig_lane(vring),
		.grant_word =
			hf_directory_grant(&device->primary->directory, device->slot, vring->index),
		.used_idx = rig_used_idx(vring),
		.scratch = rig_guest(device, RIG_MEMORY - 4096, 8),
	};
}

static void a_position_is_recovered_though_the_guest_cut_its_file_short(void)
{
	struct vring *vring;
	struct port *port;
	struct waiting w;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	rig_lane(vring)->avail = rig_lane(vring)->used = 7;
	REQUIRE(ftruncate(port->device.region_fds[0], 0) == 0);
	w = waiting_for(vring);
	revoke_start(&w.revocation, &port->device, 0);
	CHECK_EQ(w.done, 1);
	CHECK_EQ(vring->base, 7);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void nothing_is_touched_after_done(void)
{
	struct runner runner;
	uint64_t touched = 0;
	struct vring *vring;
	pthread_t thread;
	struct port *port;
	struct rig rig;
	int s, wrong = 0;

	REQUIRE(hf_lane_register_membarrier());
	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	runner = runner_for(vring);
	REQUIRE(pthread_create(&thread, NULL, run_bursts, &runner) == 0);
	for (int i = 0; i < 300; i++) {
		struct waiting w = waiting_for(vring);
		uint64_t before = hf_load_acquire(&runner.bursts);

		hf_store_release(&runner.mine, vring->grant);
		while (hf_load_acquire(&runner.bursts) == before)
			;
		revoke_start(&w.revocation, &port->device, 0);
		if (!w.done)
			rig_until(&rig, is_done, &w, 5000);
		/* The memory is ours: plain accesses. */
		wrong += w.done != 1 || w.owned || vring->base != *rig_used_idx(vring);
		touched = *runner.scratch;
		*runner.scratch = touched;
		wrong += vring->counters[HF_COUNTER_GOOD_PACKETS] != touched * BATCH;
		rig_drain(s);
		grant_offer(&port->device);
		wrong += rig_lane(vring)->used != (uint16_t)(touched * BATCH);
	}
	hf_store_release(&runner.stop, 1u);
	pthread_join(thread, NULL);
	CHECK_EQ(wrong, 0);
	CHECK(touched >= 300);
	CHECK_EQ(rig.primary.refusals[REFUSED_LANE_LIES], 0);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_burst_in_progress_is_waited_for(void)
{
	struct hf_lane_vring *lane;
	struct secondary *secondary;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	lane = rig_lane(&port->device.vrings[1]);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(&port->device.vrings[1]);
	revoke_start(&w.revocation, &port->device, GRANT_ALL_VRINGS);
	CHECK_EQ(w.done, 0);
	CHECK_EQ(rig_grant_word(&port->device.vrings[1]), 0);
	CHECK(port->device.vrings[0].owner == NULL); /* that one was quiet */
	rig_until(&rig, NULL, NULL, 50);
	CHECK_EQ(w.done, 0);
	publish(lane, rig_used_idx(&port->device.vrings[1]), HF_INTENT_ENQUEUE);
	hf_burst_leave(lane);
	CHECK(rig_until(&rig, is_done, &w, 1000));
	CHECK_EQ(w.done, 1);
	CHECK_EQ(port->device.vrings[1].base, BATCH);
	CHECK_EQ(port->device.vrings[1].counters[HF_COUNTER_GOOD_PACKETS], BATCH);
	CHECK_EQ(secondary->nr_vrings, 0);
	CHECK(!secondary->killed);
	CHECK_EQ(rig_events(&rig, EVENT(VRING_REVOKED), NULL), 1);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void overlapping_revocations_are_done_once_each(void)
{
	struct waiting one, all, same;
	struct secondary *first, *second;
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	first = rig_secondary(&rig, "first", VSWITCH, NULL, &s[0]);
	second = rig_secondary(&rig, "second", VSWITCH, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	CHECK(port->device.owner == first);
	lane = rig_lane(vring);
	hf_write_once(&lane->busy, 1u);
	one = same = waiting_for(vring);
	all = waiting_for(vring);
	revoke_start(&one.revocation, &port->device, 0);
	revoke_start(&all.revocation, &port->device, GRANT_ALL_VRINGS);
	secondary_leave(first, true); /* would hand everything to the second */
	revoke_start(&same.revocation, &port->device, 0);
	rig_until(&rig, NULL, NULL, 10);
	CHECK_EQ(one.done + all.done + same.done, 0);
	CHECK(revoke_covers(&port->device.vrings[1]));
	grant_offer(&port->device);
	CHECK(port->device.vrings[1].owner == NULL);
	hf_burst_leave(lane);
	rig_until(&rig, NULL, NULL, 20);
	CHECK_EQ(one.done, 1);
	CHECK_EQ(all.done, 1);
	CHECK_EQ(same.done, 1);
	CHECK(!one.owned && !all.owned && !same.owned);
	CHECK(rig.primary.secondaries[0] == NULL);
	grant_offer(&port->device);
	CHECK(vring->owner == second && port->device.vrings[1].owner == second);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static void a_leaving_secondary_hands_over_at_its_position(void)
{
	struct secondary *first, *second;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	char byte;
	int s[2];

	rig_open(&rig);
	first = rig_secondary(&rig, "first", VSWITCH, NULL, &s[0]);
	second = rig_secondary(&rig, "second", VSWITCH, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	publish(rig_lane(vring), rig_used_idx(vring), HF_INTENT_DEQUEUE);
	rig_drain(s[0]);
	secondary_leave(first, true);
	CHECK(rig.primary.secondaries[0] == NULL);
	CHECK_EQ(recv(s[0], &byte, 1, 0), 0); /* its end says that we are done */
	CHECK(vring->owner == second && port->device.owner == second);
	CHECK_EQ(rig_lane(vring)->used, BATCH);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_DETACHED), NULL), 1);
	CHECK_EQ(hf_directory_secondary(&rig.primary.directory, 0)->state, HF_SECONDARY_FREE);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

/* It died in a burst of the other guest's: whoever ran only this one could give nothing to that. */
static void devices_of_who_leaves_go_on_together(void)
{
	struct secondary *first, *second;
	struct port *quiet, *busy;
	struct hf_lane_vring *lane;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	first = rig_secondary(&rig, "first", VSWITCH, NULL, &s[0]);
	second = rig_secondary(&rig, "second", VSWITCH, NULL, &s[1]);
	quiet = rig_port(&rig, "vm0", 2);
	busy = rig_port(&rig, "vm1", 2);
	grant_offer_all(&rig.primary);
	lane = rig_lane(&busy->device.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	secondary_leave(first, false);
	grant_offer_all(&rig.primary); /* whatever else happens meanwhile */
	rig_until(&rig, NULL, NULL, 10);
	CHECK(quiet->device.vrings[0].owner == NULL && quiet->device.vrings[1].owner == NULL);
	CHECK(busy->device.vrings[0].owner == first);
	hf_burst_leave(lane);
	rig_until(&rig, NULL, NULL, 20);
	for (int i = 0; i < 2; i++) {
		CHECK(quiet->device.vrings[i].owner == second);
		CHECK(busy->device.vrings[i].owner == second);
	}
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static void disabling_is_seen_before_it_is_done(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;
	struct port *port;
	struct rig rig;
	uint64_t grant;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	grant = vring->grant;
	lane = rig_lane(vring);
	hf_write_once(&lane->busy, 1u);
	vring->enabled = false;
	w = waiting_for(NULL);
	grant_set_enabled(&w.revocation, vring, false);
	rig_until(&rig, NULL, NULL, 10);
	CHECK_EQ(w.done, 0);
	hf_burst_leave(lane);
	CHECK(rig_until(&rig, is_done, &w, 1000));
	CHECK(vring->owner != NULL);
	CHECK(vring->grant > grant);
	CHECK_EQ(rig_grant_word(vring), vring->grant); /* no enabled bit */
	w = waiting_for(NULL);
	revoke_start(&w.revocation, &port->device, 0);
	CHECK_EQ(w.done, 1);
	grant_set_enabled(&w.revocation, vring, false); /* not granted: nothing to wait for */
	CHECK_EQ(w.done, 2);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_lying_lane_is_counted_and_the_ring_believed(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	lane = rig_lane(vring);
	publish(lane, rig_used_idx(vring), HF_INTENT_DEQUEUE);
	lane->avail = (uint16_t)(lane->used + RIG_RING_SIZE + 1);
	w = waiting_for(vring);
	revoke_start(&w.revocation, &port->device, 0);
	CHECK_EQ(w.done, 1);
	CHECK_EQ(vring->base, BATCH);
	CHECK_EQ(vring->base_used, BATCH);
	CHECK_EQ(rig.primary.refusals[REFUSED_LANE_LIES], 1);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_broken_ring_is_said_once_and_not_offered_again(void)
{
	const struct event *event;
	struct vring *vring;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	rig_lane(vring)->broken = HF_COUNTER_BREAK_BAD_HEAD + 1;
	grant_check_broken(&rig.primary);
	grant_check_broken(&rig.primary);
	CHECK(vring->broken);
	CHECK(hf_directory_device(&rig.primary.directory, port->device.slot)->vrings[0].flags &
	      HF_VRING_BROKEN);
	w = waiting_for(vring);
	revoke_start(&w.revocation, &port->device, 0);
	REQUIRE(rig_events(&rig, EVENT(VRING_BROKEN), &event) == 1);
	CHECK(!strcmp(event->detail, "break_bad_head"));
	grant_offer(&port->device);
	CHECK(vring->owner == NULL);
	vring->broken = false; /* it was stopped and set up again */
	grant_offer(&port->device);
	CHECK(vring->owner != NULL);
	CHECK_EQ(rig_lane(vring)->broken, 0);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_cancelled_revocation_never_calls(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	lane = rig_lane(vring);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(vring);
	revoke_cancel(&w.revocation);
	revoke_start(&w.revocation, &port->device, 0);
	revoke_cancel(&w.revocation);
	hf_burst_leave(lane);
	rig_until(&rig, NULL, NULL, 10);
	CHECK_EQ(w.done, 0);
	CHECK(rig.primary.revocations == NULL);
	hf_fd_close(&s);
	rig_close(&rig);
}

/* ---- Processes. */

/* From now on the secondary is that process. */
static void becomes(struct rig *rig, struct secondary *secondary, pid_t pid)
{
	loop_remove(rig->primary.loop, &secondary->pidfd_source);
	hf_fd_close(&secondary->pidfd);
	secondary->pid = pid;
	secondary->pidfd = pidfd_open(pid, 0);
	REQUIRE(secondary->pidfd >= 0);
	REQUIRE(loop_add(rig->primary.loop, &secondary->pidfd_source, secondary->pidfd, EPOLLIN) ==
		0);
}

/* `socket` stays the parent's alone. */
static pid_t fork_stuck(struct hf_lane_vring *lane, int socket)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(socket);
		hf_store_release(&lane->busy, 1u);
		for (;;)
			pause();
	}
	return pid;
}

static void who_does_not_leave_its_burst_is_killed_first(void)
{
	struct secondary *secondary;
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s, status;
	pid_t pid;

	rig_open(&rig);
	rig.conf.fence_deadline_ns = 100 * NS_PER_MS;
	secondary = rig_secondary(&rig, "stuck", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	lane = rig_lane(vring);
	pid = fork_stuck(lane, s);
	REQUIRE(pid > 0);
	becomes(&rig, secondary, pid);
	while (!hf_load_acquire(&lane->busy))
		;
	kill(pid, SIGSTOP); /* and its signals would wait */
	w = waiting_for(vring);
	revoke_start(&w.revocation, &port->device, 0);
	rig_until(&rig, is_done, &w, 50);
	CHECK_EQ(w.done, 0);
	CHECK(!secondary->killed);
	CHECK(rig_until(&rig, is_done, &w, 5000));
	CHECK_EQ(w.done, 1);
	CHECK(rig_until(&rig, slot_is_free, &rig, 1000));
	REQUIRE(waitpid(pid, &status, WNOHANG) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_FENCED), NULL), 1);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_DIED), NULL), 1);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void with_fencing_off_the_front_end_waits(void)
{
	struct secondary *secondary;
	struct hf_lane_vring *lane;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	rig.conf.fence = false;
	rig.conf.fence_deadline_ns = 10 * NS_PER_MS;
	secondary = rig_secondary(&rig, "stuck", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	lane = rig_lane(&port->device.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(&port->device.vrings[0]);
	revoke_start(&w.revocation, &port->device, 0);
	rig_until(&rig, NULL, NULL, 60);
	CHECK_EQ(w.done, 0);
	CHECK(!secondary->killed);
	hf_burst_leave(lane);
	CHECK(rig_until(&rig, is_done, &w, 1000));
	hf_fd_close(&s);
	rig_close(&rig);
}

static void who_cannot_be_killed_is_waited_for(void)
{
	struct secondary *secondary;
	struct hf_lane_vring *lane;
	struct waiting w;
	struct port *port;
	struct rig rig;
	uint32_t hit;
	pid_t pid;
	int s;

	rig_open(&rig);
	rig.conf.fence_deadline_ns = 10 * NS_PER_MS;
	secondary = rig_secondary(&rig, "stuck", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	lane = rig_lane(&port->device.vrings[0]);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	becomes(&rig, secondary, pid);
	hf_write_once(&lane->busy, 1u);
	faults_open();
	faults_arm_every(0, FAULT_PROCESS, FAULT_ERROR, 1);
	w = waiting_for(&port->device.vrings[0]);
	revoke_start(&w.revocation, &port->device, 0);
	rig_until(&rig, NULL, NULL, 60);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(hit, 1);
	CHECK_EQ(w.done, 0);
	CHECK(!secondary->killed);
	hf_burst_leave(lane);
	CHECK(rig_until(&rig, is_done, &w, 1000));
	kill(pid, SIGKILL);
	CHECK(rig_until(&rig, slot_is_free, &rig, 1000));
	REQUIRE(waitpid(pid, NULL, 0) == pid);
	hf_fd_close(&s);
	rig_close(&rig);
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
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	rig.conf.fence = false;
	rig.conf.fence_deadline_ns = 10 * NS_PER_MS;
	(void)rig_secondary(&rig, "stuck", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	stuck_lane = rig_lane(&port->device.vrings[0]);
	hf_write_once(&stuck_lane->busy, 1u);
	hf_log_set_level(HF_LOG_WARNING);
	hf_log_set_sink(end_burst, NULL);
	w = waiting_for(&port->device.vrings[0]);
	revoke_start(&w.revocation, &port->device, 0);
	CHECK(rig_until(&rig, is_done, &w, 1000));
	hf_log_set_sink(NULL, NULL);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_revocation_without_a_timer_is_looked_at_now_and_then(void)
{
	struct hf_lane_vring *lane;
	struct waiting w;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	rig.conf.fence = false;
	(void)rig_secondary(&rig, "busy", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	lane = rig_lane(&port->device.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(&port->device.vrings[0]);
	revoke_start(&w.revocation, &port->device, 0);
	loop_timer_clear(rig.primary.loop, &w.revocation.timer); /* as if it could not be armed */
	revoke_look_again(&rig.primary);
	CHECK_EQ(w.done, 0);
	loop_timer_clear(rig.primary.loop, &w.revocation.timer);
	hf_burst_leave(lane);
	revoke_look_again(&rig.primary);
	CHECK_EQ(w.done, 1);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void what_a_dead_owner_said_was_broken_is_tried_again(void)
{
	struct secondary *first, *second;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	first = rig_secondary(&rig, "first", VSWITCH, NULL, &s[0]);
	second = rig_secondary(&rig, "second", VSWITCH, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	rig_lane(vring)->broken = HF_COUNTER_BREAK_BAD_HEAD + 1;
	grant_check_broken(&rig.primary);
	CHECK(vring->broken);
	grant_secondary_died(&rig.primary, first);
	CHECK(!vring->broken && vring->owner == second);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static void run_until_killed(struct hf_lane_vring *lane, const uint64_t *word, uint64_t mine,
			     uint16_t *used_idx)
{
	bool enabled;

	for (;;) {
		if (!hf_burst_enter(lane, word, mine, true, &enabled))
			continue;
		publish(lane, used_idx, HF_INTENT_ENQUEUE);
		hf_burst_leave(lane);
	}
}

/* The parent is here while the child is killed at some instruction of its bursts. */
static void kill_once(struct rig *rig, struct vring *vring, int *wrong)
{
	struct runner r;
	struct secondary *secondary;
	int s;
	pid_t pid;

	secondary = rig_secondary(rig, "doomed", VSWITCH, NULL, &s);
	grant_offer(vring->device);
	r = runner_for(vring);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		run_until_killed(r.lane, r.grant_word, vring->grant, r.used_idx);
	becomes(rig, secondary, pid);
	while (hf_load_acquire(&r.lane->used) == vring->base)
		;
	usleep((useconds_t)(rand() % 300));
	kill(pid, SIGKILL);
	*wrong += !rig_until(rig, slot_is_free, rig, 5000);
	*wrong += vring->owner != NULL || vring->base != *rig_used_idx(vring);
	waitpid(pid, NULL, 0);
	hf_fd_close(&s);
}

static void a_killed_burst_is_recovered_where_the_guest_saw_it(void)
{
	struct port *port;
	struct rig rig;
	int wrong = 0;

	rig_open(&rig);
	port = rig_port(&rig, "vm0", 1);
	for (int i = 0; i < 60; i++) {
		port->device.vrings[0].deaths = 0; /* each is the first: blame.h */
		kill_once(&rig, &port->device.vrings[0], &wrong);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(rig.primary.refusals[REFUSED_LANE_LIES], 0);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_DIED), NULL), 60);
	rig_close(&rig);
}

static void death_hands_over_at_once_and_says_how_long_it_took(void)
{
	struct secondary *first, *second;
	const struct event *event;
	struct hf_lane_vring *lane;
	struct port *port;
	struct rig rig;
	struct waiting w;
	int s[2];
	pid_t pid;

	rig_open(&rig);
	first = rig_secondary(&rig, "first", VSWITCH, NULL, &s[0]);
	second = rig_secondary(&rig, "second", VSWITCH, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	lane = rig_lane(&port->device.vrings[1]);
	pid = fork_stuck(lane, s[0]);
	REQUIRE(pid > 0);
	becomes(&rig, first, pid);
	while (!hf_load_acquire(&lane->busy))
		;
	/* Killed in its burst, with the position not stored and a front-end that waits for it. */
	lane->intent = HF_INTENT_DEQUEUE;
	lane->intent_count = 7;
	*rig_used_idx(&port->device.vrings[1]) = 7;
	w = waiting_for(&port->device.vrings[1]);
	revoke_start(&w.revocation, &port->device, 1);
	CHECK_EQ(w.done, 0);
	kill(pid, SIGKILL);
	CHECK(rig_until(&rig, slot_is_free, &rig, 5000));
	CHECK_EQ(w.done, 1);
	CHECK(!w.owned);
	CHECK_EQ(port->device.vrings[1].base, 7);
	CHECK(port->device.owner == second);
	CHECK(port->device.vrings[0].owner == second);
	REQUIRE(rig_events(&rig, EVENT(SECONDARY_DIED), &event) == 1);
	CHECK(!strcmp(event->secondary, "first"));
	CHECK(event->duration_ns > 0);
	printf("(%llu us) ", (unsigned long long)event->duration_ns / 1000);
	waitpid(pid, NULL, 0);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static void a_closed_socket_is_called_what_it_was(void)
{
	struct secondary *dies, *lives;
	const struct event *event;
	struct port *port;
	struct rig rig;
	int s[2];
	pid_t pid;

	rig_open(&rig);
	dies = rig_secondary(&rig, "dies", VSWITCH, NULL, &s[0]);
	lives = rig_secondary(&rig, "lives", VSWITCH, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	pid = fork_stuck(rig_lane(&port->device.vrings[0]), s[0]);
	REQUIRE(pid > 0);
	becomes(&rig, dies, pid);
	while (!hf_load_acquire(&rig_lane(&port->device.vrings[0])->busy))
		;
	hf_burst_leave(rig_lane(&port->device.vrings[0]));
	hf_fd_close(&s[0]); /* first the socket, a moment later the process */
	rig_until(&rig, NULL, NULL, 20);
	CHECK(port->device.vrings[0].owner == lives);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_DETACHED), NULL), 0);
	kill(pid, SIGKILL);
	CHECK(rig_until(&rig, slot_is_free, &rig, 900));
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_DIED), NULL), 1);
	hf_fd_close(&s[1]);
	rig_until(&rig, NULL, NULL, 1200);
	REQUIRE(rig_events(&rig, EVENT(SECONDARY_DETACHED), &event) == 1);
	CHECK(!strcmp(event->secondary, "lives"));
	CHECK(strstr(event->detail, "without Bye") != NULL);
	CHECK_EQ(rig_events(&rig, EVENT(PORT_ORPHANED), NULL), 1);
	waitpid(pid, NULL, 0);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(a_position_is_recovered_though_the_guest_cut_its_file_short),
	SENTENCE(nothing_is_touched_after_done),
	SENTENCE(a_burst_in_progress_is_waited_for),
	SENTENCE(overlapping_revocations_are_done_once_each),
	SENTENCE(a_leaving_secondary_hands_over_at_its_position),
	SENTENCE(devices_of_who_leaves_go_on_together),
	SENTENCE(disabling_is_seen_before_it_is_done),
	CATALOGUE(a_lying_lane_is_counted_and_the_ring_believed, "[C-8]"),
	SENTENCE(a_broken_ring_is_said_once_and_not_offered_again),
	SENTENCE(a_cancelled_revocation_never_calls),
	CATALOGUE(who_does_not_leave_its_burst_is_killed_first, "[F-2]"),
	SENTENCE(with_fencing_off_the_front_end_waits),
	SENTENCE(who_cannot_be_killed_is_waited_for),
	SENTENCE(a_burst_that_ends_at_the_deadline_ends_the_revocation),
	SENTENCE(a_revocation_without_a_timer_is_looked_at_now_and_then),
	SENTENCE(what_a_dead_owner_said_was_broken_is_tried_again),
	SENTENCE(a_killed_burst_is_recovered_where_the_guest_saw_it),
	SENTENCE(death_hands_over_at_once_and_says_how_long_it_took),
	CATALOGUE(a_closed_socket_is_called_what_it_was, "[C-7]"),
};
SUITE("revoke", sentences)
