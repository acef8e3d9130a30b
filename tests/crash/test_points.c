/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary may die at any instruction: the sweep.
 *
 * A child runs one burst under PTRACE_SINGLESTEP and gets SIGKILL after step k; the parent then
 * takes over and judges (scene.h). Before that the same burst is stepped once to its end, and the
 * lane and the guest's ring, which parent and child share, tell at which step what became visible:
 * the publish window goes from the first word of the intent to `busy` being clear again.
 *
 * By default every step of the window is a crash point (packed: every step of those of its pieces
 * in which something is published), then some of the whole burst at even distances, then the
 * window's surroundings, MARGIN steps on either side from near to far while TIME_LIMIT_MS lasts.
 * HF_TEST_LONG=1: every step there is (more than the usual time limit of a test).
 * Without watchpoints it is one of SLOW.
 *
 * A step costs two switches between processes, and what matters lies at the end of a burst. Where
 * the processor has x86's debug registers the child runs freely up to a used element's store (a
 * watchpoint in the ring's memory) and is stepped from there; that the burst is the same each time
 * makes the numbers of steps comparable, and nothing but their choice depends on it.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"
#include "step.h"
#include "suite.h"

#define MARGIN	      200u
#define COARSE	      24u /* crash points all over the burst */
#define TIME_LIMIT_MS 3000
/* Where no watchpoint works, each point takes thousands of steps: one of so many, another one each
 * time, and those around a change of the intent. */
#define SLOW	  16u
#define MAX_STEPS 1000000u

/* What was seen at which step of the whole burst; step n: after n instructions. */
struct track {
	uint32_t steps;			     /* all */
	uint32_t intent, left;		     /* the window */
	uint32_t elements[SCENE_MAX_CHAINS]; /* used element i was stored; 0: not seen */
	uint8_t intents[MAX_STEPS / 8];	     /* bit k: the intent was there */
};

static struct tally {
	const struct scene_shape *shape;
	struct track track;
	uint32_t points; /* crash points tried */
	uint32_t faults;
	uint32_t before;   /* the owner died before its burst was visible … */
	uint32_t between;  /* … while it was being published: the intent was there */
	uint32_t after;	   /* … and in the burst still, but with the intent gone */
	uint32_t lost;	   /* deaths that cost a burst (dequeue) */
	bool can_run_free; /* watchpoints work */
} tally;

static void run_scene_burst(void *scene)
{
	scene_burst(scene);
}

static pid_t start_owner(struct scene *s)
{
	return step_start(run_scene_burst, s);
}

/* ---- a burst to its end, watched */

static void watch(struct scene *s, struct track *t, uint32_t step, bool *was_busy)
{
	const struct hf_lane_vring *lane = &s->shared->lanes[0];
	int packets = scene_packets_at(s, driver_used_idx(s->driver));

	scene_expect(s, packets >= 0, "a packet is visible in part");
	scene_expect(s, s->shape->packed || packets == 0 || packets == (int)SCENE_BURST,
		     "a used index in mid-burst");
	for (uint32_t i = 0; i < s->chains; i++)
		if (!t->elements[i] && scene_element_is_stored(s, i))
			t->elements[i] = step;
	if (hf_load_acquire(&lane->intent) != HF_INTENT_NONE) {
		t->intents[step / 8] |= (uint8_t)(1u << step % 8);
		if (!t->intent)
			t->intent = step;
	}
	if (*was_busy && !hf_load_acquire(&lane->busy))
		t->left = step;
	*was_busy = hf_load_acquire(&lane->busy) != 0;
}

/* Nobody dies here: the heir comes after an owner that ran its burst and left. */
static void record_track(void)
{
	struct track *t = &tally.track;
	bool was_busy = false;
	struct scene s;
	pid_t pid;

	REQUIRE(scene_open(&s, tally.shape));
	REQUIRE((pid = start_owner(&s)) > 0);
	while (t->steps < MAX_STEPS && step_resume(pid))
		watch(&s, t, ++t->steps, &was_busy);
	if (t->steps == MAX_STEPS)
		step_kill(pid);
	scene_take_over(&s);
	CHECK(s.published && !s.lost);
	CHECK_EQ(s.faults, 0);
	scene_close(&s);
	REQUIRE(t->steps < MAX_STEPS);
	REQUIRE(t->intent && t->left > t->intent);
}

/* ---- crash points */

/* The last used element that is stored before step `k`; -1: none. */
static int element_before(uint32_t k)
{
	int found = -1;

	for (uint32_t i = 0; tally.can_run_free && i < SCENE_MAX_CHAINS; i++)
		if (tally.track.elements[i] && tally.track.elements[i] <= k)
			found = (int)i;
	return found;
}

static bool go_to_step(struct scene *s, pid_t pid, uint32_t k)
{
	int element = element_before(k);
	uint32_t at = 0;

	if (element >= 0) {
		if (!step_to_store(pid, scene_used_element(s, (uint32_t)element)))
			return false;
		at = tally.track.elements[element];
	}
	for (; at < k; at++)
		if (!step_resume(pid))
			return false;
	return true;
}

static void count_phase(const struct scene *s)
{
	const struct hf_lane_vring *lane = &s->shared->lanes[0];

	if (lane->intent != HF_INTENT_NONE)
		tally.between++;
	else if (!s->published)
		tally.before++;
	else if (lane->busy)
		tally.after++;
	tally.lost += s->lost;
}

static void crash_at(uint32_t k)
{
	struct scene s;
	pid_t pid;
	bool there, killed;

	REQUIRE(scene_open(&s, tally.shape));
	s.sleeps = k % 2;
	s.is_first = k / 2 % 2;
	REQUIRE((pid = start_owner(&s)) > 0);
	there = go_to_step(&s, pid, k);
	killed = there && step_kill(pid);
	/* How long it takes to exit is not the same each time. */
	scene_expect(&s, killed || k > tally.track.left, "the owner was not killed at this step");
	scene_take_over(&s);
	count_phase(&s);
	if (s.faults)
		printf("    … killed at step %u of %u (intent at %u, left at %u)\n", k,
		       tally.track.steps, tally.track.intent, tally.track.left);
	tally.faults += s.faults != 0;
	tally.points += killed;
	scene_close(&s);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static bool long_form(void)
{
	const char *all = getenv("HF_TEST_LONG");

	return all && *all && strcmp(all, "0") != 0;
}

static void sweep_all(void)
{
	for (uint32_t k = 1; k < tally.track.steps; k++)
		crash_at(k);
}

static bool has_intent(uint32_t k)
{
	return tally.track.intents[k / 8] >> k % 8 & 1;
}

/* A packed ring is published in pieces, and most of the window is between two of them. */
static bool is_in_a_piece(uint32_t k)
{
	return !tally.shape->packed || has_intent(k - 1) || has_intent(k) || has_intent(k + 1);
}

static uint32_t slowness(void)
{
	return tally.can_run_free ? 1 : SLOW;
}

static bool is_change(uint32_t k)
{
	return has_intent(k) != has_intent(k - 1) || has_intent(k) != has_intent(k + 1);
}

static bool is_wanted(uint32_t k)
{
	return is_in_a_piece(k) && (is_change(k) || (k + (uint32_t)getpid()) % slowness() == 0);
}

static void sweep_window(void)
{
	const struct track *t = &tally.track;
	const uint32_t coarse = tally.can_run_free ? COARSE : COARSE / 3;
	long long end = now_ms() + TIME_LIMIT_MS / (tally.can_run_free ? 1 : 3);

	for (uint32_t k = t->intent - 1; k <= t->left; k++)
		if (is_wanted(k))
			crash_at(k);
	for (uint32_t i = 0; i < coarse; i++)
		crash_at(1 + i * (t->steps - 2) / (coarse - 1));
	for (uint32_t d = 1; d <= MARGIN && now_ms() < end; d++) {
		if (d < t->intent - 1)
			crash_at(t->intent - 1 - d);
		if (t->left + d < t->steps)
			crash_at(t->left + d);
	}
}

/* Is stored what was stored by step `k`, and no more? A vector stores several at once. */
static bool is_at_step(const struct scene *s, uint32_t k)
{
	for (uint32_t i = 0; i < s->chains; i++)
		if (scene_element_is_stored(s, i) !=
		    (tally.track.elements[i] && tally.track.elements[i] <= k))
			return false;
	return true;
}

/* Do watchpoints stop the owner where stepping did? */
static bool watchpoints_work(void)
{
	uint32_t last = tally.track.elements[0] ? 0 : 1;
	bool good = false;
	struct scene s;
	pid_t pid;

	REQUIRE(scene_open(&s, tally.shape));
	REQUIRE((pid = start_owner(&s)) > 0);
	if (tally.track.elements[last] && step_to_store(pid, scene_used_element(&s, last)))
		good = is_at_step(&s, tally.track.elements[last]);
	step_kill(pid);
	scene_close(&s);
	return good;
}

static void sweep(const struct scene_shape *shape)
{
	memset(&tally, 0, sizeof(tally));
	tally.shape = shape;
	record_track();
	tally.can_run_free = watchpoints_work();
	if (long_form())
		sweep_all();
	else
		sweep_window();
	printf("\n    %s: %u crash points of %u steps, publish window %u … %u\n"
	       "    (%u before it, %u with the intent set, %u behind it and busy; %u lost a burst)",
	       shape->name, tally.points, tally.track.steps, tally.track.intent, tally.track.left,
	       tally.before, tally.between, tally.after, tally.lost);
	CHECK(tally.points > 0);
	CHECK(tally.before && tally.between && tally.after);
	CHECK_EQ(tally.lost != 0, shape->dequeue);
	CHECK_EQ(tally.faults, 0);
}

/* ---- the heir dies as well */

/* Where the second chain of a packet is used and the first one is not: it is left over. */
static uint32_t step_with_leftovers(void)
{
	const uint32_t *elements = tally.track.elements;

	for (uint32_t i = 0; i + 1 < SCENE_MAX_CHAINS; i++)
		if (elements[i + 1] && elements[i] > elements[i + 1])
			return elements[i + 1];
	return 0;
}

static void run_empty_burst(void *scene)
{
	scene_empty_burst(scene);
}

/* The owner after step `k`, its heir after step `h` of its first burst (0: where that ends). Steps
 * that the heir did. */
static uint32_t crash_twice(uint32_t k, uint32_t h)
{
	uint32_t done = 0;
	struct scene s;
	pid_t pid;

	REQUIRE(scene_open(&s, tally.shape));
	REQUIRE((pid = start_owner(&s)) > 0);
	REQUIRE(go_to_step(&s, pid, k) && step_kill(pid));
	CHECK(scene_inherit(&s) > 0);
	REQUIRE((pid = step_start(run_empty_burst, &s)) > 0);
	while ((!h || done < h) && step_resume(pid))
		done++;
	if (h && done == h)
		CHECK(step_kill(pid));
	scene_take_over(&s);
	if (s.faults)
		printf("    … its heir killed at step %u\n", h);
	tally.faults += s.faults != 0;
	tally.points++;
	scene_close(&s);
	return done;
}

static void an_heir_may_die_while_it_repairs_what_was_left(void)
{
	static const struct scene_shape shape = {"an heir that dies", false, true, false, true};
	uint32_t k, steps;

	memset(&tally, 0, sizeof(tally));
	tally.shape = &shape;
	record_track();
	tally.can_run_free = watchpoints_work();
	k = step_with_leftovers();
	REQUIRE(k > 0);
	steps = crash_twice(k, 0);
	for (uint32_t h = 1; h <= steps; h += long_form() ? 1 : slowness())
		(void)crash_twice(k, h);
	printf("\n    %u crash points of the heir\n    ", tally.points);
	CHECK_EQ(tally.faults, 0);
}

#define SWEEP(sentence, dequeue, mergeable, wraps, packed)                                         \
	static void sentence(void)                                                                 \
	{                                                                                          \
		static const struct scene_shape shape = {#sentence, dequeue, mergeable, wraps,     \
							 packed};                                  \
                                                                                                   \
		sweep(&shape);                                                                     \
	}

SWEEP(a_dequeue_burst_may_end_at_any_instruction, true, false, false, false)
SWEEP(a_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps, true, false, true, false)
SWEEP(a_mergeable_dequeue_burst_may_end_at_any_instruction, true, true, false, false)
SWEEP(a_mergeable_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps, true, true, true,
      false)
SWEEP(an_enqueue_burst_may_end_at_any_instruction, false, false, false, false)
SWEEP(an_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps, false, false, true, false)
SWEEP(a_mergeable_enqueue_burst_may_end_at_any_instruction, false, true, false, false)
SWEEP(a_mergeable_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps, false, true, true,
      false)
SWEEP(a_packed_dequeue_burst_may_end_at_any_instruction, true, false, false, true)
SWEEP(a_packed_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps, true, false, true,
      true)
SWEEP(a_packed_mergeable_dequeue_burst_may_end_at_any_instruction, true, true, false, true)
SWEEP(a_packed_mergeable_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps, true, true,
      true, true)
SWEEP(a_packed_enqueue_burst_may_end_at_any_instruction, false, false, false, true)
SWEEP(a_packed_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps, false, false, true,
      true)
SWEEP(a_packed_mergeable_enqueue_burst_may_end_at_any_instruction, false, true, false, true)
SWEEP(a_packed_mergeable_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps, false,
      true, true, true)

static const struct sentence sentences[] = {
	CATALOGUE(a_dequeue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps, "[F-9] [X-1]"),
	CATALOGUE(a_mergeable_dequeue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_mergeable_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps,
		  "[F-9] [X-1]"),
	CATALOGUE(an_enqueue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(an_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps, "[F-9] [X-1]"),
	CATALOGUE(a_mergeable_enqueue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_mergeable_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps,
		  "[F-9] [X-1]"),
	CATALOGUE(a_packed_dequeue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_packed_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps,
		  "[F-9] [X-1]"),
	CATALOGUE(a_packed_mergeable_dequeue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_packed_mergeable_dequeue_burst_may_end_at_any_instruction_while_the_index_wraps,
		  "[F-9] [X-1]"),
	CATALOGUE(a_packed_enqueue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_packed_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps,
		  "[F-9] [X-1]"),
	CATALOGUE(a_packed_mergeable_enqueue_burst_may_end_at_any_instruction, "[F-1] [X-1]"),
	CATALOGUE(a_packed_mergeable_enqueue_burst_may_end_at_any_instruction_while_the_index_wraps,
		  "[F-9] [X-1]"),
	CATALOGUE(an_heir_may_die_while_it_repairs_what_was_left, "[X-5]"),
};

int main(void)
{
	if (!step_possible())
		return STEP_SKIPPED;
	return suite_run("crash points", sentences, sizeof(sentences) / sizeof(sentences[0]));
}
