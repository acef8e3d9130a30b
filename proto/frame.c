/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fd.h"

static int fill_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

/* calls: socket connect */
int hf_seqpacket_connect(const char *path)
{
	struct sockaddr_un address;
	int error = fill_address(&address, path);
	int fd;

	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A backlog that is full is an answer (-EAGAIN), not a wait. */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fcntl(fd, F_SETFL, 0) < 0) {
		error = -errno;
		hf_fd_close(&fd);
		return error;
	}
	return fd;
}

/* calls: unlink unlinkat */
int hf_socket_clear_stale(const char *path, int (*connect_to)(const char *path))
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = connect_to(path);
	if (fd != -ECONNREFUSED) {
		hf_fd_close(&fd);
		return -EADDRINUSE;
	}
	return unlink(path) < 0 ? -errno : 0;
}

/* calls: socket bind listen umask */
int hf_seqpacket_listen(const char *path, mode_t mode)
{
	struct sockaddr_un address;
	int error = fill_address(&address, path);
	mode_t old_mask;
	int fd, bound;

	if (!error)
		error = hf_socket_clear_stale(path, hf_seqpacket_connect);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The file must never be there with a wider mode than asked for, not even for a moment. */
	old_mask = umask(0777 & ~mode);
	bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	error = errno;
	umask(old_mask);
	if (bound < 0 || listen(fd, 128) < 0) {
		error = bound < 0 ? -error : -errno;
		hf_fd_close(&fd);
		return error;
	}
	return fd;
}

static void take_fds(struct hf_frame *frame, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const unsigned char *data = CMSG_DATA(c);
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		/* Of all that one packet brings, the kernel makes one such header. */
		for (size_t i = 0; i < n && frame->nr_fds < HF_FRAME_KERNEL_FDS; i++)
			memcpy(&frame->fds[frame->nr_fds++], data + i * sizeof(int), sizeof(int));
	}
}

/* calls: recvmsg */
ssize_t hf_frame_receive(int fd, struct hf_frame *frame)
{
	/* Room for all the kernel can deliver: what it has to cut off it closes, here. */
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(HF_FRAME_KERNEL_FDS * sizeof(int)) +
			  CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {.iov_base = frame->bytes, .iov_len = HF_FRAME_MAX_BYTES};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n;

	frame->len = 0;
	frame->nr_fds = 0;
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(frame, &msg);
	if (frame->nr_fds > HF_FRAME_MAX_FDS || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return -EMSGSIZE;
	frame->len = (size_t)n;
	return n;
}

void hf_frame_close_fds(struct hf_frame *frame)
{
	hf_fd_close_all(frame->fds, frame->nr_fds);
	frame->nr_fds = 0;
}

int hf_frame_pack(const ProtobufCMessage *message, uint8_t **ret_bytes, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes;

	if (len > HF_FRAME_MAX_BYTES)
		return -EMSGSIZE;
	bytes = malloc(len ? len : 1);
	if (!bytes)
		return -ENOMEM;
	*ret_len = protobuf_c_message_pack(message, bytes);
	*ret_bytes = bytes;
	return 0;
}

/* calls: sendmsg */
int hf_frame_send_packed(int fd, const uint8_t *bytes, size_t len, const int *fds, size_t nr_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(HF_FRAME_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nr_fds > HF_FRAME_MAX_FDS)
		return -EMSGSIZE;
	if (nr_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int hf_frame_send(int fd, const ProtobufCMessage *message, const int *fds, size_t nr_fds)
{
	uint8_t *bytes;
	size_t len;
	int error = hf_frame_pack(message, &bytes, &len);

	if (error)
		return error;
	error = hf_frame_send_packed(fd, bytes, len, fds, nr_fds);
	free(bytes);
	return error;
}

/* The allocator counts what it gave; what is over the budget fails, and so does the unpacking. */
static void *budget_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void budget_free(void *data, void *pointer)
{
	(void)data;
	free(pointer);
}

ProtobufCMessage *hf_frame_unpack(const ProtobufCMessageDescriptor *descriptor,
				  const uint8_t *bytes, size_t len)
{
	size_t left = HF_UNPACK_BUDGET;
	ProtobufCAllocator allocator = {
		.alloc = budget_alloc, .free = budget_free, .allocator_data = &left};

	if (len > HF_FRAME_MAX_BYTES)
		return NULL;
	return protobuf_c_message_unpack(descriptor, &allocator, len, bytes);
}

void hf_frame_free_unpacked(ProtobufCMessage *message)
{
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}
