/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary may die at any instruction of a hop: nothing is lost.
 *
 * The story is that of scene.h with two rings or three: a sender and its receivers. A first hop of
 * 32 packets is run and taken; in the second the owner dies; 16 more are sent; the heir goes on
 * where recover_split() says for each ring, on lanes and grants of its own, until nothing is left.
 * One packet of eight takes two descriptors, and where receive buffers are mergeable two chains.
 *
 * What is judged, besides the ring's rules that driver.c counts:
 *   - Each ring's part of the burst is published whole or not at all, and the sender's not before
 *     every receiver's.
 *   - Every receiver sees every packet, whole and in order: once, or, where its part was published
 *     and the sender's was not, those of the one burst twice, the second time behind the first.
 *   - Nothing is stuck: all chains come back.
 *
 * Crash points are the steps around each change of a word that others see (a lane's intent, a used
 * index, `busy`), and some of the whole hop at even distances; HF_TEST_LONG=1: every step there is.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <string.h>
#include <sys/mman.h>

#include "../../primary/grant/recover.h"
#include "rig.h"
#include "step.h"
#include "suite.h"

#define GUESTS	    3u /* number 0 sends */
#define BURST	    32u
#define PACKETS	    (2 * BURST + BURST / 2)
#define RING	    256u
#define MEMORY	    (128u << 10)
#define SLOT	    256u
#define BUFFER	    96u /* mergeable: a short packet fits */
#define SHORT_FRAME 70u
#define LONG_FRAME  150u
#define FRONT	    64u
#define HEADER	    12u
#define COARSE	    12u
#define MARGIN	    6u /* steps on either side of a change */
#define MAX_CHANGES 64u
#define STOPS	    11u /* words that a child may run freely to the store of */
#define MAX_STEPS   1000000u
#define OWNER_GRANT RIG_GRANT
#define HEIR_GRANT  (RIG_GRANT + 2)

struct shape {
	const char *name;
	uint32_t receivers;
	bool mergeable;
	bool wraps; /* the indices, in the burst of the death */
};

/* What outlives the owner: memory of both. */
struct shared {
	struct hf_lane_vring lanes[2][GUESTS]; /* the owner's, the heir's */
	uint64_t grants[GUESTS];
};

static struct story {
	const struct shape *shape;
	struct rig rigs[GUESTS];
	struct shared *shared;
	struct hf_hop *hop;
	uint16_t start[GUESTS];	 /* where the burst of the death began */
	uint16_t chains[GUESTS]; /* of it */
	bool published[GUESTS];
	uint32_t sent;
	uint64_t slots[GUESTS][RING]; /* by head */
	uint32_t next[GUESTS];	      /* packet that must come next */
	uint32_t again[GUESTS];	      /* packets that came a second time */
	uint32_t faults;
} story;

static uint8_t data[BURST][512];
static struct hf_packet packets[BURST], *pointers[BURST];

static void expect(bool good, const char *what)
{
	if (!good && !story.faults++)
		printf("    fault: %s\n", what);
}

static uint16_t queue_of(uint32_t guest)
{
	return guest ? 0 : 1;
}

static struct driver *driver_of(uint32_t guest)
{
	return guest ? &story.rigs[guest].rx : &story.rigs[0].tx;
}

static uint32_t guests(void)
{
	return 1 + story.shape->receivers;
}

/* ---- packets */

static bool is_long(uint32_t number)
{
	return number % 8 == 7;
}

static uint32_t frame_len(uint32_t number)
{
	return is_long(number) ? LONG_FRAME : SHORT_FRAME;
}

static void build_frame(uint8_t *frame, uint32_t number)
{
	for (uint32_t i = 0; i < frame_len(number); i++)
		frame[i] = (uint8_t)(2 * (number + i));
	memcpy(frame + 14, &number, sizeof(number));
}

