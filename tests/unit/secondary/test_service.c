/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library and a primary that is a process of the test's: what it may answer to Hello, and what
 * the kernel may refuse while it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <holdfast/continuity.h>
#include <holdfast/driver.h>
#include <holdfast/service.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.pb-c.h"
#include "device.h"
#include "faults.h"
#include "frame.h"
#include "log.h"
#include "region.h"
#include "suite.h"

#define MOST 400u /* calls of one attachment */

typedef Holdfast__Attach__ToSecondary Answer;
#define BODY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name

static char dir[32];
static struct region region;
static pid_t primary;
static struct hf_service *service;
static unsigned int errors_said; /* by the library */

static void count_lines(void *context, int priority, const char *tag, const char *line)
{
	(void)context, (void)tag, (void)line;
	errors_said += priority <= HF_LOG_ERROR;
}

/* --- the primary */

/* To whoever has connected and said Hello; the descriptors stay ours. */
static void welcome(int socket, unsigned int nr_fds)
{
	Holdfast__Attach__Welcome body = HOLDFAST__ATTACH__WELCOME__INIT;
	Answer answer = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	char version[] = "test";
	const int fds[] = {region.directory.fd, region.lane.fd, region.lane.fd};

	body.id = 1;
	body.lane_bytes = region.lane.size;
	body.version = version;
	answer.body_case = BODY(WELCOME);
	answer.welcome = &body;
	(void)hf_frame_send(socket, &answer.base, fds, nr_fds);
}

static void welcome_well(int socket)
{
	welcome(socket, 2);
}

static void welcome_with_too_much(int socket)
{
	welcome(socket, 3);
}

static void refuse(int socket, int error)
{
	Holdfast__Attach__Refused body = HOLDFAST__ATTACH__REFUSED__INIT;
	Answer answer = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	char why[] = "the test says so";

	body.error = error;
	body.reason = why;
	answer.body_case = BODY(REFUSED);
	answer.refused = &body;
	(void)hf_frame_send(socket, &answer.base, NULL, 0);
}

static void refuse_by_name(int socket)
{
	refuse(socket, -EEXIST);
}

static void refuse_without_an_error(int socket)
{
	refuse(socket, 0);
}

static void close_at_once(int socket)
{
	(void)shutdown(socket, SHUT_RDWR);
}

static void speak_of_something_else(int socket)
{
	Holdfast__Attach__Flush body = HOLDFAST__ATTACH__FLUSH__INIT;
	Answer answer = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	answer.body_case = BODY(FLUSH);
	answer.flush = &body;
	(void)hf_frame_send(socket, &answer.base, NULL, 0);
}

static void talk_nonsense(int socket)
{
	(void)!send(socket, "\xff\xff\xff", 3, MSG_NOSIGNAL);
}

/* One after the other, until it is killed. */
static void serve(int listener, void (*answer)(int socket))
{
	for (;;) {
		struct pollfd p = {.fd = listener, .events = POLLIN};
		uint8_t hello[512];
		int socket;

		(void)poll(&p, 1, -1);
		socket = accept(listener, NULL, NULL);
		if (socket >= 0 && recv(socket, hello, sizeof(hello), 0) > 0)
			answer(socket);
		/* Until it goes. */
		while (socket >= 0 && recv(socket, hello, sizeof(hello), 0) > 0)
			;
		if (socket >= 0)
			close(socket);
	}
}

/* --- the test's end */

