/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a caller's memory lies: private, of several files, on disks, without a descriptor, in very
 * many mappings, exchanged meanwhile. It is found, or refused by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cuse_wire.h"
#include "device.h"
#include "fake_cuse.h"
#include "faults.h"
#include "fd.h"
#include "front.h"
#include "owner.h"
#include "port.h"
#include "refusal.h"
#include "suite.h"

/* A moment between the look at the maps and what is opened, in which another thread exchanges what
 * is mapped. Shared, since who looks may be another process. */
static struct exchange {
	_Atomic bool wanted, now, done;
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
	return (int)syscall(SYS_memfd_create, name, flags);
}

/* Each call that makes a descriptor fails in turn with this error, of those of who looks or of
 * ours: the two take turns as the processor wants it. */
static void fail_each_call(bool of_who_looks, int error, void *ours)
{
	uint32_t hit = 1;

	for (uint32_t nth = 1; hit; nth++) {
		int answer;

		/* Who looked before may still make descriptors, and take this one's place. */
		while (waitpid(-1, NULL, __WCLONE) > 0)
			;
		if (of_who_looks)
			faults_arm_error_but(getpid(), FAULT_DESCRIPTOR, error, nth);
		else
			faults_arm_error(getpid(), FAULT_DESCRIPTOR, error, nth);
		answer = kernel_memory(owner.handle, ours, MEMORY);
		faults_disarm(&hit);
		CHECK(hit || !answer);
	}
}

/* How often the session was refused for `reason` then. */
static uint64_t refused_when_looks_fail(int error, enum refusal reason)
{
	uint64_t refused;
	void *ours;

	owner_begin();
	faults_open();
	ours = owner_map(owner.file, MEMORY, 0, MAP_SHARED);
	fail_each_call(false, error, ours);
	fail_each_call(true, error, ours);
	CHECK_EQ(kernel_memory(owner.handle, ours, MEMORY), 0);
	refused = primary.refusals[reason];
	munmap(ours, MEMORY);
	faults_close();
	owner_end();
	return refused;
}

static void memory_that_we_may_not_look_at_is_refused_by_name(void)
{
	CHECK(refused_when_looks_fail(EPERM, REFUSED_MEMORY_HIDDEN) > 0);
}

static void a_look_without_descriptors_is_no_fault_of_the_caller(void)
{
	CHECK(refused_when_looks_fail(EMFILE, REFUSED_NO_RESOURCES) > 0);
	CHECK_EQ(refused_when_looks_fail(EMFILE, REFUSED_MEMORY_HIDDEN), 0);
}

static void private_memory_is_refused_by_name(void)
{
	void *mine;

	owner_begin();
	mine = owner_map(-1, MEMORY, 0, MAP_PRIVATE | MAP_ANONYMOUS);
	CHECK_EQ(kernel_memory(owner.handle, mine, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_MEMORY_PRIVATE], 1);
	CHECK(strstr(refusal_remedy(REFUSED_MEMORY_PRIVATE), "share=on") != NULL);
	CHECK(strstr(kernel_port()->last_error, "memory_private") != NULL);
	munmap(mine, MEMORY);
	/* A private view of a file that could be shared. */
	mine = owner_map(owner.file, MEMORY, 0, MAP_PRIVATE);
	CHECK_EQ(kernel_memory(owner.handle, mine, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_MEMORY_PRIVATE], 2);
	munmap(mine, MEMORY);
	owner_end();
}

static void several_files_with_gaps_and_offsets_are_each_found(void)
{
	struct table table = owner_table(3);
	const struct hf_memtab *found;
	int files[2];
	uint8_t *at;

	owner_begin();
	files[0] = memfd_create("a b\n(deleted)", MFD_CLOEXEC);
	files[1] = memfd_create("a b", MFD_CLOEXEC);
	REQUIRE(ftruncate(files[0], 16 * PAGE) == 0 && ftruncate(files[1], 16 * PAGE) == 0);
	at = owner_map(-1, 32 * PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS);
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
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), 0);
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
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EFAULT);
	table.regions[0] = (struct vh_region){0, 6 * PAGE, (uintptr_t)at, 0};
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), -EINVAL);
	CHECK_EQ(found->count, 3);
	munmap(at, 32 * PAGE);
	hf_fd_close_all(files, 2);
	owner_end();
}

static void files_on_disk_are_not_opened(void)
{
	char name[] = "./hf-cuse-XXXXXX";
	int on_disk;
	struct stat st;
	void *at;

	owner_begin();
	on_disk = mkstemp(name);
	REQUIRE(on_disk >= 0 && ftruncate(on_disk, MEMORY) == 0);
	unlink(name);
	at = owner_map(on_disk, MEMORY, 0, MAP_SHARED);
	REQUIRE(fstat(on_disk, &st) == 0);
	CHECK_EQ(kernel_memory(owner.handle, at, MEMORY), -EINVAL);
	CHECK_EQ(primary.refusals[REFUSED_REGION_FILE], 1);
	munmap(at, MEMORY);
	close(on_disk);
	owner_end();
}

