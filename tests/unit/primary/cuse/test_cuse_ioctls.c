/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ioctl can say wrong: sizes, numbers, values, descriptors, and tables that are none. Each
 * is refused with the right errno, costs nobody else anything, and the device goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "cuse.h"
#include "cuse_wire.h"
#include "device.h"
#include "fake_cuse.h"
#include "fd.h"
#include "fd_ledger.h"
#include "front.h"
#include "owner.h"
#include "port.h"
#include "ports.h"
#include "refusal.h"
#include "suite.h"

static const uint32_t sized[] = {
	VH_GET_FEATURES,   VH_SET_FEATURES,    VH_SET_VRING_NUM,	VH_SET_VRING_ADDR,
	VH_SET_VRING_BASE, VH_GET_VRING_BASE,  VH_SET_VRING_KICK,	VH_SET_VRING_CALL,
	VH_SET_VRING_ERR,  VH_NET_SET_BACKEND, VH_SET_BACKEND_FEATURES, VH_GET_BACKEND_FEATURES,
};

static uint32_t in_bytes_of(uint32_t cmd)
{
	return _IOC_DIR(cmd) & _IOC_WRITE ? _IOC_SIZE(cmd) : 0;
}

static uint32_t out_bytes_of(uint32_t cmd)
{
	return _IOC_DIR(cmd) & _IOC_READ ? _IOC_SIZE(cmd) : 0;
}

static void buffers_of_another_size_than_was_asked_for_are_refused(void)
{
	static const uint32_t sizes[] = {0, 1, 4, 7, 8, 9, 39, 40, 41, 128};
	uint32_t taken = 0, refused = 0;
	uint8_t bytes[128];

	owner_begin();
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(sized); i++)
		for (size_t in = 0; in < ARRAY_SIZE(sizes); in++)
			for (size_t out = 0; out < ARRAY_SIZE(sizes); out++) {
				bool right = sizes[in] == in_bytes_of(sized[i]) &&
					     sizes[out] == out_bytes_of(sized[i]);

				/* None at all asks what is wanted. */
				if (right || !(sizes[in] || sizes[out]))
					continue;
				taken += owner_phase(sized[i], bytes, sizes[in], sizes[out]) !=
					 -EINVAL;
				refused++;
			}
	/* Those that take nothing. */
	taken += owner_phase(VH_SET_OWNER, bytes, 8, 0) != -EINVAL;
	taken += owner_phase(VH_RESET_OWNER, bytes, 8, 0) != -EINVAL;
	taken += owner_phase(VH_RESET_OWNER, bytes, 0, 8) != -EINVAL;
	CHECK_EQ(taken, 0);
	CHECK_EQ(primary.refusals[REFUSED_PAYLOAD_SIZE], refused + 3);
	owner_end();
}

static void lengths_that_disagree_with_the_message_are_refused(void)
{
	struct {
		struct fuse_in_header header;
		struct fuse_ioctl_in in;
		uint64_t value;
	} request;
	static const uint32_t lies[] = {0, 7, 9, 4096, 0x80000000, UINT32_MAX};

	owner_begin();
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		request.header = (struct fuse_in_header){.len = sizeof(request),
							 .opcode = FUSE_IOCTL,
							 .unique = kernel.unique += 2,
							 .pid = kernel.thread};
		request.in = (struct fuse_ioctl_in){
			.fh = owner.handle, .cmd = VH_SET_FEATURES, .in_size = lies[i]};
		request.value = 0;
		kernel_send_bytes(&request, sizeof(request));
		REQUIRE(kernel_answer_in_time());
		CHECK_EQ(kernel.answer_error, -EINVAL);
		request.header.len = lies[i];
		request.header.unique = kernel.unique += 2;
		request.in.in_size = 8;
		kernel_send_bytes(&request, sizeof(request));
		REQUIRE(kernel_answer_in_time());
		CHECK_EQ(kernel.answer_error, -EINVAL);
	}
	/* Cut off in the middle of a head. */
	for (size_t len = 1; len < sizeof(request.header) + sizeof(request.in); len++) {
		request.header.len = (uint32_t)len;
		request.header.unique = kernel.unique += 2;
		kernel_send_bytes(&request, len);
		if (len < sizeof(request.header)) {
			CHECK(!kernel_answer());
		} else {
			REQUIRE(kernel_answer_in_time());
			CHECK_EQ(kernel.answer_error, -EINVAL);
		}
	}
	owner_end();
}