static void begin(void (*answer)(int socket))
{
	char path[64];
	int listener;

	hf_set_log_sink(count_lines, NULL);
	errors_said = 0;
	strcpy(dir, "/tmp/holdfast-test-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	region_open(&region);
	snprintf(path, sizeof(path), "%s/attach.sock", dir);
	listener = hf_seqpacket_listen(path, 0600);
	REQUIRE(listener >= 0);
	primary = fork();
	REQUIRE(primary >= 0);
	if (primary == 0)
		serve(listener, answer);
	close(listener);
	faults_open();
	service = NULL;
}

static void primary_dies(void)
{
	if (primary > 0)
		(void)kill(primary, SIGKILL);
	if (primary > 0)
		CHECK_EQ(waitpid(primary, NULL, 0), primary);
	primary = 0;
}

static void end(void)
{
	char path[64];

	faults_close();
	primary_dies();
	snprintf(path, sizeof(path), "%s/attach.sock", dir);
	(void)unlink(path);
	CHECK_EQ(rmdir(dir), 0);
	region_close(&region);
}

static int attach(void)
{
	static const char *const ports[] = {"a*", "b*"};
	const struct hf_service_config config = {
		.run_dir = dir, .name = "s", .ports = ports, .nr_ports = 2};
	int error;

	errors_said = 0;
	error = hf_service_connect(&config, &service);
	CHECK(!error == !errors_said);
	return error;
}

/* What comes of attaching to one that answers so. */
static int attach_to(void (*answer)(int socket))
{
	int error;

	begin(answer);
	error = attach();
	if (!error)
		hf_service_disconnect(service);
	end();
	return error;
}

/* The first attachment of the process. */
static void without_the_table_of_the_sigbus_handler_nobody_attaches(void)
{
	begin(welcome_well);
	/* The first is membarrier, without which it goes. */
	for (uint32_t nth = 2; nth <= 3; nth++) {
		faults_arm(getpid(), FAULT_MAP, FAULT_ERROR, nth, 1);
		CHECK_EQ(attach(), -ENOMEM);
		faults_disarm(NULL);
	}
	CHECK_EQ(attach(), 0);
	hf_service_disconnect(service);
	end();
}

static void whoever_answers_wrongly_is_no_primary(void)
{
	CHECK_EQ(attach_to(welcome_well), 0);
	CHECK_EQ(attach_to(welcome_with_too_much), -EPROTO);
	CHECK_EQ(attach_to(refuse_by_name), -EEXIST);
	CHECK_EQ(attach_to(refuse_without_an_error), -EACCES);
	CHECK_EQ(attach_to(speak_of_something_else), -EPROTO);
	CHECK_EQ(attach_to(talk_nonsense), -EPROTO);
	CHECK_EQ(attach_to(close_at_once), -ECONNRESET);
}

static void what_it_shares_has_to_be_what_it_says(void)
{
	begin(welcome_well);
	((struct hf_shm_header *)region.directory.base)->magic++;
	CHECK_EQ(attach(), -EINVAL);
	((struct hf_shm_header *)region.directory.base)->magic--;
	((struct hf_lane_header *)region.lane.base)->magic++;
	CHECK(attach() < 0);
	((struct hf_lane_header *)region.lane.base)->magic--;
	CHECK_EQ(attach(), 0);
	hf_service_disconnect(service);
	end();
}

static void a_name_or_path_that_is_too_long_is_refused(void)
{
	static const char *const ports[65];
	char text[128];
	struct hf_service_config config = {.run_dir = text, .name = "s"};

	hf_set_log_sink(count_lines, NULL);
	errors_said = 0;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK_EQ(hf_service_connect(&config, &service), -EINVAL);
	config = (struct hf_service_config){.run_dir = "/tmp", .name = text};
	CHECK_EQ(hf_service_connect(&config, &service), -EINVAL);
	config = (struct hf_service_config){.run_dir = "/tmp", .ports = ports, .nr_ports = 65};
	CHECK_EQ(hf_service_connect(&config, &service), -EINVAL);
	CHECK_EQ(errors_said, 3);
}

/* Nobody answers there who could say it. */
static void why_nothing_was_attached_to_is_in_the_log(void)
{
	char path[64];

	begin(welcome_well);
	snprintf(path, sizeof(path), "%s/attach.sock", dir);
	for (int i = 0; i < 2; i++) {
		const struct hf_service_config config = {.run_dir = i ? path : "/tmp/none",
							 .name = "s"};

		errors_said = 0;
		CHECK_EQ(hf_service_connect(&config, &service), i ? -ENOTDIR : -ENOENT);
		CHECK_EQ(errors_said, 1);
	}
	end();
}

/* Each call in turn. It is attached, or told why not and nothing is left over. */
static void what_the_kernel_refuses_is_told_and_leaves_nothing(void)
{
	uint32_t hit = 1, nth;

	begin(welcome_well);
	/* What stays for the life of the process is there. */
	CHECK_EQ(attach(), 0);
	hf_service_disconnect(service);
	for (nth = 1; hit && nth < MOST; nth++) {
		int fds = fds_open(), maps = maps_shared(), error;

		faults_arm(getpid(), FAULT_ALL, FAULT_ERROR, nth, 1);
		error = attach();
		faults_disarm(&hit);
		CHECK(error <= 0 && (hit || !error));
		if (!error)
			hf_service_disconnect(service);
		CHECK_EQ(fds_open(), fds);
		CHECK_EQ(maps_shared(), maps);
	}
	CHECK(nth > 10 && nth < MOST);
	end();
}

static void a_loop_that_cannot_wait_says_so(void)
{
	begin(welcome_well);
	REQUIRE(attach() == 0);
	faults_arm(getpid(), FAULT_TRANSFER, FAULT_ERROR, 1, 1000);
	CHECK_EQ(hf_driver_session_start(service), -ENOMEM);
	faults_disarm(NULL);
	hf_service_disconnect(service);
	end();
}

/* As one that has closed what it waits on. */
static void an_application_without_the_loops_descriptor_is_told(void)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	begin(welcome_well);
	REQUIRE(attach() == 0);
	REQUIRE(nothing >= 0 && dup3(nothing, hf_service_fd(service), O_CLOEXEC) >= 0);
	CHECK_EQ(hf_service_dispatch(service), -EINVAL);
	CHECK_EQ(hf_driver_session_start(service), -EINVAL);
	hf_service_disconnect(service);
	close(nothing);
	end();
}

static void callbacks_that_are_not_there_are_refused(void)
{
	static const struct hf_device_ops none;
	static struct hf_device device;
	uint64_t values[1];

	begin(welcome_well);
	REQUIRE(attach() == 0);
	CHECK_EQ(hf_driver_callback_register(service, NULL, NULL), -EINVAL);
	CHECK_EQ(hf_driver_callback_register(service, &none, NULL), -EINVAL);
	CHECK_EQ(hf_peer_state_callback_register(service, NULL, NULL), -EINVAL);
	CHECK_EQ(hf_flush_callback_register(service, NULL, NULL), -EINVAL);
	CHECK_EQ(hf_device_counters(&device, 0, values, 1), -ENOTCONN);
	CHECK_EQ(hf_device_counters(&device, HF_MAX_VRINGS, values, 1), -ENOTCONN);
	hf_service_disconnect(service);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(without_the_table_of_the_sigbus_handler_nobody_attaches),
	SENTENCE(whoever_answers_wrongly_is_no_primary),
	SENTENCE(what_it_shares_has_to_be_what_it_says),
	SENTENCE(a_name_or_path_that_is_too_long_is_refused),
	SENTENCE(why_nothing_was_attached_to_is_in_the_log),
	SENTENCE(what_the_kernel_refuses_is_told_and_leaves_nothing),
	SENTENCE(a_loop_that_cannot_wait_says_so),
	SENTENCE(an_application_without_the_loops_descriptor_is_told),
	SENTENCE(callbacks_that_are_not_there_are_refused),
};
SUITE("service", sentences)
