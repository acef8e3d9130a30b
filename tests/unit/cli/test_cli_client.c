/* SPDX-License-Identifier: Apache-2.0 */
/* The client against primaries that are away, stopped, or speak nonsense. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "client.h"
#include "clock.h"
#include "suite.h"
#include "test_cli_fake.h"

/* For the eye: how long is the machine's business, that it ends is the test's. */
static void print_since(uint64_t start)
{
	printf("(%llu ms) ", (unsigned long long)((hf_now_ns() - start) / NS_PER_MS));
}

static size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (dir && readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static enum client_status ask(struct client *client, struct reply *ret)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	request.body_case = REQUEST_BODY(VERSION);
	request.version = &version;
	return client_call(client, &request, RESPONSE_BODY(VERSION), ret);
}

/* One question to one kind of primary. */
static enum client_status try(bool (*answer)(struct fake *, int, const pb_request *),
			      unsigned timeout_ms, char *ret_reason, int *ret_error)
{
	struct fake fake;
	struct client client;
	struct reply reply = {0};
	enum client_status status;

	fake_start(&fake, answer);
	client_init(&client, fake.dir, timeout_ms);
	status = ask(&client, &reply);
	snprintf(ret_reason, sizeof(client.reason), "%s", client.reason);
	*ret_error = client.error;
	if (status == CLIENT_OK)
		reply_free(&reply);
	client_close(&client);
	fake_stop(&fake);
	return status;
}

static char reason[512];
static int error;

static bool says_version(int fd, bool more)
{
	Holdfast__Control__VersionReply version = HOLDFAST__CONTROL__VERSION_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	version.version = (char *)(uintptr_t) "1.2.3";
	response.body_case = RESPONSE_BODY(VERSION);
	response.version = &version;
	response.more = more;
	return fake_send(fd, &response);
}

static bool well(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	return request->protocol == HF_CONTROL_PROTOCOL && says_version(fd, false);
}

static bool in_parts(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)request;
	return says_version(fd, true) && says_version(fd, true) && says_version(fd, false);
}

static bool without_end(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)request;
	while (says_version(fd, true))
		;
	return false;
}

static bool silent(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)fd;
	(void)request;
	return true;
}

static bool drips(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)request;
	while (says_version(fd, true))
		usleep(20000);
	return false;
}

static bool hangs_up(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)fd;
	(void)request;
	return false;
}

static bool garbage(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)request;
	return send(fd, "\xff\xff\xff\xff not protobuf", 18, MSG_NOSIGNAL) > 0;
}

static bool another_answer(struct fake *fake, int fd, const pb_request *request)
{
	Holdfast__Control__HealthReply health = HOLDFAST__CONTROL__HEALTH_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	(void)fake;
	(void)request;
	response.body_case = RESPONSE_BODY(HEALTH);
	response.health = &health;
	return fake_send(fd, &response);
}

static bool refuses(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)request;
	return fake_refuse(fd, -EPERM, "not for you; ask somebody else");
}

static bool refuses_oddly(struct fake *fake, int fd, const pb_request *request)
{
	(void)fake;
	(void)request;
	return fake_refuse(fd, INT32_MIN, "");
}