static void ioctls_of_32_bit_programs_and_unknown_ones_are_refused(void)
{
	struct fuse_ioctl_in in = {
		.fh = owner.handle, .flags = FUSE_IOCTL_COMPAT, .cmd = VH_GET_FEATURES};

	owner_begin();
	in.fh = owner.handle;
	(void)kernel_send(FUSE_IOCTL, &in, sizeof(in));
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answer_error, -EINVAL);
	CHECK_EQ(owner_phase(0, NULL, 0, 0), -ENOTTY);
	CHECK_EQ(owner_phase(UINT32_MAX, NULL, 0, 0), -ENOTTY);
	CHECK_EQ(owner_phase(VH_SET_FEATURES ^ 1u << 16, NULL, 0, 0), -ENOTTY);
	CHECK_EQ(owner_phase(VH_SET_LOG_BASE, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(owner_phase(VH_SET_LOG_FD, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(owner_phase(VH_SET_VRING_ENDIAN, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(owner_phase(VH_GET_VRING_ENDIAN, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(owner_phase(VH_SET_VRING_BUSYLOOP_TIMEOUT, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(owner_phase(VH_GET_VRING_BUSYLOOP_TIMEOUT, NULL, 0, 0), -EOPNOTSUPP);
	/* Of another file than the one that is open. */
	owner.handle++;
	CHECK_EQ(owner_phase(VH_GET_FEATURES, NULL, 0, 0), -EIO);
	owner.handle--;
	owner_end();
}

static void other_operations_on_the_file_are_refused(void)
{
	static const uint32_t opcodes[] = {FUSE_LOOKUP, FUSE_READ,   FUSE_WRITE, FUSE_FLUSH,
					   FUSE_FSYNC,	FUSE_POLL,   FUSE_LSEEK, 9999,
					   UINT32_MAX,	FUSE_GETATTR};
	uint8_t bytes[4200] = {0};

	owner_begin();
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		(void)kernel_send(opcodes[i], bytes, sizeof(bytes));
		REQUIRE(kernel_answer_in_time());
		CHECK_EQ(kernel.answer_error, -ENOSYS);
	}
	(void)kernel_send(FUSE_FORGET, bytes, 8);
	(void)kernel_send(FUSE_INTERRUPT, bytes, 8);
	(void)kernel_send(FUSE_INTERRUPT, bytes, 0);
	CHECK(!kernel_answer());
	/* A request larger than any that was asked for. */
	(void)kernel_send(FUSE_IOCTL, bytes, sizeof(bytes));
	REQUIRE(kernel_answer_in_time());
	CHECK_EQ(kernel.answer_error, -EINVAL);
	owner_end();
}

static void features_that_were_not_offered_are_refused(void)
{
	owner_begin();
	CHECK_EQ(kernel_u64(owner.handle, VH_SET_FEATURES, FEATURES | 1ull << 30), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(owner.handle, VH_SET_FEATURES, FEATURES | 1ull << 27), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(owner.handle, VH_SET_FEATURES, FEATURES | 1ull << 26), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(owner.handle, VH_SET_FEATURES, FEATURES | 1ull << 63), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(owner.handle, VH_SET_BACKEND_FEATURES, 2), -EOPNOTSUPP);
	CHECK(!kernel_port()->device.features_set);
	owner_end();
}

/* --- tables --- */

static void a_table_of_none_or_too_many_regions_is_refused(void)
{
	struct table table;

	owner_begin();
	table = owner_table(0);
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = owner_table(CUSE_MAX_REGIONS + 1);
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -E2BIG);
	table.head.count = UINT32_MAX;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -E2BIG);
	table = owner_table(1);
	table.head.padding = 1;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	CHECK_EQ(kernel_port()->device.memory.count, 0);
	table = owner_table(CUSE_MAX_REGIONS);
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), 0);
	CHECK_EQ(kernel_port()->device.memory.count, CUSE_MAX_REGIONS);
	owner_end();
}

static void a_table_that_changes_between_phases_is_refused(void)
{
	struct table table;
	uint32_t two = (uint32_t)CUSE_MEMORY_BYTES(2);

	owner_begin();
	/* Two were announced, and the data is that of two. */
	for (uint32_t n = 0; n < 5; n++) {
		table = owner_table(n);
		if (n != 2)
			CHECK_EQ(owner_phase(VH_SET_MEM_TABLE, &table, two, 0), -EINVAL);
	}
	CHECK(primary.refusals[REFUSED_RACED] > 0);
	table = owner_table(2);
	CHECK_EQ(owner_phase(VH_SET_MEM_TABLE, &table, two - 1, 0), -EINVAL);
	CHECK_EQ(owner_phase(VH_SET_MEM_TABLE, &table, two + 1, 0), -EINVAL);
	CHECK_EQ(owner_phase(VH_SET_MEM_TABLE, &table, 7, 0), -EINVAL);
	CHECK_EQ(owner_phase(VH_SET_MEM_TABLE, &table, two, 8), -EINVAL);
	CHECK_EQ(kernel_port()->device.memory.count, 0);
	CHECK_EQ(owner_phase(VH_SET_MEM_TABLE, &table, two, 0), 0);
	CHECK_EQ(kernel_port()->device.memory.count, 2);
	owner_end();
}

static void ranges_that_are_empty_or_wrap_are_refused(void)
{
	struct table table;

	owner_begin();
	table = owner_table(1);
	table.regions[0].size = 0;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = owner_table(1);
	table.regions[0].user_addr = UINT64_MAX - PAGE + 1;
	table.regions[0].size = 2 * PAGE;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = owner_table(1);
	table.regions[0].gpa = UINT64_MAX - PAGE + 1;
	table.regions[0].size = 2 * PAGE;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = owner_table(2);
	table.regions[1].gpa = 0; /* both at the same place */
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = owner_table(1);
	table.regions[0].user_addr = 0;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EFAULT);
	table.regions[0].user_addr = 0xffff800000000000ull; /* the kernel's */
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EFAULT);
	CHECK_EQ(kernel_port()->device.memory.count, 0);
	owner_end();
}

/* One phase on the device that `socket` is the kernel's end of; not waited for. */
static void phase_on(int socket, uint64_t handle, const struct table *table, size_t len)
{
	kernel.socket = socket;
	(void)kernel_phase(handle, VH_SET_MEM_TABLE, 4096, table, (uint32_t)len, 0);
}

static bool is_taken(int socket)
{
	kernel.socket = socket;
	return kernel_answer_in_time() && !kernel.answer_error;
}

static bool has(const struct port *port, const struct table *table)
{
	const struct hf_memtab *found = &port->device.memory;
	bool all = found->count == table->head.count;

	for (uint32_t i = 0; all && i < found->count; i++)
		all = found->regions[i].gpa == table->regions[i].gpa &&
		      found->regions[i].user_addr == table->regions[i].user_addr &&
		      found->regions[i].file_offset ==
			      table->regions[i].user_addr - (uintptr_t)owner.memory;
	return all;
}

/* Of the same length, so that nothing but what is in them tells one from the other. */
static void two_openers_tables_do_not_mix(void)
{
	const int mine = 0, other = 1;
	struct table tables[2];
	uint64_t handles[2];
	const char *reason = "";
	int sockets[2];

	owner_begin();
	sockets[mine] = kernel.socket;
	handles[mine] = owner.handle;
	kernel.socket = -1;
	REQUIRE(port_add_cuse(&primary, "c2", NULL, 1, &reason) == 0);
	handles[other] = (uint64_t)kernel_open();
	CHECK_EQ(kernel_ioctl(handles[other], VH_SET_OWNER, NULL), 0);
	sockets[other] = kernel.socket;
	tables[mine] = tables[other] = owner_table(3);
	for (uint32_t i = 0; i < 3; i++) {
		tables[other].regions[i].gpa += 64 * PAGE;
		tables[other].regions[i].user_addr += 8 * PAGE;
	}
	/* Each phase of one between those of the other; both are looked for at the same time. */
	for (int i = 0; i < 2; i++)
		phase_on(sockets[i], handles[i], &tables[i], sizeof(tables[i].head));
	for (int i = 0; i < 2; i++)
		CHECK(is_taken(sockets[i]));
	for (int i = 0; i < 2; i++)
		phase_on(sockets[i], handles[i], &tables[i], CUSE_MEMORY_BYTES(3));
	for (int i = 1; i >= 0; i--)
		CHECK(is_taken(sockets[i]));
	CHECK(has(kernel_port(), &tables[mine]));
	CHECK(has(port_find(&primary, "c2"), &tables[other]));
	CHECK_EQ(port_del(&primary, "c2"), 0);
	close(sockets[other]);
	kernel.socket = sockets[mine];
	owner_end();
}

/* --- event descriptors --- */

static void a_number_that_is_no_eventfd_is_refused(void)
{
	const uint32_t cmds[] = {VH_SET_VRING_KICK, VH_SET_VRING_CALL, VH_SET_VRING_ERR};
	int pipe_ends[2], closed, open_before;

	owner_begin();
	closed = dup(0);
	REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
	close(closed);
	open_before = fds_open();
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, owner.file), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, pipe_ends[1]), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, kernel.socket), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, closed), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, -2), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, INT32_MIN), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 0, INT32_MAX), -EBADF);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 2, owner.kick), -ENOBUFS);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], 256, owner.kick), -ENOBUFS);
		CHECK_EQ(kernel_file(owner.handle, cmds[i], UINT32_MAX, owner.kick), -ENOBUFS);
	}
	CHECK_EQ(fds_open(), open_before);
	hf_fd_close_all(pipe_ends, 2);
	owner_end();
}

