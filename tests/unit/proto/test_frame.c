/* SPDX-License-Identifier: Apache-2.0 */
/* proto/frame.h: whole packets or none, and not one descriptor more than before. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attach.pb-c.h"
#include "check.h"
#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"
#include "suite.h"

static uint8_t room[HF_FRAME_MAX_BYTES];
static struct hf_frame frame = {.bytes = room};
static int ours, theirs; /* two ends */

static int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int n = 0;

	REQUIRE(directory != NULL);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void open_pair(void)
{
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	ours = ends[0];
	theirs = ends[1];
}

static void close_pair(void)
{
	close(ours);
	close(theirs);
}

/* Send `len` bytes and `n` descriptors as nobody well-behaved would. */
static ssize_t send_raw(size_t len, const int *fds, size_t n)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES + 4096];
	static union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec iov = {bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(n * sizeof(int))};
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	}
	return sendmsg(theirs, &msg, MSG_NOSIGNAL);
}

static void a_message_arrives_whole_with_its_descriptors_closed_on_exec(void)
{
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT, *got;
	Holdfast__Attach__Hello hello = HOLDFAST__ATTACH__HELLO__INIT;
	char name[] = "vsw", *globs[] = {name};
	int fds[2] = {eventfd(7, EFD_CLOEXEC), eventfd(9, EFD_CLOEXEC)};
	uint64_t value = 0;

	open_pair();
	hello.name = name;
	hello.ports = globs;
	hello.n_ports = 1;
	message.request = 3;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_HELLO;
	message.hello = &hello;
	CHECK_EQ(hf_frame_send(theirs, &message.base, fds, 2), 0);
	REQUIRE(hf_frame_receive(ours, &frame) > 0);
	CHECK_EQ(frame.nr_fds, 2);
	CHECK(fcntl(frame.fds[0], F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(read(frame.fds[1], &value, 8), 8);
	CHECK_EQ(value, 9);
	got = (void *)hf_frame_unpack(&holdfast__attach__to_primary__descriptor, frame.bytes,
				      frame.len);
	REQUIRE(got != NULL);
	CHECK_EQ(got->request, 3);
	CHECK(strcmp(got->hello->ports[0], "vsw") == 0);
	hf_frame_free_unpacked(&got->base);
	hf_frame_close_fds(&frame);
	hf_fd_close_all(fds, 2);
	close_pair();
}

/* Closed by who knows whether that may hang, so they are all there. */
static void refused_with(size_t nr_fds)
{
	int before = open_descriptors() - (int)nr_fds;

	CHECK_EQ(frame.nr_fds, nr_fds);
	hf_frame_close_fds(&frame);
	CHECK_EQ(open_descriptors(), before);
	CHECK_EQ(frame.nr_fds, 0);
}

static void descriptors_of_a_refused_packet_are_the_callers_to_close(void)
{
	int fds[253], before;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = STDOUT_FILENO;
	open_pair();
	before = open_descriptors();
	CHECK_EQ(send_raw(10, fds, 201), 10);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EMSGSIZE);
	refused_with(201);
	CHECK_EQ(send_raw(10, fds, 253), 10);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EMSGSIZE);
	refused_with(253);
	CHECK_EQ(send_raw(HF_FRAME_MAX_BYTES + 1, fds, 3), HF_FRAME_MAX_BYTES + 1);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EMSGSIZE);
	refused_with(3);
	CHECK_EQ(open_descriptors(), before);
	CHECK_EQ(send_raw(10, fds, 200), 10); /* the largest there may be */
	CHECK_EQ(hf_frame_receive(ours, &frame), 10);
	CHECK_EQ(open_descriptors(), before + 200);
	hf_frame_close_fds(&frame);
	CHECK_EQ(open_descriptors(), before);
	close_pair();
}

static void descriptors_of_an_empty_packet_are_the_callers_to_close(void)
{
	int fds[3] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
	int before = open_descriptors();

	open_pair();
	REQUIRE(send_raw(0, fds, 3) == 0);
	CHECK_EQ(hf_frame_receive(ours, &frame), 0);
	refused_with(3);
	close_pair();
	CHECK_EQ(open_descriptors(), before);
	hf_fd_close_all(fds, 3);
}

static void a_taken_descriptor_is_not_closed_with_the_others(void)
{
	int fds[2] = {STDOUT_FILENO, STDOUT_FILENO}, taken, before;

	open_pair();
	before = open_descriptors();
	CHECK_EQ(send_raw(1, fds, 2), 1);
	CHECK_EQ(hf_frame_receive(ours, &frame), 1);
	taken = hf_fd_take(&frame.fds[0]);
	hf_frame_close_fds(&frame);
	CHECK_EQ(open_descriptors(), before + 1);
	CHECK(fcntl(taken, F_GETFD) >= 0);
	close(taken);
	close_pair();
}

