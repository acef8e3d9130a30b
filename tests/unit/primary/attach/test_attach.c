/* SPDX-License-Identifier: Apache-2.0 */
/* The attach socket: handshake, requests, and every way not to be let in. */
#include "attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "directory.h"
#include "fd.h"
#include "grant.h"
#include "holder.h"
#include "lane.h"
#include "port.h"
#include "ports.h"
#include "primary_rig.h"
#include "refusal.h"
#include "secondary.h"
#include "store.h"
#include "suite.h"
#include "unusable.h"

#define TO_PRIMARY(name)   HOLDFAST__ATTACH__TO_PRIMARY__BODY_##name
#define TO_SECONDARY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name
#define ROLE(name)	   HOLDFAST__ATTACH__ROLE__##name

typedef Holdfast__Attach__ToPrimary Request;
typedef Holdfast__Attach__ToSecondary Answer;

static void open_attach(struct rig *rig)
{
	rig_open(rig);
	REQUIRE(attach_open(&rig->primary) == 0);
}

static int dial(const struct rig *rig)
{
	struct timeval limit = {.tv_sec = 20};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/attach.sock", rig->dir);
	fd = hf_seqpacket_connect(path);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static Holdfast__Attach__Hello good_hello(void)
{
	Holdfast__Attach__Hello hello = HOLDFAST__ATTACH__HELLO__INIT;

	hello.abi_major = HF_ABI_MAJOR;
	hello.name = (char *)(uintptr_t) "vsw";
	hello.version = (char *)(uintptr_t) "1\n2";
	hello.membarrier = true;
	return hello;
}

static void send_hello(int fd, Holdfast__Attach__Hello *hello)
{
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = TO_PRIMARY(HELLO);
	request.hello = hello;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
}

static bool is_readable(void *context)
{
	char byte;

	return recv(*(int *)context, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* The next answer; NULL when the connection is closed. */
static Answer *answer_on(struct rig *rig, int fd)
{
	if (!rig_until(rig, is_readable, &fd, 20000))
		return NULL;
	return rig_message(fd, NULL);
}

static bool is_closed(struct rig *rig, int fd)
{
	Answer *answer = answer_on(rig, fd);
	bool closed = answer == NULL;

	rig_message_free(answer);
	return closed;
}

/* Attached in this role, by a name of its own. */
static int attached(struct rig *rig, Holdfast__Attach__Role role)
{
	static unsigned int number;
	Holdfast__Attach__Hello hello = good_hello();
	int fd = dial(rig);
	char name[16];
	Answer *answer;

	REQUIRE(fd >= 0);
	snprintf(name, sizeof(name), "vsw%u", number++);
	hello.name = name;
	hello.role = role;
	send_hello(fd, &hello);
	answer = answer_on(rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(WELCOME));
	rig_message_free(answer);
	return fd;
}

/* The error of the refusal that this Hello gets; the reason has `word` in it. */
static int refused(struct rig *rig, Holdfast__Attach__Hello *hello, const char *word)
{
	int fd = dial(rig), error;
	Answer *answer;

	REQUIRE(fd >= 0);
	send_hello(fd, hello);
	answer = answer_on(rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REFUSED));
	error = answer->refused->error;
	if (!strstr(answer->refused->reason, word))
		printf("\n    reason: %s ", answer->refused->reason);
	CHECK(strstr(answer->refused->reason, word) != NULL);
	rig_message_free(answer);
	CHECK(is_closed(rig, fd));
	hf_fd_close(&fd);
	return error;
}

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

static void a_name_that_a_rule_let_in_keeps_nobody_out_who_may_all(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct secondary *stranger;
	Answer *answer;
	struct rig rig;
	int s[2];

	open_attach(&rig);
	stranger = rig_secondary(&rig, "vsw", ROLE(VSWITCH), "a*", &s[0]);
	stranger->allowed = 1;
	s[1] = dial(&rig);
	send_hello(s[1], &hello);
	answer = answer_on(&rig, s[1]);
	CHECK(answer && answer->body_case == TO_SECONDARY(WELCOME));
	rig_message_free(answer);
	CHECK(is_closed(&rig, s[0]) || stranger->leaving);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_NAME], 1);
	/* And one of its kind does not take it back: it is another's. */
	CHECK_EQ(refused(&rig, &hello, "a secondary named vsw is attached"), -EEXIST);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static bool is_second_there(void *context)
{
	return ((struct rig *)context)->primary.secondaries[1] != NULL;
}

/* What is to be stored of it waits for a holder that does not read. */
static void who_outranks_a_name_takes_its_place_when_it_may_run_something(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct secondary *stranger;
	struct holder holder;
	struct port *port;
	struct rig rig;
	Answer *answer;
	int s[2];

	open_attach(&rig);
	holder_open(&holder);
	REQUIRE(store_open(rig.primary.loop, &rig.primary.store) == 0);
	stranger = rig_secondary(&rig, "vsw", ROLE(VSWITCH), "a*", &s[0]);
	stranger->allowed = 1;
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711=a*") == 0);
	port = rig_port(&rig, "a0", 2);
	grant_offer_all(&rig.primary);
	REQUIRE(port->device.owner == stranger);
	for (int i = 0; i < 2000 && !store_pending(rig.primary.store); i++)
		store_notify(rig.primary.store, "STATUS=much");
	s[1] = dial(&rig);
	send_hello(s[1], &hello);
	REQUIRE(rig_until(&rig, is_second_there, &rig, 20000));
	REQUIRE(rig.primary.secondaries[1]->storing);
	CHECK(rig.primary.secondaries[0] == stranger && secondary_usable(stranger));
	CHECK(port->device.owner == stranger && port->device.vrings[0].owner == stranger);
	/* One name is not given to three. */
	CHECK_EQ(refused(&rig, &hello, "a secondary named vsw is attached"), -EEXIST);
	attach_stored_all(&rig.primary);
	answer = answer_on(&rig, s[1]);
	CHECK(answer && answer->body_case == TO_SECONDARY(WELCOME));
	rig_message_free(answer);
	CHECK(port->device.owner == rig.primary.secondaries[1]);
	CHECK(port->device.vrings[0].owner == rig.primary.secondaries[1]);
	CHECK_EQ(rig_events(&rig, HOLDFAST__CONTROL__EVENT_KIND__PORT_ORPHANED, NULL), 0);
	hf_fd_close_all(s, 2);
	attach_close(&rig.primary);
	store_close(rig.primary.store);
	rig.primary.store = NULL;
	holder_close(&holder);
	rig_close(&rig);
}

/* Or its ports would be with nobody. */
static void who_is_not_let_in_leaves_the_one_of_its_name_alone(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct secondary *stranger;
	int fds[RIG_SECONDARIES];
	struct rig rig;
	char name[32];

	open_attach(&rig);
	stranger = rig_secondary(&rig, "vsw", ROLE(VSWITCH), "a*", &fds[0]);
	stranger->allowed = 1;
	for (uint32_t i = 1; i < RIG_SECONDARIES; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		(void)rig_secondary(&rig, name, ROLE(VSWITCH), NULL, &fds[i]);
	}
	CHECK_EQ(refused(&rig, &hello, "places for secondaries are taken"), -EBUSY);
	CHECK(!stranger->leaving);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_NAME], 0);
	hf_fd_close_all(fds, RIG_SECONDARIES);
	rig_close(&rig);
}

