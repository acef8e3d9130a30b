/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's side of /dev/cuse: a port "c" whose device is a packet socket, through which the
 * test sends raw FUSE messages. The caller is the test's own process.
 */
#ifndef TESTS_FAKE_CUSE_H
#define TESTS_FAKE_CUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cuse_vhost.h"
#include "port.h"

#define FEATURES (1ull << 32 | 1ull << 15) /* VERSION_1 and MRG_RXBUF */

struct kernel {
	int socket; /* the kernel's end of the last device that was made */
	int error;  /* none can be made, for this reason */
	uint64_t unique;
	uint32_t thread; /* that asks; at first ours */
	uint32_t user;	 /* whose it is, as the kernel says */
	unsigned int made, cut_off;
	/* The answer that came last. */
	int32_t answer_error;
	uint64_t answered;
	uint8_t answer[512];
	size_t answer_len;
};
extern struct kernel kernel;

/* Behind front_begin: the port is there. */
void kernel_begin(void);
void kernel_end(void);
struct port *kernel_port(void);

/* Send a message, and that is all. Its number. */
uint64_t kernel_send(uint32_t opcode, const void *payload, size_t len);
/* Any bytes at all. */
void kernel_send_bytes(const void *bytes, size_t len);
/* The next answer, into `kernel`; false: there is none. */
bool kernel_answer(void);
/* The same, waited for. */
bool kernel_answer_in_time(void);

/* A whole open; its handle, -errno, or 0 when it is not answered in time. */
int64_t kernel_open(void);
/* Its error, or 1 when it is not answered in time. */
int kernel_release(uint64_t handle);
/* One phase of an ioctl, not waited for. */
uint64_t kernel_phase(uint64_t handle, uint32_t cmd, uint64_t arg, const void *in, uint32_t in_size,
		      uint32_t out_size);
/* All of an ioctl as the kernel does it: memory at `arg` is the caller's. 0 or -errno; 1: not
 * answered in time. */
int kernel_ioctl(uint64_t handle, uint32_t cmd, void *arg);
int kernel_u64(uint64_t handle, uint32_t cmd, uint64_t value);
int kernel_state(uint64_t handle, uint32_t cmd, uint32_t index, uint32_t num);
int kernel_file(uint64_t handle, uint32_t cmd, uint32_t index, int fd);
int kernel_addr(uint64_t handle, uint32_t index, const void *memory);
/* A table of one region, at guest address 0. */
int kernel_memory(uint64_t handle, const void *memory, uint64_t size);

#endif