static void size_limits_are_exact(void)
{
	open_pair();
	CHECK_EQ(send_raw(HF_FRAME_MAX_BYTES, NULL, 0), HF_FRAME_MAX_BYTES);
	CHECK_EQ(hf_frame_receive(ours, &frame), HF_FRAME_MAX_BYTES);
	CHECK_EQ(send_raw(HF_FRAME_MAX_BYTES + 1, NULL, 0), HF_FRAME_MAX_BYTES + 1);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EMSGSIZE);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EAGAIN);
	close(theirs);
	CHECK_EQ(hf_frame_receive(ours, &frame), 0);
	close(ours);
}

static void a_message_over_the_cap_is_not_sent(void)
{
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	Holdfast__Attach__PortDel del = HOLDFAST__ATTACH__PORT_DEL__INIT;
	int fds[HF_FRAME_MAX_FDS + 1] = {0};

	open_pair();
	del.name = malloc(HF_FRAME_MAX_BYTES + 1);
	REQUIRE(del.name != NULL);
	memset(del.name, 'x', HF_FRAME_MAX_BYTES);
	del.name[HF_FRAME_MAX_BYTES] = '\0';
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_DEL;
	message.port_del = &del;
	CHECK_EQ(hf_frame_send(theirs, &message.base, NULL, 0), -EMSGSIZE);
	del.name[10] = '\0';
	CHECK_EQ(hf_frame_send(theirs, &message.base, fds, ARRAY_SIZE(fds)), -EMSGSIZE);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EAGAIN);
	free(del.name);
	close_pair();
}

static void a_full_peer_is_eagain_and_a_gone_peer_is_an_error_without_a_signal(void)
{
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	int sent = 0, result;

	open_pair();
	message.request = 1;
	while ((result = hf_frame_send(theirs, &message.base, NULL, 0)) == 0)
		REQUIRE(++sent < 1000000);
	CHECK_EQ(result, -EAGAIN);
	for (int i = 0; i < sent; i++)
		CU_ASSERT_FATAL(hf_frame_receive(ours, &frame) > 0);
	CHECK_EQ(hf_frame_receive(ours, &frame), -EAGAIN);
	close(ours);
	CHECK_EQ(hf_frame_send(theirs, &message.base, NULL, 0), -EPIPE);
	close(theirs);
}

/* n empty sub-messages: two bytes each on the wire, a whole struct each on the heap. */
static size_t pack_bomb(size_t n)
{
	size_t len = 0, inner = 2 * n;

	room[len++] = 5 << 3 | 2; /* Response.port_list */
	for (; inner >= 0x80; inner >>= 7)
		room[len++] = (uint8_t)(inner | 0x80);
	room[len++] = (uint8_t)inner;
	for (size_t i = 0; i < n; i++) {
		room[len++] = 1 << 3 | 2; /* PortListReply.ports */
		room[len++] = 0;
	}
	return len;
}

static void a_small_packet_cannot_cost_much_heap(void)
{
	const ProtobufCMessageDescriptor *response = &holdfast__control__response__descriptor;
	ProtobufCMessage *message;
	size_t len = pack_bomb(100);

	message = hf_frame_unpack(response, room, len);
	REQUIRE(message != NULL);
	CHECK_EQ(((Holdfast__Control__Response *)message)->port_list->n_ports, 100);
	hf_frame_free_unpacked(message);
	len = pack_bomb(32000);
	REQUIRE(len <= HF_FRAME_MAX_BYTES);
	CHECK(!hf_frame_unpack(response, room, len));
}

/* Fields that nobody knows, two bytes and a record each. */
static void unknown_fields_cannot_cost_much_heap(void)
{
	const ProtobufCMessageDescriptor *d = &holdfast__attach__to_primary__descriptor;
	ProtobufCMessage *message;

	for (size_t i = 0; i + 3 <= sizeof(room); i += 3)
		memcpy(room + i, "\xf8\x07\x00", 3); /* field 127, 0 */
	message = hf_frame_unpack(d, room, 30);
	hf_frame_free_unpacked(message);
	CHECK(!hf_frame_unpack(d, room, HF_FRAME_MAX_BYTES / 3 * 3));
}