/* What the caller put in its place between the look at its name and the taking; -1: nothing. */
static int swapped_for = -1;

/* In the place of libc's. */
int pidfd_getfd(int pidfd, int fd, unsigned int flags)
{
	if (swapped_for >= 0)
		fd = swapped_for;
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

/* It may be one that hangs whoever closes it: that is not done here. */
static void a_descriptor_that_was_exchanged_meanwhile_is_refused(void)
{
	int open_before;

	owner_begin();
	open_before = fds_open();
	swapped_for = open("/dev/null", O_RDWR | O_CLOEXEC);
	REQUIRE(swapped_for >= 0);
	CHECK_EQ(kernel_file(owner.handle, VH_SET_VRING_KICK, 0, owner.kick), -EBADF);
	CHECK_EQ(primary.refusals[REFUSED_EVENT_FD], 1);
	CHECK(kernel_port()->device.vrings[0].kick < 0);
	/* Somebody else closes it, and that has its price. */
	CHECK(kernel_port()->foreigners.until_ns > 0);
	close(swapped_for);
	swapped_for = -1;
	owner_bury_lookers(); /* who closed it is one of those */
	CHECK_EQ(fds_open(), open_before);
	owner_end();
}

static void rings_out_of_range_and_in_the_wrong_state_are_refused(void)
{
	owner_begin();
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 2, 256), -ENOBUFS);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, UINT32_MAX, 256), -ENOBUFS);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 0, 0), -EINVAL);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 0, 3), -EINVAL);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 0, 65536), -EINVAL);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_BASE, 0, 65536), -EINVAL);
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0),
		 -EBUSY); /* nothing is set up */
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 2, 0), -ENOBUFS);
	CHECK_EQ(kernel_memory(owner.handle, owner.memory, MEMORY), 0);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 0, 256), 0);
	CHECK_EQ(kernel_addr(owner.handle, 0, owner.memory + MEMORY), -EFAULT);
	CHECK_EQ(kernel_addr(owner.handle, 0, owner.memory + 1), -EINVAL);
	CHECK_EQ(kernel_addr(owner.handle, 0, owner.memory), 0);
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), 0);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 0, 128), -EBUSY);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_BASE, 0, 1), -EBUSY);
	CHECK_EQ(kernel_addr(owner.handle, 0, owner.memory), -EBUSY);
	CHECK_EQ(kernel_u64(owner.handle, VH_SET_FEATURES, 1ull << 32), -EBUSY);
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, -1), 0);
	owner_end();
}

