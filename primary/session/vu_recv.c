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
 *   close-on-exec from birth, and whatever is not taken is closed by vu_raw_reset. No more are
 *   installed than one above what a message may have. What they are is judged by who calls
 *   (foreign.h), before anything is done with one: none is closed here.
 * - Lost descriptors (MSG_CTRUNC) cannot be told from never sent ones by a count: the stream ends.
 *
 * A message is looked at (MSG_PEEK) and stays in the socket until it was acted on and answered:
 * who comes after us finds it there again. A look is less exact than a read: it ends behind a
 * packet that brought descriptors, hands them out again at each look into that packet, and, coming
 * from a packet without, also those of the next one, which may be another message's. So:
 *
 *   1. The header is looked at, then all of the message, without room for descriptors: none is
 *      installed.
 *   2. If it is whole, and a message that has descriptors, the same again with room.
 *   3. If it is not, what is there ends with a packet: that piece again with room, and the next
 *      look starts behind it.
 */
#include "vu_recv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"
#include "fd.h"

void vu_raw_reset(struct vu_raw *raw)
{
	hf_fd_close_all(raw->fds, raw->nr_fds);
	raw->nr_fds = 0;
	hf_fd_close_all(raw->strays, raw->nr_strays);
	raw->nr_strays = 0;
	raw->have = 0;
	raw->surplus = false;
}

/* Take what the kernel installed: never more than there is room for. */
static void take_fds(int *fds, uint32_t *nr_fds, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + *nr_fds, CMSG_DATA(c), n * sizeof(int));
		*nr_fds += (uint32_t)n;
	}
}

/* Look from this byte on. Bytes; 0: the peer closed; -errno. */
/* calls: recvmsg */
/* calls: setsockopt */
static ssize_t look(int socket, size_t from, struct msghdr *msg)
{
	int offset = from ? (int)from : -1;
	ssize_t n;

	/* -1 every time: a life before this one may have left it at anything. */
	if (setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0)
		return -errno;
	do {
		n = recvmsg(socket, msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | MSG_PEEK);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -ECONNRESET;
	return n;
}

/* From behind what we have. Without room for descriptors none is installed. */
static ssize_t look_at_bytes(struct vu_raw *raw, int socket, void *to, size_t room)
{
	struct iovec iov = {.iov_base = to, .iov_len = room};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = look(socket, raw->have, &msg);

	raw->surplus |= n >= 0 && (msg.msg_flags & MSG_CTRUNC);
	return n;
}

/* Bytes and descriptors. As look, or -EPROTO with *ret_reason; `fds` has room for one more than a
 * message may have. */
static ssize_t look_at_all(int socket, size_t from, struct iovec *to, int *fds, uint32_t *nr_fds,
			   enum refusal *ret_reason)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE((VU_MAX_FDS + 1) * sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = to,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_LEN((VU_MAX_FDS + 1 - *nr_fds) * sizeof(int))};
	uint32_t before = *nr_fds;
	ssize_t n = look(socket, from, &msg);

	if (n < 0)
		return n;
	take_fds(fds, nr_fds, &msg);
	*ret_reason = REFUSED_TOO_MANY_FDS;
	if (*nr_fds > VU_MAX_FDS)
		return -EPROTO;
	*ret_reason = REFUSED_FDS_LOST;
	if (msg.msg_flags & MSG_CTRUNC)
		return -EPROTO;
	/* They belong to the first byte of a message, not to its middle. */
	*ret_reason = REFUSED_FD_COUNT;
	if (from && *nr_fds > before)
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

/* The header, as far as it is there. Bytes from raw->have on, or -errno. */
static ssize_t look_at_header(struct vu_raw *raw, int socket)
{
	char *header = (char *)&raw->header;

	return look_at_bytes(raw, socket, header + raw->have, sizeof(raw->header) - raw->have);
}

static void put(struct vu_raw *raw, const char *bytes, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++, raw->have++) {
		if (raw->have < sizeof(raw->header))
			((char *)&raw->header)[raw->have] = bytes[i];
		else
			raw->payload[raw->have - sizeof(raw->header)] = (uint8_t)bytes[i];
	}
}

