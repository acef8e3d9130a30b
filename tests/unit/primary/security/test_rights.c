/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a secondary may ask and get: its rules' ports, and nothing that another one runs. Its end of
 * the socket is the test's, so it can say what no library would.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "choose.h"
#include "fd.h"
#include "fuse_file.h"
#include "grant.h"
#include "lane_entries.h"
#include "port.h"
#include "ports.h"
#include "primary_rig.h"
#include "refusal.h"
#include "secondary_life.h"
#include "secondary_publish.h"
#include "state.h"
#include "suite.h"

#define TO_PRIMARY(name)   HOLDFAST__ATTACH__TO_PRIMARY__BODY_##name
#define TO_SECONDARY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name
#define ROLE(name)	   HOLDFAST__ATTACH__ROLE__##name
#define TEXT(s)		   ((char *)(uintptr_t)(s))

typedef Holdfast__Attach__ToPrimary Request;
typedef Holdfast__Attach__ToSecondary Answer;

struct scene {
	struct rig rig;
	struct port *own, *others; /* "a0", "b0" */
	struct secondary *stranger, *holder;
	int stranger_socket, holder_socket;
};

/* "a0" is the stranger's by rule; "b0" is run by the holder, who may all. */
static void open_scene(struct scene *s, Holdfast__Attach__Role role)
{
	rig_open(&s->rig);
	REQUIRE(allow_add_attach(&s->rig.conf.attach_rules, "user:4711=a*") == 0);
	s->own = rig_port(&s->rig, "a0", 2);
	s->others = rig_port(&s->rig, "b0", 2);
	s->stranger = rig_secondary(&s->rig, "stranger", role, "*", &s->stranger_socket);
	s->stranger->allowed = 1;
	s->stranger->priority = 100;
	s->holder = rig_secondary(&s->rig, "holder", ROLE(VSWITCH), "b*", &s->holder_socket);
	grant_offer_all(&s->rig.primary);
}

static void close_scene(struct scene *s)
{
	hf_fd_close(&s->stranger_socket);
	hf_fd_close(&s->holder_socket);
	rig_close(&s->rig);
}

