/* SPDX-License-Identifier: Apache-2.0 */
#include "flood_kinds.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"
#include "frames.h"
#include "front_message.h"
#include "holdfastd.h"

#define ENTRIES	   256u
#define NOFD	   0x100u
#define PACKET	   64u
#define OFF_US	   1000u
#define READY_MS   10000u
#define STEPS	   16u /* between two looks at `on` */
#define FAR	   30000u
#define OWN_MAC_AT 6u
#define MAC_BYTES  6u

struct flooder {
	const char *run_dir;
	char port[HOLDFASTD_PATH_MAX];
	struct front front;
	struct flood_shared *shared;
	uint32_t turn;
};

/* --- sockets --- */

/* Not waiting for the primary: what it does not read is not sent. */
static void say(struct flooder *f, struct front_message *m, int fd)
{
	struct iovec iov = {m, 12u + m->size};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	m->flags = FRONT_MESSAGE_VERSION;
	if (fd >= 0) {
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	if (sendmsg(f->front.socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		atomic_fetch_add(&f->shared->done, 1);
	else
		sched_yield();
}

static void step_messages(struct flooder *f)
{
	struct front_message m = {.request = SET_VRING_CALL, .size = 8, .body.u64 = NOFD};

	say(f, &m, -1);
}

static void say_fd(struct flooder *f, uint32_t request)
{
	struct front_message m = {.request = request, .size = 8, .body.u64 = f->turn++ % 2};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	say(f, &m, fd);
	hf_fd_close(&fd);
}

static void step_calls(struct flooder *f)
{
	say_fd(f, SET_VRING_CALL);
}

static void step_kicks(struct flooder *f)
{
	say_fd(f, SET_VRING_KICK);
}

static void step_tables(struct flooder *f)
{
	struct front_message m = {.request = SET_MEM_TABLE,
				  .size = sizeof(m.body.table),
				  .body.table = {.count = 1,
						 .gpa = FRONT_GPA,
						 .size = f->front.bytes,
						 .user = (uintptr_t)f->front.memory}};

	say(f, &m, f->front.memfd);
}

static void come_and_go(struct flooder *f, const char *bytes, size_t len)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", f->port);
	if (s >= 0 && connect(s, (const struct sockaddr *)&to, sizeof(to)) == 0) {
		if (len)
			(void)send(s, bytes, len, MSG_NOSIGNAL);
		atomic_fetch_add(&f->shared->done, 1);
	} else {
		sched_yield();
	}
	hf_fd_close(&s);
}

static void step_connects(struct flooder *f)
{
	come_and_go(f, NULL, 0);
}

static void step_halves(struct flooder *f)
{
	come_and_go(f, "\x01\0\0\0\x01", 5);
}

static void knock(struct flooder *f, const char *door)
{
	char path[HOLDFASTD_PATH_MAX];
	int s;

	snprintf(path, sizeof(path), "%s/%s.sock", f->run_dir, door);
	s = hf_seqpacket_connect(path);
	if (s >= 0) {
		(void)send(s, "\xff", 1, MSG_NOSIGNAL);
		atomic_fetch_add(&f->shared->done, 1);
	} else {
		sched_yield();
	}
	hf_fd_close(&s);
}

static void step_attach(struct flooder *f)
{
	knock(f, "attach");
}

static void step_control(struct flooder *f)
{
	knock(f, "control");
}

/* All counters of all rings, and waits for the answer. */
static void step_asks(struct flooder *f)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__StatsRequest stats = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	char path[HOLDFASTD_PATH_MAX];
	int s;

	snprintf(path, sizeof(path), "%s/control.sock", f->run_dir);
	s = hf_seqpacket_connect(path);
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_STATS;
	request.stats = &stats;
	if (s >= 0 && hf_frame_send(s, &request.base, NULL, 0) == 0 &&
	    hf_frame_receive(s, &frame) > 0)
		atomic_fetch_add(&f->shared->done, 1);
	hf_frame_close_fds(&frame);
	hf_fd_close(&s);
}

/* --- rings --- */

static void kick(struct flooder *f)
{
	if (write(f->front.kicks[FRONT_DEQUEUE], &(uint64_t){1}, 8) == 8)
		atomic_fetch_add(&f->shared->done, 1);
}

static int begin_nothing(struct flooder *f)
{
	(void)f;
	return 0;
}

/* Each descriptor of the ring is a chain of `len` bytes. */
static void fill_ring(struct flooder *f, uint32_t len)
{
	struct front_ring *r = &f->front.rings[FRONT_DEQUEUE];

	front_fill(r, PACKET);
	for (uint16_t i = 0; i < r->size; i++) {
		uint8_t *frame = r->buffers + (size_t)i * r->buffer_distance + FRONT_HEADER;

		/* From a MAC address of its own, to the same: to nobody. */
		frame[OWN_MAC_AT + MAC_BYTES - 1] = 3;
		memcpy(frame, frame + OWN_MAC_AT, MAC_BYTES);
		r->desc[i] = (struct vring_desc){
			.addr = r->buffers_gpa + (uint64_t)i * r->buffer_distance, .len = len};
		r->avail->ring[i] = i;
	}
}

static int begin_drops(struct flooder *f)
{
	fill_ring(f, 4);
	return 0;
}

static int begin_nobody(struct flooder *f)
{
	fill_ring(f, FRONT_HEADER + PACKET);
	return 0;
}

/* One chain through the whole ring, a byte each, and nothing but its head in the ring. */
static int begin_chains(struct flooder *f)
{
	struct front_ring *r = &f->front.rings[FRONT_DEQUEUE];

	fill_ring(f, 1);
	for (uint16_t i = 0; i < r->size; i++) {
		r->desc[i].flags = i + 1 < r->size ? VRING_DESC_F_NEXT : 0;
		r->desc[i].next = (uint16_t)(i + 1);
		r->avail->ring[i] = 0;
	}
	return 0;
}

/* Always as full as a ring can be. */
static void step_full(struct flooder *f)
{
	struct front_ring *r = &f->front.rings[FRONT_DEQUEUE];
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);

	__atomic_store_n(&r->avail->idx, (uint16_t)(used + r->size), __ATOMIC_RELEASE);
	kick(f);
}

