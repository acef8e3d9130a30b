/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for grants, publishing and events in tests of the session: one imaginary secondary
 * takes every started vring at once, and gives it back at once, or when the test says so.
 */
#ifndef TESTS_FAKE_GRANTS_H
#define TESTS_FAKE_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"

struct fake {
	bool hold; /* revocations of granted vrings wait for fake_release */
	uint16_t position[HF_SHM_MAX_VRINGS]; /* where the secondary stands when it gives back */
	unsigned int revocations, calls_sent, rarps, retired, published, freed;
	uint8_t mac[6];
	unsigned int refused_events;
	bool orphan;	/* nobody takes vrings */
	bool congested; /* the secondary does not read */
};
extern struct fake fake;

void fake_reset(void);
/* Let the waiting revocations be done. How many there were. */
unsigned int fake_release(void);
bool fake_granted(const struct vring *vring);

#endif
