/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include "check.h"
#include "clock.h"
#include "frames.h"

/* Nothing has come for so long: nothing will. Longer than a host takes a process away for. */
#define SETTLE_NS (100 * NS_PER_MS)
#define STUCK_NS  (20 * NS_PER_S)
/* A frame of ours is sent a few at a time: a thread that was away does not send all it missed. */
#define AT_ONCE 32u

void flow_start(struct flow *f, struct front *from, struct front *to, uint64_t period_ns)
{
	struct front_ring *buffers = &to->rings[FRONT_ENQUEUE];

	*f = (struct flow){.from = from, .to = to, .period_ns = period_ns};
	front_fill(&from->rings[FRONT_DEQUEUE], FLOW_FRAME);
	front_post_buffers(buffers, false);
	front_kick(to, FRONT_ENQUEUE);
	f->turned_ns = f->due_ns = hf_now_ns();
}

static bool may_send(const struct flow *f)
{
	const struct front_ring *r = &f->from->rings[FRONT_DEQUEUE];

	return !f->holding && (uint16_t)(r->posted - r->reaped) < r->size &&
	       f->next - f->expected < f->to->rings[FRONT_ENQUEUE].size;
}

static void send_due(struct flow *f, uint64_t now)
{
	uint32_t n = 0;

	for (; f->due_ns <= now && n < AT_ONCE && may_send(f); n++) {
		f->seen[f->next % FLOW_HISTORY] = 0;
		f->sent_ns[f->next % FLOW_HISTORY] = now;
		front_post_frame(&f->from->rings[FRONT_DEQUEUE], FLOW_FRAME, f->next++);
		f->due_ns += f->period_ns;
	}
	if (f->due_ns <= now)
		f->due_ns = now + f->period_ns;
	if (!n)
		return;
	f->counts.sent += n;
	front_kick(f->from, FRONT_DEQUEUE);
}

static void note_number(struct flow *f, uint64_t number)
{
	uint8_t *seen = &f->seen[number % FLOW_HISTORY];

	if (number >= f->next || number + FLOW_HISTORY <= f->next) {
		f->counts.damaged++;
		return;
	}
	if (*seen) {
		f->counts.duplicated++;
		return;
	}
	*seen = 1;
	if (number < f->expected) { /* counted as lost when it was passed */
		f->counts.late++;
		f->counts.lost--;
		return;
	}
	f->counts.lost += number - f->expected;
	f->expected = number + 1;
}

static void note_arrival(struct flow *f, const uint8_t *frame, uint32_t len, uint64_t now)
{
	uint64_t number;

	memcpy(&number, frame + FRAME_HEAD, sizeof(number));
	if (len != FLOW_FRAME || !frame_is_intact(frame, len, number)) {
		f->counts.damaged++;
		return;
	}
	note_number(f, number);
	if (f->delays)
		f->delays[min_u64((now - f->sent_ns[number % FLOW_HISTORY]) / NS_PER_US,
				  FLOW_DELAYS - 1)]++;
	f->counts.came++;
	f->arrivals++;
	if (now - f->last_ns > f->gap_ns) {
		f->gap_ns = now - f->last_ns;
		f->gap_end_ns = now;
	}
	f->last_ns = now;
}

uint64_t flow_turn(struct flow *f)
{
	struct front_ring *out = &f->from->rings[FRONT_DEQUEUE];
	struct front_ring *in = &f->to->rings[FRONT_ENQUEUE];
	uint64_t now = hf_now_ns();
	const uint8_t *frame;
	uint32_t len, n = 0;
	int got;

	if (now - f->turned_ns > f->stolen_ns)
		f->stolen_ns = now - f->turned_ns;
	while ((got = front_reap_one(out, &frame, &len)))
		f->counts.damaged += got < 0;
	send_due(f, now);
	for (; n < in->size && (got = front_reap_one(in, &frame, &len)); n++) {
		if (got < 0)
			f->counts.damaged++;
		else
			note_arrival(f, frame, len, now);
		front_post_buffer(in);
	}
	if (n)
		front_kick(f->to, FRONT_ENQUEUE);
	f->turned_ns = now;
	return now;
}

void flow_run(struct flow *f, uint64_t ns)
{
	uint64_t end = hf_now_ns() + ns;

	while (flow_turn(f) < end)
		;
}

bool flow_run_until(struct flow *f, uint64_t arrivals, uint64_t ns)
{
	uint64_t end = hf_now_ns() + ns, wanted = f->arrivals + arrivals;

	while (f->arrivals < wanted)
		if (flow_turn(f) >= end)
			return false;
	return true;
}

void flow_watch(struct flow *f)
{
	f->turned_ns = f->last_ns = hf_now_ns();
	f->arrivals = 0;
	f->gap_ns = f->gap_end_ns = f->stolen_ns = 0;
}

static bool all_was_taken(const struct flow *f)
{
	const struct front_ring *r = &f->from->rings[FRONT_DEQUEUE];

	return r->posted == r->reaped;
}

bool flow_settle(struct flow *f)
{
	uint64_t begun = hf_now_ns(), now = begun, quiet = begun, arrivals = f->arrivals;
	bool taken = false;

	f->holding = true;
	/* All came: done at once. Something is missing: wait until it surely does not come. */
	while ((!taken || (f->expected < f->next && now - quiet < SETTLE_NS)) &&
	       now - begun < STUCK_NS) {
		now = flow_turn(f);
		if (f->arrivals != arrivals || !taken)
			quiet = now;
		arrivals = f->arrivals;
		taken = all_was_taken(f);
	}
	f->counts.lost += f->next - f->expected;
	f->expected = f->next;
	f->holding = false;
	f->due_ns = hf_now_ns();
	return taken;
}
