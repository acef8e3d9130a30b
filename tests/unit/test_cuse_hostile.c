/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a front-end, or who pretends to be one, can do wrong at the device: each is refused with the
 * right errno, costs nobody else anything, and the device goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cuse.h"
#include "cuse_request.h"
#include "cuse_wire.h"
#include "device.h"
#include "fake_cuse.h"
#include "fake_grants.h"
#include "faults.h"
#include "fd.h"
#include "fd_ledger.h"
#include "front.h"
#include "port.h"
#include "ports.h"
#include "session.h"
#include "suite.h"

#define FEATURES (1ull << 32 | 1ull << 15)
#define MEMORY	 (1u << 20)
#define PAGE	 4096ull

static uint8_t *memory;
static int kick, file;
static uint64_t handle;

/* A moment between the look at the maps and what is opened, in which another thread exchanges what
 * is mapped. Shared, since who looks may be another process. */
static struct exchange {
	_Atomic bool wanted, now, done, hang;
	pid_t hangs;
	void *at;
	int by;
} * exchange;

/* In the place of libc's. */
int memfd_create(const char *name, unsigned int flags)
{
	if (exchange && atomic_exchange(&exchange->wanted, false)) {
		exchange->now = true;
		while (!exchange->done)
			(void)sched_yield();
	}
	if (exchange && atomic_exchange(&exchange->hang, false)) {
		exchange->hangs = getpid();
		for (;;)
			(void)pause();
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

static void *map(int fd, uint64_t size, uint64_t offset, int flags)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

	REQUIRE(at != MAP_FAILED);
	return at;
}

static void begin(void)
{
	int64_t opened;

	front_begin();
	kernel_begin();
	file = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(file, MEMORY) == 0);
	memory = map(file, MEMORY, 0, MAP_SHARED);
	kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	opened = kernel_open();
	REQUIRE(opened > 0);
	handle = (uint64_t)opened;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
}

/* On a busy machine looks take long, and the next one has to wait for its turn. */
static int memory_in_the_end(void)
{
	int answer = kernel_memory(handle, memory, MEMORY);

	for (int i = 0; i < 600 && answer > 0; i++) {
		usleep(50000);
		answer = kernel_answer() ? kernel.answer_error : 1;
	}
	return answer;
}

/* Everything that a front-end does still works. */
static void alive(void)
{
	struct device *device = &kernel_port()->device;

	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, FEATURES), 0);
	CHECK_EQ(memory_in_the_end(), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 256), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_BASE, 0, 0), 0);
	CHECK_EQ(kernel_addr(handle, 0, memory), 0);
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_KICK, 0, kick), 0);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 0), 0);
	CHECK(fake_granted(&device->vrings[0]));
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, -1), 0);
	CHECK(!fake_granted(&device->vrings[0]));
}

static void end(void)
{
	alive();
	CHECK_EQ(kernel_release(handle), 0);
	munmap(memory, MEMORY);
	hf_fd_close(&file);
	hf_fd_close(&kick);
	kernel_end();
	front_end();
}

/* One phase, with sizes of our own: its error. */
static int phase(uint32_t cmd, const void *in, uint32_t in_size, uint32_t out_size)
{
	uint64_t unique = kernel_phase(handle, cmd, 4096, in, in_size, out_size);

	if (!kernel_answer())
		return 1;
	CHECK_EQ(kernel.answered, unique);
	return kernel.answer_error;
}

static const uint32_t sized[] = {
	VH_GET_FEATURES,   VH_SET_FEATURES,    VH_SET_VRING_NUM,	VH_SET_VRING_ADDR,
	VH_SET_VRING_BASE, VH_GET_VRING_BASE,  VH_SET_VRING_KICK,	VH_SET_VRING_CALL,
	VH_SET_VRING_ERR,  VH_NET_SET_BACKEND, VH_SET_BACKEND_FEATURES, VH_GET_BACKEND_FEATURES,
};

static void buffers_of_another_size_than_was_asked_for_are_refused(void)
{
	uint8_t bytes[128];
	uint32_t others[] = {1, 4, 7, 9, 39, 41, 48, 128};

	begin();
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(sized); i++)
		for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
			bool out = !(_IOC_DIR(sized[i]) & _IOC_WRITE);

			CHECK_EQ(phase(sized[i], bytes, out ? 0 : others[k], out ? others[k] : 0),
				 -EINVAL);
			/* The right size in the wrong direction, and both. */
			CHECK_EQ(phase(sized[i], bytes, out ? 8 : 0, out ? 0 : 8), -EINVAL);
			CHECK_EQ(phase(sized[i], bytes, others[k], others[k]), -EINVAL);
		}
	CHECK(primary.refusals[REFUSED_PAYLOAD_SIZE] > 0);
	end();
}