static bool is_readable(void *context)
{
	char byte;

	return recv(*(int *)context, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* The error of the Reply to it. */
static int ask(struct scene *s, Request *request)
{
	static uint64_t number = 100;
	Answer *answer;
	int error = 1;

	request->request = ++number;
	rig_drain(s->stranger_socket);
	REQUIRE(hf_frame_send(s->stranger_socket, &request->base, NULL, 0) == 0);
	while (error > 0 && rig_until(&s->rig, is_readable, &s->stranger_socket, 20000)) {
		answer = rig_message(s->stranger_socket, NULL);
		REQUIRE(answer != NULL);
		if (answer->body_case == TO_SECONDARY(REPLY))
			error = answer->reply->error;
		rig_message_free(answer);
	}
	return error;
}

static int add_port(struct scene *s, const char *name, const char *path, bool client)
{
	Holdfast__Attach__PortAdd add = HOLDFAST__ATTACH__PORT_ADD__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	add.name = TEXT(name);
	add.path = TEXT(path);
	add.client = client;
	request.body_case = TO_PRIMARY(PORT_ADD);
	request.port_add = &add;
	return ask(s, &request);
}

static int add_device(struct scene *s, const char *name)
{
	Holdfast__Attach__PortAdd add = HOLDFAST__ATTACH__PORT_ADD__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	add.name = TEXT(name);
	add.path = TEXT("");
	add.kind = HOLDFAST__ATTACH__PORT_KIND__VHOST_CUSE;
	request.body_case = TO_PRIMARY(PORT_ADD);
	request.port_add = &add;
	return ask(s, &request);
}

static int del_port(struct scene *s, const char *name)
{
	Holdfast__Attach__PortDel del = HOLDFAST__ATTACH__PORT_DEL__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	del.name = TEXT(name);
	request.body_case = TO_PRIMARY(PORT_DEL);
	request.port_del = &del;
	return ask(s, &request);
}

static int change_feature(struct scene *s, const char *port)
{
	Holdfast__Attach__FeatureChange change = HOLDFAST__ATTACH__FEATURE_CHANGE__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	change.port = TEXT(port);
	change.mask = 1;
	request.body_case = TO_PRIMARY(FEATURE_CHANGE);
	request.feature_change = &change;
	return ask(s, &request);
}

static int hand_over(struct scene *s, const char *port, const char *to)
{
	Holdfast__Attach__Handover handover = HOLDFAST__ATTACH__HANDOVER__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	handover.port = TEXT(port);
	handover.to = TEXT(to);
	request.body_case = TO_PRIMARY(HANDOVER);
	request.handover = &handover;
	return ask(s, &request);
}

static void a_rule_is_the_most_that_patterns_can_ask_for(void)
{
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	/* It asked for all, with the highest priority. */
	CHECK(s.own->device.owner == s.stranger);
	CHECK(s.others->device.owner == s.holder);
	CHECK(!secondary_serves(s.stranger, "b0"));
	CHECK(secondary_serves(s.stranger, "a9"));
	CHECK_EQ(s.stranger->devices[s.others->device.slot].session, 0);
	close_scene(&s);
}

static void nobody_runs_it_rather_than_who_may_not(void)
{
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	secondary_leave(s.holder, true);
	rig_until(&s.rig, NULL, NULL, 50);
	grant_offer_all(&s.rig.primary);
	CHECK(s.others->device.owner == NULL);
	CHECK_EQ(s.stranger->devices[s.others->device.slot].session, 0);
	close_scene(&s);
}

static void ports_outside_of_its_rule_are_not_its_to_change(void)
{
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	CHECK_EQ(add_port(&s, "c0", "", false), -EACCES);
	CHECK_EQ(del_port(&s, "b0"), -EACCES);
	CHECK_EQ(change_feature(&s, "b0"), -EACCES);
	CHECK_EQ(hand_over(&s, "b0", "stranger"), -EACCES);
	CHECK(port_find(&s.rig.primary, "b0") == s.others);
	CHECK(port_find(&s.rig.primary, "c0") == NULL);
	CHECK(s.others->device.owner == s.holder);
	CHECK_EQ(s.rig.primary.refusals[REFUSED_ATTACH_RIGHTS], 4);
	close_scene(&s);
}

static void all_ports_at_once_are_not_its_to_change(void)
{
	struct scene s;
	uint64_t features;

	open_scene(&s, ROLE(VSWITCH));
	features = s.rig.primary.features_enabled;
	CHECK_EQ(change_feature(&s, ""), -EACCES);
	CHECK_EQ(hand_over(&s, "", "stranger"), -EACCES);
	CHECK_EQ(s.rig.primary.features_enabled, features);
	CHECK_EQ(s.rig.primary.refusals[REFUSED_ATTACH_RIGHTS], 2);
	close_scene(&s);
}

static void a_path_is_not_opened_with_our_rights_for_it(void)
{
	struct scene s;
	char path[128];

	open_scene(&s, ROLE(VSWITCH));
	snprintf(path, sizeof(path), "%s/elsewhere", s.rig.dir);
	CHECK_EQ(add_port(&s, "a1", path, false), -EACCES);
	CHECK_EQ(add_port(&s, "a1", "", true), -EACCES);
	CHECK(access(path, F_OK) < 0);
	CHECK_EQ(add_port(&s, "a1", "", false), 0);
	CHECK_EQ(del_port(&s, "a1"), 0);
	close_scene(&s);
}

static void the_last_quarter_of_the_places_is_not_for_its_ports(void)
{
	struct scene s;
	char name[8];

	open_scene(&s, ROLE(VSWITCH));
	for (unsigned int i = 2; i < RIG_PORTS - RIG_PORTS / 4; i++) {
		snprintf(name, sizeof(name), "a%u", i);
		CHECK_EQ(add_port(&s, name, "", false), 0);
	}
	CHECK_EQ(add_port(&s, "a99", "", false), -ENOSPC);
	s.stranger->allowed = ALLOW_ANY_PORT;
	CHECK_EQ(add_port(&s, "a99", "", false), 0);
	CHECK_EQ(del_port(&s, "a99"), 0);
	for (unsigned int i = 2; i < RIG_PORTS - RIG_PORTS / 4; i++) {
		snprintf(name, sizeof(name), "a%u", i);
		CHECK_EQ(del_port(&s, name), 0);
	}
	close_scene(&s);
}

static void an_observer_leaves_no_state(void)
{
	Holdfast__Attach__StateSet set = HOLDFAST__ATTACH__STATE_SET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	Answer *answer;
	struct scene s;

	REQUIRE(fd >= 0 && ftruncate(fd, 4096) == 0);
	REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	open_scene(&s, ROLE(OBSERVER));
	rig_drain(s.stranger_socket);
	request.body_case = TO_PRIMARY(STATE_SET);
	request.state_set = &set;
	request.request = 99;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, &fd, 1) == 0);
	hf_fd_close(&fd);
	REQUIRE(rig_until(&s.rig, is_readable, &s.stranger_socket, 20000));
	answer = rig_message(s.stranger_socket, NULL);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REPLY));
	CHECK_EQ(answer->reply->error, -EPERM);
	rig_message_free(answer);
	CHECK(s.stranger->state == NULL);
	close_scene(&s);
}

