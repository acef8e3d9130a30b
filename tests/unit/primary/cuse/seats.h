/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices by the dozen in one primary, with the control socket: each with a front-end that owns it,
 * which is this process, and the kernel's side of it. And processes that look at that one's memory,
 * which hang when it is wanted.
 */
#ifndef TESTS_SEATS_H
#define TESTS_SEATS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cuse_request.h"
#include "fake_cuse.h"
#include "port.h"
#include "primary_rig.h"

#define SEATS	     (CUSE_LOOKS + 4)
#define SEATS_MEMORY (1u << 20)
#define WAIT_MS	     20000

extern struct rig rig;
extern uint8_t *seats_memory;

/* What the processes that look do, and say. Shared with them. */
struct lookers {
	_Atomic int to_hang; /* so many more hang */
	_Atomic bool go_on;  /* none does any more */
	_Atomic uint32_t hanging;
	_Atomic pid_t last; /* who began last to hang */
};
extern struct lookers *lookers;

/* Until so many have begun to hang; not one more. They have no deadline any more. */
void lookers_await(uint32_t wanted);
/* Not only dead: a process that nobody buries stays for ever. */
bool looker_is_buried(void *pid);
void looker_is_buried_soon(pid_t pid);

/* A device "cNUMBER" of a user of its own: the kernel's side, which is in `kernel` while it is
 * used. */
struct seat {
	struct kernel kernel;
	uint64_t handle; /* of the open file */
	char name[12];
};
extern struct seat seats[SEATS];

void seats_begin(uint32_t devices);
/* Nothing may be left over. */
void seats_end(uint32_t devices);
/* A process like this one, that does nothing. */
pid_t seats_sleeper(void);

/* From now on `kernel` is its. */
struct seat *seat_use(uint32_t i);
struct port *seat_port(uint32_t i);
struct cuse_look *seat_look(uint32_t i);
/* Who looks for it now. They come to hang in no order. */
pid_t seat_looker(uint32_t i);
/* Its front-end comes, and owns it. */
void seat_open(uint32_t i);
/* A memory table, whole; not waited for. Its number. */
uint64_t seat_ask_for_look(uint32_t i);
/* The time that a look has is longer than the test takes; or is over. */
void seat_has_time(struct cuse_look *look);
void seat_let_time_pass(struct cuse_look *look);
/* The next answer is to that, within a bounded time. */
void seat_is_answered(uint32_t i, uint64_t unique, int error);
bool seat_is_silent(uint32_t i);
/* What a front-end says until a ring can run; how much of it, of OF_A_SETUP, was answered with yes.
 */
uint32_t seat_set_up(uint32_t i);
#define OF_A_SETUP 5u

#endif