static uint16_t chains_of(uint32_t guest, uint32_t from, uint32_t to)
{
	uint16_t chains = 0;

	for (; from < to; from++)
		chains = (uint16_t)(chains +
				    (guest && story.shape->mergeable && is_long(from) ? 2 : 1));
	return chains;
}

/* ---- the guests */

static void send_until(uint32_t until)
{
	struct rig *rig = &story.rigs[0];
	uint8_t bytes[HEADER + LONG_FRAME] = {0};

	for (; story.sent < until; story.sent++) {
		uint64_t slot = rig->buffers + (uint64_t)SLOT * story.sent;
		uint32_t len = frame_len(story.sent);
		struct piece one = {slot, HEADER + len, 0};
		struct piece two[] = {{slot, HEADER, 0}, {slot + HEADER, len, 0}};
		bool split = is_long(story.sent);

		build_frame(bytes + HEADER, story.sent);
		guest_write(&rig->guest, slot, bytes, HEADER + len);
		expect(driver_put(&rig->tx, split ? two : &one, split ? 2 : 1) >= 0,
		       "the sender's table is full");
	}
	driver_publish(&rig->tx);
}

static void post_buffers(uint32_t guest)
{
	struct rig *rig = &story.rigs[guest];

	while (rig->rx.descs_free) {
		uint64_t slot = rig->buffers + (uint64_t)SLOT * rig->rx.next_desc;
		struct piece piece = {slot, story.shape->mergeable ? BUFFER : SLOT, DRIVER_WRITE};
		int head = driver_put(&rig->rx, &piece, 1);

		if (head < 0)
			break;
		story.slots[guest][head] = slot;
	}
	driver_publish(&rig->rx);
}

/* The packet that begins with `used`, over as many chains as it says. */
static void receive_one(uint32_t guest, struct driver_used used)
{
	struct rig *rig = &story.rigs[guest];
	uint8_t bytes[2 * SLOT], frame[LONG_FRAME];
	uint32_t len = 0, number = 0, n = 0;
	uint16_t left = 1;

	do {
		uint64_t slot = story.slots[guest][used.id % RING];

		if (!n && story.shape->mergeable)
			left = guest_read16(&rig->guest, slot + 10);
		if (used.len > SLOT || len + used.len > sizeof(bytes)) {
			expect(false, "a used length beyond its buffer");
			return;
		}
		memcpy(bytes + len, guest_at(&rig->guest, slot), used.len);
		len += used.len;
	} while (++n < left && driver_consume(&rig->rx, &used));
	expect(n == left, "num_buffers is not the number of chains published");
	memcpy(&number, bytes + HEADER + 14, sizeof(number));
	if (number >= PACKETS || len != HEADER + frame_len(number)) {
		expect(false, "a frame that is not whole");
		return;
	}
	build_frame(frame, number);
	expect(!memcmp(bytes + HEADER, frame, frame_len(number)), "a frame that is not whole");
	/* Back to where the burst of the death began, once, and only from its end. */
	if (number == BURST && story.next[guest] == 2 * BURST && !story.again[guest]) {
		story.again[guest] = BURST;
		story.next[guest] = BURST;
	}
	expect(number == story.next[guest], "a packet is missing or not in order");
	story.next[guest] = number + 1;
}

static void guests_take(void)
{
	struct driver_used used;

	driver_consume_all(&story.rigs[0].tx);
	for (uint32_t g = 1; g < guests(); g++)
		while (driver_consume(&story.rigs[g].rx, &used))
			receive_one(g, used);
}

/* ---- the owner and the heir */

static bool grant(uint32_t guest, uint32_t life, uint64_t number, uint16_t position)
{
	struct rig *rig = &story.rigs[guest];
	struct driver *d = driver_of(guest);
	struct hf_lane_vring *lane = &story.shared->lanes[life][guest];
	struct hf_vring *v = hf_device_get_vring(rig->device, queue_of(guest));
	struct hf_vring_setup setup = {.grant = number,
				       .grant_word = &story.shared->grants[guest],
				       .lane = lane,
				       .map = rig->device->map,
				       .features = rig->features,
				       .desc_gpa = d->desc,
				       .avail_gpa = d->avail,
				       .used_gpa = d->used,
				       .size = d->size,
				       .next = position};

	*lane = (struct hf_lane_vring){.avail = position, .used = position, .grant = number};
	story.shared->grants[guest] = number | HF_GRANT_ENABLED;
	return v && hf_vring_setup(v, &setup) == 0;
}

