/* SPDX-License-Identifier: Apache-2.0 */
/* The attach socket: what is said at the door, and how an attachment ends. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach_client.h"
#include "check.h"
#include "clock.h"
#include "directory.h"
#include "fd.h"
#include "fd_ledger.h"
#include "grant.h"
#include "lane.h"
#include "refusal.h"
#include "suite.h"

static void welcome_brings_a_directory_to_read_and_a_lane_to_write(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct hf_frame frame;
	static uint8_t room[HF_FRAME_MAX_BYTES];
	struct hf_directory directory;
	Answer *answer;
	struct rig rig;
	void *lane;
	int fd;

	open_attach(&rig);
	fd = dial(&rig);
	send_hello(fd, &hello);
	REQUIRE(rig_until(&rig, is_readable, &fd, 20000));
	frame.bytes = room;
	REQUIRE(hf_frame_receive(fd, &frame) > 0);
	REQUIRE(frame.nr_fds == 2);
	answer = (Answer *)hf_frame_unpack(&holdfast__attach__to_secondary__descriptor, room,
					   frame.len);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(WELCOME));
	CHECK_EQ(answer->welcome->epoch, 77);
	CHECK_EQ(answer->welcome->secondary, 0);
	CHECK_EQ(answer->welcome->lane_bytes, rig.conf.lane_bytes);

	CHECK_EQ(hf_directory_attach(&directory, frame.fds[0]), 0);
	CHECK_EQ(hf_directory_secondary(&directory, 0)->state, HF_SECONDARY_ATTACHED);
	CHECK_EQ(hf_directory_secondary(&directory, 0)->pid, getpid());
	CHECK(!strcmp(hf_directory_secondary(&directory, 0)->name, "vsw"));
	hf_directory_detach(&directory);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, frame.fds[0], 0) == MAP_FAILED);

	lane = mmap(NULL, rig.conf.lane_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, frame.fds[1], 0);
	REQUIRE(lane != MAP_FAILED);
	CHECK_EQ(hf_lane_verify(lane, rig.conf.lane_bytes), 0);
	CHECK_EQ(((struct hf_lane_header *)lane)->secondary_id, answer->welcome->id);
	munmap(lane, rig.conf.lane_bytes);
	CHECK(!strcmp(rig.primary.secondaries[0]->version, "1?2"));
	rig_message_free(answer);
	hf_frame_close_fds(&frame);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void another_major_version_is_refused_naming_both(void)
{
	char versions[64];
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;

	open_attach(&rig);
	hello.abi_major = 7;
	hello.abi_minor = 3;
	snprintf(versions, sizeof(versions), "version %u.%u, this secondary 7.3", HF_ABI_MAJOR,
		 HF_ABI_MINOR);
	CHECK_EQ(refused(&rig, &hello, versions), -EPROTO);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_VERSION], 1);
	CHECK(rig.primary.secondaries[0] == NULL);
	hello = good_hello();
	hello.abi_minor = 99; /* a newer minor is fine */
	hello.name = (char *)(uintptr_t) "newer";
	hf_fd_close((int[]){attached(&rig, ROLE(VSWITCH))});
	rig_close(&rig);
}

static void bad_names_roles_and_patterns_are_refused(void)
{
	static const char *const names[] = {"", "a b", "../x", "a\nb", "\xc3\xa4"};
	char longest[80], *globs[SECONDARY_MAX_GLOBS + 1];
	Holdfast__Attach__Hello hello;
	struct rig rig;

	open_attach(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		hello = good_hello();
		hello.name = (char *)(uintptr_t)names[i];
		CHECK_EQ(refused(&rig, &hello, "not a name"), -EINVAL);
	}
	memset(longest, 'n', sizeof(longest));
	longest[64] = '\0';
	hello.name = longest;
	CHECK_EQ(refused(&rig, &hello, "not a name"), -EINVAL);
	hello = good_hello();
	hello.role = (Holdfast__Attach__Role)3;
	CHECK_EQ(refused(&rig, &hello, "no such role"), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(globs); i++)
		globs[i] = (char *)(uintptr_t) "vm*";
	hello = good_hello();
	hello.ports = globs;
	hello.n_ports = ARRAY_SIZE(globs);
	CHECK_EQ(refused(&rig, &hello, "port patterns"), -EINVAL);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_MESSAGE], ARRAY_SIZE(names) + 3);
	rig_close(&rig);
}

