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
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.pb-c.h"
#include "device.h"
#include "devices.h"
#include "directory.h"
#include "faults.h"
#include "fd.h"
#include "frame.h"
#include "lane.h"
#include "log.h"
#include "memory.h"
#include "notify.h"
#include "suite.h"
#include "vring.h"

#define MOST 400u /* calls of one attachment */

typedef Holdfast__Attach__ToSecondary Answer;
#define BODY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name

static char dir[32];
static struct hf_memory directory_memory, lane;
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
	const int fds[] = {directory_memory.fd, lane.fd, lane.fd};

	body.id = 1;
	body.lane_bytes = lane.size;
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
	struct hf_directory directory;
	char path[64];
	int listener;

	hf_set_log_sink(count_lines, NULL);
	errors_said = 0;
	strcpy(dir, "/tmp/holdfast-test-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	REQUIRE(hf_memory_create(&directory_memory, "test", hf_directory_size(2, 2), HF_NODE_ANY,
				 false) == 0);
	REQUIRE(hf_directory_format(&directory, &directory_memory, 2, 2, 1) == 0);
	REQUIRE(hf_memory_create(&lane, "test", 65536, HF_NODE_ANY, false) == 0);
	hf_lane_format(lane.base, lane.size, 1);
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
	hf_memory_destroy(&directory_memory);
	hf_memory_destroy(&lane);
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
	((struct hf_shm_header *)directory_memory.base)->magic++;
	CHECK_EQ(attach(), -EINVAL);
	((struct hf_shm_header *)directory_memory.base)->magic--;
	((struct hf_lane_header *)lane.base)->magic++;
	CHECK(attach() < 0);
	((struct hf_lane_header *)lane.base)->magic--;
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

/* --- a library without a connection: the primary's end of the socket is the test's */

static struct hf_service alone;
static int far; /* the primary's end */
static unsigned int declined, destroyed;
static unsigned int told_to_run[2]; /* that many times, each of the first rings */

static int decline(struct hf_device *device, void *context)
{
	(void)device;
	(void)context;
	declined++;
	return -1;
}

static int accept_device(struct hf_device *device, void *context)
{
	(void)device;
	(void)context;
	return 0;
}

static void note_state(struct hf_device *device, uint16_t queue, bool enabled, void *context)
{
	(void)device;
	(void)context;
	told_to_run[queue] += enabled;
}

static void note_destroyed(struct hf_device *device, void *context)
{
	(void)device;
	(void)context;
	destroyed++;
}

