/* SPDX-License-Identifier: Apache-2.0 */
#include "seats.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "cuse.h"
#include "fd.h"
#include "fd_ledger.h"
#include "front.h"
#include "loop.h"
#include "ports.h"
#include "suite.h"

#define FAR_NS (600 * NS_PER_S)

struct primary primary; /* fake_cuse.c's, not used here */

struct rig rig;
struct lookers *lookers;
struct seat seats[SEATS];
uint8_t *seats_memory;
static uint32_t used;
static int file, open_before;
static pid_t self;

/* --- who looks --- */

/* In the place of libc's: in the middle of a look. */
int memfd_create(const char *name, unsigned int flags)
{
	if (lookers && getpid() != self && atomic_fetch_sub(&lookers->to_hang, 1) > 0) {
		lookers->last = getpid();
		atomic_fetch_add(&lookers->hanging, 1);
		while (!lookers->go_on)
			(void)usleep(1000);
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

static bool hang(void *wanted)
{
	return lookers->hanging >= *(uint32_t *)wanted;
}

/* Who hangs has as long as the test wants, and has cost its port nothing so far. */
static void give_time(void)
{
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		struct port *port = rig.primary.ports[i];

		if (!port || !port->cuse || port->cuse->look.state != CUSE_LOOK_RUNS)
			continue;
		port->cuse->look.since_ns = hf_now_ns();
		seat_has_time(&port->cuse->look);
	}
}

void lookers_await(uint32_t wanted)
{
	CHECK(rig_until(&rig, hang, &wanted, WAIT_MS));
	CHECK_EQ(lookers->hanging, wanted);
	give_time();
}

pid_t seat_looker(uint32_t i)
{
	char path[48], line[128];
	pid_t pid = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", seat_look(i)->pidfd);
	info = fopen(path, "re");
	REQUIRE(info != NULL);
	while (fgets(line, sizeof(line), info))
		(void)sscanf(line, "Pid: %d", &pid);
	(void)fclose(info);
	REQUIRE(pid > 0);
	return pid;
}

bool looker_is_buried(void *pid)
{
	return kill(*(pid_t *)pid, 0) < 0 && errno == ESRCH;
}

/* Not only dead: a process that nobody buries stays for ever. */
void looker_is_buried_soon(pid_t pid)
{
	CHECK(rig_until(&rig, looker_is_buried, &pid, WAIT_MS));
}

/* --- devices --- */

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(rig.primary.loop);
}

void front_turn(void)
{
	struct loop_timer end = {.fire = stop};

	for (int i = 0; i < 4; i++) {
		REQUIRE(loop_timer_set(rig.primary.loop, &end, 0) == 0);
		REQUIRE(loop_run(rig.primary.loop) == 0);
		loop_timer_clear(rig.primary.loop, &end);
	}
}

struct seat *seat_use(uint32_t i)
{
	seats[used].kernel = kernel;
	used = i;
	kernel = seats[i].kernel;
	return &seats[i];
}

struct port *seat_port(uint32_t i)
{
	return port_find(&rig.primary, seats[i].name);
}

struct cuse_look *seat_look(uint32_t i)
{
	return &seat_port(i)->cuse->look;
}

void seat_open(uint32_t i)
{
	struct seat *seat = seat_use(i);
	int64_t opened = kernel_open();

	REQUIRE(opened > 0);
	seat->handle = (uint64_t)opened;
	CHECK_EQ(kernel_ioctl(seat->handle, VH_SET_OWNER, NULL), 0);
}

static void add(uint32_t i)
{
	const char *reason = "";

	snprintf(seats[i].name, sizeof(seats[i].name), "c%u", i);
	(void)seat_use(i);
	kernel = (struct kernel){.socket = -1, .thread = (uint32_t)gettid(), .user = 1000 + i};
	REQUIRE(port_add_cuse(&rig.primary, seats[i].name, NULL, 0, &reason) == 0);
	seat_open(i);
}

void seats_begin(uint32_t devices)
{
	self = getpid();
	lookers = mmap(NULL, sizeof(*lookers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	REQUIRE(lookers != MAP_FAILED);
	signal(SIGPIPE, SIG_IGN);
	open_before = fds_open();
	rig_open(&rig);
	REQUIRE(control_open(&rig.primary) == 0);
	file = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(file, SEATS_MEMORY) == 0);
	seats_memory = mmap(NULL, SEATS_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(seats_memory != MAP_FAILED);
	used = 0;
	for (uint32_t i = 0; i < devices; i++)
		add(i);
}

void seats_end(uint32_t devices)
{
	lookers->go_on = true;
	port_destroy_all(&rig.primary);
	CHECK_EQ(rig.primary.looks.running, 0);
	CHECK(rig.primary.looks.first == NULL);
	for (uint32_t i = 0; i < devices; i++) {
		(void)seat_use(i);
		hf_fd_close(&kernel.socket);
	}
	rig_close(&rig);
	munmap(seats_memory, SEATS_MEMORY);
	hf_fd_close(&file);
	munmap(lookers, sizeof(*lookers));
	lookers = NULL;
	CHECK_EQ(fds_open(), open_before);
}

/* A table, whole; not waited for. Its number. */
uint64_t seat_ask_for_look(uint32_t i)
{
	struct {
		struct vh_memory head;
		struct vh_region region;
	} table = {{.count = 1}, {.size = SEATS_MEMORY, .user_addr = (uintptr_t)seats_memory}};
	const struct seat *seat = seat_use(i);
	uint64_t unique =
		kernel_phase(seat->handle, VH_SET_MEM_TABLE, 4096, &table, sizeof(table), 0);

	front_turn();
	return unique;
}

void seat_has_time(struct cuse_look *look)
{
	REQUIRE(loop_timer_set(rig.primary.loop, &look->deadline, FAR_NS) == 0);
}

/* The time that it has is over. */
void seat_let_time_pass(struct cuse_look *look)
{
	look->turn_by_ns = 0;
	REQUIRE(loop_timer_set(rig.primary.loop, &look->deadline, 0) == 0);
	front_turn();
}

void seat_is_answered(uint32_t i, uint64_t unique, int error)
{
	(void)seat_use(i);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, error);
}

bool seat_is_silent(uint32_t i)
{
	(void)seat_use(i);
	return !kernel_answer();
}

/* All that a front-end says until a ring runs; how much of it was answered with yes. */
uint32_t seat_set_up(uint32_t i)
{
	const struct seat *seat = seat_use(i);
	uint32_t good = 0;

	good += kernel_u64(seat->handle, VH_SET_FEATURES, FEATURES) == 0;
	good += kernel_memory(seat->handle, seats_memory, SEATS_MEMORY) == 0;
	good += kernel_state(seat->handle, VH_SET_VRING_NUM, 0, 256) == 0;
	good += kernel_addr(seat->handle, 0, seats_memory) == 0;
	good += kernel_file(seat->handle, VH_NET_SET_BACKEND, 0, -1) == 0;
	return good;
}

pid_t seats_sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	REQUIRE(pid > 0);
	return pid;
}