static int say_hello_with_a_nul_for_each_x(int fd, const char *name)
{
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	Holdfast__Attach__Hello hello = good_hello();
	uint8_t *bytes;
	size_t len;
	int error;

	hello.name = (char *)(uintptr_t)name;
	request.body_case = TO_PRIMARY(HELLO);
	request.hello = &hello;
	REQUIRE(hf_frame_pack(&request.base, &bytes, &len) == 0);
	for (size_t i = 0; i < len; i++)
		if (bytes[i] == 'x')
			bytes[i] = '\0';
	error = hf_frame_send_packed(fd, bytes, len, NULL, 0);
	free(bytes);
	return error;
}

/* What is behind it is not compared, shown or kept. */
static void a_name_ends_at_its_nul(void)
{
	static const char *const names[] = {"vsxw", "vsx", "x", "xvs"};
	struct rig rig;
	int first = -1;

	open_attach(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = dial(&rig);
		Answer *answer;

		REQUIRE(say_hello_with_a_nul_for_each_x(fd, names[i]) == 0);
		answer = answer_on(&rig, fd);
		REQUIRE(answer != NULL);
		if (i == 0) {
			CHECK_EQ(answer->body_case, TO_SECONDARY(WELCOME));
			CHECK(!strcmp(rig.primary.secondaries[0]->name, "vs"));
			first = fd;
		} else {
			CHECK_EQ(answer->body_case, TO_SECONDARY(REFUSED));
			CHECK_EQ(answer->refused->error, i == 1 ? -EEXIST : -EINVAL);
			hf_fd_close(&fd);
		}
		rig_message_free(answer);
	}
	hf_fd_close(&first);
	rig_close(&rig);
}

static void what_is_not_a_hello_is_refused(void)
{
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;
	Answer *answer;
	int fd;

	open_attach(&rig);
	request.body_case = TO_PRIMARY(BYE);
	request.bye = &bye;
	fd = dial(&rig);
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	answer = answer_on(&rig, fd);
	CHECK(answer && answer->body_case == TO_SECONDARY(REFUSED));
	rig_message_free(answer);
	hf_fd_close(&fd);

	fd = dial(&rig); /* bytes */
	REQUIRE(send(fd, "\xff\xff\xff\xff", 4, 0) == 4);
	answer = answer_on(&rig, fd);
	CHECK(answer && answer->body_case == TO_SECONDARY(REFUSED));
	rig_message_free(answer);
	hf_fd_close(&fd);

	fd = dial(&rig); /* a number, and nothing that it is the number of */
	REQUIRE(send(fd, "\x08\x01", 2, 0) == 2);
	answer = answer_on(&rig, fd);
	CHECK(answer && answer->body_case == TO_SECONDARY(REFUSED));
	rig_message_free(answer);
	hf_fd_close(&fd);

	fd = dial(&rig); /* descriptors that nobody asked for */
	request.body_case = TO_PRIMARY(HELLO);
	request.hello = &hello;
	REQUIRE(hf_frame_send(fd, &request.base, (int[]){0, 1, 2}, 3) == 0);
	answer = answer_on(&rig, fd);
	CHECK(answer && answer->body_case == TO_SECONDARY(REFUSED));
	rig_message_free(answer);
	hf_fd_close(&fd);

	fd = dial(&rig); /* nothing, then gone */
	hf_fd_close(&fd);
	rig_until(&rig, NULL, NULL, 5);
	CHECK(rig.primary.secondaries[0] == NULL);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_MESSAGE], 4);
	rig_close(&rig);
}

