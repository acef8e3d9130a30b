/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile peers at the two doors of local processes, attach and control: what no message is,
 * packets that would cost much, descriptors by the thousand, connections that say nothing. Each
 * costs its own connection; alive.h says what must hold besides. Who attaches, hangs up and keeps
 * what it has mapped, costs itself. And users who come too often, who lose what is theirs alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"
#include "clock.h"
#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"
#include "knocks.h"
#include "suite.h"

#define WAIT_MS 20000
#define NR_FDS	253u

static const char *const doors[] = {"attach", "control"};
static struct alive a;
static uint8_t packet[HF_FRAME_MAX_BYTES + 4096];

/* A door that is crowded lets the next one in when somebody has left. */
static int knock(const char *door)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.sock", a.world.dir, door);
	fd = hf_seqpacket_connect(path);
	for (int ms = 0; ms < WAIT_MS && fd < 0; ms++) {
		usleep(1000);
		fd = hf_seqpacket_connect(path);
	}
	REQUIRE(fd >= 0);
	return fd;
}

static void say(int fd, size_t len, const int *fds, size_t nr_fds)
{
	struct front_end peer = {.socket = fd};

	CHECK_EQ(front_end_send_bytes(&peer, packet, len, fds, nr_fds, 0), 0);
}

/* Read to the end that the primary makes. */
static bool ends(int fd)
{
	static uint8_t answer[HF_FRAME_MAX_BYTES];
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	ssize_t n = 1;

	while (n > 0) {
		if (poll(&readable, 1, WAIT_MS) != 1)
			return false;
		n = recv(fd, answer, sizeof(answer), 0);
	}
	return n == 0 || errno == ECONNRESET;
}

/* One packet, and that is the end. */
static void ends_who_says(const char *door, size_t len, const int *fds, size_t nr_fds)
{
	int fd = knock(door);

	say(fd, len, fds, nr_fds);
	CHECK(ends(fd));
	close(fd);
}

static void what_is_no_message_ends_its_connection(void)
{
	static const uint8_t starts[][6] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* a varint that goes on */
		{0x12, 0xff, 0xff, 0xff, 0xff, 0x0f}, /* length 2^32 - 1 */
		{0x12, 0x80, 0x80, 0x80, 0x80, 0x08}, /* 2^31 */
		{0x12, 0x7f, 0, 0, 0, 0},	      /* more than there is */
		{0x13, 0, 0, 0, 0, 0},		      /* a group */
		{0x17, 0, 0, 0, 0, 0},		      /* a type that nobody has */
	};
	static const size_t sizes[] = {6, 100, HF_FRAME_MAX_BYTES, HF_FRAME_MAX_BYTES + 1,
				       HF_FRAME_MAX_BYTES + 4096};

	alive_open(&a, NULL);
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++)
		for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				memset(packet, 0xff, sizeof(packet));
				memcpy(packet, starts[i], sizeof(starts[i]));
				ends_who_says(doors[d], sizes[s], NULL, 0);
			}
			alive_check_ledger(&a);
		}
	alive_check(&a);
	alive_close(&a);
}

/* HF_TEST_LONG=1: a hundred thousand of them. */
static void random_packets_end_or_are_answered(void)
{
	unsigned int seed = 7, rounds = suite_is_long() ? 50000 : 500;

	alive_open(&a, NULL);
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++) {
		for (unsigned int i = 0; i < rounds; i++) {
			size_t len = 1 + (size_t)rand_r(&seed) % (i % 16 ? 64 : 4096);
			int fd = knock(doors[d]);

			for (size_t b = 0; b < len; b++)
				packet[b] = (uint8_t)(rand_r(&seed) % (i % 2 ? 256 : 24));
			say(fd, len, NULL, 0);
			shutdown(fd, SHUT_WR);
			CHECK(ends(fd));
			close(fd);
		}
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

/* Each of the repeated fields is two bytes on the wire; empty ports of a Hello, and fields that
 * nobody knows. */
static void packets_that_would_cost_much_cost_nothing(void)
{
	static const uint8_t pieces[][3] = {{0x2a, 0, 0}, {0xf8, 0x07, 0}};
	static const size_t lens[] = {2, 3};

	alive_open(&a, NULL);
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++)
		for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
			size_t inner = 0;

			/* Field 2, of 65,532 bytes. */
			memcpy(packet, "\x12\xfc\xff\x03", 4);
			for (; inner + lens[p] <= 65532; inner += lens[p])
				memcpy(packet + 4 + inner, pieces[p], lens[p]);
			for (int i = 0; i < 50; i++) {
				ends_who_says(doors[d], HF_FRAME_MAX_BYTES, NULL, 0);
			}
			alive_check_ledger(&a);
		}
	alive_check(&a);
	alive_close(&a);
}

