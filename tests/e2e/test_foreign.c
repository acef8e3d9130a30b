/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors whose close(2) does not return, in messages to the primary: of a file on FUSE whose
 * server has stopped answering, and of a socket that lingers. Who passes them loses his own port;
 * nobody waits for him, and an upgrade, a kill and a take-over go as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "attach.pb-c.h"
#include "check.h"
#include "fd.h"
#include "frame.h"
#include "fuse_file.h"
#include "knocks.h"
#include "layout.h"
#include "suite.h"

static struct alive a;
static struct front_end bad;
static struct fuse_file file;

static void open_all(const char *first)
{
	const char *const arguments[] = {first, NULL};

	alive_open(&a, arguments);
}

static void close_all(void)
{
	alive_close(&a);
}

/* The file after all else: a process that is started closes what it inherits. */
static bool open_all_with_server(const char *first, const char *answered)
{
	open_all(first);
	if (fuse_file_begin_answering(&file, answered))
		return true;
	printf("\n    skipped: no FUSE for this user\n");
	close_all();
	return false;
}

static bool open_all_with_file(const char *first)
{
	return open_all_with_server(first, NULL);
}

static void connect_bad(void)
{
	alive_connect(&a, &bad);
}

static void set_up_bad(void)
{
	alive_set_up(&a, &bad);
}

/* The primary answers, and the neighbour's packets go on. */
static void check_alive(void)
{
	alive_check_neighbour(&a);
}

/* The signal is on its way when kill returns. */
static void stop_primary(void)
{
	char path[64], line[512], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", a.world.primary);
	CHECK_EQ(kill(a.world.primary, SIGSTOP), 0);
	for (int ms = 0; ms < 20000 && state != 'T'; ms++) {
		FILE *stat = fopen(path, "re");

		REQUIRE(stat != NULL);
		if (fgets(line, sizeof(line), stat))
			(void)sscanf(line, "%*d (%*[^)]) %c", &state);
		fclose(stat);
		usleep(1000);
	}
	CHECK_EQ(state, 'T');
}

/* Refused, as any other wrong descriptor: of memory it is the file that is wrong. */
static void offer(uint32_t request, int fd)
{
	/* A table of one region, or one region, behind what the guest has. */
	uint64_t table[5] = {1, bad.guest.base + bad.guest.size, 4096,
			     bad.guest.user + bad.guest.size, 0};
	bool is_memory = request == FE_SET_MEM_TABLE || request == FE_ADD_MEM_REG;
	uint64_t files = world_counter(&a.world, "refused.region_file"), word = 1;

	if (is_memory)
		CHECK_EQ(front_end_ask(&bad, request, table, sizeof(table), &fd, 1), 1);
	else
		CHECK_EQ(front_end_ask(&bad, request, &word, sizeof(word), &fd, 1), 1);
	CHECK_EQ(world_counter(&a.world, "refused.region_file"), files + is_memory);
}

static void a_file_that_is_never_flushed_is_refused_and_holds_up_nobody(void)
{
	uint32_t number = 50;

	if (!open_all_with_file(NULL))
		return;
	set_up_bad();
	offer(FE_SET_MEM_TABLE, file.fd);
	CHECK(fuse_file_hangs(&file, 1));
	check_alive();
	offer(FE_ADD_MEM_REG, file.fd);
	check_alive();
	offer(FE_SET_VRING_CALL, file.fd);
	CHECK(fuse_file_hangs(&file, 3));
	check_alive();
	/* Its own session has lost nothing either. */
	CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	CHECK_EQ(world_fds(a.world.primary, file.fd), 0);
	front_end_close(&bad);
	fuse_file_end(&file);
	alive_check(&a);
	close_all();
}