static uint16_t hop_once(void)
{
	uint16_t n = hf_hop_peek(story.hop, story.rigs[0].device, 1, pointers, BURST, FRONT);

	for (uint32_t g = 1; g < guests(); g++)
		if (n)
			expect(hf_hop_forward(story.hop, story.rigs[g].device, 0, pointers, n) == n,
			       "a receiver did not take all");
	hf_hop_complete(story.hop, n);
	return n;
}

static void run_owner(void *unused)
{
	(void)unused;
	hop_once();
}

static bool share_guest_memory(const struct rig *rig)
{
	const struct hf_guestmap *map = rig->device->map;

	for (uint32_t i = 0; i < map->count; i++)
		if (madvise(map->regions[i].base, map->regions[i].mapped, MADV_DOFORK) < 0)
			return false;
	return true;
}

static bool open_rig(uint32_t guest)
{
	struct rig_shape shape = {.features =
					  HF_FEATURE(HF_F_VERSION_1) | HF_FEATURE(HF_F_EVENT_IDX),
				  .size = RING,
				  .base = 1000,
				  .memory = MEMORY};

	if (story.shape->mergeable)
		shape.features |= HF_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	if (story.shape->wraps)
		shape.base = (uint16_t)(0 - 10 - chains_of(guest, 0, BURST));
	return rig_create(&story.rigs[guest], &shape) && share_guest_memory(&story.rigs[guest]) &&
	       grant(guest, 0, OWNER_GRANT, shape.base);
}

static void open_story(const struct shape *shape)
{
	story = (struct story){.shape = shape, .hop = hf_hop_create()};
	story.shared = mmap(NULL, sizeof(*story.shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(story.hop && story.shared != MAP_FAILED);
	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = sizeof(data[i])};
		pointers[i] = &packets[i];
	}
	for (uint32_t g = 0; g < guests(); g++) {
		REQUIRE(open_rig(g));
		if (g)
			post_buffers(g);
	}
	send_until(2 * BURST);
	REQUIRE(hop_once() == BURST);
	guests_take();
	for (uint32_t g = 0; g < guests(); g++) {
		story.start[g] = driver_used_idx(driver_of(g));
		story.chains[g] = chains_of(g, BURST, 2 * BURST);
	}
	REQUIRE(!story.faults);
}

static void close_story(void)
{
	hf_hop_destroy(story.hop);
	for (uint32_t g = 0; g < guests(); g++)
		rig_destroy(&story.rigs[g]);
	munmap(story.shared, sizeof(*story.shared));
}

/* Where the heir begins on one ring: as read_position() of the primary finds out. */
static uint16_t recover(uint32_t g)
{
	struct recover_lane lane = recover_read_lane(&story.shared->lanes[0][g]);
	uint16_t guest_used = driver_used_idx(driver_of(g));
	struct recovered r = recover_split(&lane, RING, story.start[g], &guest_used);

	expect(!r.lied, "an honest lane was not believed");
	expect(r.position == guest_used, "the position is not what the guest was shown");
	story.published[g] = r.position != story.start[g];
	expect(!story.published[g] || r.position == (uint16_t)(story.start[g] + story.chains[g]),
	       "a burst was published in part");
	return r.position;
}