/* With a directory of two devices, of which one has a page of memory. */
static void begin_alone(void)
{
	static const struct hf_device_ops ops = {.new_device = decline,
						 .destroy_device = note_destroyed};
	static struct hf_shm_device draft;
	Holdfast__Attach__Welcome body = HOLDFAST__ATTACH__WELCOME__INIT;
	struct hf_directory directory;
	struct hf_frame frame = {.nr_fds = 2};
	int ends[2];

	begin(close_at_once);
	primary_dies();
	draft = (struct hf_shm_device){.session = 1, .mem_generation = 1, .nr_regions = 1};
	draft.regions[0].size = 4096;
	REQUIRE(hf_directory_adopt(&directory, &directory_memory) == 0);
	REQUIRE(hf_directory_publish(&directory, 0, &draft) == 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	far = ends[1];
	alone = (struct hf_service){.socket = ends[0],
				    .epoll = epoll_create1(EPOLL_CLOEXEC),
				    .timer = -1,
				    .wake = -1,
				    .state_fd = -1,
				    .ops = &ops,
				    .snapshot = malloc(sizeof(*alone.snapshot))};
	alone.deferred_tail = &alone.deferred;
	alone.frame.bytes = malloc(HF_FRAME_MAX_BYTES);
	REQUIRE(alone.snapshot && alone.frame.bytes && alone.epoll >= 0);
	declined = destroyed = 0;
	frame.fds[0] = fcntl(directory_memory.fd, F_DUPFD_CLOEXEC, 0);
	frame.fds[1] = fcntl(lane.fd, F_DUPFD_CLOEXEC, 0);
	body.id = 1;
	body.lane_bytes = lane.size;
	REQUIRE(hf_attach_welcome(&alone, &body, &frame) == 0);
	hf_frame_close_fds(&frame);
}

/* Is that the last packet before the end? */
static bool ends_with_bye(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Holdfast__Attach__ToPrimary *m;
	bool bye = false;

	while (hf_frame_receive(far, &frame) > 0) {
		m = (void *)hf_frame_unpack(&holdfast__attach__to_primary__descriptor, bytes,
					    frame.len);
		bye = m && m->body_case == HOLDFAST__ATTACH__TO_PRIMARY__BODY_BYE;
		hf_frame_free_unpacked((ProtobufCMessage *)m);
	}
	return bye;
}

static void lose_alone(void)
{
	hf_attach_lost(&alone, "the test is over");
	CHECK(!alone.devices && !alone.unsaid && !alone.lane);
}

static void forget_alone(void)
{
	hf_fd_close(&alone.epoll);
	hf_fd_close(&far);
	free(alone.snapshot);
	free(alone.frame.bytes);
	end();
}

static void end_alone(void)
{
	lose_alone();
	CHECK(ends_with_bye());
	forget_alone();
}

static void send_memory(uint32_t first, uint32_t total, unsigned int nr_fds)
{
	Holdfast__Attach__DeviceMemory memory = HOLDFAST__ATTACH__DEVICE_MEMORY__INIT;
	struct hf_frame frame = {.nr_fds = nr_fds};

	for (unsigned int i = 0; i < nr_fds; i++)
		frame.fds[i] = fcntl(directory_memory.fd, F_DUPFD_CLOEXEC, 0);
	memory.session = memory.mem_generation = 1;
	memory.first = first;
	memory.total = total;
	hf_on_device_memory(&alone, &memory, &frame);
	hf_frame_close_fds(&frame);
}

static struct hf_device *send_ready(void)
{
	Holdfast__Attach__DeviceReady ready = HOLDFAST__ATTACH__DEVICE_READY__INIT;

	ready.session = ready.mem_generation = 1;
	hf_on_device_ready(&alone, &ready);
	return alone.devices ? alone.devices[0] : NULL;
}

static void send_grant(uint32_t number, uint64_t grant_number, bool prepared)
{
	Holdfast__Attach__VringGrant grant = HOLDFAST__ATTACH__VRING_GRANT__INIT;
	struct hf_frame frame = {0};

	grant.session = grant.mem_generation = 1;
	grant.vring = number;
	grant.grant = grant_number;
	grant.lane_entry = 1;
	grant.size = 16;
	grant.avail_gpa = 1024;
	grant.used_gpa = 2048;
	grant.prepared = prepared;
	hf_on_vring_grant(&alone, &grant, &frame);
}

/* The error of the next refusal that the primary hears; 0: there is none. */
static int refusal(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Holdfast__Attach__ToPrimary *m;
	int error;

	if (hf_frame_receive(far, &frame) <= 0)
		return 0;
	m = (void *)hf_frame_unpack(&holdfast__attach__to_primary__descriptor, bytes, frame.len);
	REQUIRE(m && m->vring_refused);
	error = m->vring_refused->error;
	hf_frame_free_unpacked(&m->base);
	return error;
}

static int ask_of_a_primary(uint64_t wait_ns)
{
	Holdfast__Attach__FeatureGet get = HOLDFAST__ATTACH__FEATURE_GET__INIT;
	Holdfast__Attach__ToPrimary request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_GET;
	request.feature_get = &get;
	return hf_request(&alone, &request, -1, wait_ns, NULL);
}

static void reply_to(uint64_t request, int error)
{
	Holdfast__Attach__Reply body = HOLDFAST__ATTACH__REPLY__INIT;
	Answer answer = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	char reason[] = "";

	body.request = request;
	body.error = error;
	body.reason = reason;
	answer.body_case = BODY(REPLY);
	answer.reply = &body;
	CHECK_EQ(hf_frame_send(far, &answer.base, NULL, 0), 0);
}

/* Nor is its answer, when it comes after all, taken for that of the next request. */
static void a_primary_that_says_nothing_is_given_up(void)
{
	begin_alone();
	alone.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	alone.request_frame.bytes = malloc(HF_FRAME_MAX_BYTES);
	REQUIRE(alone.wake >= 0 && alone.request_frame.bytes);
	CHECK_EQ(ask_of_a_primary(20 * NS_PER_MS), -ETIMEDOUT);
	reply_to(alone.requests, -EBUSY);
	reply_to(alone.requests + 1, -ENOENT);
	CHECK_EQ(ask_of_a_primary(60 * NS_PER_S), -ENOENT);
	CHECK(alone.deferred && !alone.deferred->next);
	CHECK(alone.socket >= 0);
	free((void *)(uintptr_t)alone.request_frame.bytes);
	hf_fd_close(&alone.wake);
	end_alone();
}

static void a_grant_that_cannot_be_run_is_refused(void)
{
	begin_alone();
	send_memory(0, 1, 1);
	REQUIRE(send_ready() != NULL);
	send_grant(0, 0, false);
	CHECK_EQ(refusal(), -EPROTO);
	send_grant(0, 2, true);
	CHECK_EQ(refusal(), -ENXIO);
	faults_arm(0, FAULT_MAP, FAULT_ERROR, 1, 1);
	send_grant(7, 2, false);
	faults_disarm(NULL);
	CHECK_EQ(refusal(), -ENOMEM);
	send_grant(HF_MAX_VRINGS, 2, false);
	CHECK_EQ(refusal(), 0);
	send_grant(0, 2, false);
	CHECK_EQ(refusal(), 0);
	CHECK(alone.devices[0]->vrings[0]->granted);
	/* New memory under a ring that runs is none. */
	alone.devices[0]->mem_generation = 7;
	send_memory(0, 1, 1);
	(void)send_ready();
	CHECK_EQ(alone.devices[0]->mem_generation, 7);
	CHECK_EQ(declined, 1);
	end_alone();
	CHECK_EQ(destroyed, 0); /* it was declined */
}

static void send_call(uint32_t number)
{
	Holdfast__Attach__VringNotify notify = HOLDFAST__ATTACH__VRING_NOTIFY__INIT;
	struct hf_frame frame = {.nr_fds = 1};

	frame.fds[0] = eventfd(0, EFD_CLOEXEC);
	notify.session = 1;
	notify.vring = number;
	notify.has_call = true;
	hf_on_vring_notify(&alone, &notify, &frame);
	hf_frame_close_fds(&frame);
}

/* The call may have gone to the old one. A switch without a packet would have no burst to make it.
 */
static void a_ring_that_runs_is_to_be_run_once_more_when_its_call_descriptor_changes(void)
{
	static const struct hf_device_ops ops = {.new_device = accept_device,
						 .vring_state_changed = note_state};

	begin_alone();
	alone.ops = &ops;
	memset(told_to_run, 0, sizeof(told_to_run));
	send_memory(0, 1, 1);
	REQUIRE(send_ready() != NULL);
	for (uint32_t ring = 0; ring < 2; ring++) {
		send_grant(ring, 2, false);
		/* The enqueue queue is disabled: nobody is to run it. */
		CHECK_EQ(told_to_run[ring], ring);
		send_call(ring);
		CHECK_EQ(told_to_run[ring], 2 * ring);
	}
	hf_devices_tell_state(alone.devices[0], 0, true);
	send_call(0);
	CHECK_EQ(told_to_run[0], 2);
	/* From a primary that took over, which repeats the grant. */
	send_grant(1, 2, false);
	CHECK_EQ(told_to_run[1], 3);
	end_alone();
}

static void refusals_wait_for_a_primary_that_does_not_read(void)
{
	unsigned int said = 0, heard = 0;

	begin_alone();
	send_memory(0, 1, 1);
	REQUIRE(send_ready() != NULL);
	while (!alone.unsaid && said < 100000) {
		send_grant(0, 0, false);
		said++;
	}
	CHECK(alone.unsaid != NULL);
	for (int i = 0; i < 10; i++, said++)
		send_grant(0, 0, false);
	hf_say_unsaid(&alone);
	CHECK(alone.unsaid != NULL);
	while (heard < said && refusal() == -EPROTO) {
		heard++;
		hf_say_unsaid(&alone);
	}
	CHECK_EQ(heard, said);
	CHECK(!alone.unsaid);
	end_alone();
}

/* Attaching again begins from nothing, and so knows nothing wrong. */
static void what_cannot_even_be_kept_ends_the_connection(void)
{
	char byte;

	begin_alone();
	send_memory(0, 1, 1);
	REQUIRE(send_ready() != NULL);
	faults_arm(0, FAULT_TRANSFER, FAULT_ERROR, 1, 1);
	send_grant(0, 0, false);
	faults_disarm(NULL);
	CHECK(alone.unsaid != NULL);
	hf_say_unsaid(&alone);
	CHECK_EQ(refusal(), -EPROTO);
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 100);
	send_grant(0, 0, false);
	faults_disarm(NULL);
	CHECK(!alone.unsaid);
	CHECK_EQ(recv(alone.socket, &byte, 1, 0), 0);
	end_alone();
}

