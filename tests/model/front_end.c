/* SPDX-License-Identifier: Apache-2.0 */
#include "front_end.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end_device.h"

#define WAIT_MS	    20000
#define STUCK_NS    (20 * NS_PER_S)
#define RING_MEMORY 0x1000u
#define MAX_FDS	    253u
#define PAIR_MEMORY (256u << 10)

struct fe_header {
	uint32_t request, flags, size;
};

static int open_socket(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strncpy(address->sun_path, path, sizeof(address->sun_path) - 1);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void start_empty(struct front_end *fe)
{
	*fe = (struct front_end){.socket = -1, .guest = {.fd = -1}};
	for (uint32_t i = 0; i < 2 * FE_MAX_PAIRS; i++)
		fe->kicks[i] = fe->calls[i] = fe->errs[i] = -1;
}

/* It need not be there yet. */
static bool is_device_path(const char *path)
{
	return !strncmp(path, "/dev/", 5);
}

int front_end_connect(struct front_end *fe, const char *path)
{
	struct sockaddr_un address;

	start_empty(fe);
	if (is_device_path(path))
		return front_end_open_device(fe, path, WAIT_MS);
	fe->socket = open_socket(path, &address);
	for (int i = 0; i < WAIT_MS; i++) {
		if (connect(fe->socket, (struct sockaddr *)&address, sizeof(address)) == 0)
			return 0;
		if (errno == EACCES)
			return -EACCES;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

int front_end_listen(const char *path)
{
	struct sockaddr_un address;
	int fd = open_socket(path, &address);

	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, WAIT_MS) > 0;
}

int front_end_accept(struct front_end *fe, int listener)
{
	start_empty(fe);
	if (!readable(listener))
		return -ETIMEDOUT;
	fe->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return fe->socket < 0 ? -errno : 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void front_end_close(struct front_end *fe)
{
	close_one(&fe->socket);
	for (uint32_t i = 0; i < 2 * FE_MAX_PAIRS; i++) {
		close_one(&fe->kicks[i]);
		close_one(&fe->calls[i]);
		close_one(&fe->errs[i]);
		driver_destroy(&fe->rings[i]);
	}
	if (fe->guest.fd >= 0)
		guest_destroy(&fe->guest);
}

static int send_flagged(int socket, const uint8_t *bytes, size_t len, const int *fds, size_t nr_fds,
			int flags)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nr_fds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, nr_fds * sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL | flags) == (ssize_t)len ? 0 : -errno;
}

static int send_piece(int socket, const uint8_t *bytes, size_t len, const int *fds, size_t nr_fds)
{
	return send_flagged(socket, bytes, len, fds, nr_fds, 0);
}

int front_end_send_urgent(struct front_end *fe, uint8_t byte, const int *fds, size_t nr_fds)
{
	return send_flagged(fe->socket, &byte, 1, fds, nr_fds, MSG_OOB);
}

int front_end_send_bytes(struct front_end *fe, const void *bytes, size_t len, const int *fds,
			 size_t nr_fds, unsigned int pause_us)
{
	const uint8_t *b = bytes;
	int error = 0;

	if (!pause_us)
		return send_piece(fe->socket, b, len, fds, nr_fds);
	for (size_t i = 0; i < len && !error; i++) {
		error = send_piece(fe->socket, b + i, 1, fds, i ? 0 : nr_fds);
		usleep(pause_us);
	}
	return error;
}

static int send_disturbed(struct front_end *fe, const uint8_t *bytes, size_t len, const int *fds,
			  size_t nr_fds)
{
	size_t first = fe->disturb && fe->cut && fe->cut < len ? fe->cut : len;
	int error = send_piece(fe->socket, bytes, first, fds, nr_fds);

	if (fe->disturb)
		fe->disturb(fe);
	if (!error && first < len)
		error = send_piece(fe->socket, bytes + first, len - first, NULL, 0);
	return error;
}

int front_end_send(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
		   uint32_t size, const int *fds, size_t nr_fds)
{
	struct fe_header header = {request, flags | FE_VERSION, size};
	uint8_t bytes[sizeof(header) + 1024];

	if (size > 1024)
		return -EMSGSIZE;
	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	return send_disturbed(fe, bytes, sizeof(header) + size, fds, nr_fds);
}

/* 1; 0: closed; -ETIMEDOUT. */
static int receive_all(struct front_end *fe, void *to, size_t len)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n;

		if (!readable(fe->socket))
			return -ETIMEDOUT;
		n = recv(fe->socket, at, len, 0);
		if (n <= 0)
			return 0;
		at += n;
		len -= (size_t)n;
	}
	return 1;
}

