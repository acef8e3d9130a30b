/* SPDX-License-Identifier: Apache-2.0 */
/* A device's life as raw FUSE messages, with the kernel's part and the front-end's played here. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cuse.h"
#include "cuse_wire.h"
#include "device.h"
#include "fake_cuse.h"
#include "fake_grants.h"
#include "fd.h"
#include "front.h"
#include "port.h"
#include "ports.h"
#include "refusal.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "suite.h"

#define MEMORY (1u << 20)

static uint8_t *memory;
static int kicks[2], calls[2], file;

static void begin(void)
{
	front_begin();
	kernel_begin();
	file = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(file, MEMORY) == 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(memory != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		calls[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
}

static void end(void)
{
	munmap(memory, MEMORY);
	hf_fd_close(&file);
	hf_fd_close_all(kicks, 2);
	hf_fd_close_all(calls, 2);
	kernel_end();
	front_end();
}

static struct vring *vring(uint32_t index)
{
	return &kernel_port()->device.vrings[index];
}

/* As QEMU does it until the guest's driver starts. */
static uint64_t greet(void)
{
	int64_t handle = kernel_open();
	uint64_t features = 0, none = 0;

	REQUIRE(handle > 0);
	CHECK_EQ(kernel_ioctl((uint64_t)handle, VH_SET_OWNER, NULL), 0);
	CHECK_EQ(kernel_ioctl((uint64_t)handle, VH_GET_FEATURES, &features), 0);
	CHECK_EQ(features & FEATURES, FEATURES);
	/* Not virtio's, or another meaning here. */
	CHECK_EQ(features & (1ull << 27 | 1ull << 30), 0);
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(kernel_file((uint64_t)handle, VH_SET_VRING_CALL, i, calls[i]), 0);
		CHECK_EQ(kernel_file((uint64_t)handle, VH_SET_VRING_ERR, i, -1), 0);
	}
	CHECK_EQ(kernel_u64((uint64_t)handle, VH_SET_FEATURES, FEATURES), 0);
	CHECK_EQ(kernel_ioctl((uint64_t)handle, VH_GET_BACKEND_FEATURES, &none), 0);
	CHECK_EQ(none, 0);
	CHECK_EQ(kernel_u64((uint64_t)handle, VH_SET_BACKEND_FEATURES, 0), 0);
	CHECK_EQ(kernel_memory((uint64_t)handle, memory, MEMORY), 0);
	return (uint64_t)handle;
}

static void set_up(uint64_t handle, uint32_t i)
{
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, i, 256), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_BASE, i, 0), 0);
	CHECK_EQ(kernel_addr(handle, i, memory), 0);
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_KICK, i, kicks[i]), 0);
}

static uint64_t running(void)
{
	uint64_t handle = greet();

	for (uint32_t i = 0; i < 2; i++)
		set_up(handle, i);
	for (uint32_t i = 0; i < 2; i++)
		CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, i, 5), 0);
	CHECK_EQ(device_state(&kernel_port()->device), HF_DEVICE_READY);
	return handle;
}

static void what_qemu_says_at_start_makes_a_device_that_runs(void)
{
	struct device *device;
	uint64_t handle;

	begin();
	handle = greet();
	device = &kernel_port()->device;
	CHECK_EQ(kernel_port()->peer_pid, getpid());
	CHECK_EQ(device->memory.count, 1);
	CHECK_EQ(device->memory.regions[0].user_addr, (uintptr_t)memory);
	CHECK_EQ(device->memory.regions[0].file_offset, 0);
	set_up(handle, 0);
	set_up(handle, 1);
	/* A kick alone starts nothing here. */
	CHECK_EQ(eventfd_write(kicks[0], 1), 0);
	front_turn();
	CHECK(!vring(0)->started && !vring(1)->started);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 5), 0);
	CHECK(vring(0)->started && vring(0)->enabled && fake_granted(vring(0)));
	CHECK(!vring(1)->started);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 5), 0);
	CHECK(fake_granted(vring(1)));
	CHECK_EQ(device_state(device), HF_DEVICE_READY);
	CHECK_EQ(kernel_release(handle), 0);
	CHECK(kernel_port()->session == NULL);
	CHECK(!fake_granted(vring(0)));
	CHECK_EQ(device->memory.count, 0);
	end();
}