/* `len` more bytes of the message, and the descriptors that came with them. */
static ssize_t take(struct vu_raw *raw, int socket, size_t len, enum refusal *ret_reason)
{
	char bytes[sizeof(raw->header) + VU_MAX_PAYLOAD];
	struct iovec to = {.iov_base = bytes, .iov_len = len};
	ssize_t n = look_at_all(socket, raw->have, &to, raw->fds, &raw->nr_fds, ret_reason);

	put(raw, bytes, n);
	return n;
}

/*
 * The message takes none, and reading on would let go of those that came with it: who that may hang
 * is for our caller to see. They may also be those of what comes next.
 */
static ssize_t look_at_strays(struct vu_raw *raw, int socket, size_t len, enum refusal *ret_reason)
{
	char bytes[sizeof(raw->header) + VU_MAX_PAYLOAD];
	struct iovec to = {.iov_base = bytes, .iov_len = len};
	ssize_t n = look_at_all(socket, 0, &to, raw->strays, &raw->nr_strays, ret_reason);

	/* Behind a packet with descriptors a look ends. */
	*ret_reason = REFUSED_FD_COUNT;
	return n < 0 || n == (ssize_t)len ? n : -EPROTO;
}

/* Does the request come with descriptors? Of all others none is ever installed. */
static bool wants_fds(const struct vu_raw *raw)
{
	uint64_t index = 0;

	switch (raw->header.request) {
	case VU_SET_MEM_TABLE:
	case VU_ADD_MEM_REG:
		return true;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		memcpy(&index, raw->payload, sizeof(index));
		return raw->header.size >= sizeof(index) && !(index & VU_VRING_NOFD);
	default:
		return false;
	}
}

/* The `len` bytes to the message's end. */
static ssize_t take_rest(struct vu_raw *raw, int socket, size_t len, enum refusal *ret_reason)
{
	char bytes[sizeof(raw->header) + VU_MAX_PAYLOAD];
	struct vu_raw whole;
	ssize_t n = look_at_bytes(raw, socket, bytes, len);

	if (n <= 0)
		return n;
	if (n < (ssize_t)len)
		return take(raw, socket, (size_t)n, ret_reason);
	whole = *raw;
	put(&whole, bytes, n);
	if (!raw->nr_fds && wants_fds(&whole))
		return take(raw, socket, len, ret_reason);
	put(raw, bytes, n);
	if (raw->surplus && !raw->nr_fds) {
		ssize_t all = look_at_strays(raw, socket, raw->have, ret_reason);

		return all < 0 ? all : n;
	}
	return n;
}

/* One step on with the message. As look; -EPROTO with *ret_reason. */
static ssize_t step(struct vu_raw *raw, int socket, enum refusal *ret_reason)
{
	const size_t header = sizeof(raw->header);
	size_t known = raw->have;

	if (raw->have < header) {
		ssize_t n = look_at_header(raw, socket);

		if (n <= 0)
			return n;
		known += (size_t)n;
	}
	if (known < header)
		return take(raw, socket, known - raw->have, ret_reason);
	if (!header_ok(&raw->header, ret_reason))
		return -EPROTO;
	return take_rest(raw, socket, header + raw->header.size - raw->have, ret_reason);
}

static bool complete(const struct vu_raw *raw)
{
	const size_t header = sizeof(raw->header);

	return raw->have >= header && raw->have == header + raw->header.size;
}

enum vu_recv_result vu_recv(struct vu_raw *raw, int socket, enum refusal *ret_reason)
{
	do {
		ssize_t n = step(raw, socket, ret_reason);

		if (n == -EAGAIN)
			return VU_RECV_AGAIN;
		if (n == -EPROTO)
			return VU_RECV_REFUSED;
		if (n <= 0) {
			*ret_reason = REFUSED_CUT_OFF;
			return vu_recv_begun(raw) ? VU_RECV_REFUSED : VU_RECV_CLOSED;
		}
	} while (!complete(raw));
	return VU_RECV_MESSAGE;
}