static void no_character_device_is_made_with_our_rights_for_it(void)
{
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	CHECK_EQ(add_device(&s, "a1"), -EACCES);
	CHECK(port_find(&s.rig.primary, "a1") == NULL);
	CHECK_EQ(s.rig.primary.refusals[REFUSED_ATTACH_RIGHTS], 1);
	close_scene(&s);
}

static void what_another_one_runs_is_not_its_to_change_whatever_its_rule(void)
{
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	REQUIRE(allow_add_attach(&s.rig.conf.attach_rules, "user:4711=b*") == 0);
	s.stranger->allowed = 3;
	CHECK_EQ(del_port(&s, "b0"), -EACCES);
	CHECK_EQ(change_feature(&s, "b0"), -EACCES);
	CHECK_EQ(hand_over(&s, "b0", "stranger"), -EACCES);
	CHECK(port_find(&s.rig.primary, "b0") == s.others);
	CHECK(s.others->device.owner == s.holder);
	close_scene(&s);
}

/* A switch that the administrator drains stays drained, whatever is handed to it. */
static void the_drain_of_another_one_is_not_its_to_end(void)
{
	struct secondary *drained;
	struct scene s;
	int socket;

	open_scene(&s, ROLE(VSWITCH));
	s.own->session = (struct session *)(void *)s.own; /* only looked at for being there */
	drained = rig_secondary(&s.rig, "drained", ROLE(VSWITCH), "*", &socket);
	secondary_set_draining(drained, true);
	CHECK_EQ(hand_over(&s, "a0", "drained"), -EACCES);
	CHECK(drained->draining && s.own->device.owner == s.stranger);
	/* Its own is. */
	secondary_set_draining(s.stranger, true);
	CHECK_EQ(hand_over(&s, "a0", "stranger"), 0);
	CHECK(!s.stranger->draining);
	/* Who may all ends any. */
	s.stranger->allowed = ALLOW_ANY_PORT;
	CHECK_EQ(hand_over(&s, "a0", "drained"), 0);
	CHECK(!drained->draining && s.own->device.owner == drained);
	CHECK_EQ(s.rig.primary.refusals[REFUSED_ATTACH_RIGHTS], 1);
	s.own->session = NULL;
	hf_fd_close(&socket);
	close_scene(&s);
}

static void saying_that_another_ones_memory_is_gone_changes_nothing(void)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Holdfast__Attach__VringRefused refused = HOLDFAST__ATTACH__VRING_REFUSED__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct vring *vring;
	struct scene s;
	uint32_t entry;

	open_scene(&s, ROLE(VSWITCH));
	vring = &s.others->device.vrings[0];
	entry = secondary_lane_entry(s.holder, s.others->device.slot, 0);
	REQUIRE(vring->owner == s.holder && entry);
	retired.device = refused.device = s.others->device.slot;
	retired.session = refused.session = s.others->device.session;
	request.body_case = TO_PRIMARY(RETIRED);
	request.retired = &retired;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	refused.vring = 0;
	refused.grant = vring->grant;
	refused.error = -ENOMEM;
	request.body_case = TO_PRIMARY(VRING_REFUSED);
	request.vring_refused = &refused;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	rig_until(&s.rig, NULL, NULL, 50);
	CHECK(vring->owner == s.holder);
	CHECK_EQ(secondary_lane_entry(s.holder, s.others->device.slot, 0), entry);
	CHECK(rig_grant_word(vring) != 0);
	close_scene(&s);
}

static void numbers_of_no_device_do_no_harm(void)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Holdfast__Attach__VringRefused refused = HOLDFAST__ATTACH__VRING_REFUSED__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	retired.device = refused.device = UINT32_MAX;
	retired.session = refused.session = UINT64_MAX;
	refused.vring = UINT32_MAX;
	request.body_case = TO_PRIMARY(RETIRED);
	request.retired = &retired;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	request.body_case = TO_PRIMARY(VRING_REFUSED);
	request.vring_refused = &refused;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	refused.device = s.others->device.slot;
	refused.session = s.others->device.session;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	rig_until(&s.rig, NULL, NULL, 50);
	CHECK(s.others->device.owner == s.holder && s.own->device.owner == s.stranger);
	close_scene(&s);
}