static void what_a_guest_may_send_is_taken_as_negotiated(void)
{
	const uint64_t from_guest = 1ull << 0 | 1ull << 11 | 1ull << 12, to_guest = 1ull << 1;
	uint64_t handle;

	begin();
	handle = greet();
	CHECK_EQ(kernel_port()->device.features & from_guest, from_guest);
	CHECK_EQ(kernel_port()->device.features & to_guest, 0);
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

static void a_ring_stops_with_its_backend_and_goes_on_with_it(void)
{
	struct vh_vring_state state = {.index = 1};
	uint64_t handle;

	begin();
	handle = running();
	fake.position[1] = 77;
	((uint16_t *)(void *)(memory + 0x14000))[1] = 77; /* used->idx */
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, -1), 0);
	CHECK(!vring(1)->started && !fake_granted(vring(1)));
	CHECK(fake_granted(vring(0)));
	CHECK_EQ(kernel_ioctl(handle, VH_GET_VRING_BASE, &state), 0);
	CHECK_EQ(state.index, 1);
	CHECK_EQ(state.num, 77);
	/* Its kick is still there, as in the kernel. */
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 1, 5), 0);
	CHECK(fake_granted(vring(1)));
	CHECK_EQ(vring(1)->base, 77);
	CHECK(vring(1)->kick >= 0);
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

static void a_base_is_answered_when_the_ring_is_quiet(void)
{
	struct vh_vring_state state = {.index = 0};
	uint64_t handle, unique, other;
	struct fuse_ioctl_out head;

	begin();
	handle = running();
	fake.hold = true;
	unique =
		kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	CHECK(!kernel_answer());
	/* What another thread asks meanwhile waits for its turn. */
	other = kernel_phase(handle, VH_GET_FEATURES, 4096, NULL, 0, 8);
	CHECK(!kernel_answer());
	fake.position[0] = 9;
	CHECK_EQ(fake_release(), 1);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, unique);
	CHECK_EQ(kernel.answer_error, 0);
	REQUIRE(kernel.answer_len == sizeof(head) + sizeof(state));
	memcpy(&state, kernel.answer + sizeof(head), sizeof(state));
	CHECK_EQ(state.num, 9);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, other);
	fake.hold = false;
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

static void who_is_interrupted_goes_on_at_once(void)
{
	struct vh_vring_state state = {.index = 0};
	struct fuse_interrupt_in in;
	uint64_t handle;

	begin();
	handle = running();
	fake.hold = true;
	in.unique =
		kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	CHECK(!kernel_answer());
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, in.unique);
	CHECK_EQ(kernel.answer_error, -EINTR);
	fake.position[0] = 5;
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	/* The kernel would tell nobody. */
	CHECK(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, in.unique);
	CHECK_EQ(kernel_ioctl(handle, VH_GET_VRING_BASE, &state), 0);
	CHECK_EQ(state.num, 5);
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

/* It is not begun any more. */
static void who_is_interrupted_before_its_turn_goes_on_at_once(void)
{
	struct vh_vring_state state = {.index = 0};
	uint64_t handle, base, backend_features = 2;
	struct fuse_interrupt_in in;

	begin();
	handle = running();
	fake.hold = true;
	base = kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	in.unique = kernel_phase(handle, VH_SET_BACKEND_FEATURES, 4096, &backend_features, 8, 0);
	CHECK(!kernel_answer());
	for (int i = 0; i < 2; i++)
		(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, in.unique);
	CHECK_EQ(kernel.answer_error, -EINTR);
	CHECK(!kernel_answer());
	/* One that was answered long ago, and one that never was. */
	in.unique = 1;
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	in.unique = UINT64_MAX;
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, base);
	CHECK_EQ(kernel.answer_error, 0);
	CHECK(!kernel_answer());
	CHECK_EQ(primary.refusals[REFUSED_UNSUPPORTED_FEATURE], 0);
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