static void lengths_that_disagree_with_the_message_are_refused(void)
{
	struct {
		struct fuse_in_header header;
		struct fuse_ioctl_in in;
		uint64_t value;
	} request;
	static const uint32_t lies[] = {0, 7, 9, 4096, 0x80000000, UINT32_MAX};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		request.header = (struct fuse_in_header){.len = sizeof(request),
							 .opcode = FUSE_IOCTL,
							 .unique = kernel.unique += 2,
							 .pid = kernel.thread};
		request.in = (struct fuse_ioctl_in){
			.fh = handle, .cmd = VH_SET_FEATURES, .in_size = lies[i]};
		request.value = 0;
		kernel_send_bytes(&request, sizeof(request));
		REQUIRE(kernel_answer());
		CHECK_EQ(kernel.answer_error, -EINVAL);
		request.header.len = lies[i];
		request.header.unique = kernel.unique += 2;
		request.in.in_size = 8;
		kernel_send_bytes(&request, sizeof(request));
		REQUIRE(kernel_answer());
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
			REQUIRE(kernel_answer());
			CHECK_EQ(kernel.answer_error, -EINVAL);
		}
	}
	end();
}

static void ioctls_of_32_bit_programs_and_unknown_ones_are_refused(void)
{
	struct fuse_ioctl_in in = {
		.fh = handle, .flags = FUSE_IOCTL_COMPAT, .cmd = VH_GET_FEATURES};

	begin();
	in.fh = handle;
	(void)kernel_send(FUSE_IOCTL, &in, sizeof(in));
	REQUIRE(kernel_answer());
	CHECK_EQ(kernel.answer_error, -EINVAL);
	CHECK_EQ(phase(0, NULL, 0, 0), -ENOTTY);
	CHECK_EQ(phase(UINT32_MAX, NULL, 0, 0), -ENOTTY);
	CHECK_EQ(phase(VH_SET_FEATURES ^ 1u << 16, NULL, 0, 0), -ENOTTY);
	CHECK_EQ(phase(VH_SET_LOG_BASE, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(phase(VH_SET_LOG_FD, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(phase(VH_SET_VRING_ENDIAN, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(phase(VH_GET_VRING_ENDIAN, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(phase(VH_SET_VRING_BUSYLOOP_TIMEOUT, NULL, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(phase(VH_GET_VRING_BUSYLOOP_TIMEOUT, NULL, 0, 0), -EOPNOTSUPP);
	/* Of another file than the one that is open. */
	handle++;
	CHECK_EQ(phase(VH_GET_FEATURES, NULL, 0, 0), -EIO);
	handle--;
	end();
}

static void other_operations_on_the_file_are_refused(void)
{
	static const uint32_t opcodes[] = {FUSE_LOOKUP, FUSE_READ,   FUSE_WRITE, FUSE_FLUSH,
					   FUSE_FSYNC,	FUSE_POLL,   FUSE_LSEEK, 9999,
					   UINT32_MAX,	FUSE_GETATTR};
	uint8_t bytes[4200] = {0};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		(void)kernel_send(opcodes[i], bytes, sizeof(bytes));
		REQUIRE(kernel_answer());
		CHECK_EQ(kernel.answer_error, -ENOSYS);
	}
	(void)kernel_send(FUSE_FORGET, bytes, 8);
	(void)kernel_send(FUSE_INTERRUPT, bytes, 8);
	(void)kernel_send(FUSE_INTERRUPT, bytes, 0);
	CHECK(!kernel_answer());
	/* A request larger than any that was asked for. */
	(void)kernel_send(FUSE_IOCTL, bytes, sizeof(bytes));
	REQUIRE(kernel_answer());
	CHECK_EQ(kernel.answer_error, -EINVAL);
	end();
}

static void features_that_were_not_offered_are_refused(void)
{
	begin();
	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, FEATURES | 1ull << 30), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, FEATURES | 1ull << 27), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, FEATURES | 1ull << 26), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, FEATURES | 1ull << 63), -EOPNOTSUPP);
	CHECK_EQ(kernel_u64(handle, VH_SET_BACKEND_FEATURES, 2), -EOPNOTSUPP);
	CHECK(!kernel_port()->device.features_set);
	end();
}

/* --- tables --- */

struct table {
	struct vh_memory head;
	struct vh_region regions[CUSE_MAX_REGIONS + 1];
};

static struct table table_of(uint32_t count)
{
	struct table table = {.head = {.count = count}};

	for (uint32_t i = 0; i < count && i <= CUSE_MAX_REGIONS; i++)
		table.regions[i] = (struct vh_region){
			.gpa = i * PAGE, .size = PAGE, .user_addr = (uintptr_t)memory + i * PAGE};
	return table;
}

static void a_table_of_none_or_too_many_regions_is_refused(void)
{
	struct table table;

	begin();
	table = table_of(0);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = table_of(CUSE_MAX_REGIONS + 1);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -E2BIG);
	table.head.count = UINT32_MAX;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -E2BIG);
	table = table_of(1);
	table.head.padding = 1;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	CHECK_EQ(kernel_port()->device.memory.count, 0);
	table = table_of(CUSE_MAX_REGIONS);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), 0);
	CHECK_EQ(kernel_port()->device.memory.count, CUSE_MAX_REGIONS);
	end();
}

