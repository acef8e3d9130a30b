/* SPDX-License-Identifier: Apache-2.0 */
/* shm/memory.h and shm/guard.h: seals, page sizes, read-only descriptors, guard pages. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "faults.h"
#include "guard.h"
#include "memory.h"
#include "suite.h"

#define OTHERS 64 /* pages of the pool, for whoever runs beside us */

/* Does a load (or a store) at `address` kill whoever does it? */
static bool faults(volatile uint8_t *address, bool store)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		/* A sanitizer would print and exit with 1: that is a fault, too. */
		fclose(stderr);
		if (store)
			*address = 1;
		else
			(void)*address;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void check_sealed(const struct hf_memory *memory)
{
	off_t size = (off_t)memory->size;

	CHECK_EQ(ftruncate(memory->fd, size - (off_t)memory->page_bytes), -1);
	CHECK_EQ(ftruncate(memory->fd, size + (off_t)memory->page_bytes), -1);
	CHECK_EQ(fcntl(memory->fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_EQ(fcntl(memory->fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	CHECK(fcntl(memory->fd, F_GETFD) & FD_CLOEXEC);
}

static void ordinary_memory_is_zero_whole_pages_and_sealed(void)
{
	struct hf_memory memory;

	REQUIRE(hf_memory_create(&memory, "test", 5000, HF_NODE_ANY, false) == 0);
	CHECK_EQ(memory.page_bytes, getpagesize());
	CHECK_EQ(memory.size, 2 * (size_t)getpagesize());
	for (size_t i = 0; i < memory.size; i++)
		CU_ASSERT_FATAL(((uint8_t *)memory.base)[i] == 0);
	((uint8_t *)memory.base)[memory.size - 1] = 1;
	check_sealed(&memory);
	hf_memory_destroy(&memory);
}

static void huge_memory_is_used_when_the_pool_has_pages_and_ordinary_else(void)
{
	struct hf_memory memory;
	long total, huge_free = hf_huge_pages_free(&total);

	CHECK(huge_free <= total);
	REQUIRE(hf_memory_create(&memory, "test", 100, HF_NODE_ANY, true) == 0);
	/* Others take from the pool and give back meanwhile. */
	if (huge_free > OTHERS)
		CHECK(memory.page_bytes > (uint32_t)getpagesize());
	if (!total)
		CHECK_EQ(memory.page_bytes, getpagesize());
	CHECK_EQ(memory.size, memory.page_bytes);
	CHECK_EQ(hf_page_bytes_of(memory.fd), memory.page_bytes);
	memset(memory.base, 1, memory.size);
	check_sealed(&memory);
	hf_memory_destroy(&memory);
}

static void memory_larger_than_the_pool_falls_back_to_ordinary_pages(void)
{
	struct hf_memory memory;
	long total;
	size_t size;

	(void)hf_huge_pages_free(&total);
	size = ((size_t)total + 1) << 21;
	REQUIRE(hf_memory_create(&memory, "test", size, HF_NODE_ANY, true) == 0);
	CHECK_EQ(memory.page_bytes, getpagesize());
	CHECK_EQ(memory.size, size);
	check_sealed(&memory);
	hf_memory_destroy(&memory);
}

/* The pool's pages are counted when it is mapped; whether a cgroup lets us have them is known when
 * they are touched: then it would be a SIGBUS. */
static void pages_that_cannot_be_had_are_known_before_they_are_touched(void)
{
	struct hf_memory memory;
	long total;
	uint32_t hit;
	int result;

	if (hf_huge_pages_free(&total) <= OTHERS) {
		printf("(needs hugepages) ");
		return;
	}
	faults_open();
	faults_arm(0, FAULT_FILE, FAULT_ERROR, 2, 1); /* behind ftruncate */
	result = hf_memory_create(&memory, "test", 100, HF_NODE_ANY, true);
	faults_disarm(&hit);
	CHECK(strstr(faults_where(), "fallocate") != NULL);
	faults_close();
	CHECK_EQ(hit, 1);
	REQUIRE(result == 0);
	CHECK_EQ(memory.page_bytes, getpagesize());
	CHECK_EQ(hf_page_bytes_of(memory.fd), getpagesize());
	memset(memory.base, 1, memory.size);
	check_sealed(&memory);
	hf_memory_destroy(&memory);
}

static void destroyed_memory_leaves_no_descriptor_and_no_map(void)
{
	struct hf_memory memory;
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
	void *base;

	close(before);
	REQUIRE(hf_memory_create(&memory, "test", 4096, HF_NODE_ANY, false) == 0);
	base = memory.base;
	hf_memory_destroy(&memory);
	CHECK_EQ(msync(base, 4096, MS_ASYNC), -1);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(after, before);
	close(after);
}

static void no_size_is_no_memory(void)
{
	struct hf_memory memory;

	CHECK_EQ(hf_memory_create(&memory, "test", 0, HF_NODE_ANY, false), -EINVAL);
	CHECK_EQ(memory.fd, -1);
}

static void check_readonly(bool huge)
{
	struct hf_memory memory;
	void *map;
	int fd;

	REQUIRE(hf_memory_create(&memory, "test", 4096, HF_NODE_ANY, huge) == 0);
	fd = hf_memory_readonly_fd(&memory);
	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	map = mmap(NULL, memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map == MAP_FAILED);
	map = mmap(NULL, memory.size, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(map != MAP_FAILED);
	CHECK_EQ(mprotect(map, memory.size, PROT_READ | PROT_WRITE), -1);
	*(uint64_t *)memory.base = 42;
	CHECK_EQ(*(volatile uint64_t *)map, 42);
	CHECK_EQ(write(fd, "x", 1), -1);
	munmap(map, memory.size);
	close(fd);
	hf_memory_destroy(&memory);
}

static void a_readonly_descriptor_can_never_be_mapped_writable(void)
{
	check_readonly(false);
	check_readonly(true);
}

static void check_guards(bool huge)
{
	struct hf_memory memory;
	void *mapped = NULL;
	uint8_t *base;

	REQUIRE(hf_memory_create(&memory, "test", 3 * 4096, HF_NODE_ANY, huge) == 0);
	REQUIRE(hf_map_guarded(memory.fd, 0, memory.size, true, &mapped) == 0);
	base = mapped;
	CHECK_EQ((uintptr_t)base % memory.page_bytes, 0);
	base[0] = 1;
	base[memory.size - 1] = 2;
	CHECK_EQ(((uint8_t *)memory.base)[memory.size - 1], 2);
	CHECK(faults(base - 1, false));
	CHECK(faults(base + memory.size, false));
	CHECK(!faults(base + memory.size - 1, true));
	hf_unmap_guarded(base, memory.size);
	CHECK_EQ(msync(base - 4096, 4096, MS_ASYNC), -1);
	CHECK_EQ(msync(base + memory.size, 4096, MS_ASYNC), -1);
	hf_memory_destroy(&memory);
}

/* As another user, who was sent the descriptor. Can the file be opened anew to be written to? */
static bool another_user_opens(int fd, int flags)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		_exit(setuid(65534) < 0 ? 2 : open(path, flags | O_CLOEXEC) >= 0);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	REQUIRE(WEXITSTATUS(status) != 2);
	return WEXITSTATUS(status);
}

static void check_reopening(bool huge)
{
	struct hf_memory memory, adopted;
	int fd;

	REQUIRE(hf_memory_create(&memory, "test", 4096, HF_NODE_ANY, huge) == 0);
	fd = hf_memory_readonly_fd(&memory);
	REQUIRE(fd >= 0);
	CHECK(!another_user_opens(fd, O_RDWR));
	CHECK(!another_user_opens(fd, O_WRONLY));
	CHECK(another_user_opens(fd, O_RDONLY));
	/* As one that another release made. */
	REQUIRE(fchmod(memory.fd, 0777) == 0);
	CHECK(another_user_opens(fd, O_RDWR));
	REQUIRE(hf_memory_adopt(&adopted, fcntl(memory.fd, F_DUPFD_CLOEXEC, 0)) == 0);
	CHECK(!another_user_opens(fd, O_RDWR));
	hf_memory_destroy(&adopted);
	close(fd);
	hf_memory_destroy(&memory);
}

static void who_may_only_read_cannot_open_the_file_anew_to_write(void)
{
	if (geteuid() != 0)
		return; /* only root can be somebody else */
	check_reopening(false);
	check_reopening(true);
}

static void an_inaccessible_page_lies_on_either_side_of_a_map(void)
{
	check_guards(false);
	check_guards(true);
}

static void a_readonly_map_faults_on_a_store(void)
{
	struct hf_memory memory;
	void *base = NULL;

	REQUIRE(hf_memory_create(&memory, "test", 4096, HF_NODE_ANY, false) == 0);
	REQUIRE(hf_map_guarded(memory.fd, 0, 4096, false, &base) == 0);
	CHECK(!faults(base, false));
	CHECK(faults(base, true));
	hf_unmap_guarded(base, 4096);
	hf_memory_destroy(&memory);
}

static void a_range_outside_its_file_is_not_mapped(void)
{
	struct hf_memory memory;
	void *base = NULL;

	REQUIRE(hf_memory_create(&memory, "test", 8192, HF_NODE_ANY, false) == 0);
	CHECK_EQ(hf_map_guarded(memory.fd, 0, 12288, true, &base), -EINVAL);
	CHECK_EQ(hf_map_guarded(memory.fd, 8192, 4096, true, &base), -EINVAL);
	CHECK_EQ(hf_map_guarded(memory.fd, 0, 0, true, &base), -EINVAL);
	CHECK_EQ(hf_map_guarded(memory.fd, 0, 100, true, &base), -EINVAL);
	CHECK_EQ(hf_map_guarded(memory.fd, 100, 4096, true, &base), -EINVAL);
	CHECK_EQ(hf_map_guarded(memory.fd, UINT64_MAX - 4095, 8192, true, &base), -EINVAL);
	CHECK(!base);
	hf_memory_destroy(&memory);
}

static void what_is_not_a_regular_file_is_not_mapped(void)
{
	void *base = NULL;
	int ends[2], null = open("/dev/zero", O_RDWR | O_CLOEXEC), dir = open("/", O_RDONLY);

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	CHECK(hf_map_guarded(ends[0], 0, 4096, true, &base) < 0);
	CHECK(hf_map_guarded(null, 0, 4096, true, &base) < 0);
	CHECK(hf_map_guarded(dir, 0, 4096, true, &base) < 0);
	CHECK(hf_map_guarded(-1, 0, 4096, true, &base) < 0);
	close(ends[0]);
	close(ends[1]);
	close(null);
	close(dir);
}

static const struct sentence sentences[] = {
	CATALOGUE(ordinary_memory_is_zero_whole_pages_and_sealed, "[9]"),
	CATALOGUE(huge_memory_is_used_when_the_pool_has_pages_and_ordinary_else, "[F-8]"),
	CATALOGUE(memory_larger_than_the_pool_falls_back_to_ordinary_pages, "[F-8]"),
	CATALOGUE(pages_that_cannot_be_had_are_known_before_they_are_touched, "[F-8]"),
	SENTENCE(destroyed_memory_leaves_no_descriptor_and_no_map),
	SENTENCE(no_size_is_no_memory),
	SENTENCE(a_readonly_descriptor_can_never_be_mapped_writable),
	SENTENCE(who_may_only_read_cannot_open_the_file_anew_to_write),
	SENTENCE(an_inaccessible_page_lies_on_either_side_of_a_map),
	SENTENCE(a_readonly_map_faults_on_a_store),
	SENTENCE(a_range_outside_its_file_is_not_mapped),
	SENTENCE(what_is_not_a_regular_file_is_not_mapped),
};
SUITE("memory", sentences)