/* The file is gone when it is answered, and its memory must not be used any more then. */
static void closing_is_not_interrupted(void)
{
	struct fuse_release_in release = {0};
	struct fuse_interrupt_in in;

	begin();
	((struct conf *)(uintptr_t)primary.conf)->fence = true;
	release.fh = running();
	fake.hold = true;
	in.unique = kernel_send(FUSE_RELEASE, &release, sizeof(release));
	CHECK(!kernel_answer());
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	CHECK(!kernel_answer());
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answered, in.unique);
	CHECK_EQ(kernel.answer_error, 0);
	end();
}

static void closing_waits_until_nobody_runs_the_rings(void)
{
	struct fuse_release_in release = {0};
	struct fuse_open_in open = {.flags = 2};

	begin();
	((struct conf *)(uintptr_t)primary.conf)->fence = true;
	release.fh = running();
	fake.hold = true;
	(void)kernel_send(FUSE_RELEASE, &release, sizeof(release));
	CHECK(!kernel_answer());
	/* Who comes next waits for that, and is not turned away. */
	(void)kernel_send(FUSE_OPEN, &open, sizeof(open));
	CHECK(!kernel_answer());
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answer_error, 0);
	CHECK_EQ(kernel.answer_len, 0);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answer_len, sizeof(struct fuse_open_out));
	CHECK(kernel_port()->session != NULL);
	end();
}

/* More often than there are places to keep one. */
static void a_request_in_hand_is_over_with_its_session(void)
{
	struct vh_vring_state state = {.index = 0};
	uint64_t handle, unique;

	begin();
	for (uint32_t i = 0; i <= CUSE_REQUESTS; i++) {
		handle = running();
		fake.hold = true;
		unique = kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state),
				      sizeof(state));
		CHECK(!kernel_answer());
		CHECK_EQ(kernel_release(handle), 0);
		fake.hold = false;
		CHECK_EQ(fake_release(), 1);
		REQUIRE(kernel_answer_in_time());
		CHECK_EQ(kernel.answered, unique);
		CHECK_EQ(kernel.answer_error, -EIO);
		CHECK(!kernel_answer());
		CHECK(kernel_port()->session == NULL);
	}
	end();
}

static void a_device_has_one_front_end_at_a_time(void)
{
	uint64_t handle;

	begin();
	handle = greet();
	CHECK_EQ(kernel_open(), -EBUSY);
	CHECK_EQ(primary.refusals[REFUSED_SECOND_CLIENT], 1);
	CHECK_EQ(kernel_release(handle), 0);
	handle = running();
	CHECK_EQ(kernel_release(handle), 0);
	CHECK_EQ(kernel_port()->sessions, 2);
	end();
}

/* Its file may be another one's, who let it read. */
static void memory_that_may_only_be_read_is_not_taken(void)
{
	uint64_t handle;
	uint8_t *view;
	char path[64];
	int reader;

	begin();
	handle = greet();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	view = mmap(NULL, MEMORY, PROT_READ, MAP_SHARED, reader, 0);
	REQUIRE(view != MAP_FAILED);
	CHECK_EQ(kernel_memory(handle, view, MEMORY), -EFAULT);
	CHECK_EQ(primary.refusals[REFUSED_REGION_MAP], 1);
	CHECK_EQ(kernel_port()->device.memory.regions[0].user_addr, (uintptr_t)memory);
	CHECK_EQ(kernel_release(handle), 0);
	munmap(view, MEMORY);
	close(reader);
	end();
}

static void another_owner_comes_after_a_reset(void)
{
	uint64_t handle;

	begin();
	handle = running();
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), -EBUSY);
	CHECK_EQ(kernel_ioctl(handle, VH_RESET_OWNER, NULL), 0);
	CHECK(!vring(0)->started && !vring(1)->started);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 256), -EPERM);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 128), 0);
	CHECK_EQ(kernel_release(handle), 0);
	end();
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			pause();
	}
	REQUIRE(pid > 0);
	return pid;
}

