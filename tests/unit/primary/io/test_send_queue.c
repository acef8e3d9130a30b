/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/send_queue.h: in order, bounded, and nothing half when something lacks. */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.pb-c.h"
#include "faults.h"
#include "fd_ledger.h"
#include "frame.h"
#include "send_queue.h"
#include "suite.h"

#define MOST 16u

static struct send_queue *queue;
static int ends[2]; /* ours, the peer's */
static int before;

static void begin(void)
{
	before = fds_open();
	queue = send_queue_create(1u << 20, MOST, 64);
	REQUIRE(queue != NULL);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	faults_open();
}

static void end(void)
{
	faults_close();
	send_queue_destroy(queue);
	close(ends[0]);
	close(ends[1]);
	CHECK_EQ(fds_open(), before);
}

/* A message with this number, and a descriptor. */
static int send_one(uint64_t number)
{
	Holdfast__Attach__Flush flush = HOLDFAST__ATTACH__FLUSH__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	int fd = eventfd(0, EFD_CLOEXEC), error;

	flush.number = number;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_FLUSH;
	message.flush = &flush;
	error = send_queue_send(queue, ends[0], &message.base, &fd, 1);
	close(fd);
	return error;
}

/* The number of the next message, which has its descriptor; 0: there is none. */
static uint64_t received(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Holdfast__Attach__ToSecondary *m;
	uint64_t number;

	if (hf_frame_receive(ends[1], &frame) <= 0)
		return 0;
	CHECK_EQ(frame.nr_fds, 1);
	hf_frame_close_fds(&frame);
	m = (void *)hf_frame_unpack(&holdfast__attach__to_secondary__descriptor, frame.bytes,
				    frame.len);
	REQUIRE(m && m->flush);
	number = m->flush->number;
	hf_frame_free_unpacked(&m->base);
	return number;
}

static void what_the_kernel_has_no_room_for_waits_and_keeps_its_order(void)
{
	static const int shortages[] = {ENOBUFS, ETOOMANYREFS, EAGAIN};

	for (size_t i = 0; i < 3; i++) {
		begin();
		faults_arm_error(0, FAULT_TRANSFER, shortages[i], 1);
		CHECK_EQ(send_one(1), 0);
		faults_disarm(NULL);
		CHECK(!send_queue_empty(queue));
		CHECK_EQ(send_one(2), 0);
		CHECK_EQ(received(), 0);
		faults_arm_error(0, FAULT_TRANSFER, shortages[i], 2);
		CHECK_EQ(send_queue_flush(queue, ends[0]), 0);
		faults_disarm(NULL);
		CHECK_EQ(received(), 1);
		CHECK_EQ(received(), 0);
		CHECK_EQ(send_queue_flush(queue, ends[0]), 0);
		CHECK(send_queue_empty(queue));
		CHECK_EQ(received(), 2);
		end();
	}
}

static void a_connection_that_is_gone_is_said(void)
{
	begin();
	faults_arm_error(0, FAULT_TRANSFER, ENOBUFS, 1);
	CHECK_EQ(send_one(1), 0);
	faults_disarm(NULL);
	shutdown(ends[1], SHUT_RDWR);
	CHECK_EQ(send_queue_flush(queue, ends[0]), -EPIPE);
	end();
}

static void more_than_the_bound_is_refused(void)
{
	uint64_t n = 1;

	begin();
	faults_arm(0, FAULT_TRANSFER, FAULT_ERROR, 1, 1000);
	while (n <= MOST)
		CHECK_EQ(send_one(n++), 0);
	CHECK(send_queue_crowded(queue));
	CHECK_EQ(send_one(n), -ENOBUFS);
	faults_disarm(NULL);
	CHECK_EQ(send_queue_flush(queue, ends[0]), 0);
	for (uint64_t i = 1; i <= MOST; i++)
		CHECK_EQ(received(), i);
	CHECK_EQ(received(), 0);
	end();
}

/* Bytes count as packets do. */
static void more_bytes_than_the_bound_are_refused(void)
{
	begin();
	send_queue_destroy(queue);
	queue = send_queue_create(32, MOST, 64);
	REQUIRE(queue != NULL);
	faults_arm_error(0, FAULT_TRANSFER, EAGAIN, 1);
	CHECK_EQ(send_one(1), -ENOBUFS);
	faults_disarm(NULL);
	CHECK(send_queue_empty(queue));
	CHECK_EQ(send_one(2), 0);
	CHECK_EQ(received(), 2);
	end();
}

/* Each allocation and each duplicate fails in turn, while what is sent has to wait. */
static void a_message_that_cannot_be_kept_is_refused_whole(void)
{
	uint32_t hit = 1;

	for (uint32_t nth = 1; hit; nth++) {
		int error;

		begin();
		faults_arm_error(0, FAULT_TRANSFER, ENOBUFS, 1);
		CHECK_EQ(send_one(1), 0);
		faults_arm(0, FAULT_HEAP | FAULT_DESCRIPTOR, FAULT_ERROR, nth + 1, 1);
		error = send_one(2); /* its eventfd is the first */
		faults_disarm(&hit);
		CHECK_EQ(error == -ENOMEM || error == -EMFILE, hit > 0);
		CHECK_EQ(send_queue_flush(queue, ends[0]), 0);
		CHECK_EQ(received(), 1);
		CHECK_EQ(received(), hit ? 0 : 2);
		end();
	}
}

static const struct sentence sentences[] = {
	SENTENCE(what_the_kernel_has_no_room_for_waits_and_keeps_its_order),
	SENTENCE(a_connection_that_is_gone_is_said),
	SENTENCE(more_than_the_bound_is_refused),
	SENTENCE(more_bytes_than_the_bound_are_refused),
	SENTENCE(a_message_that_cannot_be_kept_is_refused_whole),
};
SUITE("send_queue", sentences)