/* Does that process sleep, within a bounded time? */
static bool comes_to_sleep(pid_t pid)
{
	char path[64], state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 10000; i++, usleep(100)) {
		FILE *file = fopen(path, "re");
		int got = file ? fscanf(file, "%*d %*s %c", &state) : 0;

		if (file)
			(void)fclose(file);
		if (got == 1 && state == 'S')
			return true;
	}
	return false;
}

/* A primary that reads again when its secondary waits for it, and hears a Bye. */
static int read_when_waited_for(pid_t secondary, int ready, int begun)
{
	char byte;

	hf_fd_close(&alone.socket);
	if (write(ready, "x", 1) != 1 || read(begun, &byte, 1) != 1 || !comes_to_sleep(secondary))
		return 2;
	return ends_with_bye() ? 0 : 1;
}

/* Who closes its socket without it, and lives on, is killed. */
static void bye_waits_for_a_primary_that_does_not_read_just_now(void)
{
	int status, ready[2], begun[2];
	pid_t pid;
	char byte;

	begin_alone();
	while (send(alone.socket, "?", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
	REQUIRE(fcntl(far, F_SETFL, 0) == 0); /* read it to its end */
	REQUIRE(pipe2(ready, O_CLOEXEC) == 0 && pipe2(begun, O_CLOEXEC) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		_exit(read_when_waited_for(getppid(), ready[1], begun[0]));
	/* It has started: that it takes long to is not waited for with the Bye. */
	REQUIRE(read(ready[0], &byte, 1) == 1 && write(begun[1], "x", 1) == 1);
	lose_alone();
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	hf_fd_close_all(ready, 2);
	hf_fd_close_all(begun, 2);
	forget_alone();
}

static void memory_that_makes_no_sense_is_ignored(void)
{
	begin_alone();
	send_memory(2, 1, 0);
	send_memory(0, HF_SHM_MAX_REGIONS + 1, 0);
	send_memory(0, 1, 2);
	CHECK(!alone.devices[0]);
	CHECK(!send_ready());
	send_memory(0, 2, 1);
	send_memory(0, 2, 1);
	send_memory(2, 2, 0);
	CHECK_EQ(alone.devices[0]->pending_have, 1);
	CHECK(!send_ready()->map);
	end_alone();
}

static void without_memory_for_a_device_the_library_attaches_again(void)
{
	begin_alone();
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1);
	send_memory(0, 1, 1);
	faults_disarm(NULL);
	CHECK(alone.socket < 0 && !alone.welcomed && !alone.devices);
	end_alone();
}

/* A writer that died in the middle. */
static void a_slot_that_never_comes_to_rest_gives_no_map_and_is_said_to_be_busy(void)
{
	struct hf_shm_device *slot;

	begin_alone();
	slot = hf_directory_device(&alone.directory, 0);
	((struct hf_shm_device *)(void *)((char *)directory_memory.base +
					  ((char *)slot - (char *)alone.directory.base)))
		->seq++;
	send_memory(0, 1, 1);
	CHECK(!send_ready()->map);
	send_grant(0, 2, false);
	CHECK_EQ(refusal(), -EBUSY);
	end_alone();
}

/* --- vrings */

#define MEMORY 16384u

static struct hf_vring vring;
static struct hf_memory guest_memory;
static struct hf_guestmap *map;

static void map_memory(void)
{
	const struct hf_shm_region region = {.size = MEMORY};

	REQUIRE(hf_memory_create(&guest_memory, "test", MEMORY, HF_NODE_ANY, false) == 0);
	REQUIRE(hf_guestmap_create(&map, &region, &guest_memory.fd, 1) == 0);
}

static void unmap_memory(void)
{
	hf_guestmap_destroy(map);
	hf_memory_destroy(&guest_memory);
}

static int set_up(uint64_t features, uint16_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
	static hf_shm_grant word;
	static struct hf_lane_vring entry;
	const struct hf_vring_setup setup = {.grant_word = &word,
					     .lane = &entry,
					     .map = map,
					     .features = features,
					     .desc_gpa = desc,
					     .avail_gpa = avail,
					     .used_gpa = used,
					     .size = size};

	return hf_vring_setup(&vring, &setup);
}

/* Both kinds: the parts in order, then each out of its place. */
static void check_rings(uint64_t features)
{
	CHECK_EQ(set_up(features, 16, 0, 4096, 8192), 0);
	CHECK_EQ(set_up(features, 0, 0, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 32769, 0, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 8, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4097, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4096, 8194), -EINVAL);
	CHECK_EQ(set_up(features, 16, 1 << 30, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 1 << 30, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4096, 1 << 30), -EINVAL);
}

/* Each part as near to the end of memory as it may be, and one step of its alignment nearer. */
static void check_ends(uint64_t features, uint64_t desc, uint64_t avail, uint64_t used)
{
	const uint64_t avail_align = features & HF_FEATURE(HF_F_RING_PACKED) ? 4 : 2;

	CHECK_EQ(set_up(features, 16, MEMORY - desc, 4096, 8192), 0);
	CHECK_EQ(set_up(features, 16, MEMORY - desc + 16, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, MEMORY - avail, 8192), 0);
	CHECK_EQ(set_up(features, 16, 0, MEMORY - avail + avail_align, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4096, MEMORY - used), 0);
	CHECK_EQ(set_up(features, 16, 0, 4096, MEMORY - used + 4), -EINVAL);
}

/* The event words are a part of the ring where they are negotiated, and there only: the primary
 * takes a ring without them. */
static void a_ring_may_end_where_memory_does_and_not_behind_it(void)
{
	const uint64_t events = HF_FEATURE(HF_F_EVENT_IDX), packed = HF_FEATURE(HF_F_RING_PACKED);

	map_memory();
	hf_vring_init(&vring);
	check_ends(0, 16 * 16, 4 + 2 * 16, 4 + 8 * 16);
	/* A used ring begins at a multiple of 4: two bytes are left over behind it. */
	check_ends(events, 16 * 16, 6 + 2 * 16, 8 + 8 * 16);
	check_ends(packed, 16 * 16, 4, 4);
	check_ends(packed | events, 16 * 16, 4, 4);
	hf_vring_destroy(&vring);
	unmap_memory();
}

static void a_ring_that_is_not_whole_and_aligned_is_not_set_up(void)
{
	const uint64_t kinds[] = {HF_FEATURE(HF_F_VERSION_1),
				  HF_FEATURE(HF_F_VERSION_1) | HF_FEATURE(HF_F_RING_PACKED)};

	map_memory();
	faults_open();
	for (size_t i = 0; i < 2; i++) {
		hf_vring_init(&vring);
		faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1);
		CHECK_EQ(set_up(kinds[i], 16, 0, 4096, 8192), -ENOMEM);
		faults_disarm(NULL);
		check_rings(kinds[i]);
		hf_vring_destroy(&vring);
	}
	faults_close();
	unmap_memory();
}

static void a_call_that_cannot_be_had_is_said_and_had_the_next_time(void)
{
	int call;

	hf_vring_init(&vring);
	faults_open();
	faults_arm(0, FAULT_DESCRIPTOR, FAULT_ERROR, 1, 1);
	CHECK_EQ(hf_notify_put_call(&vring, NULL), -EMFILE);
	faults_disarm(NULL);
	CHECK(!vring.has_call);
	call = eventfd(0, EFD_CLOEXEC);
	CHECK_EQ(hf_notify_put_call(&vring, &call), 0);
	CHECK(vring.has_call && call < 0);
	/* No such descriptor: the one before stays. */
	call = 1 << 20;
	CHECK_EQ(hf_notify_put_call(&vring, &call), -EBADF);
	CHECK(vring.has_call);
	faults_close();
	hf_vring_destroy(&vring);
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
	SENTENCE(a_primary_that_says_nothing_is_given_up),
	SENTENCE(a_grant_that_cannot_be_run_is_refused),
	SENTENCE(a_ring_that_runs_is_to_be_run_once_more_when_its_call_descriptor_changes),
	SENTENCE(refusals_wait_for_a_primary_that_does_not_read),
	SENTENCE(what_cannot_even_be_kept_ends_the_connection),
	SENTENCE(bye_waits_for_a_primary_that_does_not_read_just_now),
	SENTENCE(memory_that_makes_no_sense_is_ignored),
	SENTENCE(without_memory_for_a_device_the_library_attaches_again),
	SENTENCE(a_slot_that_never_comes_to_rest_gives_no_map_and_is_said_to_be_busy),
	SENTENCE(a_ring_that_is_not_whole_and_aligned_is_not_set_up),
	CATALOGUE(a_ring_may_end_where_memory_does_and_not_behind_it, "[2]"),
	SENTENCE(a_call_that_cannot_be_had_is_said_and_had_the_next_time),
};
SUITE("service", sentences)
