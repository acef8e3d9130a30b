/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary that reads a scribbled directory, and is sent messages that agree with it or do not:
 * Welcome, memory, grants. It may refuse and complain; a map or a ring that it accepts lies in the
 * descriptors that it got.
 */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attach.pb-c.h"
#include "check.h"
#include "fd.h"
#include "lane.h"
#include "service.h"
#include "wire.h"

#include <CUnit/CUnit.h>

#define DEVICES	   2u
#define MEMORY	   (64u << 10)
#define LANE_BYTES (64u << 10)
#define MOST_SENT  24

static struct hf_service service;
static struct hf_device_ops device_ops;
static struct hf_memory memory, lane;
static uint8_t *fresh;
static int guest, event;

static int new_device(struct hf_device *device, void *context)
{
	(void)device;
	(void)context;
	return 0;
}

static void memory_file(struct hf_memory *to, size_t size)
{
	*to = (struct hf_memory){.fd = memfd_create("fuzz", MFD_CLOEXEC), .size = size};
	FUZZ_HOLDS(to->fd >= 0 && ftruncate(to->fd, (off_t)size) == 0);
	to->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, to->fd, 0);
	FUZZ_HOLDS(to->base != MAP_FAILED);
	to->page_bytes = 4096;
}

/* A directory with one device that can run. */
static void set_up_once(void)
{
	static struct hf_shm_device draft;
	struct hf_directory directory;
	size_t size = align_up(hf_directory_size(DEVICES, 2), 4096);

	hf_log_set_level(0);
	memory_file(&memory, size);
	memory_file(&lane, LANE_BYTES);
	guest = memfd_create("fuzz", MFD_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	FUZZ_HOLDS(guest >= 0 && event >= 0 && ftruncate(guest, MEMORY) == 0);
	FUZZ_HOLDS(hf_directory_format(&directory, &memory, DEVICES, 2, 1) == 0);
	draft = (struct hf_shm_device){.state = HF_DEVICE_READY,
				       .mem_generation = 1,
				       .session = 1,
				       .features = 1ull << 32,
				       .nr_regions = 2,
				       .nr_vrings = 2,
				       .name = "p"};
	for (uint32_t i = 0; i < 2; i++)
		draft.regions[i] = (struct hf_shm_region){
			.gpa = i * MEMORY / 2, .size = MEMORY / 2, .file_offset = i * MEMORY / 2};
	FUZZ_HOLDS(hf_directory_publish(&directory, 0, &draft) == 0);
	fresh = malloc(size);
	FUZZ_HOLDS(fresh != NULL);
	memcpy(fresh, memory.base, size);
	device_ops.new_device = new_device;
	service.snapshot = malloc(sizeof(*service.snapshot));
	FUZZ_HOLDS(service.snapshot != NULL);
}

static void begin(void)
{
	struct hf_shm_device *snapshot = service.snapshot;

	memcpy(memory.base, fresh, memory.size);
	hf_lane_format(lane.base, lane.size, 1);
	service = (struct hf_service){.snapshot = snapshot,
				      .socket = -1,
				      .epoll = -1,
				      .timer = -1,
				      .wake = -1,
				      .state_fd = -1,
				      .ops = &device_ops};
	strcpy(service.name, "a");
	strcpy(service.tag, "a");
	service.deferred_tail = &service.deferred;
}

/* Four bytes of the directory; a chooses the part, so that headers are not missed. */
static void scribble(const struct record *r)
{
	uint8_t *base = memory.base;
	struct hf_shm_header *header = memory.base;
	uint8_t *device = base + hf_directory_size(DEVICES, 2) -
			  DEVICES * sizeof(struct hf_shm_device); /* the first; they are last */
	size_t at = r->b & ~3u;

	switch (r->a % 4) {
	case 0:
		memcpy(base + at % sizeof(struct hf_shm_header), &r->c, 4);
		break;
	case 1: /* of the device, what stands before its regions; and those it has */
		at %= offsetof(struct hf_shm_device, regions) + 2 * sizeof(struct hf_shm_region);
		memcpy(device + at, &r->c, 4);
		break;
	case 2:
		at = offsetof(struct hf_shm_device, vrings) +
		     at % (2 * sizeof(struct hf_shm_vring));
		memcpy(device + at, &r->c, 4);
		break;
	default:
		memcpy(base + (r->c % (memory.size - 4) & ~3u), &r->b, 2);
	}
	if (r->a & 8)
		header->abi_major = HF_ABI_MAJOR;
	/* A writer that died in the middle: a case of its own (test_directory.c), and it waits. */
	((struct hf_shm_device *)(void *)device)->seq &= ~1u;
}

static void scribble_lane(const struct record *r)
{
	memcpy((uint8_t *)lane.base + r->b % 4092, &r->c, 4);
}

/* Descriptors that belong to it, or not. */
static void add_fds(struct hf_frame *frame, const struct record *r, uint32_t member)
{
	static const uint8_t usual[] = {2, 0, 0, 2, 0, 2};
	uint32_t n = member < ARRAY_SIZE(usual) ? usual[member] : 0;

	if (r->op >> 4 == 15)
		n = r->c % 4;
	for (uint32_t i = 0; i < n; i++) {
		int fd = member == 0 ? (i ? lane.fd : memory.fd) : member == 3 ? guest : event;

		if (r->op >> 4 == 14)
			fd = r->c & 1 ? event : guest;
		frame->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		frame->nr_fds++;
	}
}

static void receive(const struct record *r)
{
	static const struct wire_value good[] = {{"id", 1, NULL},
						 {"epoch", 1, NULL},
						 {"lane_bytes", LANE_BYTES, NULL},
						 {"version", 0, "1"},
						 {"session", 1, NULL},
						 {"mem_generation", 1, NULL},
						 {"total", 2, NULL},
						 {"grant", 6, NULL},
						 {"lane_entry", 1, NULL},
						 {"enabled", 1, NULL},
						 {"has_kick", 1, NULL},
						 {"has_call", 1, NULL},
						 {"size", 16, NULL},
						 {"desc_gpa", 0x1000, NULL},
						 {"avail_gpa", 0x2000, NULL},
						 {"used_gpa", 0x3000, NULL},
						 {"flags", 7, NULL},
						 {"features", 1ull << 32, NULL},
						 {"number", 1, NULL},
						 {"name", 0, "b"},
						 {"reason", 0, "no"},
						 {NULL, 0, NULL}};
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	uint32_t member = r->a % wire_members(&holdfast__attach__to_secondary__descriptor);

	frame.len = wire_build(bytes, sizeof(bytes), &holdfast__attach__to_secondary__descriptor, r,
			       good);
	add_fds(&frame, r, member);
	hf_message_handle(&service, &frame);
}

/* The usual beginning: Welcome, memory, ready, a grant. */
static void usual(const struct record *r)
{
	for (uint8_t step = 0; step <= r->b % 4; step++) {
		static const uint8_t members[] = {0, 3, 4, 5};
		struct record message = {.a = members[step]};

		receive(&message);
	}
}

static void snapshot(const struct record *r)
{
	struct hf_directory directory;
	static struct hf_shm_device copy;

	if (hf_directory_attach(&directory, memory.fd))
		return;
	for (uint32_t i = 0; i < 3; i++)
		if (!hf_directory_snapshot(&directory, i + (r->a & 1), &copy))
			FUZZ_HOLDS(copy.nr_regions <= HF_SHM_MAX_REGIONS &&
				   copy.nr_vrings <= HF_SHM_MAX_VRINGS &&
				   memchr(copy.name, 0, sizeof(copy.name)));
	FUZZ_HOLDS(!hf_directory_device(&directory, directory.header.max_devices));
	(void)hf_directory_secondary(&directory, r->b);
	hf_directory_detach(&directory);
}

/* What was accepted lies inside. */
static void check_devices(void)
{
	for (uint32_t i = 0; service.devices && i < service.directory.header.max_devices; i++) {
		const struct hf_device *device = service.devices[i];

		for (uint32_t q = 0; device && q < HF_MAX_VRINGS; q++) {
			const struct hf_vring *v = device->vrings[q];

			if (v && v->granted)
				FUZZ_HOLDS(device->map && v->size && v->size <= HF_VRING_MAX_SIZE &&
					   v->lane);
		}
	}
}

const uint8_t fuzz_nr_ops = 255;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!fresh)
		set_up_once();
	begin();
	for (int sent = 0; sent < MOST_SENT && fuzz_next(&input, &r); sent++) {
		switch (r.op % 8) {
		case 0:
			usual(&r);
			break;
		case 1:
		case 2:
			scribble(&r);
			break;
		case 3:
			scribble_lane(&r);
			break;
		case 4:
			snapshot(&r);
			break;
		default:
			receive(&r);
		}
		check_devices();
	}
	hf_attach_lost(&service, "the input is over");
	hf_state_free(&service);
	return 0;
}