static void bytes_that_are_no_message_are_refused(void)
{
	static const uint8_t cut[] = {2 << 3 | 2, 10, 1}, varint[] = {8, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t huge[] = {2 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0};
	/* Lengths near 2^32 and 2^64, of a field that is known, and of one that is not. */
	static const uint8_t near[] = {2 << 3 | 2, 0xfb, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0};
	static const uint8_t most[] = {2 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff,
				       0xff,	   0xff, 0xff, 0xff, 0x01, 0};
	static const uint8_t unknown[] = {0xfa, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f, 0};
	/* Shorter than what says so; groups, and a wire type that nobody has. */
	static const uint8_t shorter[] = {2 << 3 | 2, 0x81, 0x80, 0x00};
	static const uint8_t group[] = {2 << 3 | 3, 2 << 3 | 4}, type7[] = {2 << 3 | 7, 0};
	const ProtobufCMessageDescriptor *d = &holdfast__attach__to_primary__descriptor;

	CHECK(!hf_frame_unpack(d, near, sizeof(near)));
	CHECK(!hf_frame_unpack(d, most, sizeof(most)));
	CHECK(!hf_frame_unpack(d, unknown, sizeof(unknown)));
	CHECK(!hf_frame_unpack(d, shorter, sizeof(shorter)));
	CHECK(!hf_frame_unpack(d, group, sizeof(group)));
	CHECK(!hf_frame_unpack(d, type7, sizeof(type7)));
	CHECK(!hf_frame_unpack(d, cut, sizeof(cut)));
	CHECK(!hf_frame_unpack(d, varint, sizeof(varint)));
	CHECK(!hf_frame_unpack(d, huge, sizeof(huge)));
	CHECK(!hf_frame_unpack(d, room, HF_FRAME_MAX_BYTES + 1));
	hf_frame_free_unpacked(NULL);
}

static void random_bytes_never_do_harm(void)
{
	const ProtobufCMessageDescriptor *d = &holdfast__attach__to_primary__descriptor;
	unsigned int seed = 1, parsed = 0;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % 64;
		ProtobufCMessage *message;

		for (size_t i = 0; i < len; i++)
			room[i] = (uint8_t)(rand_r(&seed) % (round % 2 ? 256 : 24));
		message = hf_frame_unpack(d, room, len);
		parsed += message != NULL;
		hf_frame_free_unpacked(message);
	}
	CHECK(parsed > 0);
	CHECK(parsed < 20000);
}

static char path[108], directory[64];

static void make_path(void)
{
	snprintf(directory, sizeof(directory), "/tmp/hf-test-frame-XXXXXX");
	REQUIRE(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/s", directory);
}

static void remove_path(void)
{
	unlink(path);
	rmdir(directory);
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void)
{
	int first, second;
	struct stat st;

	make_path();
	first = hf_seqpacket_listen(path, 0600);
	REQUIRE(first >= 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK_EQ(hf_seqpacket_listen(path, 0600), -EADDRINUSE);
	second = hf_seqpacket_connect(path);
	CHECK(second >= 0);
	close(second);
	close(first);
	CHECK_EQ(hf_seqpacket_connect(path), -ECONNREFUSED);
	second = hf_seqpacket_listen(path, 0660);
	CHECK(second >= 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0660);
	close(second);
	remove_path();
}

static void what_is_no_socket_is_never_removed(void)
{
	char long_path[200];
	int fd;

	make_path();
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	CHECK_EQ(hf_seqpacket_listen(path, 0600), -EEXIST);
	CHECK_EQ(access(path, F_OK), 0);
	close(fd);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK_EQ(hf_seqpacket_listen(long_path, 0600), -ENAMETOOLONG);
	CHECK_EQ(hf_seqpacket_connect(long_path), -ENAMETOOLONG);
	remove_path();
	CHECK_EQ(hf_seqpacket_connect(path), -ENOENT);
}

/* Another kind of socket: nobody can say whether its owner lives, so it is left alone. */
static void a_socket_of_another_kind_is_never_removed(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	make_path();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	REQUIRE(bind(stream, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(listen(stream, 1) == 0);
	CHECK_EQ(hf_seqpacket_listen(path, 0600), -EADDRINUSE);
	CHECK_EQ(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	close(stream);
	close(client);
	remove_path();
}

static const struct sentence sentences[] = {
	SENTENCE(a_message_arrives_whole_with_its_descriptors_closed_on_exec),
	SENTENCE(descriptors_of_a_refused_packet_are_the_callers_to_close),
	SENTENCE(descriptors_of_an_empty_packet_are_the_callers_to_close),
	SENTENCE(a_taken_descriptor_is_not_closed_with_the_others),
	CATALOGUE(size_limits_are_exact, "[C-1]"),
	SENTENCE(a_message_over_the_cap_is_not_sent),
	SENTENCE(a_full_peer_is_eagain_and_a_gone_peer_is_an_error_without_a_signal),
	CATALOGUE(a_small_packet_cannot_cost_much_heap, "[C-2]"),
	CATALOGUE(unknown_fields_cannot_cost_much_heap, "[C-2]"),
	CATALOGUE(bytes_that_are_no_message_are_refused, "[C-1]"),
	CATALOGUE(random_bytes_never_do_harm, "[C-1]"),
	SENTENCE(a_stale_socket_is_replaced_and_a_live_one_is_not),
	SENTENCE(what_is_no_socket_is_never_removed),
	SENTENCE(a_socket_of_another_kind_is_never_removed),
};
SUITE("frame", sentences)