static void stray_files_that_are_never_flushed_hold_up_nobody(void)
{
	uint64_t value = 0;

	if (!open_all_with_file(NULL))
		return;
	connect_bad();
	CHECK_EQ(front_end_send(&bad, FE_GET_FEATURES, 0, NULL, 0, &file.fd, 1), 0);
	CHECK_EQ(front_end_reply(&bad, FE_GET_FEATURES, &value, sizeof(value)), 8);
	check_alive();
	/* Behind the last message that is read. */
	stop_primary();
	CHECK_EQ(front_end_send(&bad, FE_SET_VRING_NUM, 0, "", 1, &file.fd, 1), 0);
	CHECK_EQ(front_end_send(&bad, FE_GET_FEATURES, 0, NULL, 0, &file.fd, 1), 0);
	CHECK_EQ(kill(a.world.primary, SIGCONT), 0);
	CHECK(front_end_is_closed(&bad));
	check_alive();
	front_end_close(&bad);
	fuse_file_end(&file);
	close_all();
}

/* Four may hang; then the port is shut until they do not. */
static void check_shut(const char *answered)
{
	uint64_t features;

	if (!open_all_with_server(NULL, answered))
		return;
	set_up_bad();
	for (int i = 0; i < 4; i++)
		offer(FE_SET_VRING_ERR, file.fd);
	CHECK(fuse_file_hangs(&file, 4));
	CHECK(front_end_get_u64(&bad, FE_GET_FEATURES, &features) < 0);
	CHECK(world_counter_becomes(&a.world, "refused.descriptors_that_hang", 1));
	front_end_close(&bad);
	check_alive();
	fuse_file_end(&file);
	set_up_bad();
	front_end_close(&bad);
	check_alive();
	close_all();
}

static void a_port_whose_files_hang_is_shut_until_they_do_not(void)
{
	check_shut(NULL);
}

static void answering_who_closes_last_opens_no_port_while_others_hang(void)
{
	check_shut("holdfastd-keep");
}

static void a_file_that_hangs_stops_no_upgrade(void)
{
	const char *reason = "";

	if (!open_all_with_file(NULL))
		return;
	set_up_bad();
	offer(FE_SET_MEM_TABLE, file.fd);
	CHECK(fuse_file_hangs(&file, 1));
	CHECK_EQ(world_upgrade_begun(world_upgrade(&a.world, ""), &reason), 0);
	CHECK(world_counter_becomes(&a.world, "upgrades", 1));
	check_alive();
	front_end_close(&bad);
	fuse_file_end(&file);
	close_all();
}

/* In the run directory of a primary that is dead: does anything of it live on? */
static bool is_free(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[128];
	int lock, socket_fd;
	bool free_lock = false, refused = false;

	snprintf(path, sizeof(path), "%s/holdfastd.lock", a.world.dir);
	lock = open(path, O_RDWR | O_CLOEXEC);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/bad.sock", a.world.dir);
	for (int i = 0; i < 10000 && !(free_lock && refused); i++) {
		free_lock = flock(lock, LOCK_EX | LOCK_NB) == 0;
		socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		refused = connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
			  errno == ECONNREFUSED;
		close(socket_fd);
		usleep(1000);
	}
	close(lock);
	return free_lock && refused;
}

static void a_killed_primary_leaves_no_lock_and_no_socket_with_who_hangs(void)
{
	int status = 0;

	if (!open_all_with_file(NULL))
		return;
	set_up_bad();
	offer(FE_SET_MEM_TABLE, file.fd);
	CHECK(fuse_file_hangs(&file, 1));
	alive_hush(&a);
	CHECK_EQ(kill(a.world.primary, SIGKILL), 0);
	CHECK_EQ(waitpid(a.world.primary, &status, 0), a.world.primary);
	CHECK(is_free());
	CHECK(front_end_is_closed(&bad));
	CHECK(front_end_is_closed(&a.neighbour));
	a.world.primary = 0;
	front_end_close(&bad);
	front_end_close(&a.neighbour);
	fuse_file_end(&file);
	world_close(&a.world);
}