static void a_table_that_changes_between_phases_is_refused(void)
{
	struct table table;
	uint32_t two = (uint32_t)CUSE_MEMORY_BYTES(2);

	begin();
	/* Two were announced, and the data is that of two. */
	for (uint32_t n = 0; n < 5; n++) {
		table = table_of(n);
		if (n != 2)
			CHECK_EQ(phase(VH_SET_MEM_TABLE, &table, two, 0), -EINVAL);
	}
	CHECK(primary.refusals[REFUSED_RACED] > 0);
	table = table_of(2);
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &table, two - 1, 0), -EINVAL);
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &table, two + 1, 0), -EINVAL);
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &table, 7, 0), -EINVAL);
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &table, two, 8), -EINVAL);
	CHECK_EQ(kernel_port()->device.memory.count, 0);
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &table, two, 0), 0);
	CHECK_EQ(kernel_port()->device.memory.count, 2);
	end();
}

static void ranges_that_are_empty_or_wrap_are_refused(void)
{
	struct table table;

	begin();
	table = table_of(1);
	table.regions[0].size = 0;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = table_of(1);
	table.regions[0].user_addr = UINT64_MAX - PAGE + 1;
	table.regions[0].size = 2 * PAGE;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = table_of(1);
	table.regions[0].gpa = UINT64_MAX - PAGE + 1;
	table.regions[0].size = 2 * PAGE;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = table_of(2);
	table.regions[1].gpa = 0; /* both at the same place */
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	table = table_of(1);
	table.regions[0].user_addr = 0;
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EFAULT);
	table.regions[0].user_addr = 0xffff800000000000ull; /* the kernel's */
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EFAULT);
	CHECK_EQ(kernel_port()->device.memory.count, 0);
	end();
}

static void two_openers_tables_do_not_mix(void)
{
	struct kernel first;
	const char *reason = "";
	struct table mine, other;
	int64_t opened;
	int channel;

	begin();
	first = kernel;
	kernel.socket = -1;
	REQUIRE(port_add_cuse(&primary, "c2", NULL, 1, &reason) == 0);
	opened = kernel_open();
	REQUIRE(opened > 0);
	CHECK_EQ(kernel_ioctl((uint64_t)opened, VH_SET_OWNER, NULL), 0);
	channel = kernel.socket;
	mine = table_of(3);
	other = table_of(1);
	/* Each phase of one between those of the other. */
	kernel.socket = first.socket;
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &mine, sizeof(mine.head), 0), 0);
	kernel.socket = channel;
	(void)kernel_phase((uint64_t)opened, VH_SET_MEM_TABLE, 4096, &other, sizeof(other.head), 0);
	CHECK(kernel_answer() && !kernel.answer_error);
	kernel.socket = first.socket;
	CHECK_EQ(phase(VH_SET_MEM_TABLE, &mine, (uint32_t)CUSE_MEMORY_BYTES(3), 0), 0);
	kernel.socket = channel;
	(void)kernel_phase((uint64_t)opened, VH_SET_MEM_TABLE, 4096, &other,
			   (uint32_t)CUSE_MEMORY_BYTES(1), 0);
	CHECK(kernel_answer() && !kernel.answer_error);
	CHECK_EQ(kernel_port()->device.memory.count, 3);
	CHECK_EQ(port_find(&primary, "c2")->device.memory.count, 1);
	CHECK_EQ(port_del(&primary, "c2"), 0);
	close(channel);
	kernel.socket = first.socket;
	end();
}

