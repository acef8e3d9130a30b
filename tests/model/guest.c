/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define USER_BASE 0x7f1200000000ull
#define BLOCK	  4096u

static void fill_canary(struct guest *guest)
{
	for (size_t i = 0; i < guest->size; i++)
		guest->known[i] = (uint8_t)(0xa5 ^ (i * 7) ^ (i >> 9));
	memcpy(guest->bytes, guest->known, guest->size);
}

static bool create(struct guest *guest, unsigned int memfd_flags, size_t size, uint64_t base,
		   const struct guest_span *spans, uint32_t nr_spans)
{
	struct guest_span all = {0, size};

	*guest = (struct guest){.base = base, .user = USER_BASE, .size = size};
	guest->fd = memfd_create("guest", MFD_CLOEXEC | memfd_flags);
	if (guest->fd < 0 || ftruncate(guest->fd, (off_t)size) < 0)
		return false;
	guest->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->fd, 0);
	guest->known = malloc(size);
	guest->writable = calloc(1, size);
	if (guest->bytes == MAP_FAILED || !guest->known || !guest->writable)
		return false;
	if (!nr_spans) {
		spans = &all;
		nr_spans = 1;
	}
	for (uint32_t i = 0; i < nr_spans; i++)
		guest->regions[i] = (struct hf_shm_region){.gpa = base + spans[i].offset,
							   .size = spans[i].size,
							   .user_addr = USER_BASE + spans[i].offset,
							   .file_offset = spans[i].offset};
	guest->nr_regions = nr_spans;
	fill_canary(guest);
	return true;
}

void guest_use_own_addresses(struct guest *guest)
{
	uint64_t own = (uintptr_t)guest->bytes;

	for (uint32_t i = 0; i < guest->nr_regions; i++)
		guest->regions[i].user_addr += own - guest->user;
	guest->user = own;
}

bool guest_create(struct guest *guest, size_t size, uint64_t base, const struct guest_span *spans,
		  uint32_t nr_spans)
{
	return create(guest, 0, size, base, spans, nr_spans);
}

bool guest_create_huge(struct guest *guest, size_t size, uint64_t base,
		       const struct guest_span *spans, uint32_t nr_spans)
{
	return create(guest, MFD_HUGETLB | MFD_HUGE_2MB, size, base, spans, nr_spans);
}

bool guest_cut(struct guest *guest, size_t size)
{
	return ftruncate(guest->fd, (off_t)size) == 0;
}

bool guest_punch(struct guest *guest)
{
	return fallocate(guest->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 (off_t)guest->size) == 0;
}

bool guest_restore(struct guest *guest)
{
	if (ftruncate(guest->fd, (off_t)guest->size) < 0)
		return false;
	memset(guest->writable, 0, guest->size);
	fill_canary(guest);
	return true;
}

void guest_destroy(struct guest *guest)
{
	if (guest->bytes && guest->bytes != MAP_FAILED)
		munmap(guest->bytes, guest->size);
	if (guest->fd >= 0)
		close(guest->fd);
	free(guest->known);
	free(guest->writable);
	*guest = (struct guest){.fd = -1};
}

uint8_t *guest_at(const struct guest *guest, uint64_t gpa)
{
	if (gpa - guest->base >= guest->size) {
		fprintf(stderr, "the model has no byte at %#llx\n", (unsigned long long)gpa);
		abort();
	}
	return guest->bytes + (gpa - guest->base);
}

static bool maps_byte(const struct guest *guest, uint64_t gpa)
{
	for (uint32_t i = 0; i < guest->nr_regions; i++)
		if (gpa - guest->regions[i].gpa < guest->regions[i].size)
			return true;
	return false;
}

bool guest_maps(const struct guest *guest, uint64_t gpa, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		if (!maps_byte(guest, gpa + i))
			return false;
	return true;
}

void guest_write(struct guest *guest, uint64_t gpa, const void *bytes, size_t len)
{
	memcpy(guest_at(guest, gpa), bytes, len);
	memcpy(guest->known + (gpa - guest->base), bytes, len);
}

/* One whole store: the back-end may be looking. */
void guest_write16(struct guest *guest, uint64_t gpa, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)guest_at(guest, gpa), value, __ATOMIC_RELEASE);
	memcpy(guest->known + (gpa - guest->base), &value, sizeof(value));
}

uint16_t guest_read16(const struct guest *guest, uint64_t gpa)
{
	return __atomic_load_n((uint16_t *)(void *)guest_at(guest, gpa), __ATOMIC_ACQUIRE);
}

void guest_declare(struct guest *guest, uint64_t gpa, uint64_t len, bool writable)
{
	uint64_t from = gpa - guest->base;

	if (from >= guest->size)
		return;
	len = min_u64(len, guest->size - from);
	memset(guest->writable + from, writable, len);
	if (!writable)
		memcpy(guest->known + from, guest->bytes + from, len);
}

static size_t strays_in(const struct guest *guest, size_t from, size_t len, bool tell)
{
	size_t strays = 0;

	for (size_t i = from; i < from + len; i++) {
		if (guest->writable[i] || guest->bytes[i] == guest->known[i])
			continue;
		if (!strays++ && tell)
			printf("    stray byte at gpa %#llx: %#x became %#x\n",
			       (unsigned long long)(guest->base + i), guest->known[i],
			       guest->bytes[i]);
	}
	return strays;
}

size_t guest_strays(const struct guest *guest)
{
	size_t strays = 0;

	for (size_t at = 0; at < guest->size; at += BLOCK) {
		size_t len = min_u64(BLOCK, guest->size - at);

		if (memcmp(guest->bytes + at, guest->known + at, len) != 0)
			strays += strays_in(guest, at, len, strays == 0);
	}
	return strays;
}
