/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user's secondaries may ask, all together and one after the other. They are this process,
 * their sockets another user's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "clock.h"
#include "fd.h"
#include "fuse_file.h"
#include "primary_rig.h"
#include "refusal.h"
#include "suite.h"
#include "users.h"

#define TO_PRIMARY(name)   HOLDFAST__ATTACH__TO_PRIMARY__BODY_##name
#define TO_SECONDARY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name
#define TEXT(s)		   ((char *)(uintptr_t)(s))
#define UNIT_NS		   (10 * NS_PER_MS)
#define LONG_NS		   (100 * NS_PER_S)

typedef Holdfast__Attach__ToPrimary Request;
typedef Holdfast__Attach__ToSecondary Answer;

static struct rig rig;

struct asker {
	struct secondary *secondary;
	uint64_t id;
	int socket;
};

static void begin(void)
{
	rig_open(&rig);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711=a*") == 0);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4712=a*") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	(void)rig_port(&rig, "a0", 1);
}

/* Whose socket it is, the kernel notes when it is made. */
static struct asker attach_as(uid_t uid, const char *name)
{
	struct asker asker;

	REQUIRE(seteuid(uid) == 0);
	asker.secondary =
		rig_secondary(&rig, name, HOLDFAST__ATTACH__ROLE__VSWITCH, "a*", &asker.socket);
	REQUIRE(seteuid(0) == 0);
	asker.secondary->allowed = uid ? 1 : ALLOW_ANY_PORT;
	asker.id = asker.secondary->id;
	rig_drain(asker.socket);
	return asker;
}

static bool is_gone(void *context)
{
	const struct asker *asker = context;

	for (uint32_t i = 0; i < RIG_SECONDARIES; i++)
		if (rig.primary.secondaries[i] && rig.primary.secondaries[i]->id == asker->id)
			return false;
	return true;
}

/* Without Bye it would be killed. */
static void say_bye(const struct asker *asker)
{
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = TO_PRIMARY(BYE);
	request.bye = &bye;
	REQUIRE(hf_frame_send(asker->socket, &request.base, NULL, 0) == 0);
}

static void leave(struct asker *asker)
{
	say_bye(asker);
	hf_fd_close(&asker->socket);
	CHECK(rig_until(&rig, is_gone, asker, 20000));
}

static void say(const struct asker *asker, Request *request, int fd)
{
	request->request = 7;
	REQUIRE(hf_frame_send(asker->socket, &request->base, &fd, fd >= 0) == 0);
}

static void ask_features(const struct asker *asker)
{
	Holdfast__Attach__FeatureGet get = HOLDFAST__ATTACH__FEATURE_GET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	get.port = TEXT("a0");
	request.body_case = TO_PRIMARY(FEATURE_GET);
	request.feature_get = &get;
	say(asker, &request, -1);
}

static void ask_for_a_port(const struct asker *asker)
{
	Holdfast__Attach__PortAdd add = HOLDFAST__ATTACH__PORT_ADD__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	add.name = TEXT("a0"); /* there is one */
	add.path = TEXT("");
	request.body_case = TO_PRIMARY(PORT_ADD);
	request.port_add = &add;
	say(asker, &request, -1);
}

static void say_retired(const struct asker *asker)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = TO_PRIMARY(RETIRED);
	request.retired = &retired;
	say(asker, &request, -1);
}

static void set_state(const struct asker *asker, int fd)
{
	Holdfast__Attach__StateSet set = HOLDFAST__ATTACH__STATE_SET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = TO_PRIMARY(STATE_SET);
	request.state_set = &set;
	say(asker, &request, fd);
}

static bool has_answer(void *context)
{
	return rig_has_message(((struct asker *)context)->socket);
}

/* What else it is sent is of no matter. */
static bool is_answered(struct asker *asker)
{
	bool answered = false;

	while (!answered && rig_until(&rig, has_answer, asker, 20000)) {
		Answer *answer = rig_message(asker->socket, NULL);

		if (!answer)
			return false;
		answered = answer->body_case == TO_SECONDARY(REPLY);
		rig_message_free(answer);
	}
	return answered;
}

static uint64_t spent_until(const struct asker *asker)
{
	const struct user *user = attach_user(asker->secondary);

	uint64_t now = hf_now_ns();

	return user && user->requests.until_ns > now ? user->requests.until_ns - now : 0;
}

/* Only root can be somebody else. */
static bool is_root(void)
{
	if (!geteuid())
		return true;
	printf("(needs root) ");
	return false;
}