/* --- the caller's memory --- */

/* Each look at it fails in turn, with this error; how often the session was refused for `reason`.
 */
static uint64_t refused_when_looks_fail(int error, enum refusal reason)
{
	uint32_t hit = 1;
	uint64_t refused;
	void *ours;

	begin();
	faults_open();
	ours = map(file, MEMORY, 0, MAP_SHARED);
	for (uint32_t nth = 1; hit; nth++) {
		int answer;

		faults_arm_error(0, FAULT_DESCRIPTOR, error, nth);
		answer = kernel_memory(handle, ours, MEMORY);
		faults_disarm(&hit);
		CHECK(hit || !answer);
	}
	CHECK_EQ(kernel_memory(handle, ours, MEMORY), 0);
	refused = primary.refusals[reason];
	munmap(ours, MEMORY);
	faults_close();
	end();
	return refused;
}

/* A process of the round before may still make descriptors, and be the one that is refused one. */
static bool is_refused_when_looks_fail(int error, enum refusal reason)
{
	for (int i = 0; i < 20; i++)
		if (refused_when_looks_fail(error, reason))
			return true;
	return false;
}

static void memory_that_we_may_not_look_at_is_refused_by_name(void)
{
	CHECK(is_refused_when_looks_fail(EPERM, REFUSED_MEMORY_HIDDEN));
}

static void a_look_without_descriptors_is_no_fault_of_the_caller(void)
{
	CHECK(is_refused_when_looks_fail(EMFILE, REFUSED_NO_RESOURCES));
	CHECK_EQ(refused_when_looks_fail(EMFILE, REFUSED_MEMORY_HIDDEN), 0);
}

static void private_memory_is_refused_by_name(void)
{
	void *mine;

	begin();
	mine = map(-1, MEMORY, 0, MAP_PRIVATE | MAP_ANONYMOUS);
	CHECK_EQ(kernel_memory(handle, mine, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_MEMORY_PRIVATE], 1);
	CHECK(strstr(refusal_remedy(REFUSED_MEMORY_PRIVATE), "share=on") != NULL);
	CHECK(strstr(kernel_port()->last_error, "memory_private") != NULL);
	munmap(mine, MEMORY);
	/* A private view of a file that could be shared. */
	mine = map(file, MEMORY, 0, MAP_PRIVATE);
	CHECK_EQ(kernel_memory(handle, mine, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_MEMORY_PRIVATE], 2);
	munmap(mine, MEMORY);
	end();
}

static void several_files_with_gaps_and_offsets_are_each_found(void)
{
	struct table table = table_of(3);
	const struct hf_memtab *found;
	int files[2];
	uint8_t *at;

	begin();
	files[0] = memfd_create("a b\n(deleted)", MFD_CLOEXEC);
	files[1] = memfd_create("a b", MFD_CLOEXEC);
	REQUIRE(ftruncate(files[0], 16 * PAGE) == 0 && ftruncate(files[1], 16 * PAGE) == 0);
	at = map(-1, 32 * PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS);
	REQUIRE(mmap(at, 4 * PAGE, 3, MAP_SHARED | MAP_FIXED, files[0], 2 * PAGE) == at);
	REQUIRE(mmap(at + 8 * PAGE, 4 * PAGE, 3, MAP_SHARED | MAP_FIXED, files[1], 0) ==
		at + 8 * PAGE);
	/* The first file once more, at another offset. */
	REQUIRE(mmap(at + 12 * PAGE, 4 * PAGE, 3, MAP_SHARED | MAP_FIXED, files[0], 8 * PAGE) ==
		at + 12 * PAGE);
	/* Cut into pieces, as QEMU's advice does it. */
	REQUIRE(madvise(at + PAGE, PAGE, MADV_DONTFORK) == 0);
	REQUIRE(madvise(at + 9 * PAGE, PAGE, MADV_DONTFORK) == 0);
	table.head.count = 3;
	table.regions[0] = (struct vh_region){0, 3 * PAGE, (uintptr_t)at + PAGE, 0};
	table.regions[1] = (struct vh_region){16 * PAGE, 4 * PAGE, (uintptr_t)at + 8 * PAGE, 0};
	table.regions[2] = (struct vh_region){64 * PAGE, 4 * PAGE, (uintptr_t)at + 12 * PAGE, 0};
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), 0);
	found = &kernel_port()->device.memory;
	REQUIRE(found->count == 3);
	CHECK_EQ(found->regions[0].file_offset, 3 * PAGE);
	CHECK_EQ(found->regions[1].file_offset, 0);
	CHECK_EQ(found->regions[2].file_offset, 8 * PAGE);
	CHECK(found->regions[0].file_id == found->regions[2].file_id);
	CHECK(found->regions[0].file_id != found->regions[1].file_id);
	/* One region over two files, and over a gap. */
	table.head.count = 1;
	table.regions[0] = (struct vh_region){0, 8 * PAGE, (uintptr_t)at + 8 * PAGE, 0};
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EFAULT);
	table.regions[0] = (struct vh_region){0, 6 * PAGE, (uintptr_t)at, 0};
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	CHECK_EQ(found->count, 3);
	munmap(at, 32 * PAGE);
	hf_fd_close_all(files, 2);
	end();
}

