/* SPDX-License-Identifier: Apache-2.0 */
/* Who is granted what, and what it is told. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blame.h"
#include "clock.h"
#include "death.h"
#include "device.h"
#include "fd.h"
#include "grant.h"
#include "lane.h"
#include "lane_entries.h"
#include "outbox.h"
#include "primary_rig.h"
#include "refusal.h"
#include "refused.h"
#include "retire.h"
#include "revoke.h"
#include "secondary_life.h"
#include "secondary_request.h"
#include "state.h"
#include "suite.h"
#include "tell.h"
#include "waiting.h"

#define VSWITCH	    HOLDFAST__ATTACH__ROLE__VSWITCH
#define STANDBY	    HOLDFAST__ATTACH__ROLE__STANDBY
#define OBSERVER    HOLDFAST__ATTACH__ROLE__OBSERVER
#define EVENT(name) HOLDFAST__CONTROL__EVENT_KIND__##name
#define BODY(name)  HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name

static void nothing_more(struct revocation *revocation)
{
	(void)revocation;
}

static void take_all_back(struct device *device)
{
	struct revocation r = {.done = nothing_more};

	revoke_start(&r, device, GRANT_ALL_VRINGS);
	CHECK(!r.active);
}

static void the_first_vswitch_that_serves_the_port_gets_it(void)
{
	struct secondary *other, *first, *second;
	struct port *port;
	struct rig rig;
	int s[3];

	rig_open(&rig);
	other = rig_secondary(&rig, "other", VSWITCH, "net*", &s[0]);
	first = rig_secondary(&rig, "first", VSWITCH, "vm*", &s[1]);
	second = rig_secondary(&rig, "second", VSWITCH, NULL, &s[2]);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	CHECK(port->device.owner == first);
	CHECK(port->device.vrings[0].owner == first && port->device.vrings[1].owner == first);
	CHECK_EQ(first->nr_vrings, 2);
	CHECK_EQ(second->nr_vrings + other->nr_vrings, 0);
	CHECK_EQ(rig_events(&rig, EVENT(VRING_GRANTED), NULL), 1);
	take_all_back(&port->device);
	hf_fd_close_all(s, 3);
	rig_close(&rig);
}

static void standbys_come_after_vswitches_by_priority(void)
{
	struct secondary *observer, *low, *high, *vswitch;
	struct port *port;
	struct rig rig;
	int s[4];

	rig_open(&rig);
	observer = rig_secondary(&rig, "observer", OBSERVER, NULL, &s[0]);
	low = rig_secondary(&rig, "low", STANDBY, NULL, &s[1]);
	high = rig_secondary(&rig, "high", STANDBY, NULL, &s[2]);
	high->priority = 5;
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	CHECK(port->device.owner == high);
	vswitch = rig_secondary(&rig, "vswitch", VSWITCH, NULL, &s[3]);
	grant_offer_all(&rig.primary);
	CHECK(port->device.owner == high); /* it lives and serves the port */
	grant_secondary_died(&rig.primary, high);
	CHECK(port->device.owner == vswitch);
	grant_secondary_died(&rig.primary, vswitch);
	CHECK(port->device.owner == low);
	grant_secondary_died(&rig.primary, low);
	CHECK(port->device.owner == NULL);
	CHECK(port->device.vrings[0].owner == NULL);
	CHECK_EQ(observer->nr_vrings, 0);
	hf_fd_close_all(s, 4);
	rig_close(&rig);
}

static void a_ready_device_that_nobody_serves_is_said_once(void)
{
	const struct event *event;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "other", VSWITCH, "net*", &s);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	grant_offer(&port->device);
	grant_offer_all(&rig.primary);
	REQUIRE(rig_events(&rig, EVENT(PORT_ORPHANED), &event) == 1);
	CHECK(!strcmp(event->port, "vm0"));
	hf_fd_close(&s);
	rig_close(&rig);
}

static void memory_comes_before_ready_before_grants(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct secondary *secondary;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	size_t fds;
	int s;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	vring->base = vring->base_used = 4711;
	grant_offer(&port->device);

	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(DEVICE_MEMORY));
	CHECK_EQ(fds, 1);
	CHECK_EQ(m->device_memory->session, port->device.session);
	CHECK_EQ(m->device_memory->total, 1);
	rig_message_free(m);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(DEVICE_READY));
	CHECK_EQ(m->device_ready->mem_generation, port->device.mem_generation);
	rig_message_free(m);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(VRING_GRANT));
	CHECK_EQ(fds, 2); /* kick and call */
	CHECK(m->vring_grant->has_kick && m->vring_grant->has_call && !m->vring_grant->has_err);
	CHECK_EQ(m->vring_grant->grant | HF_GRANT_ENABLED, rig_grant_word(vring));
	CHECK_EQ(m->vring_grant->grant & HF_GRANT_ENABLED, 0);
	CHECK(m->vring_grant->enabled);
	CHECK_EQ(m->vring_grant->lane_entry, vring->lane_entry);
	CHECK_EQ(m->vring_grant->avail, 4711);
	CHECK_EQ(m->vring_grant->used, 4711);
	CHECK_EQ(m->vring_grant->size, RIG_RING_SIZE);
	CHECK_EQ(m->vring_grant->used_gpa, vring->used_gpa);
	rig_message_free(m);
	CHECK_EQ(rig_lane(vring)->used, 4711);
	CHECK_EQ(rig_lane(vring)->grant, vring->grant);
	CHECK_EQ(hf_directory_device(&rig.primary.directory, 0)->vrings[0].owner, secondary->slot);
	take_all_back(&port->device);
	CHECK_EQ(hf_directory_device(&rig.primary.directory, 0)->vrings[0].owner, HF_SHM_NO_OWNER);
	hf_fd_close(&s);
	rig_close(&rig);
}