static void the_owners_death_ends_the_session_though_the_file_is_open(void)
{
	pid_t child = sleeper();
	int64_t handle;

	begin();
	kernel.thread = (uint32_t)child;
	handle = kernel_open();
	REQUIRE(handle > 0);
	CHECK_EQ(kernel_ioctl((uint64_t)handle, VH_SET_OWNER, NULL), 0);
	CHECK_EQ(kernel_port()->peer_pid, child);
	kernel.thread = (uint32_t)gettid();
	CHECK_EQ(kernel_state((uint64_t)handle, VH_SET_VRING_NUM, 0, 256), -EPERM);
	CHECK_EQ(primary.refusals[REFUSED_NOT_THE_OWNER], 1);
	kill(child, SIGKILL);
	REQUIRE(waitpid(child, NULL, 0) == child);
	front_turn();
	CHECK(kernel_port()->session == NULL);
	CHECK_EQ(kernel_u64((uint64_t)handle, VH_SET_FEATURES, FEATURES), -EIO);
	CHECK_EQ(kernel_release((uint64_t)handle), 0);
	end();
}

/* Requests of the new device may have their numbers. */
static void what_the_old_device_asked_is_not_answered_to_the_new_one(void)
{
	struct vh_vring_state state = {.index = 0};

	begin();
	((struct conf *)(uintptr_t)primary.conf)->fence = true;
	fake.hold = true;
	(void)kernel_phase(running(), VH_GET_VRING_BASE, 4096, &state, sizeof(state),
			   sizeof(state));
	CHECK(!kernel_answer());
	hf_fd_close(&kernel.socket);
	front_turn();
	for (int i = 0; i < 200 && kernel.made < 2; i++)
		front_wait(100);
	REQUIRE(kernel.made == 2);
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	CHECK(!kernel_answer());
	CHECK_EQ(kernel_release(running()), 0);
	end();
}

/* Else who is killed while another one opens it would wait for the last one's switch. */
static void closing_does_not_wait_behind_an_open(void)
{
	struct fuse_open_in open = {.flags = 2};
	uint64_t handle;

	begin();
	handle = running();
	fake.hold = true;
	session_end(kernel_port()->session, "over");
	(void)kernel_send(FUSE_OPEN, &open, sizeof(open));
	CHECK(!kernel_answer());
	CHECK_EQ(kernel_release(handle), 0);
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answer_len, sizeof(struct fuse_open_out));
	end();
}

/* A primary may have died between making it and giving it away. */
static void devices_are_made_early_again_if_they_are_not_there(void)
{
	struct conf *conf;
	struct conf_port *port;

	begin();
	conf = (struct conf *)(uintptr_t)primary.conf;
	port = &conf->ports[0];
	*port = (struct conf_port){.cuse = true, .device = -1};
	strcpy(port->name, "early");
	conf->nr_ports = 1;
	kernel.error = -EEXIST;
	CHECK_EQ(cuse_make_early(conf, false), -EEXIST);
	CHECK_EQ(cuse_make_early(conf, true), 0);
	CHECK_EQ(port->device, -1);
	kernel.error = 0;
	CHECK_EQ(cuse_make_early(conf, true), 0);
	CHECK(port->device >= 0);
	/* If there is no such port any more, nobody would answer at it. */
	cuse_drop_early(&primary);
	CHECK_EQ(port->device, -1);
	conf->nr_ports = 0;
	hf_fd_close(&kernel.socket);
	end();
}

static void a_device_that_was_cut_off_is_made_anew(void)
{
	begin();
	(void)running();
	CHECK_EQ(kernel.made, 1);
	hf_fd_close(&kernel.socket);
	front_turn();
	CHECK(kernel_port()->session == NULL);
	CHECK(strstr(kernel_port()->last_error, "cut off") != NULL);
	for (int i = 0; i < 200 && kernel.made < 2; i++)
		front_wait(100);
	CHECK_EQ(kernel.made, 2);
	CHECK_EQ(kernel_release(running()), 0);
	end();
}

static void a_port_that_is_removed_cuts_its_front_end_off(void)
{
	begin();
	(void)running();
	CHECK_EQ(port_del(&primary, "c"), 0);
	front_turn();
	CHECK(kernel_port() == NULL);
	CHECK_EQ(kernel.cut_off, 1);
	end();
}