static void a_primary_that_dies_beside_who_hangs_is_succeeded(void)
{
	pid_t pid;

	if (!open_all_with_file("--supervise"))
		return;
	set_up_bad();
	for (int i = 0; i < 2; i++) {
		offer(FE_SET_MEM_TABLE, file.fd);
		CHECK(fuse_file_hangs(&file, (unsigned int)i + 1));
		pid = world_ask_pid(&a.world, NULL);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK(world_ask_pid(&a.world, NULL) != pid);
		check_alive();
	}
	front_end_close(&bad);
	fuse_file_end(&file);
	close_all();
}

/* At the doors of secondaries and of the control command: nobody has been let in yet. */
static void a_local_peers_file_that_hangs_holds_up_nobody(void)
{
	static const char *const doors[] = {"attach", "control"};
	struct front_end peer = {.socket = -1};
	char path[128];

	if (!open_all_with_file(NULL))
		return;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(doors); i++) {
		snprintf(path, sizeof(path), "%s/%s.sock", a.world.dir, doors[i % 2]);
		peer.socket = hf_seqpacket_connect(path);
		REQUIRE(peer.socket >= 0);
		stop_primary();
		if (i >= ARRAY_SIZE(doors)) /* not the first that is read */
			CHECK_EQ(front_end_send_bytes(&peer, "x", 1, NULL, 0, 0), 0);
		CHECK_EQ(front_end_send_bytes(&peer, "x", 1, &file.fd, 1, 0), 0);
		CHECK_EQ(kill(a.world.primary, SIGCONT), 0);
		check_alive();
		hf_fd_close(&peer.socket);
	}
	CHECK_EQ(world_fds(a.world.primary, file.fd), 0);
	fuse_file_end(&file);
	close_all();
}

/* A process for each connection that leaves one would be more than a machine has. */
static void a_door_whose_files_hang_is_shut_until_they_do_not(void)
{
	struct front_end peer = {.socket = -1};
	char path[128];

	if (!open_all_with_file(NULL))
		return;
	snprintf(path, sizeof(path), "%s/attach.sock", a.world.dir);
	for (unsigned int i = 0; i < 4; i++) {
		peer.socket = hf_seqpacket_connect(path);
		REQUIRE(peer.socket >= 0);
		CHECK_EQ(front_end_send_bytes(&peer, "x", 1, &file.fd, 1, 0), 0);
		CHECK(fuse_file_hangs(&file, i + 1));
		hf_fd_close(&peer.socket);
	}
	/* Others wait in the backlog, and none of theirs hangs. */
	peer.socket = hf_seqpacket_connect(path);
	REQUIRE(peer.socket >= 0);
	CHECK_EQ(front_end_send_bytes(&peer, "x", 1, &file.fd, 1, 0), 0);
	CHECK(world_counter_becomes(&a.world, "refused.descriptors_that_hang", 1));
	CHECK_EQ(atomic_load(file.flushes), 4);
	check_alive();
	fuse_file_end(&file);
	CHECK(world_counter_becomes(&a.world, "refused.attach_bad_message", 5));
	hf_fd_close(&peer.socket);
	check_alive();
	close_all();
}

/* A secondary that looks on, by hand. Its socket. */
static int attach_looker(void)
{
	Holdfast__Attach__Hello hello = HOLDFAST__ATTACH__HELLO__INIT;
	Holdfast__Attach__ToPrimary request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	char path[128], name[] = "looker";
	int fd;

	snprintf(path, sizeof(path), "%s/attach.sock", a.world.dir);
	fd = hf_seqpacket_connect(path);
	REQUIRE(fd >= 0);
	hello.abi_major = HF_ABI_MAJOR;
	hello.role = HOLDFAST__ATTACH__ROLE__OBSERVER;
	hello.name = hello.version = name;
	request.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_HELLO;
	request.hello = &hello;
	CHECK_EQ(hf_frame_send(fd, &request.base, NULL, 0), 0);
	return fd;
}

static int send_state(int fd)
{
	Holdfast__Attach__StateSet state = HOLDFAST__ATTACH__STATE_SET__INIT;
	Holdfast__Attach__ToPrimary request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_STATE_SET;
	request.state_set = &state;
	return hf_frame_send(fd, &request.base, &file.fd, 1);
}