static void files_on_disk_are_not_opened(void)
{
	char name[] = "./hf-cuse-XXXXXX";
	int on_disk;
	struct stat st;
	void *at;

	begin();
	on_disk = mkstemp(name);
	REQUIRE(on_disk >= 0 && ftruncate(on_disk, MEMORY) == 0);
	unlink(name);
	at = map(on_disk, MEMORY, 0, MAP_SHARED);
	REQUIRE(fstat(on_disk, &st) == 0);
	CHECK_EQ(kernel_memory(handle, at, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_REGION_FILE], 1);
	munmap(at, MEMORY);
	close(on_disk);
	end();
}

static void memory_without_any_descriptor_is_found_by_its_map(void)
{
	void *at;

	begin();
	at = map(-1, MEMORY, 0, MAP_SHARED | MAP_ANONYMOUS);
	/* Only who may use /proc/PID/map_files can. */
	CHECK_EQ(kernel_memory(handle, at, MEMORY), geteuid() == 0 ? 0 : -EPERM);
	munmap(at, MEMORY);
	end();
}

/* Root's privileges, or none but what its files give it. */
static void be_privileged(bool privileged)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	REQUIRE(syscall(SYS_capget, &header, data) == 0);
	for (int i = 0; i < 2; i++)
		data[i].effective = privileged ? data[i].permitted : 0;
	REQUIRE(syscall(SYS_capset, &header, data) == 0);
}

static void memory_that_we_may_not_open_is_refused_by_name(void)
{
	void *at;

	begin();
	at = map(-1, MEMORY, 0, MAP_SHARED | MAP_ANONYMOUS);
	be_privileged(false);
	CHECK_EQ(kernel_memory(handle, at, MEMORY), -EPERM);
	be_privileged(true);
	CHECK_EQ(primary.refusals[REFUSED_MEMORY_HIDDEN], 1);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), 0);
	munmap(at, MEMORY);
	end();
}

/* We may write to any file; the caller would do it by us. */
static void memory_that_the_caller_may_only_read_is_refused(void)
{
	char path[40];
	int reader;
	void *at;

	begin();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(reader >= 0);
	at = mmap(NULL, MEMORY, PROT_READ, MAP_SHARED, reader, 0);
	REQUIRE(at != MAP_FAILED);
	CHECK_EQ(kernel_memory(handle, at, MEMORY), -EFAULT);
	munmap(at, MEMORY);
	close(reader);
	end();
}

/* Every second page another mapping, of a file with a long name: more than 8 MiB of lines. */
static void a_hundred_thousand_maps_are_bounded(void)
{
	const uint64_t pages = 60000;
	char name[240];
	uint8_t *at;
	int long_name;

	begin();
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	long_name = memfd_create(name, MFD_CLOEXEC);
	REQUIRE(ftruncate(long_name, (off_t)(pages * PAGE)) == 0);
	at = map(long_name, pages * PAGE, 0, MAP_SHARED);
	for (uint64_t i = 0; i < pages; i += 2)
		REQUIRE(madvise(at + i * PAGE, PAGE, MADV_DONTFORK) == 0);
	CHECK_EQ(kernel_memory(handle, at, pages * PAGE), -ENOMEM);
	CHECK_EQ(primary.refusals[REFUSED_NO_RESOURCES], 1);
	/* Fewer, and one region of all of them. */
	munmap(at + 10000 * PAGE, (pages - 10000) * PAGE);
	CHECK_EQ(kernel_memory(handle, at, 10000 * PAGE), 0);
	munmap(at, 10000 * PAGE);
	close(long_name);
	end();
}