/* As many as a packet takes, with a message that is none; HF_TEST_LONG=1: a hundred thousand times.
 */
static void descriptors_by_the_thousand_are_all_closed(void)
{
	unsigned int rounds = suite_is_long() ? 50000 : 100;
	int fds[NR_FDS], one = eventfd(0, EFD_CLOEXEC);

	for (size_t i = 0; i < NR_FDS; i++)
		fds[i] = one;
	memset(packet, 0xff, 16);
	alive_open(&a, NULL);
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++) {
		for (unsigned int i = 0; i < rounds; i++)
			ends_who_says(doors[d], 16, fds, i % 2 ? NR_FDS : 1 + i % NR_FDS);
		alive_check_ledger(&a);
	}
	alive_check(&a);
	close(one);
	alive_close(&a);
}

/* A socket that is in its own queue is nobody's, and only the kernel's collector finds it. */
static void a_socket_that_is_passed_over_itself_goes_away(void)
{
	alive_open(&a, NULL);
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++)
		for (int i = 0; i < 50; i++) {
			int fd = knock(doors[d]), twice[2];

			twice[0] = fd;
			twice[1] = fd;
			packet[0] = 0xff;
			say(fd, 1, twice, 2);
			/* The primary may have ended it by now. */
			(void)send(fd, packet, 1, MSG_NOSIGNAL);
			close(fd);
		}
	alive_check(&a);
	alive_close(&a);
}