static void a_name_is_given_once(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;
	int fd, s;

	open_attach(&rig);
	(void)rig_secondary(&rig, "vsw", ROLE(VSWITCH), NULL, &s);
	CHECK_EQ(refused(&rig, &hello, "a secondary named vsw is attached"), -EEXIST);
	hf_fd_close(&s); /* it goes: the name is free at once */
	fd = dial(&rig);
	send_hello(fd, &hello);
	rig_until(&rig, NULL, NULL, 20);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_NAME], 1);
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

/* Exit status of a process of this user that tries to attach: the error it was told. */
static int attach_as(struct rig *rig, uid_t uid, bool die)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		Holdfast__Attach__Hello hello = good_hello();
		Answer *answer;
		int fd;

		if (uid && setuid(uid) < 0)
			_exit(1);
		fd = dial(rig);
		if (fd < 0)
			_exit(2);
		send_hello(fd, &hello);
		if (die)
			_exit(0);
		answer = rig_message(fd, NULL);
		_exit(answer && answer->body_case == TO_SECONDARY(REFUSED) ? -answer->refused->error
									   : 3);
	}
	REQUIRE(pid > 0);
	if (die)
		waitpid(pid, &status, 0);
	else
		status = rig_until_ended(rig, pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void another_user_is_refused(void)
{
	struct rig rig;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	rig_open(&rig);
	rig.conf.attach_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	CHECK_EQ(attach_as(&rig, 65534, false), EACCES);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	CHECK(rig.primary.secondaries[0] == NULL);
	rig_close(&rig);
}

/* Whoever speaks on the socket afterwards. */
static void a_socket_that_changes_hands_is_judged_by_who_connected(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;
	Answer *answer;
	int fd;
	pid_t pid;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	rig_open(&rig);
	rig.conf.attach_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	REQUIRE(seteuid(4711) == 0);
	fd = dial(&rig);
	REQUIRE(seteuid(0) == 0 && fd >= 0);
	send_hello(fd, &hello);
	answer = answer_on(&rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REFUSED));
	CHECK_EQ(answer->refused->error, -EACCES);
	rig_message_free(answer);
	hf_fd_close(&fd);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);

	fd = dial(&rig);
	pid = fork();
	if (pid == 0) {
		if (setuid(4711) < 0)
			_exit(1);
		send_hello(fd, &hello);
		_exit(0);
	}
	REQUIRE(pid > 0 && fd >= 0);
	CHECK_EQ(rig_until_ended(&rig, pid), 0);
	answer = answer_on(&rig, fd);
	CHECK(answer && answer->body_case == TO_SECONDARY(WELCOME));
	CHECK(rig.primary.secondaries[0] && rig.primary.secondaries[0]->pid == getpid());
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	rig_message_free(answer);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void a_rule_lets_its_user_in(void)
{
	struct rig rig;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	rig_open(&rig);
	rig.conf.attach_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4712=a*") == 0);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711=b*") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	CHECK_EQ(attach_as(&rig, 4713, false), EACCES);
	CHECK_EQ(attach_as(&rig, 4711, false), 3);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	rig_close(&rig);
}

