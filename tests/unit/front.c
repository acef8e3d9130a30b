/* SPDX-License-Identifier: Apache-2.0 */
#include "front.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fake_grants.h"
#include "fd.h"
#include "fd_ledger.h"
#include "loop.h"
#include "port.h"
#include "ports.h"
#include "suite.h"

struct primary primary;

struct conf front_conf;
static char dir[32];
static int baseline;

/* In the place of libc's, both: in a round of the loop no time passes. A session is read for a
 * millisecond of it, and the processor may be somebody else's for longer than that. */
static struct timespec round_began;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (clock != CLOCK_MONOTONIC || !round_began.tv_sec)
		return (int)syscall(SYS_clock_gettime, clock, ret);
	*ret = round_began;
	return 0;
}

int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
		 const sigset_t *mask)
{
	int n = (int)syscall(SYS_epoll_pwait2, epoll, events, room, timeout, mask,
			     sizeof(uint64_t));
	int error = errno;

	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &round_began);
	errno = error;
	return n;
}

void front_begin(void)
{
	const char *reason = "";

	baseline = fds_open();
	fake_reset();
	strcpy(dir, "/tmp/hf-front-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	front_conf = (struct conf){
		.max_devices = 4, .max_secondaries = 1, .attach_mode = 0600, .control_mode = 0600, .port_mode = 0600};
	strcpy(front_conf.run_dir, dir);
	primary = (struct primary){.conf = &front_conf,
				   .loop = loop_create(),
				   .ports = calloc(4, sizeof(struct port *)),
				   .secondaries = calloc(1, sizeof(struct secondary *)),
				   .next_session = 1,
				   .features_enabled = UINT64_MAX};
	REQUIRE(primary.loop && primary.ports && primary.secondaries);
	REQUIRE(port_add(&primary, "p", NULL, false, 2, &reason) == 0);
}

void front_end(void)
{
	front_turn();
	port_destroy_all(&primary);
	loop_destroy(primary.loop);
	free(primary.ports);
	free(primary.secondaries);
	CHECK_EQ(rmdir(dir), 0);
	CHECK_EQ(fds_open(), baseline);
}

struct port *front_port(void)
{
	return port_find(&primary, "p");
}

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(primary.loop);
}

static void turn_ns(uint64_t ns)
{
	struct loop_timer end = {.fire = stop};

	REQUIRE(loop_timer_set(primary.loop, &end, ns) == 0);
	REQUIRE(loop_run(primary.loop) == 0);
	loop_timer_clear(primary.loop, &end);
}

void front_turn(void)
{
	/* A round delivers what is there; accepting, reading and a kick need one each. */
	for (int i = 0; i < 4; i++)
		turn_ns(0);
}

void front_wait(unsigned int ms)
{
	turn_ns(ms * NS_PER_MS);
}

void front_connect(struct front *front)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*front = (struct front){.socket = -1, .memory = -1};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/p.sock", dir);
	front->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	REQUIRE(connect(front->socket, (struct sockaddr *)&address, sizeof(address)) == 0);
	front->memory = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(front->memory, FRONT_MEMORY) == 0);
	front->guest =
		mmap(NULL, FRONT_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, front->memory, 0);
	REQUIRE(front->guest != MAP_FAILED);
	for (int i = 0; i < 4; i++) {
		front->kick[i] = eventfd(0, EFD_CLOEXEC);
		front->call[i] = eventfd(0, EFD_CLOEXEC);
	}
	front_turn();
}

void front_close(struct front *front)
{
	hf_fd_close(&front->socket);
	hf_fd_close(&front->memory);
	munmap(front->guest, FRONT_MEMORY);
	hf_fd_close_all(front->kick, 4);
	hf_fd_close_all(front->call, 4);
	front_turn();
}