static size_t skip_to(int s, Holdfast__Attach__ToSecondary__BodyCase body)
{
	Holdfast__Attach__ToSecondary *m;
	size_t skipped = 0;

	while ((m = rig_message(s, NULL)) && m->body_case != body) {
		rig_message_free(m);
		skipped++;
	}
	REQUIRE(m != NULL);
	rig_message_free(m);
	return skipped;
}

static void memory_is_sent_once_for_each_table(void)
{
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	CHECK_EQ(skip_to(s, BODY(VRING_GRANT)), 2);
	take_all_back(&port->device);
	CHECK_EQ(skip_to(s, BODY(VRING_REVOKE)), 0);
	grant_offer(&port->device);
	CHECK_EQ(skip_to(s, BODY(VRING_GRANT)), 0);
	take_all_back(&port->device);
	port->device.mem_generation++;
	grant_offer(&port->device);
	CHECK_EQ(skip_to(s, BODY(VRING_GRANT)), 3); /* revoke, memory, ready */
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void add_regions(struct device *device, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		device->memory.regions[i] = device->memory.regions[0];
		device->memory.regions[i].gpa = (uint64_t)i * RIG_MEMORY;
		device->region_fds[i] = dup(device->region_fds[0]);
	}
	device->memory.count = count;
}