static void those_that_a_rule_lets_in_have_half_of_the_places(void)
{
	struct rig rig;
	int fds[RIG_SECONDARIES / 2], own;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	rig_open(&rig);
	rig.conf.attach_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = attached(&rig, ROLE(OBSERVER));
		rig.primary.secondaries[i]->allowed = 1; /* as if that rule had */
	}
	CHECK_EQ(attach_as(&rig, 4711, false), EBUSY);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_FULL], 1);
	own = attached(&rig, ROLE(OBSERVER));
	hf_fd_close(&own);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	rig_close(&rig);
}

/* So many of user 4711 that say nothing, all of them at the door; the process is the caller's to
 * end. */
static pid_t crowd_of_a_user(struct rig *rig, unsigned int count)
{
	int there[2];
	char byte;
	pid_t pid;

	REQUIRE(pipe2(there, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		if (setuid(4711) < 0)
			_exit(1);
		while (count--)
			if (dial(rig) < 0)
				_exit(2);
		(void)!write(there[1], "", 1);
		for (;;)
			pause();
	}
	REQUIRE(pid > 0);
	hf_fd_close(&there[1]);
	REQUIRE(read(there[0], &byte, 1) == 1);
	hf_fd_close(&there[0]);
	return pid;
}

static bool nobody_more_fits(void *context)
{
	return ((struct rig *)context)->primary.refusals[REFUSED_ATTACH_FULL] >= 12;
}

static void those_that_a_rule_lets_in_leave_places_at_the_door(void)
{
	struct rig rig;
	pid_t crowd;
	int own;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	rig_open(&rig);
	rig.conf.attach_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	crowd = crowd_of_a_user(&rig, 60);
	CHECK(rig_until(&rig, nobody_more_fits, &rig, 20000));
	own = attached(&rig, ROLE(OBSERVER));
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_FULL], 12);
	hf_fd_close(&own);
	CHECK_EQ(kill(crowd, SIGKILL), 0);
	CHECK_EQ(waitpid(crowd, NULL, 0), crowd);
	rig_close(&rig);
}

