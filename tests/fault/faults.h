/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test's end of the fault shim (page.h): programs that are started between faults_begin and
 * faults_end have it.
 *
 * A sweep is: count the calls of what shall be disturbed, then do it again for each of them, and
 * fail that one. How many of them are taken, and which, faults_next says: all with HF_TEST_LONG=1,
 * else an even share that begins at another place each time (HF_TEST_SEED).
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "page.h"

/* Make the page. From now on what is started sees it. FAULT_SHIM (environment) is the library; with
 * none, the programs have it in them. */
void faults_open(void);
void faults_close(void);
/* Programs started from here on have the shim, or have it no more. */
void faults_begin(void);
void faults_end(void);

/* Count, and fail the nth of these kinds and the next, `times` in all; pid 0: anybody's. */
void faults_arm(pid_t pid, uint32_t kinds, uint32_t how, uint32_t nth, uint32_t times);
/* The nth of anybody's fails, but not of this process'. */
void faults_arm_but(pid_t but, uint32_t kinds, uint32_t how, uint32_t nth);
/* The nth fails with this error. */
void faults_arm_error(pid_t pid, uint32_t kinds, int error, uint32_t nth);
/* The same, but not of this process'. */
void faults_arm_error_but(pid_t but, uint32_t kinds, int error, uint32_t nth);
/* The nth of each of so many. */
void faults_arm_every(pid_t pid, uint32_t kinds, uint32_t how, uint32_t every);
/* No more from here on. How many calls were counted; *ret_hit: how many of them failed. */
uint32_t faults_disarm(uint32_t *ret_hit);
/* The first that failed, in words: for the line that says what broke. */
const char *faults_where(void);

struct sweep {
	uint32_t of; /* calls */
	uint32_t step;
	uint32_t at; /* the one to fail */
};

/* Over `of` calls, not more than `most` of them. */
struct sweep sweep_over(uint32_t of, uint32_t most);
/* False: it is over. */
bool sweep_next(struct sweep *sweep);

#endif
