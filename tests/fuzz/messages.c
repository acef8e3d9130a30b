/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user messages: the whole road of bytes and descriptors through a session, on a socket pair,
 * with one imaginary secondary behind it (unit/fake_grants.h). A front-end that knows how to set a
 * device up, and may say anything at any time, in any pieces, with any descriptors.
 *
 * After each input the session is gone, and so must be every descriptor.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "device.h"
#include "door.h"
#include "fake_grants.h"
#include "fd.h"
#include "fuzz.h"
#include "grant.h"
#include "log.h"
#include "loop.h"
#include "port.h"
#include "primary.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "vu_wire.h"

#define MEMORY	     (256u << 10)
#define USER	     0x7f0000000000ull
#define MAX_MESSAGES 64u
#define NR_VRINGS    4u

static struct conf conf;
static struct primary primary;
static struct port *port;
/* What a front-end may pass: memory, a file that is too short, what is no file at all. */
static int pool[12];
static uint8_t *guest;

/* Of this input. */
static int front;
static uint32_t flags;
static bool urgent; /* the last byte of what is sent goes out of band */
static unsigned int messages;

static void quiet(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(primary.loop);
}

static void turn(void)
{
	struct loop_timer end = {.fire = quiet};

	FUZZ_HOLDS(loop_timer_set(primary.loop, &end, 0) == 0);
	FUZZ_HOLDS(loop_run(primary.loop) == 0);
	loop_timer_clear(primary.loop, &end);
}

static int memory_file(off_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_HOLDS(fd >= 0 && ftruncate(fd, size) == 0);
	return fd;
}

static void set_up_once(void)
{
	int ends[2];

	hf_log_set_level(0);
	conf = (struct conf){.max_devices = 1, .max_secondaries = 1};
	primary = (struct primary){.conf = &conf,
				   .loop = loop_create(),
				   .ports = calloc(1, sizeof(struct port *)),
				   .secondaries = calloc(1, sizeof(struct secondary *)),
				   .next_session = 1,
				   .features_enabled = UINT64_MAX};
	port = calloc(1, sizeof(*port));
	FUZZ_HOLDS(primary.loop && primary.ports && port);
	primary.ports[0] = port;
	pool[0] = memory_file(MEMORY);
	pool[1] = memory_file(5000);
	for (int i = 2; i < 6; i++)
		pool[i] = eventfd(0, EFD_CLOEXEC);
	FUZZ_HOLDS(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	pool[6] = ends[0];
	pool[7] = ends[1];
	pool[8] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	pool[9] = open("/", O_RDONLY | O_CLOEXEC);
	pool[10] = epoll_create1(EPOLL_CLOEXEC);
	pool[11] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	guest = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, pool[0], 0);
	FUZZ_HOLDS(guest != MAP_FAILED);
}

static void begin(void)
{
	int sockets[2];

	fake_reset();
	*port = (struct port){.primary = &primary,
			      .name = "p",
			      .door = &vhost_user_door,
			      .listener = -1,
			      .client = true, /* so that nothing listens again */
			      .queue_pairs = NR_VRINGS / 2};
	device_init(&port->device, &primary, port, 0);
	/* The rings' indices, and so which of them are fresh. */
	for (uint32_t i = 0; i < NR_VRINGS; i++)
		memset(guest + 0x8000ull * i, 0, 0x5000);
	FUZZ_HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) ==
		   0);
	front = sockets[1];
	flags = VU_VERSION;
	urgent = false;
	messages = 0;
	FUZZ_HOLDS(session_create(port, sockets[0]) == 0);
}

static void end(void)
{
	hf_fd_close(&front);
	fake.hold = false;
	for (int i = 0; i < 8 && port->session; i++) {
		/* Nobody waits for a pause of a reader that has gone. */
		if (port->session->pause.at_ns)
			session_end(port->session, "the input is over");
		else
			turn();
		(void)fake_release();
	}
	FUZZ_HOLDS(!port->session);
	loop_timer_clear(primary.loop, &port->retry);
}

/* ---- sending */

/* `choice`: four bits each name a descriptor. */
static void send_bytes(const void *bytes, size_t size, uint64_t choice, unsigned int nr_fds)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[16];

	for (unsigned int i = 0; i < nr_fds; i++)
		fds[i] = pool[(choice >> 4 * i & 15) % ARRAY_SIZE(pool)];
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
	(void)!sendmsg(front, &msg, MSG_NOSIGNAL | MSG_DONTWAIT | (urgent ? MSG_OOB : 0));
}

static void send_message(uint32_t request, const void *payload, uint32_t size, uint64_t choice,
			 unsigned int nr_fds)
{
	uint8_t bytes[sizeof(struct vu_header) + VU_MAX_PAYLOAD + 8];
	struct vu_header header = {request, flags, size};

	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	send_bytes(bytes, sizeof(header) + size, choice, nr_fds);
}

