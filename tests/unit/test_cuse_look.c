/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a caller's memory that takes as long as it likes, as one whose lock of the address
 * space is held for ever: nobody waits for it but who asked, and whatever ends meanwhile ends it.
 * Several devices, each with a front-end (this process), and the kernel's side of all of them.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "control.h"
#include "control.pb-c.h"
#include "cuse.h"
#include "cuse_looker.h"
#include "cuse_request.h"
#include "device.h"
#include "fake_cuse.h"
#include "fd.h"
#include "frame.h"
#include "front.h"
#include "port.h"
#include "ports.h"
#include "primary_rig.h"
#include "refusal.h"
#include "session.h"
#include "suite.h"

#define FEATURES (1ull << 32 | 1ull << 15)
#define MEMORY	 (1u << 20)
#define WAIT_MS	 20000
#define MOST	 (CUSE_LOOKS + 4)

struct primary primary; /* fake_cuse.c's, not used here */

static struct rig rig;
static uint8_t *memory;
static int file, open_before;
static pid_t self;

/* What the processes that look do, and say. Shared with them. */
static struct {
	_Atomic int to_hang; /* so many more hang */
	_Atomic bool go_on;  /* none does any more */
	_Atomic uint32_t hanging;
	_Atomic pid_t last, all[2 * MOST];
} * lookers;

/* A device: the kernel's side, which is in `kernel` while it is used. */
static struct seat {
	struct kernel kernel;
	uint64_t handle;
	char name[8];
} seats[MOST];
static uint32_t used;

/* --- who looks --- */

