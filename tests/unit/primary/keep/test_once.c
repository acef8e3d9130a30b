/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/once.h: answers sent and messages consumed exactly once, wherever the sender dies. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "faults.h"
#include "fd_ledger.h"
#include "journal_layout.h"
#include "once.h"
#include "suite.h"

static struct journal_once notes;
static struct once once;
static int ends[2]; /* ours, the peer's */
static int open_before;

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the primary does */
	open_before = fds_open();
	notes = (struct journal_once){0};
	REQUIRE(once_open(&once) == 0);
	once.notes = &notes;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
}

static void end(void)
{
	once_close(&once);
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	CHECK_EQ(fds_open(), open_before);
}

/* The successor has the same pipes and the same notes, and no more. */
static void die(void)
{
	struct once successor = {.notes = &notes};

	for (int i = 0; i < 2; i++) {
		successor.answer[i] = fcntl(once.answer[i], F_DUPFD_CLOEXEC, 0);
		successor.consumed[i] = fcntl(once.consumed[i], F_DUPFD_CLOEXEC, 0);
		successor.taken[i] = fcntl(once.taken[i], F_DUPFD_CLOEXEC, 0);
	}
	REQUIRE(once_open_rest(&successor) == 0);
	once_close(&once);
	once = successor;
}

static bool peer_has(const char *text)
{
	char bytes[64] = "";
	ssize_t n = recv(ends[1], bytes, sizeof(bytes) - 1, 0);

	return n == (ssize_t)strlen(text) && strcmp(bytes, text) == 0;
}

static bool peer_has_nothing(void)
{
	char byte;

	return recv(ends[1], &byte, 1, 0) < 0 && errno == EAGAIN;
}

/* A device's requests come whole, as packets do. */
static void a_request_that_was_taken_is_there_until_it_was_noted(void)
{
	char bytes[64];
	int device[2];

	begin();
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, device) == 0);
	CHECK_EQ(once_take(&once, 3, device[0], bytes, sizeof(bytes)), -EAGAIN);
	REQUIRE(send(device[1], "first", 5, 0) == 5 && send(device[1], "second", 6, 0) == 6);
	CHECK_EQ(once_take(&once, 3, device[0], bytes, sizeof(bytes)), 5);
	CHECK(!memcmp(bytes, "first", 5));
	die();
	/* It is that device's, and nobody else's. */
	CHECK_EQ(once_left(&once, 2, bytes, sizeof(bytes)), 0);
	memset(bytes, 0, sizeof(bytes));
	CHECK_EQ(once_left(&once, 3, bytes, sizeof(bytes)), 5);
	CHECK(!memcmp(bytes, "first", 5));
	die();
	CHECK_EQ(once_left(&once, 3, bytes, sizeof(bytes)), 5);
	once_taken(&once);
	CHECK_EQ(once_left(&once, 3, bytes, sizeof(bytes)), 0);
	CHECK_EQ(once_take(&once, 3, device[0], bytes, sizeof(bytes)), 6);
	CHECK(!memcmp(bytes, "second", 6));
	once_taken(&once);
	die();
	CHECK_EQ(once_left(&once, 3, bytes, sizeof(bytes)), 0);
	close(device[0]);
	close(device[1]);
	end();
}

static void an_answer_arrives_whole_and_is_known_as_sent(void)
{
	begin();
	CHECK_EQ(once_send(&once, 5, ends[0], "answer", 6), 0);
	CHECK(once_was_sent(&once, 5));
	CHECK(!once_was_sent(&once, 6));
	die();
	CHECK(once_was_sent(&once, 5));
	CHECK(peer_has("answer"));
	CHECK(peer_has_nothing());
	end();
}

static void one_that_still_lies_in_the_pipe_was_not_sent(void)
{
	begin();
	CHECK_EQ(once_send(&once, 5, ends[0], "first", 5), 0);
	/* Its death came behind the note and before the splice. */
	REQUIRE(write(once.answer[1], "second", 6) == 6);
	notes.sending = 6;
	die();
	CHECK(!once_was_sent(&once, 6));
	CHECK_EQ(once_send(&once, 6, ends[0], "second", 6), 0);
	CHECK(once_was_sent(&once, 6));
	CHECK(peer_has("firstsecond"));
	end();
}

