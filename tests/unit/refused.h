/* SPDX-License-Identifier: Apache-2.0 */
/* A session that is set up, and messages that it refuses: front.h, and what must not change. */
#ifndef TESTS_REFUSED_H
#define TESTS_REFUSED_H

#include <stdint.h>

#include "device.h"
#include "front.h"
#include "refusal.h"

extern struct front front;
extern struct device draft_before; /* the draft that a refusal leaves as it is */

void begin_session(void);
void end_session(void);
uint64_t refusals(void);
/* Who closes what may hang does it beside us, and is watched by a descriptor until it has. */
int fds_become(int wanted);
/* Refused with that reason, asked for an answer and not; nothing else happens. */
void refused(uint32_t request, const void *payload, uint32_t size, const int *fds,
	     unsigned int nr_fds, enum refusal reason);
void refused_state(uint32_t request, uint32_t index, uint32_t num, enum refusal reason);

#endif