static void a_process_that_died_in_the_handshake_is_not_let_in(void)
{
	struct rig rig;

	open_attach(&rig);
	CHECK_EQ(attach_as(&rig, 0, true), 0); /* and is reaped: its number may be another's */
	rig_until(&rig, NULL, NULL, 50);
	CHECK(rig.primary.secondaries[0] == NULL);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	rig_close(&rig);
}

static void who_attaches_is_offered_what_waits(void)
{
	struct port *port;
	struct rig rig;
	Answer *answer;
	int observer, vswitch;

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 2);
	observer = attached(&rig, ROLE(OBSERVER));
	CHECK(port->device.owner == NULL);
	vswitch = attached(&rig, ROLE(VSWITCH));
	CHECK(port->device.owner == rig.primary.secondaries[1]);
	answer = answer_on(&rig, vswitch);
	CHECK(answer && answer->body_case == TO_SECONDARY(DEVICE_MEMORY));
	rig_message_free(answer);
	rig_until(&rig, NULL, NULL, 5);
	CHECK(!is_readable(&observer));
	hf_fd_close(&observer);
	hf_fd_close(&vswitch);
	rig_close(&rig);
}

static bool nobody_is_attached(void *context)
{
	struct rig *rig = context;

	return rig->primary.secondaries[0] == NULL;
}

static void who_attaches_has_at_once_what_another_one_lacks_for(void)
{
	uint64_t far = hf_now_ns() + 100 * NS_PER_S;
	struct secondary *poor, *rich;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[3];

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	s[0] = attached(&rig, ROLE(VSWITCH));
	poor = rig.primary.secondaries[0];
	for (int i = 0; i < 7; i++) {
		grant_offer_again(&rig.primary, far);
		REQUIRE(vring->owner == poor);
		CHECK_EQ(grant_unusable(poor, vring, vring->grant, -EMFILE), 0);
	}
	s[1] = attached(&rig, ROLE(OBSERVER)); /* runs nothing */
	CHECK(vring->owner == NULL && port->device.owner == poor);
	s[2] = attached(&rig, ROLE(VSWITCH));
	rich = rig.primary.secondaries[2];
	CHECK(vring->owner == rich && port->device.owner == rich);
	hf_fd_close_all(s, 3);
	rig_close(&rig);
}

/* Its owner has what it takes by now, or it will soon go to the other one. */
static void who_attaches_ends_the_wait_of_a_ring(void)
{
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[2];

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	s[0] = attached(&rig, ROLE(VSWITCH));
	REQUIRE(vring->owner != NULL);
	CHECK_EQ(grant_unusable(vring->owner, vring, vring->grant, -EMFILE), 0);
	vring->put_off_ns = UINT64_MAX;
	s[1] = attached(&rig, ROLE(STANDBY));
	CHECK(vring->owner && vring->owner == rig.primary.secondaries[0]);
	CHECK_EQ(vring->lacked, 1);
	hf_fd_close_all(s, 2);
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

/* The Reply to a request, by error; *ret_value if asked. */
static int reply_to(struct rig *rig, int fd, Request *request, uint64_t *ret_value)
{
	static uint64_t number = 100;
	Answer *answer;
	int error;

	request->request = ++number;
	REQUIRE(hf_frame_send(fd, &request->base, NULL, 0) == 0);
	answer = answer_on(rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REPLY));
	CHECK_EQ(answer->reply->request, number);
	CHECK(!answer->reply->error == !*answer->reply->reason);
	error = answer->reply->error;
	if (ret_value)
		*ret_value = answer->reply->value;
	rig_message_free(answer);
	return error;
}