static void bytes_in_the_pipe_without_a_note_are_nobody_s(void)
{
	begin();
	REQUIRE(write(once.answer[1], "half", 4) == 4);
	die();
	CHECK(!once_was_sent(&once, 7));
	CHECK_EQ(once_send(&once, 7, ends[0], "whole", 5), 0);
	CHECK(peer_has("whole"));
	end();
}

static void without_room_nothing_is_sent_nor_noted(void)
{
	char block[4096] = "";

	begin();
	while (send(ends[0], block, sizeof(block), 0) > 0)
		;
	CHECK_EQ(once_send(&once, 5, ends[0], "answer", 6), -EAGAIN);
	CHECK(!once_was_sent(&once, 5));
	while (recv(ends[1], block, sizeof(block), 0) > 0)
		;
	CHECK_EQ(once_send(&once, 5, ends[0], "answer", 6), 0);
	CHECK(once_was_sent(&once, 5));
	CHECK(peer_has("answer"));
	end();
}

static void a_peer_that_is_gone_is_told(void)
{
	begin();
	close(ends[1]);
	ends[1] = -1;
	CHECK(once_send(&once, 5, ends[0], "answer", 6) < 0);
	CHECK(!once_was_sent(&once, 5));
	CHECK(once_send(NULL, 5, ends[0], "answer", 6) < 0);
	end();
}

static void send_message(const char *text, const int *fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.align = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.align), fd, sizeof(*fd));
	}
	REQUIRE(sendmsg(ends[1], &msg, 0) == (ssize_t)strlen(text));
}

/* What is left in our end. */
static bool left(const char *text)
{
	char bytes[64] = "";
	ssize_t n = recv(ends[0], bytes, sizeof(bytes) - 1, MSG_PEEK);

	return *text ? n == (ssize_t)strlen(text) && strcmp(bytes, text) == 0
		     : n < 0 && errno == EAGAIN;
}

static void a_message_is_consumed_with_what_came_along(void)
{
	int fd, open;

	begin();
	fd = eventfd(0, EFD_CLOEXEC);
	send_message("first", &fd);
	close(fd);
	send_message("second", NULL);
	open = fds_open();
	once_consume(&once, 5, ends[0], 5);
	CHECK_EQ(fds_open(), open);
	CHECK(left("second"));
	once_consume(&once, 6, ends[0], 6);
	CHECK(left(""));
	end();
}

static void who_died_within_is_followed_where_it_stopped(void)
{
	for (size_t out = 0; out <= 5; out++) {
		begin();
		send_message("ab", NULL);
		send_message("cde", NULL);
		send_message("next", NULL);
		notes.consuming = 5;
		/* As far as it got. */
		for (size_t n = 0; n < out;) {
			ssize_t more = splice(ends[0], NULL, once.consumed[1], NULL, out - n,
					      SPLICE_F_NONBLOCK);

			REQUIRE(more > 0);
			n += (size_t)more;
		}
		die();
		once_consume(&once, 5, ends[0], 5);
		CHECK(left("next"));
		/* A second time does no harm. */
		die();
		once_consume(&once, 5, ends[0], 5);
		CHECK(left("next"));
		end();
	}
}

static void what_an_earlier_message_left_in_the_pipe_does_not_count(void)
{
	begin();
	send_message("first", NULL);
	send_message("second", NULL);
	once_consume(&once, 5, ends[0], 5);
	die();
	once_consume(&once, 6, ends[0], 6);
	CHECK(left(""));
	end();
}

static void a_look_does_not_move_where_consuming_begins(void)
{
	char bytes[8];
	int offset = 0;

	begin();
	send_message("firstsecond", NULL);
	REQUIRE(setsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0);
	REQUIRE(recv(ends[0], bytes, 5, MSG_PEEK) == 5);
	once_consume(&once, 5, ends[0], 5);
	CHECK(left("second"));
	end();
}

