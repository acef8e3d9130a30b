/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a primary sends behind its Welcome, and what the library answers: a library without a
 * connection, the primary's end of the socket is the test's.
 */
#include <errno.h>
#include <fcntl.h>
#include <holdfast/driver.h>
#include <holdfast/service.h>
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
#include "log.h"
#include "region.h"
#include "suite.h"

typedef Holdfast__Attach__ToSecondary Answer;
#define BODY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name

static struct region region;
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

	hf_log_set_level(0);
	region_open(&region);
	faults_open();
	draft = (struct hf_shm_device){.session = 1, .mem_generation = 1, .nr_regions = 1};
	draft.regions[0].size = 4096;
	REQUIRE(hf_directory_adopt(&directory, &region.directory) == 0);
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
	frame.fds[0] = fcntl(region.directory.fd, F_DUPFD_CLOEXEC, 0);
	frame.fds[1] = fcntl(region.lane.fd, F_DUPFD_CLOEXEC, 0);
	body.id = 1;
	body.lane_bytes = region.lane.size;
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
	faults_close();
	region_close(&region);
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
		frame.fds[i] = fcntl(region.directory.fd, F_DUPFD_CLOEXEC, 0);
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
	((struct hf_shm_device *)(void *)((char *)region.directory.base +
					  ((char *)slot - (char *)alone.directory.base)))
		->seq++;
	send_memory(0, 1, 1);
	CHECK(!send_ready()->map);
	send_grant(0, 2, false);
	CHECK_EQ(refusal(), -EBUSY);
	end_alone();
}

static const struct sentence sentences[] = {
	SENTENCE(a_primary_that_says_nothing_is_given_up),
	SENTENCE(a_grant_that_cannot_be_run_is_refused),
	SENTENCE(a_ring_that_runs_is_to_be_run_once_more_when_its_call_descriptor_changes),
	SENTENCE(refusals_wait_for_a_primary_that_does_not_read),
	SENTENCE(what_cannot_even_be_kept_ends_the_connection),
	SENTENCE(bye_waits_for_a_primary_that_does_not_read_just_now),
	SENTENCE(memory_that_makes_no_sense_is_ignored),
	SENTENCE(without_memory_for_a_device_the_library_attaches_again),
	SENTENCE(a_slot_that_never_comes_to_rest_gives_no_map_and_is_said_to_be_busy),
};
SUITE("messages", sentences)