/* What comes back: read, so that answers never stand in the way, and looked at. */
static void read_replies(void)
{
	uint8_t bytes[4096];
	ssize_t n = recv(front, bytes, sizeof(bytes), MSG_DONTWAIT);

	for (size_t at = 0; n > 0 && at < (size_t)n;) {
		struct vu_header header;

		FUZZ_HOLDS(at + sizeof(header) <= (size_t)n);
		memcpy(&header, bytes + at, sizeof(header));
		FUZZ_HOLDS(header.flags == (VU_VERSION | VU_REPLY));
		FUZZ_HOLDS(header.size == 8);
		at += sizeof(header) + header.size;
	}
}

static void go(void)
{
	turn();
	if (port->session)
		read_replies();
}

/* ---- operations */

/* The numbers of a message, right or wrong: c says which. */
static uint64_t word(const struct record *r)
{
	return r->c & 1 ? fuzz_number(r->c >> 1) : r->b;
}

static void plain_request(const struct record *r)
{
	static const uint8_t requests[] = {
		VU_GET_FEATURES,  VU_SET_OWNER,		VU_GET_PROTOCOL_FEATURES,
		VU_GET_QUEUE_NUM, VU_GET_MAX_MEM_SLOTS, VU_GET_STATUS,
		VU_RESET_OWNER};

	send_message(requests[r->a % ARRAY_SIZE(requests)], NULL, 0, 0, 0);
}

static void features(const struct record *r)
{
	uint64_t all = port_offered_features(port), value = all & ~fuzz_number(r->c);

	if (r->a & 1)
		value = all;
	if (r->a & 2)
		value |= 1ull << r->b % 64;
	if (!(r->a & 4))
		value &= ~VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	send_message(VU_SET_FEATURES, &value, sizeof(value), 0, 0);
}

static void protocol_features(const struct record *r)
{
	uint64_t value = r->a & 1 ? fuzz_number(r->c) : 0x1801d; /* those it has */

	send_message(VU_SET_PROTOCOL_FEATURES, &value, sizeof(value), 0, 0);
}

static struct vu_region region(uint32_t i, uint32_t n, const struct record *r)
{
	uint64_t size = MEMORY / n, at = size * i;
	struct vu_region region = {at, size, USER + at, at};
	uint64_t *fields = &region.gpa;

	/* One field of one region lies. */
	if (r->c && i == (r->b & 7u))
		fields[r->b >> 3 & 3] += fuzz_number(r->c);
	return region;
}

/* a: how many regions; c: 0, or a lie about one of them; the upper bits of b: descriptors. */
static void memory_table(const struct record *r)
{
	uint32_t n = 1 + r->a % VU_MAX_TABLE_REGIONS, fds = n;
	struct vu_mem_table table = {.count = n};

	for (uint32_t i = 0; i < n; i++)
		table.regions[i] = region(i, n, r);
	if (r->a & 32)
		table.count = (uint32_t)fuzz_number(r->c);
	if (r->a & 64)
		fds = r->b >> 13;
	send_message(VU_SET_MEM_TABLE, &table, 8 + n * (uint32_t)sizeof(struct vu_region),
		     r->a & 128 ? r->c : 0, fds);
}

static void memory_region(const struct record *r)
{
	struct vu_mem_reg reg = {.region = region(r->a & 7, 8, r)};

	send_message(r->a & 8 ? VU_REM_MEM_REG : VU_ADD_MEM_REG, &reg, sizeof(reg), r->a >> 6,
		     r->a & 16 ? r->b >> 14 : !(r->a & 8));
}

/* a: ring and request. */
static void vring_state(const struct record *r)
{
	static const uint8_t requests[] = {VU_SET_VRING_NUM, VU_SET_VRING_BASE, VU_GET_VRING_BASE,
					   VU_SET_VRING_ENABLE};
	struct vu_vring_state state = {r->a & 3, (uint32_t)word(r)};

	if (r->a & 16)
		state.index = (uint32_t)fuzz_number(r->c);
	send_message(requests[r->a >> 2 & 3], &state, sizeof(state), 0, 0);
}

static void vring_address(const struct record *r)
{
	uint64_t base = USER + 0x8000ull * (r->a & 3);
	struct vu_vring_addr addr = {.index = r->a & 3,
				     .desc_user = base + 0x1000,
				     .avail_user = base + 0x3000,
				     .used_user = base + 0x4000};
	uint64_t *fields = &addr.desc_user;

	if (r->c)
		fields[r->b & 3] += fuzz_number(r->c);
	if (r->a & 16)
		addr.flags = r->b >> 8;
	send_message(VU_SET_VRING_ADDR, &addr, sizeof(addr), 0, 0);
}

