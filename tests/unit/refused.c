/* SPDX-License-Identifier: Apache-2.0 */
#include "refused.h"

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fd_ledger.h"
#include "session.h"
#include "suite.h"

struct front front;
struct device draft_before;

void begin_session(void)
{
	front_begin();
	front_connect(&front);
	front_setup(&front);
	front_kick(&front, 0);
	draft_before = front_port()->device;
}

void end_session(void)
{
	front_close(&front);
	front_end();
}

static bool untouched(void)
{
	return memcmp(&draft_before, &front_port()->device, sizeof(draft_before)) == 0;
}

uint64_t refusals(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < NR_REFUSALS; i++)
		sum += primary.refusals[i];
	return sum;
}

int fds_become(int wanted)
{
	for (int ms = 0; ms < 20000 && fds_open() != wanted; ms++) {
		(void)foreign_full_since(&front_port()->foreign);
		usleep(1000);
	}
	return fds_open();
}

void refused(uint32_t request, const void *payload, uint32_t size, const int *fds,
	     unsigned int nr_fds, enum refusal reason)
{
	uint64_t count = primary.refusals[reason], all = refusals();
	int open = fds_open();

	CHECK_EQ(front_ask(&front, request, payload, size, fds, nr_fds), 1);
	CHECK_EQ(primary.refusals[reason], count + 1);
	CHECK_EQ(refusals(), all + 1);
	CHECK(untouched());
	CHECK_EQ(fds_become(open), open);
}

void refused_state(uint32_t request, uint32_t index, uint32_t num, enum refusal reason)
{
	struct vu_vring_state state = {index, num};

	refused(request, &state, sizeof(state), NULL, 0, reason);
}