static void what_is_asked_has_its_price_and_what_answers_has_none(void)
{
	struct asker asker;
	uint64_t before;

	if (!is_root())
		return;
	begin();
	asker = attach_as(4711, "asker");
	CHECK_EQ(spent_until(&asker), 0);
	for (int i = 0; i < 50; i++)
		say_retired(&asker);
	ask_features(&asker);
	CHECK(is_answered(&asker));
	CHECK(spent_until(&asker) <= UNIT_NS);
	attach_user(asker.secondary)->requests.until_ns = before = hf_now_ns() + LONG_NS / 10;
	ask_features(&asker);
	CHECK(is_answered(&asker));
	CHECK_EQ(attach_user(asker.secondary)->requests.until_ns, before += UNIT_NS);
	ask_for_a_port(&asker);
	CHECK(is_answered(&asker));
	CHECK_EQ(attach_user(asker.secondary)->requests.until_ns, before += 5 * UNIT_NS);
	leave(&asker);
	rig_close(&rig);
}

static void who_has_spent_it_is_read_slower_and_nobody_else(void)
{
	struct asker asker, namesake, other, own;

	if (!is_root())
		return;
	begin();
	asker = attach_as(4711, "asker");
	namesake = attach_as(4711, "namesake");
	other = attach_as(4712, "other");
	own = attach_as(0, "own");
	CHECK(attach_user(own.secondary) == NULL);
	attach_user(asker.secondary)->requests.until_ns = hf_now_ns() + LONG_NS;
	ask_features(&asker);
	ask_features(&namesake);
	ask_features(&other);
	ask_features(&own);
	CHECK(is_answered(&other) && is_answered(&own));
	rig_until(&rig, NULL, NULL, 10);
	CHECK(!rig_has_message(asker.socket) && !rig_has_message(namesake.socket));
	CHECK(asker.secondary->paused && namesake.secondary->paused);
	CHECK(!asker.secondary->cut && !asker.secondary->leaving);
	/* It goes on when there is something to spend. */
	attach_user(asker.secondary)->requests.until_ns = 0;
	REQUIRE(loop_timer_set(rig.primary.loop, &asker.secondary->pause, 0) == 0);
	CHECK(is_answered(&asker));
	/* And its end is seen while it waits. */
	leave(&namesake);
	leave(&asker);
	leave(&other);
	leave(&own);
	rig_close(&rig);
}

static void who_leaves_and_comes_again_finds_what_it_left(void)
{
	struct asker asker;

	if (!is_root())
		return;
	begin();
	asker = attach_as(4711, "asker");
	attach_user(asker.secondary)->requests.until_ns = hf_now_ns() + LONG_NS;
	leave(&asker);
	asker = attach_as(4711, "asker");
	CHECK(spent_until(&asker) > LONG_NS / 2);
	leave(&asker);
	rig_close(&rig);
}

static void disable_a_feature(const struct asker *asker)
{
	Holdfast__Attach__FeatureChange change = HOLDFAST__ATTACH__FEATURE_CHANGE__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	change.port = TEXT("a0");
	change.mask = 1ull << 32;
	request.body_case = TO_PRIMARY(FEATURE_CHANGE);
	request.feature_change = &change;
	say(asker, &request, -1);
}

static const char *how_it_left(void)
{
	const struct event *event = NULL;

	(void)rig_events(&rig, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_DETACHED, &event);
	return event ? event->detail : "not";
}

/* A closed socket is read to its end, however much is spent: there may be a Bye. */
static void who_closes_its_socket_gets_nothing_for_it(void)
{
	struct asker asker;
	uint64_t before;

	if (!is_root())
		return;
	begin();
	asker = attach_as(4711, "asker");
	disable_a_feature(&asker);
	leave(&asker);
	CHECK_EQ(rig.primary.ports[0]->features_disabled, 1ull << 32);
	rig.primary.ports[0]->features_disabled = 0;
	asker = attach_as(4711, "asker");
	attach_user(asker.secondary)->requests.until_ns = before = hf_now_ns() + LONG_NS;
	for (int i = 0; i < 20; i++)
		disable_a_feature(&asker);
	leave(&asker);
	CHECK(!strcmp(how_it_left(), "")); /* the Bye was heard */
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_UNPAID], 20);
	CHECK_EQ(rig.primary.ports[0]->features_disabled, 0);
	asker = attach_as(4711, "asker");
	CHECK_EQ(attach_user(asker.secondary)->requests.until_ns, before);
	leave(&asker);
	rig_close(&rig);
}