static void who_comes_and_says_nothing_costs_nobody_anything(void)
{
	int fds[16];

	alive_open(&a, NULL);
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++) {
		for (size_t i = 0; i < 200; i++)
			close(knock(doors[d]));
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			fds[i] = knock(doors[d]);
		alive_check_neighbour(&a);
		hf_fd_close_all(fds, ARRAY_SIZE(fds));
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

/* --- who hangs up and stays --- */

#define PLACE	    1u /* in the world */
#define EVENT(name) HOLDFAST__CONTROL__EVENT_KIND__##name

/* It is given "bad", and closes its socket; its process. */
static pid_t hangs_up(void)
{
	const char *argv[] = {getenv("SCRIBBLE"), a.world.dir, "leaver", "bad", "hang-up", NULL};

	alive_give(&a, PLACE, argv);
	return a.world.secondaries[PLACE].pid;
}

static void who_hangs_up_and_keeps_a_guests_memory_is_killed(void)
{
	struct front_end bad;
	char detail[256];
	uint32_t next = 0;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	(void)hangs_up();
	CHECK_EQ(world_reap_echo(&a.world, PLACE), SIGKILL);
	CHECK(world_secondaries_become(&a.world, 1));
	CHECK_EQ(world_counter(&a.world, "fencings"), 1);
	CHECK(world_last_event(&a.world, EVENT(SECONDARY_FENCED), detail, sizeof(detail)) > 0);
	CHECK(strstr(detail, "without Bye") != NULL);
	CHECK_EQ(front_end_echo(&bad, 0, &next, 200), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static void without_fencing_it_is_let_go_and_named(void)
{
	static const char *const no_fence[] = {"--no-fence", NULL};
	struct front_end bad;
	char detail[256];
	uint32_t next = 0;
	pid_t pid;

	alive_open(&a, no_fence);
	alive_set_up(&a, &bad);
	pid = hangs_up();
	CHECK(world_secondaries_become(&a.world, 1));
	CHECK(world_last_event(&a.world, EVENT(SECONDARY_DETACHED), detail, sizeof(detail)) > 0);
	CHECK(strstr(detail, "keeps the guests' memory") != NULL);
	CHECK_EQ(world_maps(pid, bad.guest.fd), 1);
	CHECK_EQ(world_counter(&a.world, "fencings"), 0);
	CHECK_EQ(front_end_echo(&bad, 0, &next, 200), 0);
	world_signal_echo(&a.world, PLACE, SIGKILL);
	CHECK_EQ(world_reap_echo(&a.world, PLACE), SIGKILL);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* --- users --- */

#define NAMED	 4711u
#define OTHER	 4712u
#define STRANGER 4713u /* and 4714: no rule names them */
#define BURST	 40u
#define OVER	 "refused.connections_beyond_allowance"

/* And one more a second. */
static const char *const ruled[] = {
	"--connection-rate", "1,40", "--allow-control", "user:4711", "--allow-control",
	"user:4712",	     NULL};

/* At most so many more may have come in since. */
static uint32_t more_since(uint64_t begun)
{
	return 1 + (uint32_t)((hf_now_ns() - begun) / NS_PER_S);
}

static void check_all_answered(uid_t uid, uint32_t times)
{
	CHECK_EQ(knocks_of(&a.world, uid, times).answered, times);
}

static void who_connects_without_end_is_kept_away_and_nobody_else(void)
{
	uint64_t begun = hf_now_ns(), over;
	struct knocks knocks;
	uint32_t more;

	alive_open(&a, ruled);
	if (knocks_possible(&a.world)) {
		knocks = knocks_of(&a.world, NAMED, 400);
		more = more_since(begun);
		CHECK(knocks.answered >= BURST && knocks.answered <= BURST + more);
		CHECK(knocks.closed >= 1);
		CHECK_EQ(knocks.answered + knocks.closed + knocks.kept_away, 400);
		if (knocks_are_kept_away(&a.world))
			CHECK(knocks.closed <= more);
		/* Whoever else comes meanwhile; and that is not counted. */
		check_all_answered(OTHER, BURST);
		check_all_answered(0, 4 * BURST);
		over = world_counter(&a.world, OVER);
		CHECK_EQ(over, knocks.closed);
	}
	alive_check(&a);
	alive_close(&a);
}

static void all_whom_no_rule_names_have_one_allowance(void)
{
	uint64_t begun = hf_now_ns();
	struct knocks one, another;

	alive_open(&a, ruled);
	if (knocks_possible(&a.world)) {
		one = knocks_of(&a.world, STRANGER, BURST / 2);
		another = knocks_of(&a.world, STRANGER + 1, 100);
		CHECK_EQ(one.answered, BURST / 2);
		CHECK(another.answered >= BURST / 2 &&
		      another.answered <= BURST / 2 + more_since(begun));
		one = knocks_of(&a.world, STRANGER, 100);
		CHECK(one.answered <= more_since(begun) && one.closed >= 1);
		check_all_answered(NAMED, BURST);
		CHECK_EQ(world_counter(&a.world, OVER), one.closed + another.closed);
	}
	alive_check(&a);
	alive_close(&a);
}

static void who_was_kept_away_is_let_in_again(void)
{
	static const char *const quick[] = {"--connection-rate", "20,8", "--allow-control",
					    "user:4711", NULL};
	uint32_t answered = 0, closed = 0;

	alive_open(&a, quick);
	if (knocks_possible(&a.world)) {
		/* Until it has been kept away, and is no more. */
		for (int i = 0; i < 100 && !closed; i++)
			closed = knocks_of(&a.world, NAMED, 100).closed;
		CHECK(closed >= 1);
		for (int i = 0; i < WAIT_MS && !answered; i++) {
			usleep(1000);
			answered = knocks_of(&a.world, NAMED, 1).answered;
		}
		CHECK_EQ(answered, 1);
	}
	alive_check(&a);
	alive_close(&a);
}

static void an_heir_keeps_nobody_away_whom_the_dead_one_did(void)
{
	static const char *const supervised[] = {"--supervise",	    "--connection-rate", "1,40",
						 "--allow-control", "user:4711",	 NULL};
	pid_t pid;

	alive_open(&a, supervised);
	if (knocks_possible(&a.world)) {
		CHECK(knocks_of(&a.world, NAMED, 100).closed >= 1);
		pid = world_ask_pid(&a.world, NULL);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK(world_ask_pid(&a.world, NULL) != pid);
		check_all_answered(NAMED, 10);
	}
	alive_check_neighbour(&a);
	alive_close(&a);
}

/* --- sockets that change hands --- */

/* Is the version answered, by whoever holds this end? */
static bool asks(int fd)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__Response *response;
	bool answered;

	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	if (hf_frame_send(fd, &request.base, NULL, 0) < 0 || hf_frame_receive(fd, &frame) <= 0)
		return false;
	response =
		(void *)hf_frame_unpack(&holdfast__control__response__descriptor, bytes, frame.len);
	answered = response && response->version;
	hf_frame_free_unpacked((ProtobufCMessage *)response);
	return answered;
}

/* A child of a user whom no rule names, which connects to the door or asks by `fd`, and leaves. Is
 * it answered? */
static bool stranger_asks(int fd)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgid(STRANGER) < 0 || setuid(STRANGER) < 0 ? 2 : !asks(fd));
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

/* Connected by that user, in a table of descriptors that is ours as well. */
static int strangers_socket(void)
{
	int ends[2], fd = -1, status;
	char path[128];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/control.sock", a.world.dir);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		if (setgid(STRANGER) == 0 && setuid(STRANGER) == 0)
			fd = hf_seqpacket_connect(path);
		_exit(write(ends[1], &fd, sizeof(fd)) != sizeof(fd));
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	REQUIRE(read(ends[0], &fd, sizeof(fd)) == sizeof(fd) && fd >= 0);
	hf_fd_close_all(ends, 2);
	return fd;
}

static void who_connected_is_judged_and_not_who_has_the_socket(void)
{
	static const char refused[] = "refused.control_peer_not_allowed";
	int fd;

	alive_open(&a, ruled);
	if (knocks_possible(&a.world)) {
		fd = knock("control");
		CHECK(stranger_asks(fd));
		CHECK(asks(fd));
		close(fd);
		CHECK_EQ(world_counter(&a.world, refused), 0);
		fd = strangers_socket();
		CHECK(!asks(fd));
		close(fd);
		CHECK_EQ(world_counter(&a.world, refused), 1);
	}
	alive_check(&a);
	alive_close(&a);
}

static const struct sentence sentences[] = {
	CATALOGUE(what_is_no_message_ends_its_connection, "[C-1]"),
	CATALOGUE(random_packets_end_or_are_answered, "[C-1]"),
	CATALOGUE(packets_that_would_cost_much_cost_nothing, "[C-2]"),
	CATALOGUE(descriptors_by_the_thousand_are_all_closed, "[C-6]"),
	CATALOGUE(a_socket_that_is_passed_over_itself_goes_away, "[C-6]"),
	SENTENCE(who_comes_and_says_nothing_costs_nobody_anything),
	CATALOGUE(who_hangs_up_and_keeps_a_guests_memory_is_killed, "[C-7] [F-2]"),
	CATALOGUE(without_fencing_it_is_let_go_and_named, "[C-7]"),
	CATALOGUE(who_connects_without_end_is_kept_away_and_nobody_else, "[M-18]"),
	CATALOGUE(all_whom_no_rule_names_have_one_allowance, "[M-18] [C-4]"),
	CATALOGUE(who_connected_is_judged_and_not_who_has_the_socket, "[C-4]"),
	SENTENCE(who_was_kept_away_is_let_in_again),
	SENTENCE(an_heir_keeps_nobody_away_whom_the_dead_one_did),
};
SUITE("doors", sentences)