static void vring_descriptor(const struct record *r)
{
	uint64_t index = r->a & 3, choice = 2 + (r->a & 3);
	uint32_t request = VU_SET_VRING_KICK + (r->a >> 2 & 3) % 3;
	bool none = r->a & 16;

	if (r->a & 32)
		index |= fuzz_number(r->c) << 8;
	if (r->a & 64)
		choice = r->b;
	if (none)
		index |= VU_VRING_NOFD;
	send_message(request, &index, sizeof(index), choice,
		     r->a & 128 ? r->b >> 14
		     : none	? 0
				: 1);
}

/* The ring as a whole, in the usual order. */
static void vring_all(const struct record *r)
{
	struct record step = {.a = r->a & 3, .b = (uint16_t)(1u << r->b % 16)};

	vring_state(&step);
	step.b = 0;
	step.a |= 4;
	vring_state(&step);
	step.a = r->a & 3;
	vring_address(&step);
	vring_descriptor(&step); /* the kick */
	step.a |= 4;
	vring_descriptor(&step);
	step = (struct record){.a = (r->a & 3) | 12, .b = 1};
	vring_state(&step);
}

static void greet(const struct record *r)
{
	struct record step = {.op = 0, .a = 0};

	plain_request(&step);
	step.a = 1;
	plain_request(&step);
	step.a = 0;
	protocol_features(&step);
	step = (struct record){.a = 1 | (r->a & 4)};
	features(&step);
}

static void other_words(const struct record *r)
{
	static const uint8_t requests[] = {VU_SEND_RARP, VU_NET_SET_MTU, VU_SET_STATUS};
	uint64_t value = word(r);

	send_message(requests[r->a % 3], &value, sizeof(value), 0, 0);
}

/* Any request with any payload, of any length that may disagree with the header. */
static void any_message(struct fuzz_input *input, const struct record *r)
{
	const uint8_t *payload;
	size_t size = fuzz_bytes(input, r->b % 35, &payload);
	uint8_t bytes[sizeof(struct vu_header) + VU_MAX_PAYLOAD + 16];
	struct vu_header header = {r->a % 50, flags, (uint32_t)size};

	if (r->c & 1)
		header.size = (uint32_t)fuzz_number(r->c);
	if (r->c & 2)
		header.flags = (uint32_t)fuzz_number(r->c >> 2);
	if (r->a == 255)
		header.request = r->c;
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), payload, size);
	send_bytes(bytes, sizeof(header) + size, r->c, r->b >> 12 & 15);
}

/* Bytes as they are: pieces of messages, with or without descriptors. */
static void raw_bytes(struct fuzz_input *input, const struct record *r)
{
	const uint8_t *bytes;
	size_t size = fuzz_bytes(input, r->b % 40, &bytes);

	if (size > r->a % 8)
		send_bytes(bytes, size - r->a % 8, r->c, r->b >> 12 & 15);
}

/* The guest: its kick, its indices. */
static void guest_does(const struct record *r)
{
	uint64_t one = 1;

	memcpy(guest + 0x8000ull * (r->a & 3) + 0x3000 + (r->a & 4 ? 0x1000 : 0), &r->c, 4);
	if (r->a & 8)
		(void)!write(pool[2 + (r->a & 3)], &one, sizeof(one));
}

/* The secondary: holds rings back, gives them up, stands somewhere. */
static void secondary_does(const struct record *r)
{
	fake.hold = r->a & 1;
	fake.orphan = r->a & 2;
	fake.position[r->a >> 2 & 3] = r->b;
	if (r->a & 16)
		(void)fake_release();
}

/* Of what comes next. */
static void ways(const struct record *r)
{
	flags = VU_VERSION | (r->a & 1 ? VU_NEED_REPLY : 0);
	urgent = r->a & 2;
}

static void (*const ops[])(const struct record *r) = {
	greet,	  memory_table,	     vring_all,	    vring_state, vring_address, vring_descriptor,
	features, plain_request,     memory_region, other_words, guest_does,	secondary_does,
	ways,	  protocol_features,
};
#define OP_ANY	    ARRAY_SIZE(ops)
#define OP_RAW	    (ARRAY_SIZE(ops) + 1)
#define OP_TOGETHER (ARRAY_SIZE(ops) + 2) /* the next message comes in the same read */
const uint8_t fuzz_nr_ops = ARRAY_SIZE(ops) + 3;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	bool together = false;
	struct record r;

	if (!port)
		set_up_once();
	begin();
	while (port->session && messages++ < MAX_MESSAGES && fuzz_next(&input, &r)) {
		uint8_t op = r.op % fuzz_nr_ops;

		if (op == OP_ANY)
			any_message(&input, &r);
		else if (op == OP_RAW)
			raw_bytes(&input, &r);
		else if (op < ARRAY_SIZE(ops))
			ops[op](&r);
		if (!together)
			go();
		together = op == OP_TOGETHER;
	}
	if (port->session)
		go();
	end();
	return 0;
}