/* Each would be some processes of ours to look at; not one is looked at. */
static void nor_for_descriptors_that_it_leaves(void)
{
	struct asker asker;
	uint64_t before;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (is_root()) {
		begin();
		asker = attach_as(4711, "asker");
		attach_user(asker.secondary)->requests.until_ns = before = hf_now_ns() + LONG_NS;
		for (int i = 0; i < 20; i++)
			set_state(&asker, fd);
		leave(&asker);
		CHECK(!strcmp(how_it_left(), "was cut off"));
		CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_UNPAID], 1);
		asker = attach_as(4711, "asker");
		CHECK_EQ(attach_user(asker.secondary)->requests.until_ns, before);
		leave(&asker);
		rig_close(&rig);
	}
	hf_fd_close(&fd);
}

/* Each is some processes: it costs a second's worth. */
static void a_descriptor_that_could_hang_costs_more(void)
{
	struct asker asker;
	uint64_t before;
	int fd;

	if (!is_root())
		return;
	begin();
	asker = attach_as(4711, "asker");
	attach_user(asker.secondary)->requests.until_ns = before = hf_now_ns() + LONG_NS / 10;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	set_state(&asker, fd);
	hf_fd_close(&fd);
	CHECK(is_answered(&asker));
	CHECK_EQ(attach_user(asker.secondary)->requests.until_ns, before + 105 * UNIT_NS);
	leave(&asker);
	rig_close(&rig);
}

/*
 * Another process has the file: a copy of our own table must have no such descriptor in it. It
 * sends what it is sent, by the socket that came with that, with the file.
 */
static pid_t file_holder(int *ret_socket)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	struct fuse_file file;
	int ends[2];
	pid_t pid;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		if (fuse_file_begin(&file)) {
			(void)!write(ends[1], "x", 1);
			while (hf_frame_receive(ends[1], &frame) > 0 && frame.nr_fds == 1) {
				(void)hf_frame_send_packed(frame.fds[0], bytes, frame.len, &file.fd,
							   1);
				hf_fd_close(&frame.fds[0]);
			}
			fuse_file_end(&file);
		}
		_exit(0);
	}
	close(ends[1]);
	*ret_socket = ends[0];
	return pid;
}

static void set_hanging_state(const struct asker *asker, int holder)
{
	Holdfast__Attach__StateSet set = HOLDFAST__ATTACH__STATE_SET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = TO_PRIMARY(STATE_SET);
	request.state_set = &set;
	request.request = 7;
	REQUIRE(hf_frame_send(holder, &request.base, &asker->socket, 1) == 0);
}

/* One after the other attaches, and leaves what hangs. */
static void what_hangs_is_the_users_whoever_of_them_is_there(void)
{
	struct asker asker, other;
	char byte;
	pid_t pid;
	int file;

	if (!is_root())
		return;
	pid = file_holder(&file);
	if (read(file, &byte, 1) != 1) {
		printf("(no FUSE here) ");
		close(file);
		waitpid(pid, NULL, 0);
		return;
	}
	begin();
	for (size_t i = 0; i < FOREIGN_MAX_HUNG; i++) {
		asker = attach_as(4711, "asker");
		CHECK(!attach_user(asker.secondary)->out);
		set_hanging_state(&asker, file);
		CHECK(is_answered(&asker));
		leave(&asker);
	}
	asker = attach_as(4711, "asker");
	other = attach_as(4712, "other");
	CHECK(attach_user(asker.secondary)->out && !attach_user(other.secondary)->out);
	/* Who brings none is served; who brings one more is cut off, and it is not taken. */
	ask_features(&asker);
	CHECK(is_answered(&asker));
	set_hanging_state(&asker, file);
	CHECK(rig_until(&rig, is_gone, &asker, 20000));
	hf_fd_close(&asker.socket);
	ask_features(&other);
	CHECK(is_answered(&other));
	leave(&other);
	rig_close(&rig);
	hf_fd_close(&file);
	waitpid(pid, NULL, 0);
}

static const struct sentence sentences[] = {
	SENTENCE(what_is_asked_has_its_price_and_what_answers_has_none),
	SENTENCE(who_has_spent_it_is_read_slower_and_nobody_else),
	SENTENCE(who_leaves_and_comes_again_finds_what_it_left),
	CATALOGUE(who_closes_its_socket_gets_nothing_for_it, "[C-6]"),
	CATALOGUE(nor_for_descriptors_that_it_leaves, "[C-6]"),
	SENTENCE(a_descriptor_that_could_hang_costs_more),
	CATALOGUE(what_hangs_is_the_users_whoever_of_them_is_there, "[C-6]"),
};

SUITE("price", sentences)
