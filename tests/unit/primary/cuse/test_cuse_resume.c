/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary dies between any two steps of a device's request: who comes next answers it, and the
 * file that the front-end has open goes on. The kernel's side keeps its end of the device
 * meanwhile, as the kernel does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "cuse.h"
#include "cuse_wire.h"
#include "directory.h"
#include "fake_cuse.h"
#include "fd.h"
#include "fd_ledger.h"
#include "front.h"
#include "journal.h"
#include "lives.h"
#include "once.h"
#include "port.h"
#include "ports.h"
#include "publish.h"
#include "resume.h"
#include "session.h"
#include "session_answer.h"
#include "session_draft.h"
#include "session_life.h"
#include "store.h"
#include "suite.h"
#include "vring_stop.h"

#define MEMORY (1u << 20)

struct primary primary; /* fake_cuse.c's, not used here */

static struct rig rig; /* the first life */
static struct primary heir;
static struct primary *now; /* who lives */
static uint8_t *memory;
static int file, kick, open_before;
static uint64_t handle, accused;

/* In the place of libc's: whose fault a death in here would be. */
int pidfd_open(pid_t pid, unsigned int flags)
{
	accused = now && now->journal ? now->journal->header->handling : 0;
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

/* The same: who looks for the first life never gets further. Shared with it. */
static struct {
	_Atomic bool wanted, hangs;
} * looker;

int memfd_create(const char *name, unsigned int flags)
{
	if (looker && atomic_exchange(&looker->wanted, false)) {
		looker->hangs = true;
		for (;;)
			(void)pause();
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(now->loop);
}

void front_turn(void)
{
	struct loop_timer end = {.fire = stop};

	for (int i = 0; i < 4; i++) {
		REQUIRE(loop_timer_set(now->loop, &end, 0) == 0);
		REQUIRE(loop_run(now->loop) == 0);
		loop_timer_clear(now->loop, &end);
	}
}

static struct port *port_now(void)
{
	return now->ports[0];
}

static struct once *pipes(void)
{
	return &now->journal->once;
}

static void begin(void)
{
	struct primary *p = &rig.primary;
	const char *reason = "";

	signal(SIGPIPE, SIG_IGN);
	open_before = fds_open();
	rig_open(&rig);
	now = p;
	lives_begin(p);
	kernel = (struct kernel){.socket = -1, .thread = (uint32_t)gettid()};
	REQUIRE(port_add_cuse(p, "c", NULL, 0, &reason) == 0);
	file = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(file, MEMORY) == 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(memory != MAP_FAILED);
	kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* A front-end with a ring that runs. */
static void front_end_comes(void)
{
	int64_t opened = kernel_open();

	REQUIRE(opened > 0);
	handle = (uint64_t)opened;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, FEATURES), 0);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 1, 256), 0);
	CHECK_EQ(kernel_addr(handle, 1, memory), 0);
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_KICK, 1, kick), 0);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 0), 0);
	CHECK(port_now()->device.vrings[1].started);
}

/* The first life is over at this instant; what it had open in its own name is not used any more. */
static void die(void)
{
	lives_inherit(&heir, &rig.primary, &rig.conf);
	heir.next_session = 1000;
	heir.features_enabled = port_supported_features();
	lives_inherit_directory(&heir);
	REQUIRE(journal_adopt(&heir) == 0);
	REQUIRE(resume_secondaries(&heir) == 0 && resume_ports(&heir) == 0);
	now = &heir;
	resume_go_on(&heir);
	REQUIRE(heir.ports[0] != NULL && heir.ports[0]->cuse != NULL);
}

static void forget_life(struct primary *p)
{
	now = p;
	front_turn();
	port_destroy_all(p);
	lives_end(p);
}

static void end(void)
{
	struct primary *p = &rig.primary;

	forget_life(&heir);
	hf_memory_destroy(&heir.directory_memory);
	events_destroy(heir.events);
	loop_destroy(heir.loop);
	free(heir.ports);
	free(heir.secondaries);
	/* Its sockets are those of the dead. */
	hf_fd_close(&kernel.socket);
	forget_life(p);
	rig_close(&rig);
	munmap(memory, MEMORY);
	hf_fd_close(&file);
	hf_fd_close(&kick);
	CHECK_EQ(fds_open(), open_before);
}