/* Of its own ring, with what was right once, or for another life of the primary. */
static void numbers_that_were_right_before_do_no_harm(void)
{
	Holdfast__Attach__VringRefused refused = HOLDFAST__ATTACH__VRING_REFUSED__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	const struct device *device;
	uint64_t grant;
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	device = &s.own->device;
	grant = rig_grant_word(&device->vrings[0]) & ~1ull;
	request.body_case = TO_PRIMARY(VRING_REFUSED);
	request.vring_refused = &refused;
	for (int old = 0; old < 4; old++) {
		refused.device = device->slot;
		refused.session = device->session - (old == 0);
		refused.vring = 0;
		refused.grant = grant - 2 * (old == 1) + 2 * (old == 2);
		refused.life = old == 3 ? UINT64_MAX : 0;
		refused.error = INT32_MIN;
		REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	}
	rig_until(&s.rig, NULL, NULL, 50);
	CHECK(device->owner == s.stranger);
	CHECK_EQ(rig_grant_word(&device->vrings[0]) & ~1ull, grant);
	/* What is said of it now is believed. */
	refused.session = device->session;
	refused.grant = grant;
	refused.life = 0;
	refused.error = -ENOMEM;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, NULL, 0) == 0);
	rig_until(&s.rig, NULL, NULL, 50);
	CHECK(device->vrings[0].owner != s.stranger);
	close_scene(&s);
}

static void an_observer_is_sent_no_descriptor(void)
{
	struct scene s;
	size_t fds = 0, nr_fds;

	open_scene(&s, ROLE(OBSERVER));
	secondary_leave(s.holder, true);
	rig_until(&s.rig, NULL, NULL, 50);
	grant_offer_all(&s.rig.primary);
	CHECK(s.own->device.owner == NULL && s.others->device.owner == NULL);
	CHECK_EQ(hand_over(&s, "a0", "stranger"), -EPERM);
	CHECK_EQ(del_port(&s, "a0"), -EPERM);
	while (is_readable(&s.stranger_socket)) {
		Answer *answer = rig_message(s.stranger_socket, &nr_fds);

		fds += nr_fds;
		if (!answer)
			break;
		rig_message_free(answer);
	}
	CHECK_EQ(fds, 0);
	CHECK_EQ(s.stranger->devices[s.own->device.slot].session, 0);
	close_scene(&s);
}

static void the_state_of_who_ran_more_is_not_for_it(void)
{
	struct scene s;
	struct state *state = NULL;
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool told = false;

	REQUIRE(fd >= 0 && ftruncate(fd, 4096) == 0);
	REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	open_scene(&s, ROLE(VSWITCH));
	REQUIRE(allow_add_attach(&s.rig.conf.attach_rules, "user:4711=b*") == 0);
	s.stranger->allowed = 3;
	REQUIRE(state_create(&state, fd) == 0);
	s.holder->state = state;
	rig_drain(s.stranger_socket);
	secondary_leave(s.holder, true);
	rig_until(&s.rig, NULL, NULL, 50);
	CHECK(s.others->device.owner == s.stranger);
	while (is_readable(&s.stranger_socket)) {
		Answer *answer = rig_message(s.stranger_socket, NULL);

		REQUIRE(answer != NULL);
		told |= answer->body_case == TO_SECONDARY(PEER_STATE);
		rig_message_free(answer);
	}
	CHECK(!told);
	hf_fd_close(&fd);
	close_scene(&s);
}

/* Its close(2) does not return for an hour: this test would not end. */
static void a_state_that_could_hang_us_is_refused_and_not_closed_by_us(void)
{
	Holdfast__Attach__StateSet set = HOLDFAST__ATTACH__STATE_SET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct lingerer lingerer;
	Answer *answer;
	struct scene s;

	open_scene(&s, ROLE(VSWITCH));
	lingerer_begin(&lingerer);
	rig_drain(s.stranger_socket);
	request.body_case = TO_PRIMARY(STATE_SET);
	request.state_set = &set;
	request.request = 99;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, &lingerer.fd, 1) == 0);
	hf_fd_close(&lingerer.fd);
	REQUIRE(rig_until(&s.rig, is_readable, &s.stranger_socket, 20000));
	answer = rig_message(s.stranger_socket, NULL);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REPLY));
	CHECK_EQ(answer->reply->error, -EINVAL);
	rig_message_free(answer);
	CHECK(s.stranger->state == NULL && !s.stranger->leaving);
	lingerer_end(&lingerer);
	close_scene(&s);
}