static void a_secondary_whose_files_hang_is_cut_off(void)
{
	int fd;

	if (!open_all_with_file(NULL))
		return;
	fd = attach_looker();
	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(world_counter(&a.world, "refused.attach_bad_message"), 0);
		CHECK_EQ(send_state(fd), 0);
		CHECK(fuse_file_hangs(&file, i + 1));
		check_alive();
	}
	CHECK(world_counter_becomes(&a.world, "refused.attach_bad_message", 1));
	check_alive();
	CHECK_EQ(atomic_load(file.flushes), 4);
	CHECK_EQ(world_fds(a.world.primary, file.fd), 0);
	hf_fd_close(&fd);
	fuse_file_end(&file);
	check_alive();
	close_all();
}

#define NAMED 4711u
#define OTHER 4712u

static const char *const ruled[] = {
	"--allow-attach", "user:4711", "--allow-control", "user:4711", "--allow-control",
	"user:4712",	  NULL};

static void a_user_whose_files_hang_is_kept_away_and_nobody_else(void)
{
	uint32_t answered = 0;
	pid_t bad_one;
	size_t fds;

	alive_open(&a, ruled);
	if (!knocks_possible(&a.world) || !fuse_file_begin(&file)) {
		close_all();
		return;
	}
	fds = world_fds(a.world.primary, -1);
	bad_one = knocks_with(&a.world, NAMED, "control", 30, file.fd);
	CHECK(fuse_file_hangs(&file, 4));
	CHECK_EQ(knocks_of(&a.world, OTHER, 20).answered, 20);
	CHECK(world_counter_becomes(&a.world, "refused.descriptors_that_hang", 1));
	CHECK_EQ(knocks_of(&a.world, OTHER, 20).answered, 20);
	check_alive();
	/* None of his others was closed, nor is he let in. */
	CHECK_EQ(atomic_load(file.flushes), 4);
	CHECK_EQ(knocks_of(&a.world, NAMED, 20).answered, 0);
	CHECK(world_fds(a.world.primary, -1) >= fds + 26);
	fuse_file_end(&file);
	/* Those are closed, and he is let in again. */
	for (int i = 0; i < 20000 && !answered; i++) {
		usleep(1000);
		answered = knocks_of(&a.world, NAMED, 1).answered;
	}
	CHECK_EQ(answered, 1);
	CHECK_EQ(world_counter(&a.world, "refused.descriptors_that_hang"), 1);
	CHECK_EQ(kill(bad_one, SIGKILL), 0);
	CHECK_EQ(waitpid(bad_one, NULL, 0), bad_one);
	alive_check(&a);
	close_all();
}

/* Sent, and ours closed before the primary has looked: the last reference is in the queue. */
static void send_last(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
		      uint32_t size, struct lingerer *lingerer)
{
	stop_primary();
	CHECK_EQ(front_end_send(fe, request, flags, payload, size, &lingerer->fd, 1), 0);
	hf_fd_close(&lingerer->fd);
	CHECK_EQ(kill(a.world.primary, SIGCONT), 0);
}

/* In every place where the primary could hold the last reference. */
static void a_socket_that_lingers_holds_up_nobody(void)
{
	struct lingerer lingerers[4];
	struct front_end second;
	uint64_t word = 1, value = 0;

	open_all(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(lingerers); i++)
		lingerer_begin(&lingerers[i]);
	connect_bad();
	/* Asked for, */
	send_last(&bad, FE_SET_VRING_KICK, FE_NEED_REPLY, &word, sizeof(word), &lingerers[0]);
	CHECK_EQ(front_end_reply(&bad, FE_SET_VRING_KICK, &value, sizeof(value)), 8);
	CHECK_EQ(value, 1);
	check_alive();
	/* with a message that takes none, */
	send_last(&bad, FE_GET_FEATURES, 0, NULL, 0, &lingerers[1]);
	CHECK_EQ(front_end_reply(&bad, FE_GET_FEATURES, &value, sizeof(value)), 8);
	check_alive();
	/* from who is not let in, */
	stop_primary();
	REQUIRE(front_end_connect(&second, world_port_path(&a.world, "bad")) == 0);
	send_last(&second, FE_GET_FEATURES, 0, NULL, 0, &lingerers[2]);
	CHECK(front_end_is_closed(&second));
	front_end_close(&second);
	check_alive();
	/* and never read. */
	stop_primary();
	CHECK_EQ(front_end_send(&bad, FE_SET_VRING_NUM, 0, "", 1, NULL, 0), 0);
	send_last(&bad, FE_GET_FEATURES, 0, NULL, 0, &lingerers[3]);
	CHECK(front_end_is_closed(&bad));
	front_end_close(&bad);
	check_alive();
	for (size_t i = 0; i < ARRAY_SIZE(lingerers); i++)
		lingerer_end(&lingerers[i]);
	set_up_bad();
	front_end_close(&bad);
	close_all();
}