static int begin_broken(struct flooder *f)
{
	struct front_ring *r = &f->front.rings[FRONT_DEQUEUE];

	__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + FAR), __ATOMIC_RELEASE);
	return 0;
}

const struct flood_kind flood_kinds[] = {
	{"messages", "messages on the port's socket", true, false, begin_nothing, step_messages},
	{"calls", "a call descriptor after the other", true, false, begin_nothing, step_calls},
	{"kicks", "a kick descriptor after the other: the ring stops each time", true, false,
	 begin_nothing, step_kicks},
	{"tables", "the memory table again and again", true, false, begin_nothing, step_tables},
	{"connects", "connects to the port and closes", false, false, begin_nothing, step_connects},
	{"halves", "connects to the port, says half a header and closes", false, false,
	 begin_nothing, step_halves},
	{"seconds", "the same while its session lasts", true, false, begin_nothing, step_connects},
	{"attach", "knocks at the attach socket", false, false, begin_nothing, step_attach, true},
	{"control", "knocks at the control socket", false, false, begin_nothing, step_control,
	 true},
	{"asks", "asks for all statistics", false, false, begin_nothing, step_asks, true},
	{"doorbells", "kicks an empty ring", true, true, begin_nothing, kick},
	{"broken", "kicks a ring that is broken", true, true, begin_broken, kick},
	{"drops", "a ring full of chains that are dropped", true, true, begin_drops, step_full},
	{"nobody", "a ring full of packets to nobody", true, true, begin_nobody, step_full},
	{"chains", "a ring full of the longest chains", true, true, begin_chains, step_full},
	{0},
};

/* --- the process --- */

static int become_user(void)
{
	if (geteuid())
		return 0;
	if (setgroups(0, NULL) < 0 || setgid(FLOOD_USER) < 0 || setuid(FLOOD_USER) < 0)
		return -errno;
	return 0;
}

static int begin(struct flooder *f, const struct flood_kind *kind)
{
	const struct front_shape shape = {.size = ENTRIES, .mergeable = true};
	const struct sched_param none = {0};
	int error = 0;

	if (kind->session)
		error = front_create(&f->front, &shape);
	if (!error && kind->session)
		error = front_connect(&f->front, f->port);
	if (!error)
		error = kind->begin(f);
	if (!error && sched_setscheduler(0, SCHED_IDLE, &none) < 0)
		error = -errno;
	if (!error && kind->user)
		error = become_user();
	return error;
}

static _Noreturn void run(struct flooder *f, const struct flood_kind *kind)
{
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	error = begin(f, kind);
	atomic_store(&f->shared->ready, error ? error : 1);
	while (!error) {
		if (!atomic_load(&f->shared->on)) {
			usleep(OFF_US);
			continue;
		}
		for (uint32_t i = 0; i < STEPS; i++)
			kind->step(f);
	}
	_exit(1);
}

int flood_start(struct flood_process *p, const struct flood_kind *kind, const char *run_dir)
{
	struct flooder f = {.run_dir = run_dir, .front = FRONT_NONE};

	p->pid = 0;
	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		return -errno;
	}
	f.shared = p->shared;
	snprintf(f.port, sizeof(f.port), "%s/bad.sock", run_dir);
	p->pid = fork();
	if (p->pid == 0)
		run(&f, kind);
	for (uint32_t ms = 0; p->pid > 0 && ms < READY_MS && !atomic_load(&p->shared->ready); ms++)
		usleep(1000);
	if (p->pid > 0 && atomic_load(&p->shared->ready) == 1)
		return 0;
	fprintf(stderr, "the hostile peer does not begin: %s\n",
		p->pid < 0 ? strerror(errno) : strerror(-atomic_load(&p->shared->ready)));
	flood_stop(p);
	return -EIO;
}

void flood_stop(struct flood_process *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL, 0);
	}
	if (p->shared)
		munmap(p->shared, sizeof(*p->shared));
	*p = (struct flood_process){0};
}
