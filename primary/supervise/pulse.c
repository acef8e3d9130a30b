/* SPDX-License-Identifier: Apache-2.0 */
#include "pulse.h"

#include "check.h"
#include "process.h"

#define LOOKS 8u /* within the limit */

static uint64_t period(const struct pulse *pulse)
{
	return pulse->limit_ns / LOOKS;
}

void pulse_begin(struct pulse *pulse)
{
	*pulse = (struct pulse){.limit_ns = pulse->limit_ns};
}

void pulse_felt(struct pulse *pulse)
{
	pulse->silent_ns = 0;
}

uint64_t pulse_wait_ns(const struct pulse *pulse, uint64_t now_ns)
{
	uint64_t due_ns = pulse->looked_ns + period(pulse);

	return !pulse->looked_ns || now_ns >= due_ns ? 0 : due_ns - now_ns;
}

/* Of the time since the last look: in how much of it could it have said something? */
static uint64_t chance_ns(struct pulse *pulse, pid_t pid, uint64_t passed_ns)
{
	uint64_t ran_ns = process_ran_ns(pid), before_ns = pulse->ran_ns;
	char state = process_state(pid);

	pulse->ran_ns = ran_ns;
	switch (state) {
	case 'T': /* stopped */
	case 't': /* traced */
		return 0;
	case 'R': /* wants the processor, or has it */
		return min_u64(passed_ns, ran_ns - before_ns);
	default:
		return passed_ns;
	}
}

bool pulse_stopped(struct pulse *pulse, pid_t pid, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - pulse->looked_ns;
	bool first = !pulse->looked_ns;

	if (pulse_wait_ns(pulse, now_ns))
		return false;
	pulse->looked_ns = now_ns;
	passed_ns = chance_ns(pulse, pid, min_u64(passed_ns, period(pulse)));
	if (!first)
		pulse->silent_ns += passed_ns;
	return pulse->silent_ns >= pulse->limit_ns;
}