void front_send_bytes(struct front *front, const void *bytes, size_t size, const int *fds,
		      unsigned int nr_fds)
{
	char control[CMSG_SPACE(253 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nr_fds) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	/* A closed session is no failure of the sender's. */
	(void)!sendmsg(front->socket, &msg, MSG_NOSIGNAL);
}

void front_send(struct front *front, uint32_t request, uint32_t flags, const void *payload,
		uint32_t size, const int *fds, unsigned int nr_fds)
{
	uint8_t bytes[1024];
	struct vu_header header = {request, VU_VERSION | flags, size};

	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	front_send_bytes(front, bytes, sizeof(header) + size, fds, nr_fds);
}

void front_u64(struct front *front, uint32_t request, uint64_t value)
{
	front_send(front, request, 0, &value, sizeof(value), NULL, 0);
}

void front_state(struct front *front, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_vring_state state = {index, num};

	front_send(front, request, 0, &state, sizeof(state), NULL, 0);
}

void front_vring_fd(struct front *front, uint32_t request, uint32_t index, int fd)
{
	uint64_t word = index | (fd < 0 ? VU_VRING_NOFD : 0);

	front_send(front, request, 0, &word, sizeof(word), &fd, fd >= 0);
}

int front_reply(struct front *front, uint32_t request, void *payload, uint32_t room)
{
	struct vu_header header;
	ssize_t n;

	front_turn();
	n = recv(front->socket, &header, sizeof(header), 0);
	if (n < 0 && errno == EAGAIN)
		return -1;
	if (n <= 0)
		return -2;
	REQUIRE(n == sizeof(header));
	CHECK_EQ(header.request, request);
	CHECK_EQ(header.flags, VU_VERSION | VU_REPLY);
	REQUIRE(header.size <= room);
	REQUIRE(recv(front->socket, payload, header.size, 0) == header.size);
	return (int)header.size;
}

uint64_t front_reply_u64(struct front *front, uint32_t request)
{
	uint64_t value;

	return front_reply(front, request, &value, sizeof(value)) == sizeof(value) ? value
										   : UINT64_MAX - 1;
}

int front_ask(struct front *front, uint32_t request, const void *payload, uint32_t size,
	      const int *fds, unsigned int nr_fds)
{
	uint64_t answer;
	int n;

	front_send(front, request, VU_NEED_REPLY, payload, size, fds, nr_fds);
	n = front_reply(front, request, &answer, sizeof(answer));
	return n < 0 ? n : answer != 0;
}

bool front_is_closed(struct front *front)
{
	char byte;
	ssize_t n;

	front_turn();
	n = recv(front->socket, &byte, 1, MSG_PEEK);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

void front_greet(struct front *front, uint64_t features)
{
	uint64_t protocol;

	front_send(front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	(void)front_reply_u64(front, VU_GET_FEATURES);
	front_send(front, VU_SET_OWNER, 0, NULL, 0, NULL, 0);
	front_send(front, VU_GET_PROTOCOL_FEATURES, 0, NULL, 0, NULL, 0);
	protocol = front_reply_u64(front, VU_GET_PROTOCOL_FEATURES);
	front_u64(front, VU_SET_PROTOCOL_FEATURES, protocol);
	front_u64(front, VU_SET_FEATURES, features);
	front_turn();
}

void front_memory(struct front *front)
{
	struct vu_mem_table table = {.count = 1, .regions = {{0, FRONT_MEMORY, FRONT_USER, 0}}};

	front_send(front, VU_SET_MEM_TABLE, 0, &table, 8 + 32, &front->memory, 1);
}

struct vu_vring_addr front_addr(uint32_t index)
{
	uint64_t base = FRONT_USER + 0x10000ull * index;

	return (struct vu_vring_addr){.index = index,
				      .desc_user = base + 0x1000,
				      .avail_user = base + 0x3000,
				      .used_user = base + 0x4000};
}

void front_ring(struct front *front, uint32_t index)
{
	struct vu_vring_addr addr = front_addr(index);

	front_state(front, VU_SET_VRING_NUM, index, FRONT_SIZE);
	front_state(front, VU_SET_VRING_BASE, index, 0);
	front_send(front, VU_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
	front_vring_fd(front, VU_SET_VRING_KICK, index, front->kick[index]);
	front_vring_fd(front, VU_SET_VRING_CALL, index, front->call[index]);
}

void front_setup(struct front *front)
{
	front_greet(front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES) | VIRTIO_BIT(VIRTIO_F_VERSION_1) |
				   VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
	front_memory(front);
	for (uint32_t i = 0; i < 2; i++) {
		front_ring(front, i);
		front_state(front, VU_SET_VRING_ENABLE, i, 1);
	}
	front_turn();
	REQUIRE(!front_is_closed(front));
}

void front_kick(struct front *front, uint32_t index)
{
	uint64_t one = 1;

	REQUIRE(write(front->kick[index], &one, sizeof(one)) == sizeof(one));
	front_turn();
}

uint16_t *front_avail_idx(struct front *front, uint32_t index)
{
	return (uint16_t *)(void *)(front->guest + 0x10000ull * index + 0x3002);
}

uint16_t *front_used(struct front *front, uint32_t index)
{
	return (uint16_t *)(void *)(front->guest + 0x10000ull * index + 0x4000);
}

uint16_t *front_avail_event(struct front *front, uint32_t index)
{
	return (uint16_t *)(void *)(front->guest + 0x10000ull * index + 0x4004 + 8 * FRONT_SIZE);
}