static void no_device_no_port_and_it_is_said_why(void)
{
	const char *reason = "";
	char too_long[121] = "";

	memset(too_long, 'd', sizeof(too_long) - 1);
	begin();
	kernel.error = -ENOENT;
	CHECK_EQ(port_add_cuse(&primary, "d", NULL, 1, &reason), -ENOENT);
	CHECK(strstr(reason, "modprobe cuse") != NULL);
	kernel.error = -EACCES;
	CHECK_EQ(port_add_cuse(&primary, "d", NULL, 1, &reason), -EACCES);
	CHECK(strstr(reason, "permission") != NULL);
	kernel.error = -EEXIST;
	CHECK_EQ(port_add_cuse(&primary, "d", "/dev/null", 1, &reason), -EEXIST);
	CHECK(strstr(reason, "another name") != NULL);
	kernel.error = 0;
	CHECK_EQ(port_add_cuse(&primary, "d", "a!b", 1, &reason), -EINVAL);
	CHECK_EQ(port_add_cuse(&primary, "d", too_long, 1, &reason), -EINVAL);
	CHECK(strstr(reason, "too long") != NULL);
	CHECK_EQ(port_add_cuse(&primary, "d", NULL, 2, &reason), -EINVAL);
	CHECK(strstr(reason, "one queue pair") != NULL);
	CHECK(port_find(&primary, "d") == NULL);
	end();
}

/* Without a place for it a release is answered at once, and ends the session of its own file. */
static void closing_without_a_place_ends_its_own_session_only(void)
{
	struct vh_vring_state state = {.index = 0};
	uint64_t handle, gone;

	begin();
	gone = (uint64_t)kernel_open();
	CHECK_EQ(kernel_release(gone), 0);
	handle = running();
	REQUIRE(handle != gone);
	fake.hold = true;
	(void)kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state), sizeof(state));
	for (uint32_t i = 1; i < CUSE_REQUESTS; i++)
		(void)kernel_phase(handle, VH_GET_FEATURES, 4096, NULL, 0, 8);
	CHECK(!kernel_answer());
	CHECK_EQ(kernel_release(gone), 0);
	CHECK(kernel_port()->session && !session_is_ending(kernel_port()->session));
	CHECK_EQ(kernel_release(handle), 0);
	CHECK(kernel_port()->session && session_is_ending(kernel_port()->session));
	fake.hold = false;
	CHECK(fake_release() > 0);
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		REQUIRE(kernel_answer_in_time());
	CHECK(kernel_port()->session == NULL);
	end();
}

int main(void)
{
	static const struct sentence sentences[] = {
		SENTENCE(what_qemu_says_at_start_makes_a_device_that_runs),
		SENTENCE(what_a_guest_may_send_is_taken_as_negotiated),
		SENTENCE(a_ring_stops_with_its_backend_and_goes_on_with_it),
		SENTENCE(a_base_is_answered_when_the_ring_is_quiet),
		CATALOGUE(who_is_interrupted_goes_on_at_once, "[U-6]"),
		CATALOGUE(who_is_interrupted_before_its_turn_goes_on_at_once, "[U-6]"),
		CATALOGUE(closing_is_not_interrupted, "[U-6]"),
		SENTENCE(closing_waits_until_nobody_runs_the_rings),
		CATALOGUE(a_request_in_hand_is_over_with_its_session, "[U-6]"),
		SENTENCE(a_device_has_one_front_end_at_a_time),
		SENTENCE(memory_that_may_only_be_read_is_not_taken),
		SENTENCE(another_owner_comes_after_a_reset),
		SENTENCE(the_owners_death_ends_the_session_though_the_file_is_open),
		CATALOGUE(what_the_old_device_asked_is_not_answered_to_the_new_one, "[U-6]"),
		SENTENCE(closing_does_not_wait_behind_an_open),
		CATALOGUE(closing_without_a_place_ends_its_own_session_only, "[U-6]"),
		SENTENCE(devices_are_made_early_again_if_they_are_not_there),
		SENTENCE(a_device_that_was_cut_off_is_made_anew),
		SENTENCE(a_port_that_is_removed_cuts_its_front_end_off),
		SENTENCE(no_device_no_port_and_it_is_said_why),
	};

	return suite_run("cuse", sentences, ARRAY_SIZE(sentences));
}