/* The file is open still, and everything can be asked. */
static void goes_on(void)
{
	struct vh_vring_state state = {.index = 1};
	uint64_t features = 0;

	CHECK_EQ(kernel_ioctl(handle, VH_GET_FEATURES, &features), 0);
	CHECK_EQ(features & FEATURES, FEATURES);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, -1), 0);
	CHECK_EQ(kernel_ioctl(handle, VH_GET_VRING_BASE, &state), 0);
	CHECK_EQ(state.num, 0);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 0), 0);
	CHECK(port_now()->device.vrings[1].started);
	CHECK_EQ(kernel_release(handle), 0);
	CHECK(port_now()->session == NULL);
}

/* All that one life reads, and does not begin: as if it had died right behind it. */
static void goes_into_the_pipe(void)
{
	char bytes[CUSE_READ_BYTES];

	CHECK(once_take(pipes(), port_now()->device.slot, port_now()->listener, bytes,
			sizeof(bytes)) > 0);
}

static void note(uint32_t at)
{
	struct fuse_in_header header;
	char bytes[CUSE_READ_BYTES];
	ssize_t n = once_left(pipes(), port_now()->device.slot, bytes, sizeof(bytes));

	REQUIRE(n > 0);
	memcpy(&header, bytes, sizeof(header));
	journal_request(port_now(), at, header.unique, bytes, (uint32_t)n);
}

static void is_answered_once(uint64_t unique, int error)
{
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, error);
	CHECK(!kernel_answer());
}

static void a_front_end_at_rest_notices_nothing(void)
{
	struct session *session;

	begin();
	front_end_comes();
	die();
	session = port_now()->session;
	REQUIRE(session != NULL);
	CHECK_EQ(session->number, handle);
	CHECK_EQ(port_now()->peer_pid, getpid());
	CHECK(port_now()->device.is_vhost_net);
	CHECK(port_now()->device.vrings[1].started && port_now()->device.vrings[1].has_backend);
	CHECK(!kernel_answer());
	goes_on();
	end();
}

static void a_device_that_nobody_has_open_is_still_there(void)
{
	begin();
	die();
	CHECK(port_now()->session == NULL);
	CHECK_EQ(kernel.made, 1);
	front_end_comes();
	goes_on();
	end();
}

static void a_request_in_the_pipe_is_answered_by_the_next(void)
{
	uint64_t unique, value = FEATURES;

	begin();
	front_end_comes();
	unique = kernel_phase(handle, VH_SET_BACKEND_FEATURES, 4096, &value, 8, 0);
	goes_into_the_pipe();
	die();
	is_answered_once(unique, -EOPNOTSUPP);
	goes_on();
	end();
}

static void one_that_was_noted_and_is_in_the_pipe_is_answered_once(void)
{
	uint64_t unique, value = FEATURES;

	begin();
	front_end_comes();
	unique = kernel_phase(handle, VH_SET_BACKEND_FEATURES, 4096, &value, 8, 0);
	goes_into_the_pipe();
	note(3);
	die();
	is_answered_once(unique, -EOPNOTSUPP);
	goes_on();
	end();
}

static void one_that_was_noted_is_answered_by_the_next(void)
{
	struct vh_vring_state state = {.index = 1};
	uint64_t unique;

	begin();
	front_end_comes();
	unique =
		kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	goes_into_the_pipe();
	note(7);
	once_taken(pipes());
	die();
	is_answered_once(unique, 0);
	CHECK(!port_now()->device.vrings[1].started);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 0), 0);
	goes_on();
	end();
}

static void one_that_was_begun_is_done_again(void)
{
	struct vh_vring_state state = {.index = 1};
	uint64_t unique;

	begin();
	front_end_comes();
	unique =
		kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	goes_into_the_pipe();
	note(0);
	once_taken(pipes());
	journal_begin(port_now()->session);
	/* So far it came with it. */
	vring_stop(port_now()->session, &port_now()->device.vrings[1]);
	die();
	is_answered_once(unique, 0);
	CHECK(!port_now()->device.vrings[1].started);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 0), 0);
	goes_on();
	end();
}