static int add_port(struct rig *rig, int fd, const char *name, Holdfast__Attach__PortKind kind)
{
	Holdfast__Attach__PortAdd add = HOLDFAST__ATTACH__PORT_ADD__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	add.name = (char *)(uintptr_t)name;
	add.kind = kind;
	request.body_case = TO_PRIMARY(PORT_ADD);
	request.port_add = &add;
	return reply_to(rig, fd, &request, NULL);
}

static int del_port(struct rig *rig, int fd, const char *name)
{
	Holdfast__Attach__PortDel del = HOLDFAST__ATTACH__PORT_DEL__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	del.name = (char *)(uintptr_t)name;
	request.body_case = TO_PRIMARY(PORT_DEL);
	request.port_del = &del;
	return reply_to(rig, fd, &request, NULL);
}

static void a_secondary_adds_and_removes_ports(void)
{
	struct rig rig;
	int fd, observer;

	open_attach(&rig);
	fd = attached(&rig, ROLE(VSWITCH));
	observer = attached(&rig, ROLE(OBSERVER));
	CHECK_EQ(add_port(&rig, fd, "vm0", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), 0);
	CHECK(port_find(&rig.primary, "vm0") != NULL);
	CHECK_EQ(add_port(&rig, fd, "vm0", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), -EEXIST);
	CHECK_EQ(add_port(&rig, fd, "a/b", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), -EINVAL);
	CHECK_EQ(add_port(&rig, fd, "c!0", HOLDFAST__ATTACH__PORT_KIND__VHOST_CUSE), -EINVAL);
	CHECK_EQ(add_port(&rig, fd, "k2", (Holdfast__Attach__PortKind)2), -EOPNOTSUPP);
	CHECK_EQ(add_port(&rig, fd, "k-", (Holdfast__Attach__PortKind)-1), -EOPNOTSUPP);
	CHECK_EQ(del_port(&rig, observer, "vm0"), -EPERM);
	CHECK_EQ(del_port(&rig, fd, "vm1"), -ENOENT);
	CHECK_EQ(del_port(&rig, fd, "vm0"), 0);
	CHECK(port_find(&rig.primary, "vm0") == NULL);
	hf_fd_close(&fd);
	hf_fd_close(&observer);
	rig_close(&rig);
}

static int change_feature(struct rig *rig, int fd, const char *port, uint64_t mask, bool enable)
{
	Holdfast__Attach__FeatureChange change = HOLDFAST__ATTACH__FEATURE_CHANGE__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	change.port = (char *)(uintptr_t)port;
	change.mask = mask;
	change.enable = enable;
	request.body_case = TO_PRIMARY(FEATURE_CHANGE);
	request.feature_change = &change;
	return reply_to(rig, fd, &request, NULL);
}

static uint64_t features_of(struct rig *rig, int fd, const char *port)
{
	Holdfast__Attach__FeatureGet get = HOLDFAST__ATTACH__FEATURE_GET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	uint64_t features = 0;

	get.port = (char *)(uintptr_t)port;
	request.body_case = TO_PRIMARY(FEATURE_GET);
	request.feature_get = &get;
	CHECK_EQ(reply_to(rig, fd, &request, &features), 0);
	return features;
}

