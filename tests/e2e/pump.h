/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests at full rate whatever happens around them: a thread that keeps the rings of several
 * front-ends full in both directions, with numbered packets, and judges what comes back.
 *
 * What is allowed: a secondary that dies takes along what it had dequeued and not enqueued yet, one
 * burst of each vring. What is not: a packet that comes twice, that is torn, that was never sent,
 * used->idx that goes back, a socket that closes. A packet may come late, behind higher numbers,
 * only when a secondary was stopped: it had the packet in its hands meanwhile.
 *
 * How long no packet came is measured by a clock that stands still with the machine
 * (fair_clock.h).
 *
 * The thread counts; the test function asserts, when the thread is over. Messages may be sent to
 * the front-ends meanwhile, but their rings are the thread's.
 */
#ifndef E2E_PUMP_H
#define E2E_PUMP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fair_clock.h"
#include "front_end.h"

#define PUMP_GUESTS 8u
#define PUMP_BURST  32u /* of the secondaries: the most a death may lose of a vring */

struct pump_guest {
	struct front_end fe;
	struct pump *pump;
	uint64_t *seen;	     /* bitmap of the last numbers, a ring */
	uint32_t sent, next; /* numbers: to be sent, expected */
	uint64_t came, late, lost;
	uint64_t excess; /* lost beyond what the deaths of the time explain */
	uint64_t duplicates, torn, unknown, went_back;
	uint64_t longest_stall_ns, moved_ns; /* fair */
	/* pump->ended at the beginning of the round before; and of the one before that in which
	 * the last packet came, when it was not there yet. */
	uint32_t ended_round, ended_before;
	uint16_t used[2];
	bool closed;
};

struct pump {
	pthread_t thread;
	atomic_bool stop;
	/* Deaths that may have taken packets along: counted in `begun` before, in `ended` after. */
	atomic_uint begun, ended;
	atomic_ulong rounds;
	struct fair_clock clock;
	uint32_t count;
	struct pump_guest guests[PUMP_GUESTS];
};

/* Sessions on the first `count` ports p0, p1, … of the run directory; buffers posted. */
void pump_open(struct pump *pump, const char *run_dir, uint32_t count);
void pump_start(struct pump *pump);
/* Send nothing more and let what is under way arrive: true when all rings came to rest within a
 * bounded time. */
bool pump_stop(struct pump *pump);
/* Assert what is allowed; print what was. `deaths` may have taken packets along; `unforeseen` times
 * packets were missing without a death that was in `begun`; `holders` times somebody may have kept
 * a burst of each vring in his hands while another one went on: that much may come late. */
void pump_judge(struct pump *pump, uint32_t deaths, uint32_t unforeseen, uint32_t holders);
/* Every guest echoes `count` packets without one missing. */
void pump_check_echo(struct pump *pump, uint32_t count);
void pump_close(struct pump *pump);

#endif