static void one_that_was_acted_on_is_answered_with_what_it_got(void)
{
	struct vh_vring_state state = {.index = 1}, answer;
	struct fuse_ioctl_out head;
	struct session *session;
	uint64_t unique;

	begin();
	front_end_comes();
	unique =
		kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	goes_into_the_pipe();
	note(5);
	once_taken(pipes());
	session = port_now()->session;
	journal_begin(session);
	session->in_socket = 5;
	(void)session_reply_state(session, 1, 4711);
	journal_acted(session);
	die();
	is_answered_once(unique, 0);
	REQUIRE(kernel.answer_len == sizeof(head) + sizeof(answer));
	memcpy(&answer, kernel.answer + sizeof(head), sizeof(answer));
	CHECK_EQ(answer.num, 4711);
	goes_on();
	end();
}

static void an_open_that_was_carried_out_is_answered_with_its_handle(void)
{
	struct fuse_open_in in = {.flags = O_RDWR};
	struct fuse_open_out out;
	uint64_t unique;

	begin();
	unique = kernel_send(FUSE_OPEN, &in, sizeof(in));
	goes_into_the_pipe();
	note(0);
	once_taken(pipes());
	port_now()->opening = unique;
	port_now()->peer_pid = getpid();
	REQUIRE(session_create(port_now(), -1) == 0);
	handle = port_now()->session->number;
	die();
	is_answered_once(unique, 0);
	REQUIRE(kernel.answer_len == sizeof(out));
	memcpy(&out, kernel.answer, sizeof(out));
	CHECK_EQ(out.fh, handle);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

static void a_release_is_answered_and_the_session_is_over(void)
{
	struct fuse_release_in in = {0};
	uint64_t unique;

	begin();
	front_end_comes();
	in.fh = handle;
	unique = kernel_send(FUSE_RELEASE, &in, sizeof(in));
	goes_into_the_pipe();
	note(2);
	die();
	is_answered_once(unique, 0);
	CHECK(port_now()->session == NULL);
	front_end_comes();
	goes_on();
	end();
}

static void nobody_owns_it_after_a_reset_also_in_the_next_life(void)
{
	begin();
	front_end_comes();
	CHECK_EQ(kernel_ioctl(handle, VH_RESET_OWNER, NULL), 0);
	die();
	REQUIRE(port_now()->session != NULL);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 1, 256), -EPERM);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 0), 0);
	goes_on();
	end();
}

/* And so it can be again: nothing of the first is left over. */
static void several_that_wait_are_answered_in_their_order(void)
{
	uint64_t unique[3], value = 0;

	begin();
	front_end_comes();
	for (uint32_t i = 0; i < 3; i++) {
		unique[i] = kernel_phase(handle, VH_SET_BACKEND_FEATURES, 4096, &value, 8, 0);
		goes_into_the_pipe();
		note(7 - i);
	}
	die();
	for (uint32_t i = 0; i < 3; i++) {
		REQUIRE(kernel_answer_in_time());
		CHECK_EQ(kernel.answered, unique[i]);
	}
	CHECK(!kernel_answer());
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		CHECK_EQ(journal_slot(now, 0)->requests[i].unique, 0);
	goes_on();
	end();
}

/* A session of which primaries die is ended at last; what is looked up counts as well. */
static void looking_at_the_caller_is_the_sessions_doing(void)
{
	begin();
	front_end_comes();
	accused = 0;
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), 0);
	CHECK_EQ(accused, handle);
	CHECK_EQ(now->journal->header->handling, 0);
	die();
	goes_on();
	end();
}

/* A memory table half as large, for which the first life's process looks without end. */
static uint64_t begin_endless_look(void)
{
	struct {
		struct vh_memory head;
		struct vh_region region;
	} table = {{.count = 1}, {.size = MEMORY / 2}};
	uint64_t unique;

	begin();
	looker = mmap(NULL, sizeof(*looker), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	REQUIRE(looker != MAP_FAILED);
	front_end_comes();
	table.region.user_addr = (uintptr_t)memory;
	looker->wanted = true;
	unique = kernel_phase(handle, VH_SET_MEM_TABLE, 4096, &table, sizeof(table), 0);
	for (int ms = 0; ms < 20000 && !looker->hangs; ms++) {
		CHECK(!kernel_answer());
		usleep(1000);
	}
	REQUIRE(looker->hangs);
	return unique;
}

static void end_look(void)
{
	goes_on();
	munmap(looker, sizeof(*looker));
	looker = NULL;
	end();
}

static void is_answered_in_time(uint64_t unique, int error)
{
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, error);
	CHECK(!kernel_answer());
}