/* --- all of it --- */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Bytes of no sense, and good heads with data of no sense. */
static void noise_costs_nothing_but_its_answers(void)
{
	uint32_t seed = 53;
	uint8_t bytes[256];

	owner_begin();
	for (int i = 0; i < 4000; i++) {
		size_t len = 1 + next_random(&seed) % sizeof(bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)next_random(&seed);
		if (i % 2) {
			uint32_t cmd = sized[next_random(&seed) % ARRAY_SIZE(sized)];
			uint32_t in = in_bytes_of(cmd), out = out_bytes_of(cmd);

			if (next_random(&seed) % 2)
				memset(bytes + 1, 0, sizeof(bytes) - 1);
			(void)kernel_phase(owner.handle, cmd, 4096, bytes, in, out);
		} else {
			kernel_send_bytes(bytes, len);
		}
		while (kernel_answer())
			;
	}
	CHECK(kernel_port()->session != NULL);
	CHECK_EQ(kernel_ioctl(owner.handle, VH_RESET_OWNER, NULL), 0);
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_OWNER, NULL), 0);
	owner_end();
}

int main(void)
{
	static const struct sentence sentences[] = {
		CATALOGUE(buffers_of_another_size_than_was_asked_for_are_refused, "[53] [U-1]"),
		CATALOGUE(lengths_that_disagree_with_the_message_are_refused, "[U-1]"),
		CATALOGUE(ioctls_of_32_bit_programs_and_unknown_ones_are_refused, "[U-1]"),
		SENTENCE(other_operations_on_the_file_are_refused),
		SENTENCE(features_that_were_not_offered_are_refused),
		CATALOGUE(a_table_of_none_or_too_many_regions_is_refused, "[53] [U-1]"),
		CATALOGUE(a_table_that_changes_between_phases_is_refused, "[53] [U-1]"),
		CATALOGUE(ranges_that_are_empty_or_wrap_are_refused, "[U-1]"),
		CATALOGUE(two_openers_tables_do_not_mix, "[53] [U-2]"),
		CATALOGUE(a_number_that_is_no_eventfd_is_refused, "[53] [U-5]"),
		CATALOGUE(a_descriptor_that_was_exchanged_meanwhile_is_refused, "[U-5]"),
		SENTENCE(rings_out_of_range_and_in_the_wrong_state_are_refused),
		CATALOGUE(noise_costs_nothing_but_its_answers, "[53]"),
	};

	return suite_run("cuse_ioctls", sentences, ARRAY_SIZE(sentences));
}
