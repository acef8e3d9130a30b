/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUSE messages of a character device, as the kernel writes them for callers that may say anything
 * in their ioctls, and as it would never write them. The kernel's side is fake_cuse.h, the caller
 * this process. Each input has a device of its own, which is gone behind it.
 */
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fake_grants.h"
#include "front.h"
#include "fuzz.h"
#include "log.h"
#include "looker.h"
#include "ports.h"
#include "primary/cuse/fake_cuse.h"

#define MEMORY	  (256u << 10)
#define HANDLES	  4u
#define MOST_DONE 32
#define MOST_DATA 4000u

static const uint32_t commands[] = {
	VH_GET_FEATURES,    VH_SET_FEATURES,	     VH_SET_OWNER,	     VH_RESET_OWNER,
	VH_SET_MEM_TABLE,   VH_SET_LOG_BASE,	     VH_SET_LOG_FD,	     VH_SET_VRING_NUM,
	VH_SET_VRING_ADDR,  VH_SET_VRING_BASE,	     VH_GET_VRING_BASE,	     VH_SET_VRING_ENDIAN,
	VH_SET_VRING_KICK,  VH_SET_VRING_CALL,	     VH_SET_VRING_ERR,	     VH_GET_VRING_ENDIAN,
	VH_NET_SET_BACKEND, VH_SET_BACKEND_FEATURES, VH_GET_BACKEND_FEATURES};

static uint8_t *memory;
static int event, file;
static uint64_t handles[HANDLES];
static uint8_t argument[MOST_DATA + 96];

static void set_up_once(void)
{
	hf_log_set_level(0);
	front_begin();
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	file = memfd_create("fuzz", MFD_CLOEXEC);
	FUZZ_HOLDS(memory != MAP_FAILED && event >= 0 && file >= 0);
}

static void begin(void)
{
	fake_reset();
	/* What the looks of other inputs have cost. */
	primary.looks.loop_time = (struct rate){0};
	looker_hang(false);
	kernel_begin();
	memset(handles, 0, sizeof(handles));
}

static void end(void)
{
	fake.hold = false;
	(void)fake_release();
	FUZZ_HOLDS(port_del(&primary, "c") == 0);
	for (int i = 0; i < 4 && kernel_port(); i++) {
		(void)fake_release();
		front_turn();
	}
	front_turn();
	FUZZ_HOLDS(!kernel_port());
	kernel_end();
}

/* An earlier one's answer may come late. */
static bool answered(uint64_t unique)
{
	while (kernel_answer())
		if (kernel.answered == unique)
			return true;
	return false;
}

/* All phases of an ioctl on `argument`, as the kernel does them. The primary asks for no more than
 * the ioctls have. */
static void control(uint64_t handle, uint32_t cmd)
{
	uint32_t in_size = 0, out_size = 0;

	for (int phase = 0; phase < 4; phase++) {
		struct fuse_ioctl_out answer;
		struct fuse_ioctl_iovec iov[2] = {{0}, {0}};

		if (!answered(kernel_phase(handle, cmd, (uintptr_t)argument, argument, in_size,
					   out_size)) ||
		    kernel.answer_error || kernel.answer_len < sizeof(answer))
			return;
		memcpy(&answer, kernel.answer, sizeof(answer));
		FUZZ_HOLDS(kernel.answer_len <= sizeof(answer) + sizeof(iov) + out_size);
		if (!(answer.flags & FUSE_IOCTL_RETRY))
			return;
		FUZZ_HOLDS(answer.in_iovs <= 1 && answer.out_iovs <= 1);
		memcpy(iov, kernel.answer + sizeof(answer),
		       (answer.in_iovs + answer.out_iovs) * sizeof(iov[0]));
		in_size = answer.in_iovs ? (uint32_t)iov[0].len : 0;
		out_size = answer.out_iovs ? (uint32_t)iov[answer.in_iovs].len : 0;
		for (uint32_t i = 0; i < answer.in_iovs + answer.out_iovs; i++)
			FUZZ_HOLDS(iov[i].base == (uintptr_t)argument && iov[i].len < 32768);
		if (in_size > MOST_DATA)
			return;
	}
	FUZZ_HOLDS(!"an ioctl without an end");
}

static uint64_t handle_of(const struct record *r)
{
	return r->c >> 31 ? fuzz_number(r->c) : handles[r->a >> 6];
}

static void set_argument(const void *bytes, size_t len)
{
	memset(argument, 0, 64);
	memcpy(argument, bytes, len);
}

static void words(uint64_t handle, uint32_t cmd, uint32_t first, uint32_t second)
{
	uint32_t both[2] = {first, second};

	set_argument(both, sizeof(both));
	control(handle, cmd);
}

static void number(uint64_t handle, uint32_t cmd, uint64_t value)
{
	set_argument(&value, sizeof(value));
	control(handle, cmd);
}

/* a: which, b, c: what lies in it. */
static void table(const struct record *r)
{
	struct {
		uint32_t count, padding;
		struct vh_region regions[4];
	} t = {.count = 1 + r->a % 4};
	uint64_t size = MEMORY / t.count;
	uint64_t *fields;

	for (uint32_t i = 0; i < t.count; i++)
		t.regions[i] = (struct vh_region){
			.gpa = size * i, .size = size, .user_addr = (uintptr_t)memory + size * i};
	fields = &t.regions[r->b % 4].gpa;
	if (r->a & 16)
		fields[r->b >> 2 & 3] += fuzz_number(r->c & 0x7fffffff);
	if (r->a & 32)
		t.count = (uint32_t)fuzz_number(r->c & 0x7fffffff);
	set_argument(&t, sizeof(t));
	control(handles[r->a >> 6], VH_SET_MEM_TABLE);
}