/* What it had opened is gone with the dead one, and nothing was changed by it. */
static void a_look_that_was_under_way_is_begun_again(void)
{
	uint64_t unique = begin_endless_look();

	die();
	CHECK_EQ(port_now()->device.memory.regions[0].size, MEMORY);
	is_answered_in_time(unique, 0);
	CHECK_EQ(port_now()->device.memory.regions[0].size, MEMORY / 2);
	end_look();
}

/* The kernel has said it to the dead one, and does not say it again. */
static void one_that_was_interrupted_is_not_begun_again(void)
{
	struct fuse_interrupt_in in = {.unique = begin_endless_look()};

	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	front_turn();
	die();
	is_answered_in_time(in.unique, -EINTR);
	CHECK_EQ(port_now()->device.memory.regions[0].size, MEMORY);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), 0);
	end_look();
}

/* Nor what comes in its place: it has the dead one's record. */
static void a_later_request_in_its_place_was_not_interrupted(void)
{
	struct fuse_interrupt_in in = {.unique = begin_endless_look()};
	uint64_t unique, value = FEATURES;

	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	is_answered_in_time(in.unique, -EINTR);
	unique = kernel_phase(handle, VH_SET_BACKEND_FEATURES, 4096, &value, 8, 0);
	goes_into_the_pipe();
	note(0);
	once_taken(pipes());
	die();
	is_answered_once(unique, -EOPNOTSUPP);
	end_look();
}

/* One before this does not know of the word, and leaves it as it was. */
static void nor_was_what_an_older_release_puts_in_its_place(void)
{
	struct fuse_interrupt_in in = {.unique = begin_endless_look()};
	struct journal_request *record;
	struct fuse_release_in release = {.fh = handle};
	uint64_t unique;

	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	front_turn();
	record = &journal_slot(now, 0)->requests[0];
	REQUIRE(record->unique == in.unique && record->interrupted);
	record->unique = 0;
	unique = kernel_send(FUSE_RELEASE, &release, sizeof(release));
	goes_into_the_pipe();
	(void)once_left(pipes(), port_now()->device.slot, record->bytes, sizeof(record->bytes));
	record->len = sizeof(struct fuse_in_header) + sizeof(release);
	record->unique = unique;
	once_taken(pipes());
	die();
	is_answered_in_time(unique, 0);
	CHECK(port_now()->session == NULL);
	front_end_comes();
	end_look();
}

int main(void)
{
	static const struct sentence sentences[] = {
		SENTENCE(a_front_end_at_rest_notices_nothing),
		SENTENCE(a_device_that_nobody_has_open_is_still_there),
		CATALOGUE(a_request_in_the_pipe_is_answered_by_the_next, "[U-6]"),
		CATALOGUE(one_that_was_noted_and_is_in_the_pipe_is_answered_once, "[U-6]"),
		CATALOGUE(one_that_was_noted_is_answered_by_the_next, "[U-6]"),
		CATALOGUE(one_that_was_begun_is_done_again, "[U-6]"),
		CATALOGUE(one_that_was_acted_on_is_answered_with_what_it_got, "[U-6]"),
		CATALOGUE(an_open_that_was_carried_out_is_answered_with_its_handle, "[U-6]"),
		CATALOGUE(a_release_is_answered_and_the_session_is_over, "[U-6]"),
		SENTENCE(nobody_owns_it_after_a_reset_also_in_the_next_life),
		CATALOGUE(several_that_wait_are_answered_in_their_order, "[U-6]"),
		SENTENCE(looking_at_the_caller_is_the_sessions_doing),
		CATALOGUE(a_look_that_was_under_way_is_begun_again, "[U-6]"),
		CATALOGUE(one_that_was_interrupted_is_not_begun_again, "[U-6]"),
		SENTENCE(a_later_request_in_its_place_was_not_interrupted),
		SENTENCE(nor_was_what_an_older_release_puts_in_its_place),
	};

	return suite_run("cuse_resume", sentences, ARRAY_SIZE(sentences));
}