static void who_says_nothing_has_two_seconds(void)
{
	uint64_t since_ns;
	struct rig rig;
	Answer *answer;
	int fd;

	open_attach(&rig);
	since_ns = hf_now_ns();
	fd = dial(&rig);
	answer = answer_on(&rig, fd);
	CHECK(hf_now_ns() - since_ns >= 2 * NS_PER_S);
	CHECK(answer && answer->body_case == TO_SECONDARY(REFUSED));
	CHECK(answer && answer->refused->error == -ETIMEDOUT);
	rig_message_free(answer);
	CHECK(is_closed(&rig, fd));
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void a_full_table_says_so(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	int fds[RIG_SECONDARIES];
	struct rig rig;

	open_attach(&rig);
	for (size_t i = 0; i < RIG_SECONDARIES; i++)
		fds[i] = attached(&rig, ROLE(STANDBY));
	CHECK_EQ(refused(&rig, &hello, "all 8 places"), -EBUSY);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_FULL], 1);
	hf_fd_close_all(fds, RIG_SECONDARIES);
	rig_close(&rig);
}

static void a_crowd_at_the_door_is_bounded(void)
{
	int fds[80];
	struct rig rig;
	int turned_away = 0;

	open_attach(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&rig);
	rig_until(&rig, NULL, NULL, 100);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		turned_away += is_readable(&fds[i]);
	CHECK_EQ(turned_away, 80 - 64);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	rig_until(&rig, NULL, NULL, 20);
	hf_fd_close((int[]){attached(&rig, ROLE(VSWITCH))}); /* the door is free again */
	rig_close(&rig);
}

static void bye_is_answered_by_the_end_of_the_connection(void)
{
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	struct port *port;
	struct rig rig;
	int fd;

	open_attach(&rig);
	fd = attached(&rig, ROLE(VSWITCH));
	port = rig_port(&rig, "vm0", 1);
	grant_offer(&port->device);
	rig_drain(fd);
	request.body_case = TO_PRIMARY(BYE);
	request.bye = &bye;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	CHECK(is_closed(&rig, fd));
	CHECK(nobody_is_attached(&rig));
	CHECK(port->device.owner == NULL && port->device.vrings[0].owner == NULL);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void what_is_not_in_the_protocol_ends_the_attachment(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;
	int fd;

	open_attach(&rig);
	fd = attached(&rig, ROLE(VSWITCH));
	send_hello(fd, &hello); /* a second one */
	CHECK(rig_until(&rig, nobody_is_attached, &rig, 20000));
	hf_fd_close(&fd);
	fd = attached(&rig, ROLE(VSWITCH));
	REQUIRE(send(fd, "\x13\x37", 2, 0) == 2);
	CHECK(rig_until(&rig, nobody_is_attached, &rig, 20000));
	hf_fd_close(&fd);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_MESSAGE], 2);
	rig_close(&rig);
}

static void coming_and_going_leaves_no_descriptors(void)
{
	struct port *port;
	struct rig rig;
	int before, fd;

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 4);
	before = fds_open();
	rig.conf.fence = false; /* it is this process that hangs up and lives on */
	for (int i = 0; i < 3; i++) {
		fd = attached(&rig, ROLE(VSWITCH));
		CHECK(port->device.owner != NULL);
		hf_fd_close(&fd);
		CHECK(rig_until(&rig, nobody_is_attached, &rig, 20000));
	}
	CHECK_EQ(fds_open(), before);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(welcome_brings_a_directory_to_read_and_a_lane_to_write),
	SENTENCE(another_major_version_is_refused_naming_both),
	CATALOGUE(bad_names_roles_and_patterns_are_refused, "[C-3]"),
	CATALOGUE(a_name_ends_at_its_nul, "[C-3]"),
	CATALOGUE(what_is_not_a_hello_is_refused, "[C-1] [C-3]"),
	SENTENCE(who_says_nothing_has_two_seconds),
	SENTENCE(a_full_table_says_so),
	SENTENCE(a_crowd_at_the_door_is_bounded),
	SENTENCE(bye_is_answered_by_the_end_of_the_connection),
	CATALOGUE(what_is_not_in_the_protocol_ends_the_attachment, "[C-1] [C-3]"),
	SENTENCE(coming_and_going_leaves_no_descriptors),
};
SUITE("attach", sentences)