static void address(const struct record *r)
{
	uint64_t base = (uintptr_t)memory + 0x10000ull * (r->a & 1);
	struct vh_vring_addr addr = {.index = r->a & 1,
				     .desc_user = base + 0x1000,
				     .avail_user = base + 0x3000,
				     .used_user = base + 0x4000};

	if (r->a & 2)
		(&addr.desc_user)[r->b & 3] += fuzz_number(r->c & 0x7fffffff);
	if (r->a & 4)
		addr.index = (uint32_t)fuzz_number(r->c & 0x7fffffff);
	set_argument(&addr, sizeof(addr));
	control(handles[r->a >> 6], VH_SET_VRING_ADDR);
}

static void open_one(const struct record *r)
{
	struct fuse_open_in in = {.flags = 2};
	struct fuse_open_out out = {0};

	if (answered(kernel_send(FUSE_OPEN, &in, sizeof(in))) && !kernel.answer_error &&
	    kernel.answer_len == sizeof(out))
		memcpy(&out, kernel.answer, sizeof(out));
	handles[r->a >> 6] = out.fh;
}

static void release(const struct record *r)
{
	struct fuse_release_in in = {.fh = handle_of(r)};

	(void)answered(kernel_send(FUSE_RELEASE, &in, sizeof(in)));
}

/* What QEMU says until a ring runs. */
static void usual(const struct record *r)
{
	uint64_t handle;
	struct record step = {.a = r->a & 0xc0};

	if (!handles[r->a >> 6])
		open_one(r);
	handle = handles[r->a >> 6];
	words(handle, VH_SET_OWNER, 0, 0);
	number(handle, VH_SET_FEATURES, 1ull << 32 | 1ull << 15);
	table(&step);
	for (uint32_t i = 0; i < 2; i++) {
		step.a = (r->a & 0xc0) | (uint8_t)i;
		words(handle, VH_SET_VRING_NUM, i, 1u << r->b % 10);
		words(handle, VH_SET_VRING_BASE, i, 0);
		address(&step);
		words(handle, VH_SET_VRING_KICK, i, (uint32_t)event);
		words(handle, VH_SET_VRING_CALL, i, (uint32_t)event);
		words(handle, VH_NET_SET_BACKEND, i, 5);
	}
}

/* Any ioctl with two words. */
static void any_words(const struct record *r)
{
	uint32_t value = r->b;

	if (r->b == 1)
		value = (uint32_t)event;
	else if (r->b == 2)
		value = (uint32_t)file;
	else if (r->b & 0x8000)
		value = (uint32_t)fuzz_number(r->c & 0x7fffffff);
	words(handle_of(r), commands[(r->a & 31) % ARRAY_SIZE(commands)], r->c & 3, value);
}

static void any_number(const struct record *r)
{
	number(handle_of(r), commands[(r->a & 31) % ARRAY_SIZE(commands)],
	       fuzz_number(r->c & 0x7fffffff));
}

/* One phase whose lengths were never asked for. */
static void any_phase(struct fuzz_input *input, const struct record *r)
{
	const uint8_t *bytes;
	size_t len = fuzz_bytes(input, r->b % 16, &bytes);
	uint32_t cmd = commands[(r->a & 31) % ARRAY_SIZE(commands)];

	if (r->a & 32)
		cmd = r->c;
	kernel_phase(handle_of(r), cmd, r->c & 1 ? fuzz_number(r->c) : (uintptr_t)argument, bytes,
		     (uint32_t)len, r->b >> 4);
	(void)kernel_answer();
}

/* A message of any kind, or bytes that are none. */
static void any_message(struct fuzz_input *input, const struct record *r)
{
	const uint8_t *bytes;
	size_t len = fuzz_bytes(input, r->b % 12, &bytes);

	if (!len)
		return;
	if (r->a & 1)
		kernel_send_bytes(bytes, len);
	else
		(void)kernel_send(r->a & 2 ? r->c % 60 : r->c, bytes, len);
	(void)kernel_answer();
}

/* Who asks, the secondary, the guest. */
static void others(const struct record *r)
{
	uint64_t one = 1;

	kernel.thread = r->a & 1 ? (uint32_t)gettid() : r->a & 2 ? r->c : 0;
	fake.hold = r->a & 4;
	fake.orphan = r->a & 8;
	looker_hang(r->a & 64);
	if (r->a & 16)
		(void)fake_release();
	if (r->a & 32)
		(void)!write(event, &one, sizeof(one));
	front_turn();
	(void)kernel_answer();
}

static void (*const ops[])(const struct record *r) = {
	usual, table, address, open_one, release, any_words, any_number, others,
};
const uint8_t fuzz_nr_ops = ARRAY_SIZE(ops) + 2;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!memory)
		set_up_once();
	begin();
	/* A device that was cut off has no port to talk to. */
	for (int done = 0; done < MOST_DONE && kernel.made == 1 && fuzz_next(&input, &r); done++) {
		uint8_t op = r.op % fuzz_nr_ops;

		if (op < ARRAY_SIZE(ops))
			ops[op](&r);
		else if (op == ARRAY_SIZE(ops))
			any_phase(&input, &r);
		else
			any_message(&input, &r);
	}
	end();
	return 0;
}