static void memory_without_any_descriptor_is_found_by_its_map(void)
{
	void *at;

	owner_begin();
	at = owner_map(-1, MEMORY, 0, MAP_SHARED | MAP_ANONYMOUS);
	/* Only who may use /proc/PID/map_files can. */
	CHECK_EQ(kernel_memory(owner.handle, at, MEMORY), geteuid() == 0 ? 0 : -EPERM);
	munmap(at, MEMORY);
	owner_end();
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

	owner_begin();
	at = owner_map(-1, MEMORY, 0, MAP_SHARED | MAP_ANONYMOUS);
	be_privileged(false);
	CHECK_EQ(kernel_memory(owner.handle, at, MEMORY), -EPERM);
	be_privileged(true);
	CHECK_EQ(primary.refusals[REFUSED_MEMORY_HIDDEN], 1);
	CHECK_EQ(kernel_memory(owner.handle, owner.memory, MEMORY), 0);
	munmap(at, MEMORY);
	owner_end();
}

/* We may write to any file; the caller would do it by us. */
static void memory_that_the_caller_may_only_read_is_refused(void)
{
	char path[40];
	int reader;
	void *at;

	owner_begin();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", owner.file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(reader >= 0);
	at = mmap(NULL, MEMORY, PROT_READ, MAP_SHARED, reader, 0);
	REQUIRE(at != MAP_FAILED);
	CHECK_EQ(kernel_memory(owner.handle, at, MEMORY), -EFAULT);
	munmap(at, MEMORY);
	close(reader);
	owner_end();
}

/* Every second page another mapping, of a file with a long name: more than 8 MiB of lines. */
static void more_maps_than_anybody_needs_are_bounded(void)
{
	const uint64_t pages = 60000;
	char name[240];
	uint8_t *at;
	int long_name;

	owner_begin();
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	long_name = memfd_create(name, MFD_CLOEXEC);
	REQUIRE(ftruncate(long_name, (off_t)(pages * PAGE)) == 0);
	at = owner_map(long_name, pages * PAGE, 0, MAP_SHARED);
	for (uint64_t i = 0; i < pages; i += 2)
		REQUIRE(madvise(at + i * PAGE, PAGE, MADV_DONTFORK) == 0);
	CHECK_EQ(kernel_memory(owner.handle, at, pages * PAGE), -ENOMEM);
	CHECK_EQ(primary.refusals[REFUSED_NO_RESOURCES], 1);
	/* Fewer, and one region of all of them. */
	munmap(at + 10000 * PAGE, (pages - 10000) * PAGE);
	CHECK_EQ(kernel_memory(owner.handle, at, 10000 * PAGE), 0);
	munmap(at, 10000 * PAGE);
	close(long_name);
	owner_end();
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
	struct table table = owner_table(regions);
	uint64_t before;

	for (uint32_t i = 0; i < regions; i++)
		table.regions[i] = (struct vh_region){i * PAGE, PAGE, (uintptr_t)at + i * PAGE, 0};
	before = bytes_read();
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_MEM_TABLE, &table), 0);
	owner_bury_lookers(); /* what it read counts as ours from then on */
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

	owner_begin();
	on_disk = mkstemp(name);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	REQUIRE(on_disk >= 0 && ftruncate(on_disk, MEMORY) == 0);
	REQUIRE(inotify_add_watch(watch, name, IN_OPEN) >= 0);
	exchange = owner_map(-1, PAGE, 0, MAP_SHARED | MAP_ANONYMOUS);
	*exchange = (struct exchange){
		.wanted = true, .at = owner_map(owner.file, MEMORY, 0, MAP_SHARED), .by = on_disk};
	REQUIRE(pthread_create(&thread, NULL, exchanges, NULL) == 0);
	/* What was meant is among the descriptors. */
	CHECK_EQ(kernel_memory(owner.handle, exchange->at, MEMORY), 0);
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
	owner_end();
}
/* Else a caller with a long list of mounts would have us read it again and again. */
static void the_lists_of_mounts_are_read_once_for_all_regions(void)
{
	char name[] = "/dev/shm/hf-cuse-XXXXXX";
	uint64_t one;
	int mounted;
	void *at;

	owner_begin();
	mounted = mkstemp(name);
	REQUIRE(mounted >= 0 && ftruncate(mounted, MEMORY) == 0);
	unlink(name);
	at = owner_map(mounted, MEMORY, 0, MAP_SHARED);
	one = read_for(1, at);
	CHECK(read_for(CUSE_MAX_REGIONS, at) < 3 * one);
	munmap(at, MEMORY);
	close(mounted);
	owner_end();
}

int main(void)
{
	static const struct sentence sentences[] = {
		SENTENCE(memory_that_we_may_not_look_at_is_refused_by_name),
		SENTENCE(a_look_without_descriptors_is_no_fault_of_the_caller),
		CATALOGUE(private_memory_is_refused_by_name, "[U-4]"),
		CATALOGUE(several_files_with_gaps_and_offsets_are_each_found, "[53] [U-4]"),
		CATALOGUE(files_on_disk_are_not_opened, "[U-4]"),
		CATALOGUE(memory_without_any_descriptor_is_found_by_its_map, "[U-4]"),
		CATALOGUE(memory_that_we_may_not_open_is_refused_by_name, "[U-4]"),
		CATALOGUE(memory_that_the_caller_may_only_read_is_refused, "[U-4]"),
		CATALOGUE(more_maps_than_anybody_needs_are_bounded, "[U-4]"),
		CATALOGUE(a_file_that_was_exchanged_meanwhile_is_not_even_opened, "[U-4]"),
		CATALOGUE(the_lists_of_mounts_are_read_once_for_all_regions, "[U-4]"),
	};

	return suite_run("cuse_memory", sentences, ARRAY_SIZE(sentences));
}