int front_end_reply(struct front_end *fe, uint32_t request, void *payload, size_t room)
{
	struct fe_header header;
	int result = receive_all(fe, &header, sizeof(header));

	if (result <= 0)
		return result;
	if (header.request != request || header.flags != (FE_VERSION | FE_REPLY) ||
	    header.size > room)
		return -EPROTO;
	result = receive_all(fe, payload, header.size);
	return result > 0 ? (int)header.size : result;
}

bool front_end_is_closed(struct front_end *fe)
{
	char byte;

	if (fe->is_device)
		return front_end_device_is_gone(fe, WAIT_MS);
	return readable(fe->socket) && recv(fe->socket, &byte, 1, 0) <= 0;
}

bool front_end_finish(struct front_end *fe)
{
	char bytes[256];

	shutdown(fe->socket, SHUT_WR);
	while (readable(fe->socket))
		if (recv(fe->socket, bytes, sizeof(bytes), 0) <= 0)
			return true;
	return false;
}

long long front_end_ask(struct front_end *fe, uint32_t request, const void *payload, uint32_t size,
			const int *fds, size_t nr_fds)
{
	bool ack = fe->protocol_features & FE_REPLY_ACK;
	uint64_t answer = 0;
	int result;

	if (fe->is_device)
		return front_end_ioctl(fe, request, payload, fds, nr_fds);
	result = front_end_send(fe, request, ack ? FE_NEED_REPLY : 0, payload, size, fds, nr_fds);
	if (result || !ack)
		return result;
	result = front_end_reply(fe, request, &answer, sizeof(answer));
	if (result != sizeof(answer))
		return result < 0 ? result : -ECONNRESET;
	return (long long)answer;
}

int front_end_get_u64(struct front_end *fe, uint32_t request, uint64_t *ret)
{
	int result;

	if (fe->is_device)
		return front_end_ioctl(fe, request, ret, NULL, 0);
	result = front_end_send(fe, request, 0, NULL, 0, NULL, 0);
	if (result)
		return result;
	result = front_end_reply(fe, request, ret, sizeof(*ret));
	return result == sizeof(*ret) ? 0 : result < 0 ? result : -ECONNRESET;
}

long long front_end_set_u64(struct front_end *fe, uint32_t request, uint64_t value)
{
	return front_end_ask(fe, request, &value, sizeof(value), NULL, 0);
}

long long front_end_state(struct front_end *fe, uint32_t request, uint32_t ring, uint32_t number)
{
	uint32_t state[2] = {ring, number};

	return front_end_ask(fe, request, state, sizeof(state), NULL, 0);
}

long long front_end_set_memory(struct front_end *fe)
{
	struct {
		uint32_t count, padding;
		uint64_t regions[8][4]; /* gpa, size, user address, offset */
	} table = {.count = fe->guest.nr_regions};
	int fds[8];

	for (uint32_t i = 0; i < fe->guest.nr_regions && i < 8; i++) {
		const struct hf_shm_region *r = &fe->guest.regions[i];

		table.regions[i][0] = r->gpa;
		table.regions[i][1] = r->size;
		table.regions[i][2] = r->user_addr;
		table.regions[i][3] = r->file_offset;
		fds[i] = fe->guest.fd;
	}
	return front_end_ask(fe, FE_SET_MEM_TABLE, &table, 8 + 32 * table.count, fds, table.count);
}