static void take_over(void)
{
	for (uint32_t g = 0; g < guests(); g++)
		expect(grant(g, 1, HEIR_GRANT, recover(g)), "the heir's ring can't be set up");
	/* As after a death of the process: what it had open is gone with it. */
	hf_hop_destroy(story.hop);
	story.hop = hf_hop_create();
	guests_take();
	send_until(PACKETS);
	while (hop_once())
		guests_take();
	for (uint32_t g = 1; g < guests(); g++) {
		bool twice = story.published[g] && !story.published[0];

		expect(!story.published[0] || story.published[g],
		       "the sender was told before the receiver");
		expect(story.next[g] == PACKETS, "packets are lost or stuck");
		expect(story.again[g] == (twice ? BURST : 0), "what came twice is not the burst");
		expect(!driver_check(&story.rigs[g].rx), "a receiver's ring broke a rule");
	}
	expect(story.rigs[0].tx.descs_free == RING, "chains of the sender are stuck");
	expect(!driver_check(&story.rigs[0].tx), "the sender's ring broke a rule");
}

/* ---- the sweep */

static struct tally {
	uint32_t steps, intent, left; /* all; the window */
	uint32_t stops[STOPS];	      /* step at which word i is stored; 0: not seen */
	uint32_t changes[MAX_CHANGES], nr_changes;
	uint32_t points, faults;
	uint32_t before, twice, after;
} tally;

static uint32_t *used_element(uint32_t guest, uint32_t i)
{
	uint16_t place = (uint16_t)(story.start[guest] + i) % RING;

	return &story.rigs[guest].device->vrings[queue_of(guest)]->used->ring[place].id;
}

/* In the order of their stores: used elements of the sender, of the first receiver, and what the
 * sender's end of the hop counts first. */
static uint32_t *stop_word(uint32_t i)
{
	static const uint32_t elements[] = {0, 8, 16, 24, 31};

	if (i < 5)
		return used_element(0, elements[i]);
	if (i < 10)
		return used_element(1, elements[i - 5]);
	return (uint32_t *)(void *)&story.shared->lanes[0][0].counters[HF_COUNTER_BURSTS];
}

/* All that others see of the rings, in one number that changes with any of it. */
static uint64_t visible(void)
{
	uint64_t sum = 0;

	for (uint32_t g = 0; g < guests(); g++) {
		const struct hf_lane_vring *lane = &story.shared->lanes[0][g];

		sum = sum * 1000003 + hf_load_acquire(&lane->busy);
		sum = sum * 1000003 + hf_load_acquire(&lane->intent);
		sum = sum * 1000003 + hf_load_acquire(&lane->used);
		sum = sum * 1000003 + driver_used_idx(driver_of(g));
	}
	return sum;
}

static void record_track(const struct shape *shape)
{
	uint32_t stops[STOPS];
	uint64_t seen = 0, now;
	bool was_busy = false;
	pid_t pid;

	open_story(shape);
	for (uint32_t i = 0; i < STOPS; i++)
		stops[i] = *stop_word(i);
	REQUIRE((pid = step_start(run_owner, NULL)) > 0);
	while (tally.steps < MAX_STEPS && step_resume(pid)) {
		const struct hf_lane_vring *lanes = story.shared->lanes[0];
		bool busy = hf_load_acquire(&lanes[0].busy) != 0;

		tally.steps++;
		now = visible();
		if (now != seen && tally.nr_changes < MAX_CHANGES)
			tally.changes[tally.nr_changes++] = tally.steps;
		seen = now;
		for (uint32_t g = 0; g < guests(); g++)
			if (!tally.intent && hf_load_acquire(&lanes[g].intent) != HF_INTENT_NONE)
				tally.intent = tally.steps;
		for (uint32_t i = 0; i < STOPS; i++)
			if (!tally.stops[i] && *stop_word(i) != stops[i])
				tally.stops[i] = tally.steps;
		if (was_busy && !busy)
			tally.left = tally.steps;
		was_busy = busy;
	}
	take_over();
	CHECK_EQ(story.faults, 0);
	close_story();
	REQUIRE(tally.steps < MAX_STEPS);
	REQUIRE(tally.intent && tally.left > tally.intent && tally.nr_changes < MAX_CHANGES);
}