static void a_message_of_more_pieces_than_the_pipe_takes_goes_too(void)
{
	int room = 1 << 20;

	begin();
	REQUIRE(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
	for (int i = 0; i < 400; i++)
		send_message("x", NULL);
	send_message("next", NULL);
	once_consume(&once, 5, ends[0], 400);
	CHECK(left("next"));
	end();
}

static void without_pipes_it_is_done_plainly(void)
{
	begin();
	CHECK_EQ(once_send(NULL, 5, ends[0], "answer", 6), 0);
	CHECK(peer_has("answer"));
	send_message("firstsecond", NULL);
	once_consume(NULL, 5, ends[0], 5);
	CHECK(left("second"));
	end();
}

/* The nth read, write or receive from here on fails. */
static void fail(uint32_t kinds, uint32_t nth)
{
	faults_arm(0, kinds, FAULT_ERROR, nth, 1);
}

static void an_answer_never_goes_out_behind_the_rest_of_another(void)
{
	begin();
	faults_open();
	REQUIRE(write(once.answer[1], "old", 3) == 3);
	fail(FAULT_TRANSFER, 1);
	CHECK_EQ(once_send(&once, 5, ends[0], "answer", 6), -EIO);
	faults_disarm(NULL);
	CHECK(peer_has_nothing());
	CHECK_EQ(once_send(&once, 5, ends[0], "answer", 6), 0);
	CHECK(peer_has("answer"));
	faults_close();
	end();
}

/* Whoever took it for consumed would act on it twice. */
static void a_message_that_stays_in_the_socket_is_said(void)
{
	begin();
	faults_open();
	send_message("first", NULL);
	fail(FAULT_FILE, 1); /* where the look began */
	CHECK_EQ(once_consume(&once, 5, ends[0], 5), -ENOBUFS);
	fail(FAULT_TRANSFER, 1); /* the pipe */
	CHECK_EQ(once_consume(&once, 5, ends[0], 5), -EIO);
	fail(FAULT_TRANSFER, 1);
	CHECK_EQ(once_consume(NULL, 5, ends[0], 5), -ENOMEM);
	faults_disarm(NULL);
	CHECK(left("first"));
	CHECK_EQ(once_consume(&once, 5, ends[0], 5), 0);
	CHECK(left(""));
	faults_close();
	end();
}

static void a_request_is_not_taken_behind_the_rest_of_another(void)
{
	char bytes[64];
	int device[2];

	begin();
	faults_open();
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, device) == 0);
	REQUIRE(send(device[1], "second", 6, 0) == 6);
	REQUIRE(write(once.taken[1], "old", 3) == 3);
	fail(FAULT_TRANSFER, 1);
	CHECK_EQ(once_take(&once, 3, device[0], bytes, sizeof(bytes)), -EIO);
	faults_disarm(NULL);
	CHECK_EQ(once_take(&once, 3, device[0], bytes, sizeof(bytes)), 6);
	CHECK_EQ(memcmp(bytes, "second", 6), 0);
	close(device[0]);
	close(device[1]);
	faults_close();
	end();
}

static void no_signal_gets_between(void)
{
	begin();
	faults_open();
	send_message("first", NULL);
	faults_arm_every(0, FAULT_TRANSFER, FAULT_INTERRUPT, 2);
	CHECK_EQ(once_send(&once, 5, ends[0], "answer", 6), 0);
	CHECK_EQ(once_consume(&once, 5, ends[0], 5), 0);
	faults_disarm(NULL);
	CHECK(peer_has("answer"));
	CHECK(left(""));
	faults_close();
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(an_answer_arrives_whole_and_is_known_as_sent),
	SENTENCE(a_request_that_was_taken_is_there_until_it_was_noted),
	SENTENCE(one_that_still_lies_in_the_pipe_was_not_sent),
	SENTENCE(bytes_in_the_pipe_without_a_note_are_nobody_s),
	SENTENCE(without_room_nothing_is_sent_nor_noted),
	SENTENCE(a_peer_that_is_gone_is_told),
	SENTENCE(a_message_is_consumed_with_what_came_along),
	SENTENCE(who_died_within_is_followed_where_it_stopped),
	SENTENCE(what_an_earlier_message_left_in_the_pipe_does_not_count),
	SENTENCE(a_look_does_not_move_where_consuming_begins),
	SENTENCE(a_message_of_more_pieces_than_the_pipe_takes_goes_too),
	SENTENCE(without_pipes_it_is_done_plainly),
	SENTENCE(an_answer_never_goes_out_behind_the_rest_of_another),
	SENTENCE(a_message_that_stays_in_the_socket_is_said),
	SENTENCE(a_request_is_not_taken_behind_the_rest_of_another),
	SENTENCE(no_signal_gets_between),
};
SUITE("once", sentences)