/* In the place of libc's: in the middle of a look. */
int memfd_create(const char *name, unsigned int flags)
{
	if (lookers && getpid() != self && atomic_fetch_sub(&lookers->to_hang, 1) > 0) {
		lookers->last = getpid();
		lookers->all[atomic_fetch_add(&lookers->hanging, 1) % (2 * MOST)] = getpid();
		while (!lookers->go_on)
			(void)usleep(1000);
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

static bool hang(void *wanted)
{
	return lookers->hanging >= *(uint32_t *)wanted;
}

static void await_hanging(uint32_t wanted)
{
	CHECK(rig_until(&rig, hang, &wanted, WAIT_MS));
	CHECK_EQ(lookers->hanging, wanted);
}

static bool is_buried(void *pid)
{
	return kill(*(pid_t *)pid, 0) < 0 && errno == ESRCH;
}

/* Not only dead: a process that nobody buries stays for ever. */
static void check_buried(pid_t pid)
{
	CHECK(rig_until(&rig, is_buried, &pid, WAIT_MS));
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

static struct seat *use(uint32_t i)
{
	seats[used].kernel = kernel;
	used = i;
	kernel = seats[i].kernel;
	return &seats[i];
}

static struct port *port_of(uint32_t i)
{
	return port_find(&rig.primary, seats[i].name);
}

static struct cuse_look *look_of(uint32_t i)
{
	return &port_of(i)->cuse->look;
}

static void open_device(uint32_t i)
{
	struct seat *seat = use(i);
	int64_t opened = kernel_open();

	REQUIRE(opened > 0);
	seat->handle = (uint64_t)opened;
	CHECK_EQ(kernel_ioctl(seat->handle, VH_SET_OWNER, NULL), 0);
}

static void add_device(uint32_t i)
{
	const char *reason = "";

	snprintf(seats[i].name, sizeof(seats[i].name), "c%u", i);
	(void)use(i);
	kernel = (struct kernel){.socket = -1, .thread = (uint32_t)gettid()};
	REQUIRE(port_add_cuse(&rig.primary, seats[i].name, NULL, 0, &reason) == 0);
	open_device(i);
}

static void begin(uint32_t devices)
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
	REQUIRE(ftruncate(file, MEMORY) == 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(memory != MAP_FAILED);
	used = 0;
	for (uint32_t i = 0; i < devices; i++)
		add_device(i);
}

static void end(uint32_t devices)
{
	lookers->go_on = true;
	port_destroy_all(&rig.primary);
	CHECK_EQ(rig.primary.looks.running, 0);
	CHECK(rig.primary.looks.first == NULL);
	for (uint32_t i = 0; i < devices; i++) {
		(void)use(i);
		hf_fd_close(&kernel.socket);
	}
	rig_close(&rig);
	munmap(memory, MEMORY);
	hf_fd_close(&file);
	munmap(lookers, sizeof(*lookers));
	lookers = NULL;
	CHECK_EQ(fds_open(), open_before);
}

/* A table, whole; not waited for. Its number. */
static uint64_t ask_for_look(uint32_t i)
{
	struct {
		struct vh_memory head;
		struct vh_region region;
	} table = {{.count = 1}, {.size = MEMORY, .user_addr = (uintptr_t)memory}};
	const struct seat *seat = use(i);
	uint64_t unique =
		kernel_phase(seat->handle, VH_SET_MEM_TABLE, 4096, &table, sizeof(table), 0);

	front_turn();
	return unique;
}

/* The time that it has is over. */
static void let_time_pass(struct cuse_look *look)
{
	REQUIRE(loop_timer_set(rig.primary.loop, &look->deadline, 0) == 0);
	front_turn();
}

static void is_answered(uint32_t i, uint64_t unique, int error)
{
	(void)use(i);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, error);
}

static bool is_silent(uint32_t i)
{
	(void)use(i);
	return !kernel_answer();
}

/* All that a front-end says until a ring runs; how much of it was answered with yes. */
static uint32_t set_up(uint32_t i)
{
	const struct seat *seat = use(i);
	uint32_t good = 0;

	good += kernel_u64(seat->handle, VH_SET_FEATURES, FEATURES) == 0;
	good += kernel_memory(seat->handle, memory, MEMORY) == 0;
	good += kernel_state(seat->handle, VH_SET_VRING_NUM, 0, 256) == 0;
	good += kernel_addr(seat->handle, 0, memory) == 0;
	good += kernel_file(seat->handle, VH_NET_SET_BACKEND, 0, -1) == 0;
	return good;
}

#define OF_A_SETUP 5u

/* --- the control socket --- */

static bool is_readable(void *fd)
{
	char byte;

	return recv(*(int *)fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static bool control_answers(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct hf_frame frame = {.bytes = bytes};
	char path[128];
	bool answers;
	int fd;

	snprintf(path, sizeof(path), "%s/control.sock", rig.dir);
	fd = hf_seqpacket_connect(path);
	REQUIRE(fd >= 0);
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	answers = rig_until(&rig, is_readable, &fd, WAIT_MS) && hf_frame_receive(fd, &frame) > 0;
	hf_fd_close(&fd);
	return answers;
}

/* --- what is shown --- */

/* It ends last of all, because the test says so. */
static void ten_others_and_the_control_socket_are_answered_meanwhile(void)
{
	uint32_t good = 0, answers = 0;
	uint64_t unique;

	begin(11);
	lookers->to_hang = 1;
	unique = ask_for_look(0);
	await_hanging(1);
	for (uint32_t i = 1; i < 11; i++) {
		good += set_up(i);
		answers += control_answers();
	}
	CHECK_EQ(good, 10 * OF_A_SETUP);
	CHECK_EQ(answers, 10);
	CHECK_EQ(look_of(0)->state, CUSE_LOOK_RUNS);
	CHECK(is_silent(0));
	lookers->go_on = true;
	is_answered(0, unique, 0);
	CHECK_EQ(port_of(0)->device.memory.count, 1);
	end(11);
}

static void what_the_same_device_is_asked_meanwhile_waits_for_its_turn(void)
{
	struct fuse_open_in open = {.flags = 2};
	uint64_t table, features;

	begin(1);
	lookers->to_hang = 1;
	table = ask_for_look(0);
	await_hanging(1);
	/* But who else would open it is told no at once. */
	is_answered(0, kernel_send(FUSE_OPEN, &open, sizeof(open)), -EBUSY);
	features = kernel_phase(seats[0].handle, VH_GET_FEATURES, 4096, NULL, 0, 8);
	CHECK(is_silent(0));
	lookers->go_on = true;
	is_answered(0, table, 0);
	is_answered(0, features, 0);
	CHECK(is_silent(0));
	end(1);
}

static void one_that_takes_too_long_is_ended_and_its_caller_waits(void)
{
	uint64_t unique;

	begin(2);
	lookers->to_hang = 1;
	unique = ask_for_look(0);
	await_hanging(1);
	look_of(0)->since_ns -= 5 * NS_PER_S;
	let_time_pass(look_of(0));
	is_answered(0, unique, -ETIMEDOUT);
	CHECK_EQ(rig.primary.refusals[REFUSED_LOOK_DEADLINE], 1);
	CHECK_EQ(rig.primary.looks.running, 0);
	check_buried(lookers->last);
	/* Ten times as long; nobody else. */
	unique = ask_for_look(0);
	CHECK(is_silent(0));
	CHECK_EQ(look_of(0)->state, CUSE_LOOK_NONE);
	CHECK_EQ(set_up(1), OF_A_SETUP);
	port_of(0)->foreigners = (struct rate){0};
	REQUIRE(cuse_wake(port_of(0)) == 0);
	is_answered(0, unique, 0);
	end(2);
}

/* Somebody kills it; or there is no memory for it. */
static void one_that_ends_without_a_word_is_refused(void)
{
	uint64_t unique;

	begin(1);
	lookers->to_hang = 1;
	unique = ask_for_look(0);
	await_hanging(1);
	CHECK_EQ(kill(lookers->last, SIGKILL), 0);
	is_answered(0, unique, -ENOMEM);
	CHECK_EQ(rig.primary.refusals[REFUSED_NO_RESOURCES], 1);
	check_buried(lookers->last);
	is_answered(0, ask_for_look(0), 0);
	end(1);
}

static void who_is_interrupted_has_a_moment_left(void)
{
	struct fuse_interrupt_in in;

	begin(1);
	lookers->to_hang = 1;
	in.unique = ask_for_look(0);
	await_hanging(1);
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	CHECK(is_silent(0));
	CHECK(look_of(0)->deadline.at_ns < hf_now_ns() + NS_PER_S);
	let_time_pass(look_of(0));
	is_answered(0, in.unique, -EINTR);
	check_buried(lookers->last);
	/* What ends within it is done. */
	lookers->to_hang = 1;
	in.unique = ask_for_look(0);
	await_hanging(2);
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	CHECK(is_silent(0));
	lookers->go_on = true;
	is_answered(0, in.unique, 0);
	CHECK(is_silent(0));
	end(1);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	REQUIRE(pid > 0);
	return pid;
}

/* --- the caller is not who it was --- */

static bool has_said(void *socket)
{
	return is_readable(socket);
}

/* What a look at that caller is refused for; it is killed in the middle, if asked. */
static enum refusal look_at(const struct cuse_caller *caller, bool dies)
{
	struct vu_region region = {.size = MEMORY, .user_addr = (uintptr_t)memory};
	struct cuse_memory_fault fault = {.reason = NR_REFUSALS};
	int pidfd, socket, fd, error;

	lookers->to_hang = 1;
	REQUIRE(cuse_looker_start(caller, &region, 1, &pidfd, &socket) == 0);
	await_hanging(1);
	if (dies) {
		kill(caller->pid, SIGKILL);
		REQUIRE(waitpid(caller->pid, NULL, 0) == caller->pid);
	}
	lookers->go_on = true;
	CHECK(rig_until(&rig, has_said, &socket, WAIT_MS));
	error = cuse_looker_hear(socket, &region, &fd, 1, &fault);
	REQUIRE(waitpid(lookers->last, NULL, 0) == lookers->last);
	hf_fd_close(&pidfd);
	hf_fd_close(&socket);
	if (!error)
		hf_fd_close(&fd);
	CHECK_EQ(error, error ? -EPROTO : 0);
	return fault.reason;
}

/* Between the look at its maps and what is opened by them. */
static void a_caller_that_dies_in_the_middle_of_it_is_refused(void)
{
	struct cuse_caller caller;
	enum refusal reason;

	begin(0);
	REQUIRE(cuse_caller_open((uint32_t)sleeper(), &caller) == 0);
	reason = look_at(&caller, true);
	CHECK(reason == REFUSED_MEMORY_HIDDEN || reason == REFUSED_CALLER ||
	      reason == REFUSED_REGION_MAP);
	cuse_caller_close(&caller);
	end(0);
}

/* All was found, but in the memory of who has that number now. */
static void what_is_found_in_another_process_of_its_number_is_not_taken(void)
{
	struct cuse_caller caller;

	begin(0);
	REQUIRE(cuse_caller_open((uint32_t)gettid(), &caller) == 0);
	caller.start++;
	CHECK_EQ(look_at(&caller, false), REFUSED_CALLER);
	lookers->go_on = false;
	lookers->hanging = 0;
	caller.start--;
	CHECK_EQ(look_at(&caller, false), 0);
	cuse_caller_close(&caller);
	end(0);
}

/* --- ends --- */

static void closing_the_file_ends_it(void)
{
	struct fuse_release_in in;
	uint64_t table, release;

	begin(1);
	in = (struct fuse_release_in){.fh = seats[0].handle};
	lookers->to_hang = 1;
	table = ask_for_look(0);
	await_hanging(1);
	release = kernel_send(FUSE_RELEASE, &in, sizeof(in));
	REQUIRE(kernel_answer());
	CHECK_EQ(kernel.answered, kernel.answer_error ? table : release);
	REQUIRE(kernel_answer());
	CHECK_EQ(kernel.answered, kernel.answer_error ? table : release);
	CHECK(port_of(0)->session == NULL);
	check_buried(lookers->last);
	open_device(0);
	is_answered(0, ask_for_look(0), 0);
	end(1);
}

static void the_callers_death_ends_it(void)
{
	uint64_t unique;
	pid_t caller;

	begin(1);
	CHECK_EQ(kernel_ioctl(seats[0].handle, VH_RESET_OWNER, NULL), 0);
	caller = sleeper();
	kernel.thread = (uint32_t)caller;
	CHECK_EQ(kernel_ioctl(seats[0].handle, VH_SET_OWNER, NULL), 0);
	lookers->to_hang = 1;
	unique = ask_for_look(0);
	await_hanging(1);
	kill(caller, SIGKILL);
	REQUIRE(waitpid(caller, NULL, 0) == caller);
	is_answered(0, unique, -EIO);
	CHECK(port_of(0)->session == NULL);
	check_buried(lookers->last);
	end(1);
}

/* While the session's rings are taken back, what it found is of no use any more. */
static void what_is_found_for_a_session_that_ends_is_closed(void)
{
	uint64_t unique;
	int open_now;

	begin(1);
	lookers->to_hang = 1;
	unique = ask_for_look(0);
	await_hanging(1);
	open_now = fds_open();
	port_of(0)->session->must_end = "it is over";
	lookers->go_on = true;
	is_answered(0, unique, -EIO);
	check_buried(lookers->last);
	CHECK_EQ(fds_open(), open_now - 3); /* the caller's and its pidfd, its socket */
	CHECK_EQ(port_of(0)->device.memory.count, 0);
	end(1);
}

static void removing_the_port_ends_it(void)
{
	begin(2);
	lookers->to_hang = 1;
	(void)ask_for_look(0);
	await_hanging(1);
	CHECK_EQ(port_del(&rig.primary, "c0"), 0);
	/* There is no port any more that would bury it later. */
	CHECK(port_of(0) == NULL);
	CHECK(is_buried(&(pid_t){lookers->last}));
	CHECK_EQ(rig.primary.looks.running, 0);
	CHECK_EQ(set_up(1), OF_A_SETUP);
	end(2);
}

static void a_device_that_is_cut_off_ends_it(void)
{
	begin(1);
	lookers->to_hang = 1;
	(void)ask_for_look(0);
	await_hanging(1);
	hf_fd_close(&kernel.socket);
	front_turn();
	CHECK(port_of(0)->session == NULL);
	CHECK_EQ(rig.primary.looks.running, 0);
	check_buried(lookers->last);
	end(1);
}

/* The program that we become would find the requests in the journal, and children that it does not
 * know. Here exec fails. */
static void an_upgrade_begins_all_of_them_again(void)
{
	uint64_t unique[CUSE_LOOKS + 2];

	begin(CUSE_LOOKS + 2);
	lookers->to_hang = CUSE_LOOKS;
	for (uint32_t i = 0; i < CUSE_LOOKS + 1; i++)
		unique[i] = ask_for_look(i);
	await_hanging(CUSE_LOOKS);
	rig.primary.holding = true;
	/* Nothing new is begun, also where there is room. */
	unique[CUSE_LOOKS + 1] = ask_for_look(CUSE_LOOKS + 1);
	CHECK_EQ(look_of(CUSE_LOOKS + 1)->state, CUSE_LOOK_NONE);
	let_time_pass(look_of(0));
	is_answered(0, unique[0], -ETIMEDOUT);
	CHECK_EQ(look_of(CUSE_LOOKS)->state, CUSE_LOOK_IN_LINE);
	cuse_rest(&rig.primary);
	CHECK_EQ(rig.primary.looks.running, 0);
	for (uint32_t i = 0; i < CUSE_LOOKS; i++)
		CHECK(is_buried(&(pid_t){lookers->all[i]}));
	for (uint32_t i = 1; i < CUSE_LOOKS + 2; i++)
		CHECK(is_silent(i));
	rig.primary.holding = false;
	for (uint32_t i = 1; i < CUSE_LOOKS + 2; i++)
		is_answered(i, unique[i], 0);
	end(CUSE_LOOKS + 2);
}

/* Its lock may be held for as long as somebody likes: nobody would end it then. */
static void it_does_not_outlive_the_primary(void)
{
	pid_t parent, looker = 0;

	begin(0);
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	lookers->to_hang = 1;
	parent = fork();
	if (!parent) {
		struct vu_region region = {.size = MEMORY, .user_addr = (uintptr_t)memory};
		struct cuse_caller caller;
		int pidfd, socket;

		if (cuse_caller_open((uint32_t)self, &caller) == 0 &&
		    cuse_looker_start(&caller, &region, 1, &pidfd, &socket) == 0)
			for (;;)
				pause();
		_exit(1);
	}
	await_hanging(1);
	looker = lookers->last;
	kill(parent, SIGKILL);
	REQUIRE(waitpid(parent, NULL, 0) == parent);
	for (int ms = 0; ms < WAIT_MS && waitpid(looker, NULL, WNOHANG) != looker; ms++)
		usleep(1000);
	CHECK(is_buried(&looker));
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	end(0);
}

/* --- more than there are places --- */

static void so_many_look_at_once_and_the_others_in_their_order(void)
{
	struct fuse_interrupt_in in;
	uint64_t unique[MOST], features = 0;

	begin(MOST);
	lookers->to_hang = MOST;
	for (uint32_t i = 0; i < MOST; i++)
		unique[i] = ask_for_look(i);
	await_hanging(CUSE_LOOKS);
	CHECK_EQ(rig.primary.looks.running, CUSE_LOOKS);
	for (uint32_t i = CUSE_LOOKS; i < MOST; i++)
		CHECK_EQ(look_of(i)->state, CUSE_LOOK_IN_LINE);
	/* Who gives up its place in line is in nobody's way. */
	(void)use(CUSE_LOOKS + 1);
	in.unique = unique[CUSE_LOOKS + 1];
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	is_answered(CUSE_LOOKS + 1, in.unique, -EINTR);
	CHECK_EQ(kernel_ioctl(seats[used].handle, VH_GET_FEATURES, &features), 0);
	/* Two end, the first two begin. */
	let_time_pass(look_of(3));
	is_answered(3, unique[3], -ETIMEDOUT);
	await_hanging(CUSE_LOOKS + 1);
	CHECK_EQ(look_of(CUSE_LOOKS)->state, CUSE_LOOK_RUNS);
	CHECK_EQ(look_of(CUSE_LOOKS + 2)->state, CUSE_LOOK_IN_LINE);
	(void)use(5);
	CHECK_EQ(port_del(&rig.primary, "c5"), 0);
	await_hanging(CUSE_LOOKS + 2);
	CHECK_EQ(look_of(CUSE_LOOKS + 2)->state, CUSE_LOOK_RUNS);
	/* And one has stood there too long. */
	let_time_pass(look_of(CUSE_LOOKS + 3));
	is_answered(CUSE_LOOKS + 3, unique[CUSE_LOOKS + 3], -EBUSY);
	CHECK_EQ(rig.primary.refusals[REFUSED_LOOKS_BUSY], 1);
	CHECK_EQ(rig.primary.looks.running, CUSE_LOOKS);
	lookers->go_on = true;
	is_answered(0, unique[0], 0);
	is_answered(CUSE_LOOKS, unique[CUSE_LOOKS], 0);
	is_answered(CUSE_LOOKS + 2, unique[CUSE_LOOKS + 2], 0);
	end(MOST);
}

int main(void)
{
	static const struct sentence sentences[] = {
		CATALOGUE(ten_others_and_the_control_socket_are_answered_meanwhile, "[U-4]"),
		CATALOGUE(what_the_same_device_is_asked_meanwhile_waits_for_its_turn, "[U-4]"),
		CATALOGUE(one_that_takes_too_long_is_ended_and_its_caller_waits, "[U-4]"),
		SENTENCE(one_that_ends_without_a_word_is_refused),
		CATALOGUE(who_is_interrupted_has_a_moment_left, "[U-6]"),
		CATALOGUE(a_caller_that_dies_in_the_middle_of_it_is_refused, "[U-3]"),
		CATALOGUE(what_is_found_in_another_process_of_its_number_is_not_taken, "[U-3]"),
		CATALOGUE(closing_the_file_ends_it, "[U-6]"),
		CATALOGUE(the_callers_death_ends_it, "[U-3]"),
		CATALOGUE(what_is_found_for_a_session_that_ends_is_closed, "[U-3]"),
		SENTENCE(removing_the_port_ends_it),
		CATALOGUE(a_device_that_is_cut_off_ends_it, "[U-6]"),
		SENTENCE(an_upgrade_begins_all_of_them_again),
		SENTENCE(it_does_not_outlive_the_primary),
		CATALOGUE(so_many_look_at_once_and_the_others_in_their_order, "[U-4]"),
	};

	return suite_run("cuse_look", sentences, ARRAY_SIZE(sentences));
}