static void features_are_switched_for_one_port_or_all(void)
{
	const uint64_t csum = 1, indirect = 1ull << 28;
	struct rig rig;
	int fd;

	open_attach(&rig);
	fd = attached(&rig, ROLE(VSWITCH));
	CHECK_EQ(add_port(&rig, fd, "vm0", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), 0);
	CHECK_EQ(change_feature(&rig, fd, "vm0", csum, false), 0);
	CHECK_EQ(features_of(&rig, fd, "vm0") & csum, 0);
	CHECK_EQ(features_of(&rig, fd, "") & csum, csum);
	CHECK_EQ(change_feature(&rig, fd, "", indirect, false), 0);
	CHECK_EQ(features_of(&rig, fd, "vm0") & indirect, 0);
	CHECK_EQ(change_feature(&rig, fd, "vm0", indirect, true), -EINVAL);
	CHECK_EQ(change_feature(&rig, fd, "", indirect | csum, true), 0);
	CHECK_EQ(features_of(&rig, fd, "vm0") & (indirect | csum), indirect | csum);
	CHECK_EQ(change_feature(&rig, fd, "", 1ull << 62, true), -EINVAL);
	CHECK_EQ(change_feature(&rig, fd, "vm9", csum, true), -ENOENT);
	CHECK_EQ(del_port(&rig, fd, "vm0"), 0);
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

static unsigned int count_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	REQUIRE(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void coming_and_going_leaves_no_descriptors(void)
{
	struct port *port;
	struct rig rig;
	unsigned int before;
	int fd;

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 4);
	before = count_fds();
	rig.conf.fence = false; /* it is this process that hangs up and lives on */
	for (int i = 0; i < 3; i++) {
		fd = attached(&rig, ROLE(VSWITCH));
		CHECK(port->device.owner != NULL);
		hf_fd_close(&fd);
		CHECK(rig_until(&rig, nobody_is_attached, &rig, 20000));
	}
	CHECK_EQ(count_fds(), before);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(welcome_brings_a_directory_to_read_and_a_lane_to_write),
	SENTENCE(another_major_version_is_refused_naming_both),
	CATALOGUE(bad_names_roles_and_patterns_are_refused, "[C-3]"),
	CATALOGUE(a_name_ends_at_its_nul, "[C-3]"),
	CATALOGUE(what_is_not_a_hello_is_refused, "[C-1] [C-3]"),
	SENTENCE(who_says_nothing_has_two_seconds),
	CATALOGUE(a_name_is_given_once, "[C-4]"),
	CATALOGUE(a_name_that_a_rule_let_in_keeps_nobody_out_who_may_all, "[C-4]"),
	SENTENCE(who_outranks_a_name_takes_its_place_when_it_may_run_something),
	SENTENCE(who_is_not_let_in_leaves_the_one_of_its_name_alone),
	SENTENCE(a_full_table_says_so),
	SENTENCE(a_crowd_at_the_door_is_bounded),
	SENTENCE(those_that_a_rule_lets_in_leave_places_at_the_door),
	CATALOGUE(another_user_is_refused, "[C-4]"),
	CATALOGUE(a_socket_that_changes_hands_is_judged_by_who_connected, "[C-4]"),
	CATALOGUE(a_rule_lets_its_user_in, "[C-4]"),
	SENTENCE(those_that_a_rule_lets_in_have_half_of_the_places),
	CATALOGUE(a_process_that_died_in_the_handshake_is_not_let_in, "[C-4]"),
	SENTENCE(who_attaches_is_offered_what_waits),
	SENTENCE(who_attaches_has_at_once_what_another_one_lacks_for),
	SENTENCE(who_attaches_ends_the_wait_of_a_ring),
	SENTENCE(bye_is_answered_by_the_end_of_the_connection),
	SENTENCE(a_secondary_adds_and_removes_ports),
	SENTENCE(features_are_switched_for_one_port_or_all),
	CATALOGUE(what_is_not_in_the_protocol_ends_the_attachment, "[C-1] [C-3]"),
	SENTENCE(coming_and_going_leaves_no_descriptors),
};
SUITE("attach", sentences)