/* Where it is not taken in line no look shows it: the socket is readable for ever, the message
 * never whole, and what came along is closed unseen. */
static void a_message_whose_first_byte_is_urgent_is_a_message(void)
{
	const uint32_t header[3] = {FE_GET_FEATURES, 1, 0};
	const uint8_t *bytes = (const uint8_t *)header;
	uint64_t value = 0;

	open_all(NULL);
	connect_bad();
	CHECK_EQ(front_end_send_urgent(&bad, bytes[0], NULL, 0), 0);
	CHECK_EQ(front_end_send_bytes(&bad, bytes + 1, sizeof(header) - 1, NULL, 0, 0), 0);
	CHECK_EQ(front_end_reply(&bad, FE_GET_FEATURES, &value, sizeof(value)), 8);
	CHECK(value != 0);
	front_end_close(&bad);
	alive_check(&a);
	close_all();
}

static void a_socket_that_lingers_behind_an_urgent_byte_holds_up_nobody(void)
{
	struct lingerer lingerer;
	struct front_end second;

	open_all(NULL);
	lingerer_begin(&lingerer);
	connect_bad();
	stop_primary();
	REQUIRE(front_end_connect(&second, world_port_path(&a.world, "bad")) == 0);
	CHECK_EQ(front_end_send_urgent(&second, 'x', &lingerer.fd, 1), 0);
	hf_fd_close(&lingerer.fd);
	CHECK_EQ(kill(a.world.primary, SIGCONT), 0);
	CHECK(front_end_is_closed(&second));
	front_end_close(&second);
	check_alive();
	front_end_close(&bad);
	lingerer_end(&lingerer);
	close_all();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_file_that_is_never_flushed_is_refused_and_holds_up_nobody, "[23] [M-9]"),
	CATALOGUE(stray_files_that_are_never_flushed_hold_up_nobody, "[M-2]"),
	SENTENCE(a_port_whose_files_hang_is_shut_until_they_do_not),
	SENTENCE(answering_who_closes_last_opens_no_port_while_others_hang),
	SENTENCE(a_file_that_hangs_stops_no_upgrade),
	SENTENCE(a_killed_primary_leaves_no_lock_and_no_socket_with_who_hangs),
	CATALOGUE(a_primary_that_dies_beside_who_hangs_is_succeeded, "[F-3]"),
	CATALOGUE(a_local_peers_file_that_hangs_holds_up_nobody, "[C-1]"),
	CATALOGUE(a_door_whose_files_hang_is_shut_until_they_do_not, "[C-6]"),
	CATALOGUE(a_secondary_whose_files_hang_is_cut_off, "[C-6]"),
	CATALOGUE(a_user_whose_files_hang_is_kept_away_and_nobody_else, "[C-6]"),
	CATALOGUE(a_socket_that_lingers_holds_up_nobody, "[23] [20]"),
	CATALOGUE(a_message_whose_first_byte_is_urgent_is_a_message, "[M-17]"),
	CATALOGUE(a_socket_that_lingers_behind_an_urgent_byte_holds_up_nobody, "[23]"),
};
SUITE("foreign", sentences)
