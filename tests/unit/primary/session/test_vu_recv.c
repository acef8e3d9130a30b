/* SPDX-License-Identifier: Apache-2.0 */
/* primary/session/vu_recv.h: bytes in any pieces, descriptors in any number, nothing lost or
 * leaked. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "fd_ledger.h"
#include "once.h"
#include "stream.h"
#include "suite.h"
#include "vu_recv.h"

#define OURS   0
#define THEIRS 1

static int pair[2];
static int baseline;
static struct vu_raw raw;
static enum refusal reason;

static void begin(void)
{
	baseline = fds_open();
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	memset(&raw, 0, sizeof(raw));
}

static void end(void)
{
	vu_raw_reset(&raw);
	hf_fd_close(&pair[OURS]);
	hf_fd_close(&pair[THEIRS]);
	CHECK_EQ(fds_open(), baseline);
}

/* As a session does: what is whole is taken out of the socket. */
static enum vu_recv_result receive(void)
{
	enum vu_recv_result result = vu_recv(&raw, pair[OURS], &reason);

	if (result == VU_RECV_MESSAGE)
		once_consume(NULL, 0, pair[OURS], raw.have);
	return result;
}

/* Send bytes with n fresh eventfds. */
static void send_flagged(const void *bytes, size_t len, size_t n, int flags)
{
	char control[CMSG_SPACE(253 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[253];

	for (size_t i = 0; i < n; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	if (n) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	REQUIRE(sendmsg(pair[THEIRS], &msg, MSG_NOSIGNAL | flags) == (ssize_t)len);
	hf_fd_close_all(fds, n);
}

static void send_fds(const void *bytes, size_t len, size_t n)
{
	send_flagged(bytes, len, n, 0);
}

struct bytes {
	uint8_t b[sizeof(struct vu_header) + VU_MAX_PAYLOAD];
	size_t len;
};

static struct bytes message(uint32_t request, uint32_t flags, uint32_t size)
{
	struct vu_header header = {.request = request, .flags = flags, .size = size};
	struct bytes m = {.len = sizeof(header)};

	memcpy(m.b, &header, sizeof(header));
	for (uint32_t i = 0; i < size && i < VU_MAX_PAYLOAD; i++)
		m.b[m.len++] = (uint8_t)(i * 7 + 1);
	return m;
}

static bool payload_is_whole(const struct vu_raw *r)
{
	for (uint32_t i = 0; i < r->header.size; i++)
		if (r->payload[i] != (uint8_t)(i * 7 + 1))
			return false;
	return true;
}

static void a_message_cut_at_any_byte_arrives_whole_with_its_descriptors(void)
{
	struct bytes m = message(VU_SET_MEM_TABLE, VU_VERSION, 264);

	for (size_t cut = 1; cut < m.len; cut++) {
		begin();
		send_fds(m.b, cut, 8);
		CHECK_EQ(receive(), VU_RECV_AGAIN);
		CHECK(vu_recv_begun(&raw));
		send_fds(m.b + cut, m.len - cut, 0);
		CHECK_EQ(receive(), VU_RECV_MESSAGE);
		CHECK_EQ(raw.nr_fds, 8);
		CHECK_EQ(raw.header.size, 264);
		CHECK(payload_is_whole(&raw));
		end();
	}
}

static void a_message_may_come_byte_by_byte(void)
{
	struct bytes m = message(VU_SET_VRING_ADDR, VU_VERSION | VU_NEED_REPLY, 40);

	begin();
	for (size_t i = 0; i < m.len; i++) {
		CHECK_EQ(receive(), VU_RECV_AGAIN);
		send_fds(m.b + i, 1, i == 0);
	}
	CHECK_EQ(receive(), VU_RECV_MESSAGE);
	CHECK_EQ(raw.nr_fds, 1);
	CHECK(payload_is_whole(&raw));
	end();
}

static void two_messages_in_one_write_come_out_one_after_the_other(void)
{
	struct bytes a = message(VU_SET_VRING_KICK, VU_VERSION, 8);
	struct bytes b = message(VU_GET_FEATURES, VU_VERSION, 0);

	begin();
	memcpy(a.b + a.len, b.b, b.len);
	send_fds(a.b, a.len + b.len, 1);
	CHECK_EQ(receive(), VU_RECV_MESSAGE);
	CHECK_EQ(raw.header.request, VU_SET_VRING_KICK);
	CHECK_EQ(raw.nr_fds, 1);
	vu_raw_reset(&raw);
	CHECK_EQ(receive(), VU_RECV_MESSAGE);
	CHECK_EQ(raw.header.request, VU_GET_FEATURES);
	CHECK_EQ(raw.nr_fds, 0);
	end();
}

static void descriptors_stay_with_the_message_they_were_sent_with(void)
{
	struct bytes a = message(VU_SET_VRING_NUM, VU_VERSION, 8);
	struct bytes b = message(VU_SET_VRING_KICK, VU_VERSION, 8);

	begin();
	send_fds(a.b, a.len, 0);
	send_fds(b.b, b.len, 1);
	send_fds(a.b, a.len, 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(receive(), VU_RECV_MESSAGE);
		CHECK_EQ(raw.nr_fds, i == 1);
		vu_raw_reset(&raw);
	}
	end();
}

static void received_descriptors_are_close_on_exec(void)
{
	struct bytes m = message(VU_SET_VRING_KICK, VU_VERSION, 8);

	begin();
	send_fds(m.b, m.len, 3);
	CHECK_EQ(receive(), VU_RECV_MESSAGE);
	REQUIRE(raw.nr_fds == 3);
	for (int i = 0; i < 3; i++)
		CHECK(fcntl(raw.fds[i], F_GETFD) & FD_CLOEXEC);
	end();
}

static void more_descriptors_than_any_message_has_are_all_closed(void)
{
	static const size_t counts[] = {9, 64, 253};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct bytes m = message(VU_SET_MEM_TABLE, VU_VERSION, 8);

		begin();
		send_fds(m.b, m.len, counts[i]);
		CHECK_EQ(receive(), VU_RECV_REFUSED);
		CHECK_EQ(reason, REFUSED_TOO_MANY_FDS);
		end();
	}
}

/* In two parts, and with the sender's credentials between them: the kernel puts them together. */
static void descriptors_in_two_parts_beside_credentials_are_all_there_is(void)
{
	struct bytes m = message(VU_SET_MEM_TABLE, VU_VERSION, 8);
	char control[2 * CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))] = {0};
	struct iovec iov = {.iov_base = m.b, .iov_len = m.len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	const struct ucred who = {getpid(), getuid(), getgid()};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[4];

	begin();
	for (int i = 0; i < 4; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	for (int part = 0; part < 3; part++, c = CMSG_NXTHDR(&msg, c)) {
		bool rights = part != 1;
		size_t len = rights ? 2 * sizeof(int) : sizeof(who);

		REQUIRE(c != NULL);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = rights ? SCM_RIGHTS : SCM_CREDENTIALS;
		c->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(c), rights ? (const void *)(fds + part) : &who, len);
	}
	REQUIRE(sendmsg(pair[THEIRS], &msg, MSG_NOSIGNAL) == (ssize_t)m.len);
	hf_fd_close_all(fds, 4);
	CHECK_EQ(receive(), VU_RECV_MESSAGE);
	CHECK_EQ(raw.nr_fds, 4);
	end();
}

static void descriptors_in_the_middle_of_a_message_are_refused(void)
{
	struct bytes m = message(VU_SET_VRING_KICK, VU_VERSION, 8);

	begin();
	send_fds(m.b, 12, 0);
	CHECK_EQ(receive(), VU_RECV_AGAIN);
	send_fds(m.b + 12, 8, 1);
	CHECK_EQ(receive(), VU_RECV_REFUSED);
	CHECK_EQ(reason, REFUSED_FD_COUNT);
	end();
}

/* A look ends before an urgent byte, however much of the message is behind it. */
static void stray_descriptors_around_an_urgent_byte_are_refused(void)
{
	struct bytes m = message(VU_GET_FEATURES, VU_VERSION, 0);

	begin();
	stream_take_urgent_inline(pair[OURS]);
	send_fds(m.b, m.len - 2, 0);
	CHECK_EQ(receive(), VU_RECV_AGAIN);
	send_flagged(m.b + m.len - 2, 1, 0, MSG_OOB);
	send_fds(m.b + m.len - 1, 1, 1);
	CHECK_EQ(receive(), VU_RECV_REFUSED);
	CHECK_EQ(reason, REFUSED_FD_COUNT);
	end();
}

static void descriptors_lost_to_a_full_table_are_noticed(void)
{
	struct bytes m = message(VU_SET_MEM_TABLE, VU_VERSION, 8);
	struct rlimit old, tight;

	begin();
	send_fds(m.b, m.len, 8);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	tight = old;
	tight.rlim_cur = (rlim_t)pair[THEIRS] + 4;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK_EQ(receive(), VU_RECV_REFUSED);
	CHECK_EQ(reason, REFUSED_FDS_LOST);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	end();
}

static void a_header_that_is_no_header_is_refused_before_its_payload(void)
{
	static const struct {
		uint32_t flags, size;
		enum refusal reason;
	} cases[] = {
		{0, 0, REFUSED_HEADER_VERSION},
		{2, 0, REFUSED_HEADER_VERSION},
		{3, 0, REFUSED_HEADER_VERSION},
		{VU_VERSION | VU_REPLY, 0, REFUSED_HEADER_FLAGS},
		{VU_VERSION | 1u << 4, 0, REFUSED_HEADER_FLAGS},
		{VU_VERSION | 1u << 31, 0, REFUSED_HEADER_FLAGS},
		{VU_VERSION, VU_MAX_PAYLOAD + 1, REFUSED_PAYLOAD_TOO_LARGE},
		{VU_VERSION, 1u << 31, REFUSED_PAYLOAD_TOO_LARGE},
		{VU_VERSION, UINT32_MAX, REFUSED_PAYLOAD_TOO_LARGE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes m = message(1, cases[i].flags, cases[i].size);

		begin();
		send_fds(m.b, sizeof(struct vu_header), 1);
		CHECK_EQ(receive(), VU_RECV_REFUSED);
		CHECK_EQ(reason, cases[i].reason);
		end();
	}
}

static void the_largest_payload_fits(void)
{
	struct bytes m = message(VU_GET_CONFIG, VU_VERSION, VU_MAX_PAYLOAD);

	begin();
	send_fds(m.b, m.len, 0);
	CHECK_EQ(receive(), VU_RECV_MESSAGE);
	CHECK(payload_is_whole(&raw));
	end();
}

static void a_close_between_messages_is_an_end_and_inside_one_a_refusal(void)
{
	struct bytes m = message(VU_SET_VRING_NUM, VU_VERSION, 8);

	for (size_t len = 0; len < m.len; len++) {
		begin();
		if (len)
			send_fds(m.b, len, 1);
		hf_fd_close(&pair[THEIRS]);
		if (len) {
			CHECK_EQ(receive(), VU_RECV_REFUSED);
			CHECK_EQ(reason, REFUSED_CUT_OFF);
		} else {
			CHECK_EQ(receive(), VU_RECV_CLOSED);
		}
		end();
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(a_message_cut_at_any_byte_arrives_whole_with_its_descriptors, "[M-17]"),
	CATALOGUE(a_message_may_come_byte_by_byte, "[M-17]"),
	CATALOGUE(two_messages_in_one_write_come_out_one_after_the_other, "[M-17]"),
	CATALOGUE(descriptors_stay_with_the_message_they_were_sent_with, "[M-17]"),
	CATALOGUE(received_descriptors_are_close_on_exec, "[M-2]"),
	CATALOGUE(descriptors_in_two_parts_beside_credentials_are_all_there_is, "[M-2]"),
	CATALOGUE(more_descriptors_than_any_message_has_are_all_closed, "[10] [M-2]"),
	CATALOGUE(descriptors_in_the_middle_of_a_message_are_refused, "[M-2]"),
	CATALOGUE(stray_descriptors_around_an_urgent_byte_are_refused, "[M-2]"),
	CATALOGUE(descriptors_lost_to_a_full_table_are_noticed, "[M-2]"),
	CATALOGUE(a_header_that_is_no_header_is_refused_before_its_payload, "[17] [M-1]"),
	SENTENCE(the_largest_payload_fits),
	CATALOGUE(a_close_between_messages_is_an_end_and_inside_one_a_refusal, "[17]"),
};
SUITE("vu_recv", sentences)