static bool is_gone(void *context)
{
	return ((struct scene *)context)->rig.primary.secondaries[0] == NULL;
}

/* Its sender is cut off; the last close(2) does not return for an hour, and it is not ours. */
static void check_no_message(const void *bytes, size_t len, size_t nr_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_SPACE(nr_fds * sizeof(int))};
	struct lingerer lingerer;
	struct scene s;

	open_scene(&s, ROLE(STANDBY));
	s.rig.conf.fence = false; /* an empty packet is an end, and this process lives on */
	lingerer_begin(&lingerer);
	control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS,
					 .cmsg_len = CMSG_LEN(nr_fds * sizeof(int))};
	for (size_t i = 0; i < nr_fds; i++)
		memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &lingerer.fd, sizeof(int));
	REQUIRE(sendmsg(s.stranger_socket, &msg, 0) == (ssize_t)len);
	hf_fd_close(&lingerer.fd); /* theirs is the last */
	CHECK(rig_until(&s.rig, is_gone, &s, 20000));
	lingerer_end(&lingerer);
	close_scene(&s);
}

static void descriptors_of_what_is_no_message_do_not_hang_us(void)
{
	check_no_message("", 0, 1);
	check_no_message("x", 1, 201);
}

/* What nobody reads any more: behind a Bye, or behind what is no message. */
static void check_behind(const void *bytes, size_t len)
{
	Holdfast__Attach__StateSet set = HOLDFAST__ATTACH__STATE_SET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct lingerer lingerer;
	struct scene s;

	open_scene(&s, ROLE(OBSERVER));
	lingerer_begin(&lingerer);
	REQUIRE(send(s.stranger_socket, bytes, len, 0) == (ssize_t)len);
	request.body_case = TO_PRIMARY(STATE_SET);
	request.state_set = &set;
	REQUIRE(hf_frame_send(s.stranger_socket, &request.base, &lingerer.fd, 1) == 0);
	hf_fd_close(&lingerer.fd);
	CHECK(rig_until(&s.rig, is_gone, &s, 20000));
	lingerer_end(&lingerer);
	close_scene(&s);
}

static void descriptors_that_nobody_reads_any_more_do_not_hang_us(void)
{
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	uint8_t bytes[64];

	request.body_case = TO_PRIMARY(BYE);
	request.bye = &bye;
	check_behind(bytes, holdfast__attach__to_primary__pack(&request, bytes));
	check_behind("x", 1);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_rule_is_the_most_that_patterns_can_ask_for, "[C-5]"),
	CATALOGUE(nobody_runs_it_rather_than_who_may_not, "[C-5]"),
	CATALOGUE(ports_outside_of_its_rule_are_not_its_to_change, "[C-5]"),
	CATALOGUE(all_ports_at_once_are_not_its_to_change, "[C-5]"),
	SENTENCE(a_path_is_not_opened_with_our_rights_for_it),
	SENTENCE(the_last_quarter_of_the_places_is_not_for_its_ports),
	SENTENCE(an_observer_leaves_no_state),
	SENTENCE(no_character_device_is_made_with_our_rights_for_it),
	CATALOGUE(what_another_one_runs_is_not_its_to_change_whatever_its_rule, "[C-5]"),
	CATALOGUE(the_drain_of_another_one_is_not_its_to_end, "[C-5]"),
	CATALOGUE(saying_that_another_ones_memory_is_gone_changes_nothing, "[C-5]"),
	CATALOGUE(numbers_of_no_device_do_no_harm, "[C-3]"),
	CATALOGUE(numbers_that_were_right_before_do_no_harm, "[C-3]"),
	SENTENCE(an_observer_is_sent_no_descriptor),
	SENTENCE(the_state_of_who_ran_more_is_not_for_it),
	SENTENCE(a_state_that_could_hang_us_is_refused_and_not_closed_by_us),
	CATALOGUE(descriptors_of_what_is_no_message_do_not_hang_us, "[C-1]"),
	CATALOGUE(descriptors_that_nobody_reads_any_more_do_not_hang_us, "[C-1]"),
};

SUITE("rights", sentences)