/* What all that we have ever read comes to. */
static uint64_t bytes_read(void)
{
	FILE *io = fopen("/proc/self/io", "re");
	unsigned long long bytes = 0;

	REQUIRE(io && fscanf(io, "rchar: %llu", &bytes) == 1);
	(void)fclose(io);
	return bytes;
}

static uint64_t read_for(uint32_t regions, uint8_t *at)
{
	struct table table = table_of(regions);
	uint64_t before;

	for (uint32_t i = 0; i < regions; i++)
		table.regions[i] = (struct vh_region){i * PAGE, PAGE, (uintptr_t)at + i * PAGE, 0};
	before = bytes_read();
	CHECK_EQ(kernel_ioctl(handle, VH_SET_MEM_TABLE, &table), 0);
	return bytes_read() - before;
}

static void *exchanges(void *unused)
{
	while (!exchange->now)
		(void)sched_yield();
	REQUIRE(mmap(exchange->at, MEMORY, 3, MAP_SHARED | MAP_FIXED, exchange->by, 0) ==
		exchange->at);
	exchange->done = true;
	return unused;
}

/* An open(2) can hang whoever does it, if it is the caller's file system. */
static void a_file_that_was_exchanged_meanwhile_is_not_even_opened(void)
{
	char name[] = "./hf-cuse-XXXXXX";
	char event[512];
	int watch, on_disk;
	pthread_t thread;

	begin();
	on_disk = mkstemp(name);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	REQUIRE(on_disk >= 0 && ftruncate(on_disk, MEMORY) == 0);
	REQUIRE(inotify_add_watch(watch, name, IN_OPEN) >= 0);
	exchange = map(-1, PAGE, 0, MAP_SHARED | MAP_ANONYMOUS);
	*exchange = (struct exchange){
		.wanted = true, .at = map(file, MEMORY, 0, MAP_SHARED), .by = on_disk};
	REQUIRE(pthread_create(&thread, NULL, exchanges, NULL) == 0);
	/* What was meant is among the descriptors. */
	CHECK_EQ(kernel_memory(handle, exchange->at, MEMORY), 0);
	exchange->now = true;
	REQUIRE(pthread_join(thread, NULL) == 0);
	CHECK(!exchange->wanted);
	CHECK(read(watch, event, sizeof(event)) < 0);
	unlink(name);
	close(watch);
	close(on_disk);
	munmap(exchange->at, MEMORY);
	munmap(exchange, PAGE);
	exchange = NULL;
	end();
}

/* As one does whose lock of the address space is held for ever. The loop does not wait for it, and
 * who did that waits itself. */
static void a_look_that_does_not_end_is_given_up(void)
{
	int open_before;

	begin();
	exchange = map(-1, PAGE, 0, MAP_SHARED | MAP_ANONYMOUS);
	open_before = fds_open();
	exchange->hang = true;
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_RACED], 1);
	CHECK(exchange->hangs > 0 && exchange->hangs != getpid());
	CHECK_EQ(fds_open(), open_before);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), 1);
	/* All other ports wait for theirs as well. */
	kernel_port()->foreigners = (struct rate){0};
	REQUIRE(cuse_wake(kernel_port()) == 0);
	CHECK(!kernel_answer());
	primary.looks = (struct rate){0};
	REQUIRE(cuse_wake(kernel_port()) == 0);
	CHECK(kernel_answer());
	CHECK_EQ(kernel.answer_error, 0);
	munmap(exchange, PAGE);
	exchange = NULL;
	end();
}

/* Else a caller with a long list of mounts would have us read it again and again. */
static void the_lists_of_mounts_are_read_once_for_all_regions(void)
{
	char name[] = "/dev/shm/hf-cuse-XXXXXX";
	uint64_t one;
	int mounted;
	void *at;

	begin();
	mounted = mkstemp(name);
	REQUIRE(mounted >= 0 && ftruncate(mounted, MEMORY) == 0);
	unlink(name);
	at = map(mounted, MEMORY, 0, MAP_SHARED);
	one = read_for(1, at);
	CHECK(read_for(CUSE_MAX_REGIONS, at) < 3 * one);
	munmap(at, MEMORY);
	close(mounted);
	end();
}

/* --- event descriptors --- */