static void many_regions_come_in_packets_of_a_hundred(void)
{
	static const uint32_t expected[][2] = {{0, 100}, {100, 100}, {200, 50}};
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	add_regions(&port->device, 250);
	grant_offer(&port->device);
	for (size_t i = 0; i < 3; i++) {
		size_t fds;
		Holdfast__Attach__ToSecondary *m = rig_message(s, &fds);

		REQUIRE(m && m->body_case == BODY(DEVICE_MEMORY));
		CHECK_EQ(m->device_memory->first, expected[i][0]);
		CHECK_EQ(fds, expected[i][1]);
		CHECK_EQ(m->device_memory->total, 250);
		rig_message_free(m);
	}
	CHECK_EQ(skip_to(s, BODY(VRING_GRANT)), 1);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void grants_are_never_used_twice(void)
{
	struct port *port;
	struct rig rig;
	uint64_t last = 0;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	for (int i = 0; i < 10; i++) {
		grant_offer(&port->device);
		CHECK(port->device.vrings[0].grant > last);
		CHECK(port->device.vrings[1].grant > port->device.vrings[0].grant);
		last = port->device.vrings[1].grant;
		take_all_back(&port->device);
		CHECK_EQ(rig_grant_word(&port->device.vrings[0]), 0);
		rig_drain(s);
	}
	hf_fd_close(&s);
	rig_close(&rig);
}

static void only_started_whole_vrings_are_granted(void)
{
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 4);
	port->device.vrings[1].started = false;
	port->device.vrings[2].broken = true;
	port->device.vrings[3].enabled = false;
	grant_offer(&port->device);
	CHECK(port->device.vrings[0].owner != NULL);
	CHECK(port->device.vrings[1].owner == NULL);
	CHECK(port->device.vrings[2].owner == NULL);
	CHECK_EQ(rig_grant_word(&port->device.vrings[3]), port->device.vrings[3].grant);
	CHECK_EQ(rig_grant_word(&port->device.vrings[0]),
		 port->device.vrings[0].grant | HF_GRANT_ENABLED);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_port_that_is_being_removed_gets_nothing(void)
{
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	port->removing = true;
	grant_offer(&port->device);
	CHECK(port->device.vrings[0].owner == NULL);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void call_state_and_announcement_go_to_the_owner(void)
{
	Holdfast__Attach__ToSecondary *m;
	const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};
	struct vring *vring;
	struct port *port;
	struct rig rig;
	size_t fds;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	vring->enabled = false;
	grant_send_call(vring); /* nobody to tell */
	grant_offer(&port->device);
	rig_drain(s);

	grant_send_call(vring);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(VRING_NOTIFY));
	CHECK(m->vring_notify->has_call && fds == 1);
	rig_message_free(m);
	hf_fd_close(&vring->call);
	grant_send_call(vring);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(VRING_NOTIFY));
	CHECK(!m->vring_notify->has_call && fds == 0);
	rig_message_free(m);

	vring->enabled = true;
	grant_set_enabled(NULL, vring, true);
	CHECK_EQ(rig_grant_word(vring), vring->grant | HF_GRANT_ENABLED);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(VRING_STATE));
	CHECK(m->vring_state->enabled);
	rig_message_free(m);

	grant_send_rarp(&port->device, mac);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(DEVICE_RARP));
	CHECK_EQ(m->device_rarp->mac.len, 6);
	CHECK(!memcmp(m->device_rarp->mac.data, mac, 6));
	rig_message_free(m);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_lane_entry_serves_one_vring_until_retired(void)
{
	struct secondary *secondary;
	uint32_t first, second;
	uint64_t session;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	session = port->device.session;
	grant_offer(&port->device);
	first = port->device.vrings[0].lane_entry;
	take_all_back(&port->device);
	grant_offer(&port->device);
	CHECK_EQ(port->device.vrings[0].lane_entry, first);
	take_all_back(&port->device);
	grant_retire(&port->device);
	port->device.session = rig.primary.next_session++;
	grant_offer(&port->device);
	second = port->device.vrings[0].lane_entry;
	CHECK(second != first);
	CHECK(secondary->lane_used[0] & (1ull << first));
	secondary_lane_retired(secondary, port->device.slot, session + 100);
	CHECK(secondary->lane_used[0] & (1ull << first));
	secondary_lane_retired(secondary, port->device.slot, session);
	CHECK(!(secondary->lane_used[0] & (1ull << first)));
	CHECK(secondary->lane_used[0] & (1ull << second));
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_full_lane_leaves_vrings_idle_and_no_more(void)
{
	struct secondary *secondary;
	struct port *a, *b;
	struct rig rig;
	uint32_t granted = 0;
	int s;

	rig_open(&rig);
	rig.conf.lane_bytes = 4096; /* 6 vrings */
	secondary = rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	a = rig_port(&rig, "vm0", 4);
	b = rig_port(&rig, "vm1", 4);
	grant_offer_all(&rig.primary);
	for (int i = 0; i < 4; i++)
		granted +=
			(a->device.vrings[i].owner != NULL) + (b->device.vrings[i].owner != NULL);
	CHECK_EQ(granted, 6);
	CHECK_EQ(secondary->nr_vrings, 6);
	take_all_back(&a->device);
	take_all_back(&b->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void say_retired(int socket, uint32_t device, uint64_t session)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	retired.device = device;
	retired.session = session;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_RETIRED;
	message.retired = &retired;
	REQUIRE(hf_frame_send(socket, &message.base, NULL, 0) == 0);
}

static void next_session(struct rig *rig, struct device *device)
{
	take_all_back(device);
	grant_retire(device);
	device->session = rig->primary.next_session++;
	grant_offer(device);
}

static void vrings_that_found_no_entry_are_granted_when_one_is_free(void)
{
	struct port *a, *b;
	uint64_t session;
	struct rig rig;
	int s;

	rig_open(&rig);
	rig.conf.lane_bytes = 4096; /* 6 vrings */
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	a = rig_port(&rig, "vm0", 5);
	b = rig_port(&rig, "vm1", 4);
	grant_offer_all(&rig.primary);
	CHECK(b->device.vrings[0].owner && !b->device.vrings[3].owner);
	session = a->device.session;
	take_all_back(&a->device);
	for (int i = 0; i < 5; i++)
		a->device.vrings[i].started = false;
	grant_retire(&a->device);
	say_retired(s, a->device.slot, session);
	rig_until(&rig, NULL, NULL, 2);
	CHECK(b->device.vrings[3].owner != NULL);
	take_all_back(&b->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

/* For want of memory, say: nobody says when there is some again. */
static void vrings_that_found_no_entry_are_tried_again_by_themselves(void)
{
	struct secondary *secondary;
	uint32_t entries;
	struct port *a;
	struct rig rig;
	int s;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	a = rig_port(&rig, "vm0", 2);
	entries = secondary->lane_entries;
	secondary->lane_entries = 2; /* the header and one */
	grant_offer_all(&rig.primary);
	CHECK(secondary->starved && a->device.vrings[0].owner && !a->device.vrings[1].owner);
	grant_offer_again(&rig.primary, hf_now_ns());
	CHECK(secondary->starved && !a->device.vrings[1].owner);
	secondary->lane_entries = entries;
	grant_offer_again(&rig.primary, hf_now_ns());
	CHECK(!secondary->starved && a->device.vrings[1].owner);
	take_all_back(&a->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_port_that_reconnects_all_the_time_does_not_take_the_whole_lane(void)
{
	struct secondary *secondary;
	struct port *a, *b;
	struct rig rig;
	uint64_t first;
	int s;

	rig_open(&rig);
	rig.conf.lane_bytes = 4096;
	secondary = rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	a = rig_port(&rig, "vm0", 1);
	b = rig_port(&rig, "vm1", 2);
	first = a->device.session;
	grant_offer(&a->device);
	for (int i = 0; i < 20; i++)
		next_session(&rig, &a->device);
	CHECK(a->device.vrings[0].owner == NULL && secondary->starved);
	grant_offer(&b->device);
	CHECK(b->device.vrings[0].owner && b->device.vrings[1].owner);
	say_retired(s, a->device.slot, first);
	rig_until(&rig, NULL, NULL, 2);
	CHECK(a->device.vrings[0].owner == secondary);
	take_all_back(&a->device);
	take_all_back(&b->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void memory_that_was_taken_away_is_let_go_by_an_owner_whose_rings_stopped(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct port *port;
	struct rig rig;
	size_t fds;
	int s;

	rig_open(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	take_all_back(&port->device);
	rig_drain(s);
	port->device.vrings[0].started = false;
	port->device.memory.count = 0;
	port->device.mem_generation++;
	grant_offer(&port->device);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(DEVICE_MEMORY));
	CHECK(m->device_memory->total == 0 && fds == 0);
	rig_message_free(m);
	REQUIRE((m = rig_message(s, &fds)) && m->body_case == BODY(DEVICE_READY));
	CHECK_EQ(m->device_ready->mem_generation, port->device.mem_generation);
	rig_message_free(m);
	grant_offer(&port->device);
	CHECK(recv(s, &fds, 1, MSG_PEEK | MSG_DONTWAIT) < 0); /* once */
	port->device.memory.count = 1;
	hf_fd_close(&s);
	rig_close(&rig);
}

static void events_of_one_front_end_do_not_push_out_the_others(void)
{
	const struct event *last = NULL;
	struct rig rig;

	rig_open(&rig);
	(void)rig_port(&rig, "noisy", 1);
	event_emit(&rig.primary, EVENT(PORT_ADDED), "quiet", NULL, -1, 0, "%s", "");
	for (int i = 0; i < 3000; i++)
		event_emit(&rig.primary, EVENT(SESSION_OPENED), "noisy", NULL, -1, 0, "%s", "x");
	CHECK_EQ(rig_events(&rig, EVENT(PORT_ADDED), NULL), 1);
	CHECK(rig_events(&rig, EVENT(SESSION_OPENED), NULL) < 200);
	rig_until(&rig, NULL, NULL, 110);
	event_emit(&rig.primary, EVENT(SESSION_CLOSED), "noisy", NULL, -1, 0, "%s", "x");
	REQUIRE(rig_events(&rig, EVENT(SESSION_CLOSED), &last) == 1);
	CHECK(strstr(last->detail, "more before it left out") != NULL);
	rig_close(&rig);
}

static bool is_gone(void *context)
{
	struct rig *rig = context;

	return !rig->primary.secondaries[0] || rig->primary.secondaries[0]->leaving;
}

static void who_does_not_read_is_cut_off_and_its_vrings_go_on(void)
{
	struct secondary *deaf, *other;
	struct port *port;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	deaf = rig_secondary(&rig, "deaf", VSWITCH, NULL, &s[0]);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	CHECK(port->device.owner == deaf);
	for (int i = 0; i < 100000 && !deaf->cut; i++)
		grant_set_enabled(NULL, &port->device.vrings[0], true);
	CHECK(deaf->cut);
	other = rig_secondary(&rig, "other", VSWITCH, NULL, &s[1]);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_SLOW], 1);
	CHECK(port->device.vrings[0].owner == deaf); /* not from inside the call */
	CHECK(rig_until(&rig, is_gone, &rig, 1000));
	CHECK(port->device.vrings[0].owner == other);
	take_all_back(&port->device);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static void what_waits_is_sent_in_order_when_there_is_room(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct secondary *secondary;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s, wrong = 0;
	size_t fds;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "slow", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	rig_drain(s);
	/* The number goes where the session is: a sequence to look for. */
	for (unsigned int i = 0; i < 2000; i++) {
		port->device.session = i;
		grant_set_enabled(NULL, vring, true);
	}
	CHECK(!secondary->cut);
	for (unsigned int i = 0; i < 2000; i++) {
		if (i % 50 == 0)
			rig_until(&rig, NULL, NULL, 1);
		m = rig_message(s, &fds);
		REQUIRE(m != NULL);
		wrong += m->body_case != BODY(VRING_STATE) || fds != 0 ||
			 m->vring_state->session != i;
		rig_message_free(m);
	}
	CHECK_EQ(wrong, 0);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void calls_and_announcements_do_not_pile_up(void)
{
	unsigned int calls = 0, rarps = 0, last = 0;
	Holdfast__Attach__ToSecondary *m;
	struct secondary *secondary;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "slow", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	rig_drain(s);
	for (unsigned int i = 1; i <= 50000; i++) {
		grant_send_rarp(&port->device, (uint8_t[6]){(uint8_t)i, (uint8_t)(i >> 8)});
		grant_send_call(vring);
	}
	CHECK(!secondary->cut);
	CHECK(!grant_congested(&port->device));
	do {
		rig_until(&rig, NULL, NULL, 2);
		while (recv(s, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) > 0 &&
		       (m = rig_message(s, NULL))) {
			calls += m->body_case == BODY(VRING_NOTIFY);
			rarps += m->body_case == BODY(DEVICE_RARP);
			if (m->body_case == BODY(DEVICE_RARP))
				last = m->device_rarp->mac.data[0] |
				       (unsigned int)m->device_rarp->mac.data[1] << 8;
			rig_message_free(m);
		}
	} while (!secondary_idle(secondary) || port->device.rarp_unsent || vring->call_unsent);
	CHECK(calls < 1000 && rarps < 1000);
	CHECK_EQ(last, 50000);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

/* The next message must be of this kind, with so many descriptors. */
static Holdfast__Attach__ToSecondary *expect(int s, Holdfast__Attach__ToSecondary__BodyCase body,
					     size_t fds)
{
	size_t came = 0;
	Holdfast__Attach__ToSecondary *m = rig_message(s, &came);

	REQUIRE(m != NULL);
	CHECK_EQ(m->body_case, body);
	CHECK_EQ(came, fds);
	return m;
}

static void expect_only(int s, Holdfast__Attach__ToSecondary__BodyCase body, size_t fds)
{
	rig_message_free(expect(s, body, fds));
}

static bool has_message(int s)
{
	char byte;

	return recv(s, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void who_waits_is_prepared_and_takes_over_without_descriptors(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct secondary *owner, *spare;
	const struct event *event;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	uint32_t entry;
	int s[4];

	rig_open(&rig);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s[0]);
	spare = rig_secondary(&rig, "spare", STANDBY, "vm*", &s[1]);
	(void)rig_secondary(&rig, "watch", OBSERVER, NULL, &s[2]);
	(void)rig_secondary(&rig, "other", VSWITCH, "net*", &s[3]);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	grant_offer(&port->device);
	grant_offer(&port->device); /* nothing new */
	CHECK(port->device.owner == owner);
	expect_only(s[1], BODY(DEVICE_MEMORY), 1);
	expect_only(s[1], BODY(DEVICE_READY), 0);
	m = expect(s[1], BODY(VRING_PREPARE), 2);
	CHECK_EQ(m->vring_prepare->size, RIG_RING_SIZE);
	CHECK_EQ(m->vring_prepare->used_gpa, vring->used_gpa);
	entry = m->vring_prepare->lane_entry;
	CHECK(entry != 0);
	rig_message_free(m);
	CHECK(!has_message(s[1]) && !has_message(s[2]) && !has_message(s[3]));

	*rig_used_idx(vring) = 7;
	rig_lane(vring)->used = rig_lane(vring)->avail = 7;
	grant_secondary_died(&rig.primary, owner);
	CHECK(vring->owner == spare);
	m = expect(s[1], BODY(VRING_GRANT), 0);
	CHECK(m->vring_grant->prepared);
	CHECK_EQ(m->vring_grant->lane_entry, entry);
	CHECK_EQ(m->vring_grant->used, 7);
	rig_message_free(m);
	REQUIRE(rig_events(&rig, EVENT(TAKEN_OVER), &event) == 1);
	CHECK(!strcmp(event->secondary, "spare") && !strcmp(event->port, "vm0"));
	CHECK(event->duration_ns > 0);
	CHECK_EQ(rig.primary.continuity.takeovers, 1);
	take_all_back(&port->device);
	hf_fd_close_all(s, 4);
	rig_close(&rig);
}

static void what_changes_is_sent_to_those_who_wait(void)
{
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	(void)rig_secondary(&rig, "owner", VSWITCH, NULL, &s[0]);
	(void)rig_secondary(&rig, "spare", STANDBY, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	vring->started = false;
	grant_offer(&port->device);
	CHECK_EQ(skip_to(s[1], BODY(VRING_PREPARE)), 2);
	vring->started = true; /* one more */
	grant_offer(&port->device);
	expect_only(s[1], BODY(VRING_PREPARE), 2);
	grant_send_call(vring);
	expect_only(s[1], BODY(VRING_NOTIFY), 1);

	take_all_back(&port->device); /* a new kick */
	vring->setup++;
	grant_offer(&port->device);
	expect_only(s[1], BODY(VRING_PREPARE), 2);
	CHECK_EQ(skip_to(s[0], BODY(VRING_REVOKE)), 5);
	expect_only(s[0], BODY(VRING_REVOKE), 0);
	expect_only(s[0], BODY(VRING_GRANT), 0); /* as it was */
	expect_only(s[0], BODY(VRING_GRANT), 2);

	take_all_back(&port->device); /* a new memory table */
	port->device.mem_generation++;
	grant_offer(&port->device);
	expect_only(s[1], BODY(DEVICE_MEMORY), 1);
	expect_only(s[1], BODY(DEVICE_READY), 0);
	expect_only(s[1], BODY(VRING_PREPARE), 2);
	expect_only(s[1], BODY(VRING_PREPARE), 2);

	take_all_back(&port->device); /* the end of the session */
	grant_retire(&port->device);
	expect_only(s[1], BODY(DEVICE_RETIRE), 0);
	CHECK(!has_message(s[1]));
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static void the_state_of_the_dead_goes_to_the_next_after_its_grants(void)
{
	struct secondary *owner, *spare;
	struct port *port;
	struct rig rig;
	struct state *state;
	int s[2], fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	rig_open(&rig);
	REQUIRE(ftruncate(fd, 4096) == 0);
	CHECK_EQ(state_create(&state, fd), -EINVAL); /* might shrink */
	REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s[0]);
	REQUIRE(state_create(&owner->state, fd) == 0);
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	grant_secondary_died(&rig.primary, owner);
	secondary_destroy(owner);
	CHECK(port->device.owner == NULL); /* nobody is there yet */
	spare = rig_secondary(&rig, "spare", VSWITCH, NULL, &s[1]);
	grant_offer_all(&rig.primary);
	CHECK(port->device.owner == spare);
	CHECK_EQ(skip_to(s[1], BODY(VRING_GRANT)), 2);
	expect_only(s[1], BODY(PEER_STATE), 1);
	take_all_back(&port->device); /* once */
	grant_offer(&port->device);
	expect_only(s[1], BODY(VRING_REVOKE), 0);
	expect_only(s[1], BODY(VRING_GRANT), 0);
	CHECK(!has_message(s[1]));
	take_all_back(&port->device);
	hf_fd_close_all(s, 2);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static int blame_socket; /* of who runs them */

/* The vrings of these indices are in a burst, each after so many; then its owner dies, and the next
 * one comes. */
static void die_in(struct rig *rig, struct port *port, uint32_t vrings, uint64_t after)
{
	struct secondary *owner = port->device.owner;

	REQUIRE(owner != NULL);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		const struct vring *vring = &port->device.vrings[i];

		if (!vring->owner)
			continue;
		rig_lane(vring)->busy = vrings >> i & 1;
		rig_lane(vring)->counters[HF_COUNTER_EMPTY_BURSTS] = after;
	}
	grant_secondary_died(&rig->primary, owner);
	secondary_destroy(owner);
	hf_fd_close(&blame_socket);
	(void)rig_secondary(rig, "next", VSWITCH, NULL, &blame_socket);
	grant_offer_all(&rig->primary);
}

static void open_blame(struct rig *rig, struct port **ret_port)
{
	rig_open(rig);
	(void)rig_secondary(rig, "first", VSWITCH, NULL, &blame_socket);
	*ret_port = rig_port(rig, "vm0", 4);
	grant_offer(&(*ret_port)->device);
}

static void close_blame(struct rig *rig, struct port *port)
{
	take_all_back(&port->device);
	hf_fd_close(&blame_socket);
	rig_close(rig);
}

static void a_ring_whose_first_burst_ends_three_owners_is_run_by_nobody(void)
{
	const struct event *event;
	struct vring *vring;
	struct port *port;
	struct rig rig;

	open_blame(&rig, &port);
	vring = &port->device.vrings[2];
	die_in(&rig, port, 1u << 2, 5); /* the first one has run it for a while */
	die_in(&rig, port, 1u << 2, 0);
	CHECK(vring->owner != NULL && !vring->broken);
	die_in(&rig, port, 1u << 2, 0);
	CHECK(vring->owner == NULL && vring->broken);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(i == 2 || port->device.vrings[i].owner != NULL);
	CHECK_EQ(rig.primary.refusals[REFUSED_ENDS_OWNERS], 1);
	REQUIRE(rig_events(&rig, EVENT(VRING_BROKEN), &event) == 1);
	CHECK_EQ(event->vring, 2);
	/* Set up anew it has one try; one burst that ends is forgiveness. */
	vring->broken = false;
	grant_offer(&port->device);
	die_in(&rig, port, 1u << 2, 0);
	CHECK(vring->owner == NULL && vring->broken);
	vring->broken = false;
	grant_offer(&port->device);
	die_in(&rig, port, 0, 0); /* it is not in a burst of it */
	CHECK(vring->owner != NULL && !vring->broken);
	die_in(&rig, port, 0, 1);
	for (int i = 0; i < 2; i++)
		die_in(&rig, port, 1u << 2, 0);
	CHECK(vring->owner != NULL && !vring->broken);
	CHECK_EQ(rig.primary.refusals[REFUSED_ENDS_OWNERS], 2);
	close_blame(&rig, port);
}

static void deaths_from_outside_break_no_ring(void)
{
	struct port *port;
	struct rig rig;

	open_blame(&rig, &port);
	for (int i = 0; i < 20; i++)
		die_in(&rig, port, 0xf, 1);
	for (int i = 0; i < 20; i++)
		die_in(&rig, port, 0, 0);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(port->device.vrings[i].owner != NULL && !port->device.vrings[i].broken);
	CHECK_EQ(rig.primary.refusals[REFUSED_ENDS_OWNERS], 0);
	close_blame(&rig, port);
}

static void of_a_hops_two_rings_the_source_is_broken_first(void)
{
	struct vring *source, *destination;
	struct port *port;
	struct rig rig;

	open_blame(&rig, &port);
	destination = &port->device.vrings[0];
	source = &port->device.vrings[3];
	for (int i = 0; i < 3; i++)
		die_in(&rig, port, 1u << 0 | 1u << 3, 0);
	CHECK(source->broken && !destination->broken);
	die_in(&rig, port, 1u << 0, 0); /* it was not the source's doing */
	CHECK(destination->broken);
	CHECK_EQ(rig.primary.refusals[REFUSED_ENDS_OWNERS], 2);
	close_blame(&rig, port);
}

/* Or a bad release of a switch would leave rings behind that only their guests can heal. */
static void a_broken_ring_is_tried_again_after_a_while_and_after_longer_ones(void)
{
	uint64_t minute = 60 * NS_PER_S, wait = minute;
	struct vring *vring;
	struct port *port;
	struct rig rig;

	open_blame(&rig, &port);
	vring = &port->device.vrings[1];
	for (int i = 0; i < 2; i++)
		die_in(&rig, port, 1u << 1, 0);
	for (int i = 0; i < 6; i++, wait = wait < 16 * minute ? 2 * wait : wait) {
		uint64_t before = hf_now_ns();

		die_in(&rig, port, 1u << 1, 0);
		CHECK(vring->broken && !vring->owner);
		grant_forgive(&rig.primary, before + wait - 1);
		CHECK(vring->broken && !vring->owner);
		grant_forgive(&rig.primary, hf_now_ns() + wait);
		CHECK(!vring->broken && vring->owner);
	}
	die_in(&rig, port, 1u << 1, 1);
	CHECK(vring->owner && vring->deaths == 1);
	/* One that was broken in an earlier life of the primary's. */
	take_all_back(&port->device);
	vring->deaths = 3;
	vring->broken = true;
	grant_forgive(&rig.primary, hf_now_ns());
	CHECK(vring->broken);
	grant_forgive(&rig.primary, hf_now_ns() + minute);
	CHECK(!vring->broken);
	/* And one that the guest broke stays so. */
	take_all_back(&port->device);
	vring->deaths = 0;
	vring->broken = true;
	grant_forgive(&rig.primary, hf_now_ns() + 100 * minute);
	CHECK(vring->broken);
	close_blame(&rig, port);
}

static void a_ring_that_its_guest_breaks_under_its_owner_is_not_forgiven(void)
{
	uint64_t hour = 3600 * NS_PER_S;
	struct vring *vring;
	struct port *port;
	struct rig rig;

	open_blame(&rig, &port);
	vring = &port->device.vrings[1];
	for (int i = 0; i < 3; i++)
		die_in(&rig, port, 1u << 1, 0);
	grant_forgive(&rig.primary, hf_now_ns() + hour);
	REQUIRE(vring->owner && !vring->broken);
	rig_lane(vring)->broken = 1;
	grant_check_broken(&rig.primary);
	CHECK(vring->broken && vring->deaths == 3);
	for (int i = 1; i < 4; i++) {
		if (i == 2)
			rig_lane(vring)->counters[HF_COUNTER_BURSTS] = 1;
		grant_forgive(&rig.primary, hf_now_ns() + (uint64_t)i * hour);
		CHECK(vring->broken && vring->owner);
		CHECK_EQ(vring->deaths, i < 2 ? 3 : 0);
		grant_check_broken(&rig.primary);
	}
	CHECK_EQ(rig_events(&rig, EVENT(VRING_BROKEN), NULL), 2); /* by deaths; by its guest */
	close_blame(&rig, port);
}

/* One whose ring ends switches, and one who only sends to him. */
static void a_destination_that_ends_switches_leaves_no_other_guest_broken(void)
{
	struct vring *source, *destination;
	struct port *guilty, *innocent;
	struct rig rig;

	rig_open(&rig);
	(void)rig_secondary(&rig, "first", VSWITCH, NULL, &blame_socket);
	guilty = rig_port(&rig, "vm0", 2);
	innocent = rig_port(&rig, "vm1", 2);
	grant_offer_all(&rig.primary);
	destination = &guilty->device.vrings[0];
	source = &innocent->device.vrings[1];
	for (int i = 0; i < 3; i++) {
		if (source->owner)
			rig_lane(source)->busy = 1;
		die_in(&rig, guilty, 1u << 0, 0);
	}
	CHECK(source->broken && !destination->broken);
	die_in(&rig, guilty, 1u << 0, 0);
	CHECK(destination->broken);
	grant_forgive(&rig.primary, hf_now_ns());
	CHECK(!source->broken && source->owner);
	CHECK(destination->broken);
	take_all_back(&innocent->device);
	close_blame(&rig, guilty);
}

static void the_end_of_a_session_does_not_forgive_a_ring(void)
{
	struct port *port;
	struct rig rig;

	open_blame(&rig, &port);
	for (int i = 0; i < 2; i++)
		die_in(&rig, port, 1, 0);
	take_all_back(&port->device);
	device_reset(&port->device);
	CHECK_EQ(port->device.vrings[0].deaths, 2);
	CHECK_EQ(port->device.vrings[1].deaths, 0);
	close_blame(&rig, port);
}

static int refuse(struct secondary *secondary, const struct vring *vring, uint64_t life, int error)
{
	Holdfast__Attach__VringRefused refused = HOLDFAST__ATTACH__VRING_REFUSED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct hf_frame frame = {0};

	refused.device = vring->device->slot;
	refused.session = vring->device->session;
	refused.vring = vring->index;
	refused.grant = vring->grant;
	refused.error = error;
	refused.life = life;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_VRING_REFUSED;
	message.vring_refused = &refused;
	return secondary_request(secondary, &message, &frame);
}

static void a_refusal_of_what_an_earlier_life_said_breaks_no_ring(void)
{
	struct secondary *owner;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	uint64_t grant;
	int s;

	rig_open(&rig);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	grant_offer(&port->device);
	grant = vring->grant;
	CHECK_EQ(refuse(owner, vring, 7, -EINVAL), 0);
	CHECK(vring->owner == owner && vring->grant == grant && !vring->broken);
	CHECK_EQ(rig_grant_word(vring) & ~HF_GRANT_ENABLED, grant);
	CHECK_EQ(refuse(owner, vring, 0, -EINVAL), 0);
	CHECK(vring->owner == NULL && vring->broken);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

/* Or one switch without memory would take the guest's ring from all others. */
static void a_ring_that_its_owner_has_no_memory_for_is_offered_again(void)
{
	static const int shortages[] = {-ENOMEM, -EMFILE, -ENXIO};
	struct secondary *owner;
	struct vring *vring;
	uint64_t now = hf_now_ns();
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	grant_offer(&port->device);
	for (size_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
		uint64_t grant = vring->grant;

		CHECK_EQ(refuse(owner, vring, 0, shortages[i]), 0);
		grant_offer(&port->device); /* not at once */
		CHECK(vring->owner == NULL && !vring->broken);
		/* Each time twice as long as before. */
		grant_offer_again(&rig.primary, now + (NS_PER_S << i) - NS_PER_MS);
		CHECK(vring->owner == NULL);
		grant_offer_again(&rig.primary, now + (NS_PER_S << i) + 100 * NS_PER_MS);
		CHECK(vring->owner == owner && vring->grant != grant);
	}
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

/* A primary that dies over the directory leaves each of its secondaries one that is busy. */
static void a_ring_whose_owner_met_a_busy_directory_is_offered_at_each_look(void)
{
	struct secondary *owner;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	grant_offer(&port->device);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(refuse(owner, vring, 0, -EBUSY), 0);
		grant_offer(&port->device); /* not at once */
		CHECK(vring->owner == NULL && !vring->broken && !vring->lacked);
		grant_offer_again(&rig.primary, hf_now_ns());
		CHECK(vring->owner == owner);
	}
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

#define PUT_OFF HOLDFAST__CONTROL__EVENT_KIND__VRING_PUT_OFF
#define GRANTED HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED

static void a_ring_whose_owner_always_lacks_is_said_once_and_tried_ever_later(void)
{
	uint64_t now = hf_now_ns(), far;
	uint32_t granted;
	struct secondary *owner;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s;

	rig_open(&rig);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	grant_offer(&port->device);
	granted = rig_events(&rig, GRANTED, NULL);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(refuse(owner, vring, 0, -EMFILE), 0);
		far = now + 65 * NS_PER_S;
		CHECK(vring->put_off_ns > now && vring->put_off_ns <= far);
		grant_offer_again(&rig.primary, far);
		CHECK(vring->owner == owner);
	}
	CHECK_EQ(rig_events(&rig, PUT_OFF, NULL), 1);
	CHECK_EQ(rig_events(&rig, GRANTED, NULL), granted); /* of the first try */
	CHECK(vring_lacks(vring));
	/* It runs at last. */
	rig_lane(vring)->counters[HF_COUNTER_BURSTS] = 1;
	grant_offer_again(&rig.primary, now);
	CHECK(!vring_lacks(vring) && vring->lacked == 0);
	CHECK_EQ(rig_events(&rig, GRANTED, NULL), granted + 1);
	take_all_back(&port->device);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_device_that_its_owner_lacks_for_goes_to_the_next_one(void)
{
	uint64_t far = hf_now_ns() + 100 * NS_PER_S;
	struct secondary *poor, *rich;
	struct port *port;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	poor = rig_secondary(&rig, "poor", VSWITCH, NULL, &s[0]);
	rich = rig_secondary(&rig, "rich", VSWITCH, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	for (int i = 0; i < 3; i++) {
		CHECK(port->device.owner == poor);
		CHECK_EQ(refuse(poor, &port->device.vrings[0], 0, -EMFILE), 0);
		CHECK_EQ(refuse(poor, &port->device.vrings[1], 0, -EMFILE), 0);
		if (i < 2)
			grant_offer_again(&rig.primary, far);
	}
	CHECK(port->device.owner == rich);
	CHECK(port->device.vrings[0].owner == rich && port->device.vrings[1].owner == rich);
	CHECK_EQ(port->device.vrings[0].lacked, 3); /* who has it now may lack as much */
	/* And back, should that one lack as well: what it was prepared with is tried first. */
	for (int i = 0; i < 8 && port->device.owner == rich; i++) {
		CHECK_EQ(refuse(rich, &port->device.vrings[0], 0, -ENOMEM), 0);
		CHECK_EQ(refuse(rich, &port->device.vrings[1], 0, -ENOMEM), 0);
		if (port->device.owner == rich)
			grant_offer_again(&rig.primary, far);
	}
	CHECK(port->device.owner == poor);
	take_all_back(&port->device);
	hf_fd_close(&s[0]);
	hf_fd_close(&s[1]);
	rig_close(&rig);
}

static void who_comes_after_the_death_of_one_that_lacked_does_not_wait_for_its_rings(void)
{
	uint64_t far = hf_now_ns() + 100 * NS_PER_S;
	struct secondary *owner, *next;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[2];

	rig_open(&rig);
	owner = rig_secondary(&rig, "owner", VSWITCH, NULL, &s[0]);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	grant_offer(&port->device);
	for (int i = 0; i < 7; i++) {
		grant_offer_again(&rig.primary, far);
		CHECK_EQ(refuse(owner, vring, 0, -EMFILE), 0);
	}
	CHECK(vring->owner == NULL && vring->put_off_ns && vring->lacked == 7);
	grant_secondary_died(&rig.primary, owner);
	secondary_destroy(owner);
	next = rig_secondary(&rig, "owner", VSWITCH, NULL, &s[1]);
	grant_offer_all(&rig.primary);
	CHECK(port->device.vrings[0].owner == next && vring->owner == next);
	CHECK_EQ(vring->lacked, 0);
	take_all_back(&port->device);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(who_comes_after_the_death_of_one_that_lacked_does_not_wait_for_its_rings),
	SENTENCE(a_ring_that_its_owner_has_no_memory_for_is_offered_again),
	SENTENCE(a_ring_whose_owner_met_a_busy_directory_is_offered_at_each_look),
	SENTENCE(a_ring_whose_owner_always_lacks_is_said_once_and_tried_ever_later),
	SENTENCE(a_device_that_its_owner_lacks_for_goes_to_the_next_one),
	SENTENCE(a_refusal_of_what_an_earlier_life_said_breaks_no_ring),
	SENTENCE(who_waits_is_prepared_and_takes_over_without_descriptors),
	SENTENCE(what_changes_is_sent_to_those_who_wait),
	SENTENCE(the_state_of_the_dead_goes_to_the_next_after_its_grants),
	CATALOGUE(a_ring_whose_first_burst_ends_three_owners_is_run_by_nobody, "[F-1]"),
	CATALOGUE(deaths_from_outside_break_no_ring, "[F-1]"),
	SENTENCE(of_a_hops_two_rings_the_source_is_broken_first),
	SENTENCE(a_broken_ring_is_tried_again_after_a_while_and_after_longer_ones),
	SENTENCE(a_ring_that_its_guest_breaks_under_its_owner_is_not_forgiven),
	SENTENCE(a_destination_that_ends_switches_leaves_no_other_guest_broken),
	SENTENCE(the_end_of_a_session_does_not_forgive_a_ring),
	SENTENCE(the_first_vswitch_that_serves_the_port_gets_it),
	SENTENCE(standbys_come_after_vswitches_by_priority),
	SENTENCE(a_ready_device_that_nobody_serves_is_said_once),
	SENTENCE(memory_comes_before_ready_before_grants),
	SENTENCE(memory_is_sent_once_for_each_table),
	SENTENCE(many_regions_come_in_packets_of_a_hundred),
	SENTENCE(grants_are_never_used_twice),
	SENTENCE(only_started_whole_vrings_are_granted),
	SENTENCE(a_port_that_is_being_removed_gets_nothing),
	SENTENCE(call_state_and_announcement_go_to_the_owner),
	SENTENCE(a_lane_entry_serves_one_vring_until_retired),
	SENTENCE(a_full_lane_leaves_vrings_idle_and_no_more),
	SENTENCE(vrings_that_found_no_entry_are_granted_when_one_is_free),
	SENTENCE(vrings_that_found_no_entry_are_tried_again_by_themselves),
	SENTENCE(a_port_that_reconnects_all_the_time_does_not_take_the_whole_lane),
	SENTENCE(memory_that_was_taken_away_is_let_go_by_an_owner_whose_rings_stopped),
	SENTENCE(events_of_one_front_end_do_not_push_out_the_others),
	SENTENCE(who_does_not_read_is_cut_off_and_its_vrings_go_on),
	SENTENCE(what_waits_is_sent_in_order_when_there_is_room),
	SENTENCE(calls_and_announcements_do_not_pile_up),
};
SUITE("grant", sentences)