/* A good answer with descriptors nobody asked for. */
static bool with_fds(struct fake *fake, int fd, const pb_request *request)
{
	Holdfast__Control__VersionReply version = HOLDFAST__CONTROL__VERSION_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	int fds[8];
	bool sent;

	(void)fake;
	(void)request;
	for (size_t i = 0; i < 8; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	response.body_case = RESPONSE_BODY(VERSION);
	response.version = &version;
	sent = hf_frame_send(fd, &response.base, fds, 8) == 0;
	hf_fd_close_all(fds, 8);
	return sent;
}

static bool says_nothing_but_yes(struct fake *fake, int fd, const pb_request *request)
{
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	(void)fake;
	(void)request;
	return fake_send(fd, &response);
}

static void a_good_answer_arrives(void)
{
	CHECK_EQ(try(well, 60000, reason, &error), CLIENT_OK);
	CHECK_EQ(try(in_parts, 60000, reason, &error), CLIENT_OK);
}

static void many_questions_share_a_connection(void)
{
	struct fake fake;
	struct client client;

	fake_start(&fake, well);
	client_init(&client, fake.dir, 60000);
	for (int i = 0; i < 5; i++) {
		struct reply reply;

		REQUIRE(ask(&client, &reply) == CLIENT_OK);
		CHECK_EQ(reply.nr_parts, 1);
		reply_free(&reply);
	}
	client_close(&client);
	fake_stop(&fake);
	CHECK_EQ(fake.requests, 5);
}

static void silence_ends_with_the_time_limit(void)
{
	uint64_t start = hf_now_ns();

	CHECK_EQ(try(silent, 100, reason, &error), CLIENT_UNREACHABLE);
	CHECK(strstr(reason, "100 ms") && strstr(reason, "--timeout"));
	CHECK(hf_now_ns() - start >= 100 * NS_PER_MS);
	print_since(start);
}

static void an_answer_in_drips_cannot_stretch_the_time_limit(void)
{
	uint64_t start = hf_now_ns();

	/* A limit for each drip would go on until there are too many: CLIENT_GARBAGE. */
	CHECK_EQ(try(drips, 150, reason, &error), CLIENT_UNREACHABLE);
	print_since(start);
}

static void an_answer_without_end_is_cut_off(void)
{
	CHECK_EQ(try(without_end, 60000, reason, &error), CLIENT_GARBAGE);
}

static void nonsense_is_refused(void)
{
	CHECK_EQ(try(garbage, 60000, reason, &error), CLIENT_GARBAGE);
	CHECK_EQ(try(another_answer, 60000, reason, &error), CLIENT_GARBAGE);
	CHECK_EQ(try(hangs_up, 60000, reason, &error), CLIENT_UNREACHABLE);
}

static void a_refusal_carries_the_primarys_words(void)
{
	CHECK_EQ(try(refuses, 60000, reason, &error), CLIENT_REFUSED);
	CHECK(!strcmp(reason, "not for you; ask somebody else"));
	CHECK_EQ(error, -EPERM);
	CHECK_EQ(try(refuses_oddly, 60000, reason, &error), CLIENT_REFUSED);
	CHECK(reason[0] != '\0');
}

/* All defaults: a packet of no bytes, which is not the end of the connection. */
static void a_plain_yes_is_not_taken_for_the_end(void)
{
	Holdfast__Control__PortDelRequest del = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct fake fake;
	struct client client;
	struct reply reply = {0};

	request.body_case = REQUEST_BODY(PORT_DEL);
	request.port_del = &del;
	fake_start(&fake, says_nothing_but_yes);
	client_init(&client, fake.dir, 60000);
	CHECK_EQ(client_call(&client, &request, RESPONSE_NO_BODY, &reply), CLIENT_OK);
	CHECK_EQ(reply.nr_parts, 1);
	reply_free(&reply);
	CHECK_EQ(ask(&client, &reply), CLIENT_GARBAGE); /* but it is no version */
	client_close(&client);
	fake_stop(&fake);
}

static void *refuse_at_the_door(void *argument)
{
	const struct fake *fake = argument;
	struct pollfd wait = {.fd = fake->listener, .events = POLLIN};
	int fd;

	poll(&wait, 1, -1);
	fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
	wait.fd = fd; /* the request lies there, unread */
	poll(&wait, 1, -1);
	fake_refuse(fd, -EACCES, "only root may; run it with sudo");
	hf_fd_close(&fd);
	return NULL;
}

static void a_reason_given_at_the_door_is_read(void)
{
	struct fake fake = {.listener = -1};
	struct client client;
	struct reply reply;
	char path[128];

	fake_make_dir(&fake);
	snprintf(path, sizeof(path), "%s/control.sock", fake.dir);
	fake.listener = hf_seqpacket_listen(path, 0600);
	REQUIRE(fake.listener >= 0);
	REQUIRE(pthread_create(&fake.thread, NULL, refuse_at_the_door, &fake) == 0);
	client_init(&client, fake.dir, 60000);
	CHECK_EQ(ask(&client, &reply), CLIENT_REFUSED);
	CHECK(!strcmp(client.reason, "only root may; run it with sudo"));
	client_close(&client);
	pthread_join(fake.thread, NULL);
	hf_fd_close(&fake.listener);
	unlink(path);
	rmdir(fake.dir);
}

static void descriptors_in_an_answer_are_closed(void)
{
	size_t before = open_fds();

	CHECK_EQ(try(with_fds, 60000, reason, &error), CLIENT_OK);
	CHECK_EQ(open_fds(), before);
}

static void nobody_there_is_said_with_the_remedy(void)
{
	struct client client;
	struct reply reply;

	client_init(&client, "/tmp/hf-cli-test-nowhere", 1000);
	CHECK_EQ(ask(&client, &reply), CLIENT_UNREACHABLE);
	CHECK(strstr(client.reason, "start holdfastd") != NULL);
	client_close(&client);
}

static void a_path_too_long_for_a_socket_is_refused(void)
{
	char dir[300];
	struct client client;
	struct reply reply;

	memset(dir, 'd', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	client_init(&client, dir, 1000);
	CHECK_EQ(ask(&client, &reply), CLIENT_UNREACHABLE);
	CHECK(strstr(client.reason, "too long") != NULL);
	client_close(&client);
}

/* A stopped primary's queue fills up with those who asked before; connect(2) then sleeps. */
static void a_full_queue_of_a_stopped_primary_does_not_hang_us(void)
{
	struct fake fake = {.listener = -1};
	struct client clients[4];
	char path[128];
	uint64_t start = hf_now_ns();
	enum client_status last = CLIENT_OK;
	struct reply reply;

	fake_make_dir(&fake);
	snprintf(path, sizeof(path), "%s/control.sock", fake.dir);
	fake.listener = hf_seqpacket_listen(path, 0600);
	REQUIRE(fake.listener >= 0);
	REQUIRE(listen(fake.listener, 0) == 0);
	for (size_t i = 0; i < 4; i++) {
		client_init(&clients[i], fake.dir, 100);
		last = ask(&clients[i], &reply);
		CHECK_EQ(last, CLIENT_UNREACHABLE);
	}
	CHECK(strstr(clients[3].reason, "accepts nobody") != NULL);
	print_since(start);
	for (size_t i = 0; i < 4; i++)
		client_close(&clients[i]);
	hf_fd_close(&fake.listener);
	unlink(path);
	rmdir(fake.dir);
}

static const struct sentence sentences[] = {
	SENTENCE(a_good_answer_arrives),
	SENTENCE(many_questions_share_a_connection),
	SENTENCE(silence_ends_with_the_time_limit),
	SENTENCE(an_answer_in_drips_cannot_stretch_the_time_limit),
	SENTENCE(an_answer_without_end_is_cut_off),
	SENTENCE(nonsense_is_refused),
	SENTENCE(a_refusal_carries_the_primarys_words),
	SENTENCE(a_plain_yes_is_not_taken_for_the_end),
	SENTENCE(a_reason_given_at_the_door_is_read),
	SENTENCE(descriptors_in_an_answer_are_closed),
	SENTENCE(nobody_there_is_said_with_the_remedy),
	SENTENCE(a_path_too_long_for_a_socket_is_refused),
	SENTENCE(a_full_queue_of_a_stopped_primary_does_not_hang_us),
};
SUITE("cli client", sentences)