static void a_number_that_is_no_eventfd_is_refused(void)
{
	const uint32_t cmds[] = {VH_SET_VRING_KICK, VH_SET_VRING_CALL, VH_SET_VRING_ERR};
	int pipe_ends[2], closed, open_before;

	begin();
	closed = dup(0);
	REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
	close(closed);
	open_before = fds_open();
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		CHECK_EQ(kernel_file(handle, cmds[i], 0, file), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 0, pipe_ends[1]), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 0, kernel.socket), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 0, closed), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 0, -2), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 0, INT32_MIN), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 0, INT32_MAX), -EBADF);
		CHECK_EQ(kernel_file(handle, cmds[i], 2, kick), -ENOBUFS);
		CHECK_EQ(kernel_file(handle, cmds[i], 256, kick), -ENOBUFS);
		CHECK_EQ(kernel_file(handle, cmds[i], UINT32_MAX, kick), -ENOBUFS);
	}
	CHECK_EQ(fds_open(), open_before);
	hf_fd_close_all(pipe_ends, 2);
	end();
}

static void rings_out_of_range_and_in_the_wrong_state_are_refused(void)
{
	begin();
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 2, 256), -ENOBUFS);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, UINT32_MAX, 256), -ENOBUFS);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 0), -EINVAL);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 3), -EINVAL);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 65536), -EINVAL);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_BASE, 0, 65536), -EINVAL);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 0), -EBUSY); /* nothing is set up */
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 2, 0), -ENOBUFS);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 256), 0);
	CHECK_EQ(kernel_addr(handle, 0, memory + MEMORY), -EFAULT);
	CHECK_EQ(kernel_addr(handle, 0, memory + 1), -EINVAL);
	CHECK_EQ(kernel_addr(handle, 0, memory), 0);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 0), 0);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_NUM, 0, 128), -EBUSY);
	CHECK_EQ(kernel_state(handle, VH_SET_VRING_BASE, 0, 1), -EBUSY);
	CHECK_EQ(kernel_addr(handle, 0, memory), -EBUSY);
	CHECK_EQ(kernel_u64(handle, VH_SET_FEATURES, 1ull << 32), -EBUSY);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, -1), 0);
	end();
}

/* --- the caller itself --- */

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	REQUIRE(pid > 0);
	return pid;
}

static void end_of(pid_t pid)
{
	kill(pid, SIGKILL);
	REQUIRE(waitpid(pid, NULL, 0) == pid);
}

static void a_caller_that_is_gone_or_not_to_be_seen_is_refused(void)
{
	pid_t child = sleeper();

	end_of(child);
	begin();
	kernel.thread = (uint32_t)child;
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_CALL, 0, kick), -EOWNERDEAD);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), -EOWNERDEAD);
	kernel.thread = 0; /* of another pid namespace */
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_CALL, 0, kick), -EOWNERDEAD);
	kernel.thread = UINT32_MAX;
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_CALL, 0, kick), -EOWNERDEAD);
	CHECK_EQ(primary.refusals[REFUSED_CALLER], 4);
	CHECK_EQ(kernel_release(handle), 0);
	CHECK_EQ(kernel_open(), -EOWNERDEAD);
	kernel.thread = (uint32_t)gettid();
	handle = (uint64_t)kernel_open();
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	end();
}

static void another_process_than_the_owner_sets_nothing_up(void)
{
	pid_t child = sleeper();

	begin();
	kernel.thread = (uint32_t)child;
	CHECK_EQ(kernel_file(handle, VH_SET_VRING_CALL, 0, kick), -EPERM);
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), -EPERM);
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 0), -EPERM);
	CHECK_EQ(primary.refusals[REFUSED_NOT_THE_OWNER], 3);
	kernel.thread = (uint32_t)gettid();
	end_of(child);
	end();
}

/* The same number again, but not the same process. */
static void a_number_that_was_given_to_another_process_is_not_the_owner(void)
{
	begin();
	kernel_port()->session->owner_start++;
	CHECK_EQ(kernel_memory(handle, memory, MEMORY), -EPERM);
	kernel_port()->session->owner_start--;
	end();
}

/* --- too much, too late --- */

