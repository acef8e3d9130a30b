/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security model. The other end of the socket is a virtual machine monitor, and whoever broke
 * into one: every byte, every length, every descriptor, their order and their timing are chosen
 * by an enemy. He may lose his own session by that, and nothing else:
 *
 * - No length is used before it was compared with the room there is.
 * - A message may come in any pieces. Half a message is a state, not an error and not a wait; the
 *   session puts a deadline on it.
 * - Descriptors have an owner from the moment the kernel installs them: the raw message. They are
 *   close-on-exec from birth, and whatever is not taken is closed by vu_raw_reset.
 * - Lost descriptors (MSG_CTRUNC) cannot be told from never sent ones by a count: the stream ends.
 *
 * Exactly the missing bytes of one message are asked for. The kernel hands out descriptors with
 * the first byte they were sent with, so what belongs to the next message stays in the socket.
 */
#include "vu_recv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"
#include "fd.h"

/* The most the kernel passes in one go: with room for all, none is ever cut off by us. */
#define KERNEL_MAX_FDS 253u

void vu_raw_reset(struct vu_raw *raw)
{
	hf_fd_close_all(raw->fds, raw->nr_fds);
	raw->nr_fds = 0;
	raw->have = 0;
}

/* Take what the kernel installed. All of it, also when it is more than we have room for. */
static bool take_fds(struct vu_raw *raw, struct msghdr *msg)
{
	bool fit = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (raw->nr_fds < VU_MAX_FDS) {
				raw->fds[raw->nr_fds++] = fd;
			} else {
				hf_fd_close(&fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* recvmsg into `to`, descriptors into `raw`. Bytes; 0 the peer closed; -EAGAIN; -ECONNRESET; or
 * -EPROTO with *ret_reason. */
static ssize_t receive(struct vu_raw *raw, int socket, void *to, size_t room,
		       enum refusal *ret_reason)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(KERNEL_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = to, .iov_len = room};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	bool first = raw->have == 0;
	ssize_t n;

	do {
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -ECONNRESET;
	*ret_reason = REFUSED_TOO_MANY_FDS;
	if (!take_fds(raw, &msg))
		return -EPROTO;
	*ret_reason = REFUSED_FDS_LOST;
	if (msg.msg_flags & MSG_CTRUNC)
		return -EPROTO;
	/* They belong to the first byte of a message, not to its middle. */
	*ret_reason = REFUSED_FD_COUNT;
	if (!first && msg.msg_controllen)
		return -EPROTO;
	return n;
}

/* The header is complete: can the rest be a message at all? */
static bool header_ok(const struct vu_header *header, enum refusal *ret_reason)
{
	*ret_reason = REFUSED_HEADER_VERSION;
	if ((header->flags & VU_VERSION_MASK) != VU_VERSION)
		return false;
	*ret_reason = REFUSED_HEADER_FLAGS;
	if (header->flags & ~(VU_VERSION_MASK | VU_NEED_REPLY))
		return false;
	*ret_reason = REFUSED_PAYLOAD_TOO_LARGE;
	return header->size <= VU_MAX_PAYLOAD;
}

/* Bytes of the message that are known to come; 0: it is complete. */
static size_t missing(const struct vu_raw *raw)
{
	size_t header = sizeof(raw->header);

	return raw->have < header ? header - raw->have : header + raw->header.size - raw->have;
}

enum vu_recv_result vu_recv(struct vu_raw *raw, int socket, enum refusal *ret_reason)
{
	const size_t header = sizeof(raw->header);

	do {
		char *to = raw->have < header ? (char *)&raw->header + raw->have
					      : (char *)raw->payload + (raw->have - header);
		ssize_t n = receive(raw, socket, to, missing(raw), ret_reason);

		if (n == -EAGAIN)
			return VU_RECV_AGAIN;
		if (n == -EPROTO)
			return VU_RECV_REFUSED;
		if (n <= 0) {
			*ret_reason = REFUSED_CUT_OFF;
			return vu_recv_begun(raw) ? VU_RECV_REFUSED : VU_RECV_CLOSED;
		}
		raw->have += (size_t)n;
		if (raw->have == header && !header_ok(&raw->header, ret_reason))
			return VU_RECV_REFUSED;
	} while (raw->have < header || missing(raw));
	return VU_RECV_MESSAGE;
}