static bool go_to_step(pid_t pid, uint32_t k)
{
	uint32_t at = 0, stop = STOPS;

	/* Freely up to there, where the processor can watch a word. */
	for (uint32_t i = 0; i < STOPS; i++)
		if (tally.stops[i] > at && tally.stops[i] <= k)
			at = tally.stops[stop = i];
	if (stop < STOPS && !step_to_store(pid, stop_word(stop)))
		return false;
	for (; at < k; at++)
		if (!step_resume(pid))
			return false;
	return true;
}

static void crash_at(const struct shape *shape, uint32_t k)
{
	bool killed;
	pid_t pid;

	open_story(shape);
	REQUIRE((pid = step_start(run_owner, NULL)) > 0);
	killed = go_to_step(pid, k) && step_kill(pid);
	expect(killed || k > tally.left, "the owner was not killed at this step");
	take_over();
	tally.points += killed;
	tally.before += killed && !story.published[1];
	tally.twice += killed && story.published[1] && !story.published[0];
	tally.after += killed && story.published[0];
	if (story.faults)
		printf("    … killed at step %u of %u (intent at %u, left at %u)\n", k, tally.steps,
		       tally.intent, tally.left);
	tally.faults += story.faults != 0;
	close_story();
}

/* Without watchpoints every point is stepped to. */
static void try_watchpoint(const struct shape *shape)
{
	pid_t pid;

	open_story(shape);
	REQUIRE((pid = step_start(run_owner, NULL)) > 0);
	if (!step_to_store(pid, stop_word(4)) || !*stop_word(4) || *stop_word(5))
		memset(tally.stops, 0, sizeof(tally.stops));
	step_kill(pid);
	close_story();
}

static bool is_chosen(uint32_t k)
{
	for (uint32_t i = 0; i < tally.nr_changes; i++)
		if (k + MARGIN >= tally.changes[i] && k <= tally.changes[i] + MARGIN)
			return true;
	return k % (1 + tally.steps / COARSE) == 1;
}

static void sweep(const struct shape *shape)
{
	const char *all = getenv("HF_TEST_LONG");
	bool whole = all && *all && strcmp(all, "0") != 0;

	tally = (struct tally){0};
	record_track(shape);
	try_watchpoint(shape);
	for (uint32_t k = 1; k < tally.steps; k++)
		if (whole || is_chosen(k))
			crash_at(shape, k);
	printf("\n    %s: %u crash points of %u steps, publish window %u … %u\n"
	       "    (%u before it was published, %u between receiver and sender, %u after)",
	       shape->name, tally.points, tally.steps, tally.intent, tally.left, tally.before,
	       tally.twice, tally.after);
	CHECK(tally.points > tally.nr_changes);
	CHECK(tally.before && tally.twice && tally.after);
	CHECK_EQ(tally.faults, 0);
}

#define SWEEP(sentence, receivers, mergeable, wraps)                                               \
	static void sentence(void)                                                                 \
	{                                                                                          \
		static const struct shape shape = {#sentence, receivers, mergeable, wraps};        \
                                                                                                   \
		sweep(&shape);                                                                     \
	}

SWEEP(a_hop_may_end_at_any_instruction, 1, false, false)
SWEEP(a_hop_may_end_at_any_instruction_while_the_indices_wrap, 1, false, true)
SWEEP(a_hop_to_mergeable_buffers_may_end_at_any_instruction, 1, true, true)
SWEEP(a_flood_may_end_at_any_instruction, 2, true, false)

static const struct sentence sentences[] = {
	SENTENCE(a_hop_may_end_at_any_instruction),
	SENTENCE(a_hop_may_end_at_any_instruction_while_the_indices_wrap),
	SENTENCE(a_hop_to_mergeable_buffers_may_end_at_any_instruction),
	SENTENCE(a_flood_may_end_at_any_instruction),
};

int main(void)
{
	if (!step_possible())
		return STEP_SKIPPED;
	return suite_run("crash points of a hop", sentences,
			 sizeof(sentences) / sizeof(sentences[0]));
}