static void more_requests_at_once_than_are_kept_are_turned_away(void)
{
	struct vh_vring_state state = {0};
	int busy = 0, done = 0;

	begin();
	alive();
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 0), 0);
	fake.hold = true;
	for (uint32_t i = 0; i < 3 * CUSE_REQUESTS; i++)
		(void)kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state),
				   sizeof(state));
	while (kernel_answer()) {
		CHECK_EQ(kernel.answer_error, -EBUSY);
		busy++;
	}
	CHECK_EQ(busy, 2 * (int)CUSE_REQUESTS);
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	while (kernel_answer()) {
		CHECK_EQ(kernel.answer_error, 0);
		done++;
	}
	CHECK_EQ(done, (int)CUSE_REQUESTS);
	end();
}

/* Closing cannot be refused, and the file is gone: even when there is no room to note it. */
static void a_release_is_answered_though_there_is_no_room(void)
{
	struct vh_vring_state state = {0};
	bool released = false;

	begin();
	alive();
	CHECK_EQ(kernel_file(handle, VH_NET_SET_BACKEND, 0, 0), 0);
	fake.hold = true;
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		(void)kernel_phase(handle, VH_GET_VRING_BASE, 4096, &state, sizeof(state),
				   sizeof(state));
	CHECK(!kernel_answer());
	CHECK_EQ(kernel_release(handle), 0);
	fake.hold = false;
	CHECK_EQ(fake_release(), 1);
	while (kernel_answer())
		released |= kernel.answer_error == -EIO;
	CHECK(released);
	CHECK(kernel_port()->session == NULL);
	handle = (uint64_t)kernel_open();
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	end();
}

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

	begin();
	for (int i = 0; i < 4000; i++) {
		size_t len = 1 + next_random(&seed) % sizeof(bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)next_random(&seed);
		if (i % 2) {
			uint32_t cmd = sized[next_random(&seed) % ARRAY_SIZE(sized)];
			uint32_t in = _IOC_DIR(cmd) & _IOC_WRITE ? _IOC_SIZE(cmd) : 0;
			uint32_t out = _IOC_DIR(cmd) & _IOC_READ ? _IOC_SIZE(cmd) : 0;

			if (next_random(&seed) % 2)
				memset(bytes + 1, 0, sizeof(bytes) - 1);
			(void)kernel_phase(handle, cmd, 4096, bytes, in, out);
		} else {
			kernel_send_bytes(bytes, len);
		}
		while (kernel_answer())
			;
	}
	CHECK(kernel_port()->session != NULL);
	CHECK_EQ(kernel_ioctl(handle, VH_RESET_OWNER, NULL), 0);
	CHECK_EQ(kernel_ioctl(handle, VH_SET_OWNER, NULL), 0);
	end();
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
		SENTENCE(memory_that_we_may_not_look_at_is_refused_by_name),
		SENTENCE(a_look_without_descriptors_is_no_fault_of_the_caller),
		CATALOGUE(private_memory_is_refused_by_name, "[U-4]"),
		CATALOGUE(several_files_with_gaps_and_offsets_are_each_found, "[53] [U-4]"),
		CATALOGUE(files_on_disk_are_not_opened, "[U-4]"),
		CATALOGUE(memory_without_any_descriptor_is_found_by_its_map, "[U-4]"),
		CATALOGUE(memory_that_we_may_not_open_is_refused_by_name, "[U-4]"),
		CATALOGUE(memory_that_the_caller_may_only_read_is_refused, "[U-4]"),
		CATALOGUE(a_hundred_thousand_maps_are_bounded, "[U-4]"),
		CATALOGUE(a_file_that_was_exchanged_meanwhile_is_not_even_opened, "[U-4]"),
		CATALOGUE(a_look_that_does_not_end_is_given_up, "[U-4]"),
		CATALOGUE(the_lists_of_mounts_are_read_once_for_all_regions, "[U-4]"),
		CATALOGUE(a_number_that_is_no_eventfd_is_refused, "[53] [U-5]"),
		SENTENCE(rings_out_of_range_and_in_the_wrong_state_are_refused),
		CATALOGUE(a_caller_that_is_gone_or_not_to_be_seen_is_refused, "[U-3]"),
		CATALOGUE(another_process_than_the_owner_sets_nothing_up, "[U-3]"),
		CATALOGUE(a_number_that_was_given_to_another_process_is_not_the_owner, "[U-3]"),
		CATALOGUE(more_requests_at_once_than_are_kept_are_turned_away, "[U-6]"),
		CATALOGUE(a_release_is_answered_though_there_is_no_room, "[U-6]"),
		CATALOGUE(noise_costs_nothing_but_its_answers, "[53]"),
	};

	return suite_run("cuse_hostile", sentences, ARRAY_SIZE(sentences));
}