static long long tell_region(struct front_end *fe, uint32_t request, uint32_t region, size_t nr_fds)
{
	const struct hf_shm_region *r = &fe->guest.regions[region];
	const uint64_t payload[5] = {0, r->gpa, r->size, r->user_addr, r->file_offset};

	return front_end_ask(fe, request, payload, sizeof(payload), &fe->guest.fd, nr_fds);
}

long long front_end_add_region(struct front_end *fe, uint32_t region)
{
	return tell_region(fe, FE_ADD_MEM_REG, region, 1);
}

long long front_end_remove_region(struct front_end *fe, uint32_t region)
{
	return tell_region(fe, FE_REM_MEM_REG, region, 0);
}

long long front_end_set_addr(struct front_end *fe, uint32_t ring)
{
	const struct driver *d = &fe->rings[ring];
	uint64_t to_user = fe->guest.user - fe->guest.base;
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = {ring, 0, d->desc + to_user, d->used + to_user, d->avail + to_user, 0};

	return front_end_ask(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

long long front_end_set_fd(struct front_end *fe, uint32_t request, uint32_t ring)
{
	int *fds = request == FE_SET_VRING_KICK	  ? fe->kicks
		   : request == FE_SET_VRING_CALL ? fe->calls
						  : fe->errs;
	uint64_t index = ring;

	if (fds[ring] < 0)
		fds[ring] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return front_end_ask(fe, request, &index, sizeof(index), &fds[ring], 1);
}

long long front_end_start_ring(struct front_end *fe, uint32_t ring, uint16_t base)
{
	long long result = front_end_state(fe, FE_SET_VRING_NUM, ring, fe->rings[ring].size);

	if (!result)
		result = front_end_state(fe, FE_SET_VRING_BASE, ring,
					 fe->rings[ring].packed ? base * 0x10001u : base);
	if (!result)
		result = front_end_set_addr(fe, ring);
	if (!result)
		result = front_end_set_fd(fe, FE_SET_VRING_ERR, ring);
	if (!result)
		result = front_end_set_fd(fe, FE_SET_VRING_CALL, ring);
	if (!result)
		result = front_end_set_fd(fe, FE_SET_VRING_KICK, ring);
	if (!result)
		/* A ring starts with its first kick. */
		result = eventfd_write(fe->kicks[ring], 1);
	return result;
}

static int get_base(struct front_end *fe, uint32_t state[2])
{
	int result;

	if (fe->is_device) {
		result = (int)front_end_state(fe, FE_SET_VRING_ENABLE, state[0], 0);
		if (!result)
			result = front_end_ioctl(fe, FE_GET_VRING_BASE, state, NULL, 0);
		return result ? result : (int)(2 * sizeof(*state));
	}
	result = front_end_send(fe, FE_GET_VRING_BASE, 0, state, 2 * sizeof(*state), NULL, 0);
	if (result)
		return result;
	return front_end_reply(fe, FE_GET_VRING_BASE, state, 2 * sizeof(*state));
}

int front_end_stop_ring(struct front_end *fe, uint32_t ring)
{
	uint32_t state[2] = {ring, 0};
	int result = get_base(fe, state);

	if (result != sizeof(state) || state[0] != ring)
		return result < 0 ? result : -ECONNRESET;
	/* Packed: both positions, which are to be one. */
	if (fe->rings[ring].packed && state[1] >> 16 != (state[1] & 0xffff))
		return -EPROTO;
	return (uint16_t)state[1];
}

static int negotiate_protocol(struct front_end *fe)
{
	uint64_t protocol;
	int result = front_end_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &protocol);

	if (result)
		return result;
	fe->protocol_features = protocol & (FE_REPLY_ACK | FE_PROTOCOL_MQ | FE_MEM_SLOTS);
	return front_end_send(fe, FE_SET_PROTOCOL_FEATURES, 0, &fe->protocol_features, 8, NULL, 0);
}

static int negotiate(struct front_end *fe)
{
	uint64_t wanted = fe->shape.features ? fe->shape.features : FE_VERSION_1;
	const char *ring = getenv("HF_TEST_RING");
	uint64_t offered;
	int result = front_end_get_u64(fe, FE_GET_FEATURES, &offered);

	if (ring && !strcmp(ring, "packed"))
		wanted |= FE_RING_PACKED;
	if (!fe->is_device)
		wanted |= FE_PROTOCOL_FEATURES | FE_MQ;
	if (!result)
		result = (int)front_end_ask(fe, FE_SET_OWNER, NULL, 0, NULL, 0);
	if (!result)
		result = fe->is_device ? front_end_device_features(fe) : negotiate_protocol(fe);
	if (result)
		return result;
	fe->features = wanted & offered;
	if ((wanted & FE_RING_PACKED) && !(fe->features & FE_RING_PACKED))
		return -ENOTSUP; /* a run of the other kind would prove nothing */
	if (!result)
		result = (int)front_end_set_u64(fe, FE_SET_FEATURES, fe->features);
	return result;
}

static int make_rings(struct front_end *fe)
{
	const struct session_shape *s = &fe->shape;
	uint64_t (*create)(struct driver * driver, struct guest * guest, uint64_t gpa,
			   uint16_t size, bool event_idx, uint16_t base) =
		fe->features & FE_RING_PACKED ? driver_create_packed : driver_create;
	/* Not a power of two, where that may be. */
	uint16_t size = fe->features & FE_RING_PACKED ? 251 : 256;
	uint64_t at = RING_MEMORY;

	for (uint32_t i = 0; i < fe->nr_rings; i++) {
		at = create(&fe->rings[i], &fe->guest, at, s->size ? s->size : size,
			    fe->features & (1ull << 29), s->base);
		if (!at)
			return -ENOMEM;
	}
	fe->buffers = align_up(at, 4096);
	return 0;
}

static int make_guest(struct front_end *fe)
{
	const struct session_shape *s = &fe->shape;
	size_t size = s->memory ? s->memory : (size_t)fe->nr_rings / 2 * PAIR_MEMORY;

	if (!(s->huge ? guest_create_huge : guest_create)(&fe->guest, size, 0, s->spans,
							  s->nr_spans))
		return -ENOMEM;
	if (fe->is_device) /* it looks there */
		guest_use_own_addresses(&fe->guest);
	return make_rings(fe);
}

static long long start_rings(struct front_end *fe)
{
	long long result = front_end_set_memory(fe);

	for (uint32_t i = 0; !result && i < fe->nr_rings; i++) {
		result = front_end_start_ring(fe, i, fe->rings[i].used_seen);
		if (!result)
			result = front_end_state(fe, FE_SET_VRING_ENABLE, i, 1);
	}
	return result;
}

int front_end_agree(struct front_end *fe, const struct session_shape *shape)
{
	int result;

	fe->shape = *shape;
	fe->nr_rings = 2 * (shape->queue_pairs && !fe->is_device ? shape->queue_pairs : 1);
	result = negotiate(fe);
	return result ? result : make_guest(fe);
}

int front_end_setup(struct front_end *fe, const struct session_shape *shape)
{
	int result = front_end_agree(fe, shape);

	return result ? result : (int)start_rings(fe);
}

int front_end_begin_again(struct front_end *fe)
{
	for (uint32_t i = 0; i < fe->nr_rings; i++) {
		int base = front_end_stop_ring(fe, i);

		if (base < 0)
			return base;
		driver_destroy(&fe->rings[i]);
	}
	if (!guest_restore(&fe->guest) || make_rings(fe))
		return -ENOMEM;
	return (int)start_rings(fe);
}

/* ---- traffic */

#define HEADER_BYTES 12u
#define SLOT_BYTES   128u

/* Buffer memory: the rings' slots one behind the other. */
static uint64_t slot_of(const struct front_end *fe, uint32_t ring, uint32_t i)
{
	return fe->buffers + ((uint64_t)ring * fe->rings[ring].size + i) * SLOT_BYTES;
}

static void fill(uint8_t *frame, uint32_t number)
{
	memset(frame, 0x5a, 12);
	frame[0] = 0x52;
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memcpy(frame + 14, &number, 4);
	for (uint32_t i = 18; i < FE_PACKET_BYTES; i++)
		frame[i] = (uint8_t)(number * 7 + i);
}

void front_end_post_buffers(struct front_end *fe, uint32_t pair)
{
	struct driver *d = &fe->rings[2 * pair];

	while (d->descs_free) {
		struct piece piece = {slot_of(fe, 2 * pair, d->next_desc), SLOT_BYTES,
				      DRIVER_WRITE};

		if (driver_put(d, &piece, 1) < 0)
			break;
	}
	driver_publish(d);
	(void)eventfd_write(fe->kicks[2 * pair], 1);
}

uint32_t front_end_send_packets(struct front_end *fe, uint32_t pair, uint32_t first, uint32_t count)
{
	struct driver *d = &fe->rings[2 * pair + 1];
	uint8_t bytes[HEADER_BYTES + FE_PACKET_BYTES] = {0};
	uint32_t sent = 0;

	driver_consume_all(d);
	for (; sent < count && d->descs_free; sent++) {
		struct piece piece = {slot_of(fe, 2 * pair + 1, d->next_desc), sizeof(bytes), 0};

		fill(bytes + HEADER_BYTES, first + sent);
		guest_write(&fe->guest, piece.gpa, bytes, sizeof(bytes));
		if (driver_put(d, &piece, 1) < 0)
			break;
	}
	driver_publish(d);
	(void)eventfd_write(fe->kicks[2 * pair + 1], 1);
	return sent;
}

static bool is_whole(const uint8_t *frame, uint32_t len, uint32_t *ret_number)
{
	uint8_t expected[FE_PACKET_BYTES];

	memcpy(ret_number, frame + 14, 4);
	fill(expected, *ret_number);
	return len == HEADER_BYTES + FE_PACKET_BYTES &&
	       memcmp(frame, expected, sizeof(expected)) == 0;
}

uint32_t front_end_receive_packets(struct front_end *fe, uint32_t pair, uint32_t *next,
				   uint32_t *wrong)
{
	struct driver *d = &fe->rings[2 * pair];
	struct driver_used used;
	uint32_t came = 0, number;

	while (driver_consume(d, &used)) {
		const uint8_t *buffer =
			guest_at(&fe->guest, slot_of(fe, 2 * pair, used.id % d->size));

		if (!used.len) /* given back empty by a stop in between */
			continue;
		if (!is_whole(buffer + HEADER_BYTES, used.len, &number)) {
			(*wrong)++;
			continue;
		}
		if (fe->received) {
			fe->received(fe, number);
			came++;
			continue;
		}
		if (number < fe->echo_from)
			continue;
		came++;
		if (number < *next)
			(*wrong)++;
		else
			*next = number + 1;
	}
	front_end_post_buffers(fe, pair);
	return came;
}

uint32_t front_end_echo(struct front_end *fe, uint32_t pair, uint32_t *next, uint32_t count)
{
	uint64_t moved_ns = hf_now_ns();
	uint32_t first = *next, sent = 0, came = 0, wrong = 0;

	fe->echo_from = first;
	while (came < count && hf_now_ns() - moved_ns < STUCK_NS) {
		uint32_t window = count - sent, before = came;

		/* Not more under way than there are buffers for. */
		if (sent - came + window > fe->rings[2 * pair].size / 2u)
			window = fe->rings[2 * pair].size / 2u - (sent - came);
		sent += front_end_send_packets(fe, pair, first + sent, window);
		came += front_end_receive_packets(fe, pair, next, &wrong);
		if (came != before)
			moved_ns = hf_now_ns();
		sched_yield();
	}
	return wrong + (count - came);
}
