/* SPDX-License-Identifier: Apache-2.0 */
#include "recover.h"

#include "suite.h"

#define SIZE	 256
#define NO_GUEST (-1)

static const struct {
	const char *what;
	struct recover_lane lane; /* avail, used, intent, count */
	int guest;
	uint16_t position;
	bool lied;
} cases[] = {
	{"at rest, all agree", {10, 10, HF_INTENT_NONE, 0}, 10, 10, false},
	{"at rest, at the end of the numbers",
	 {65535, 65535, HF_INTENT_NONE, 0},
	 65535,
	 65535,
	 false},
	{"the count of a burst that is over means nothing",
	 {10, 10, HF_INTENT_NONE, 9},
	 10,
	 10,
	 false},
	{"burst not published", {10, 10, HF_INTENT_DEQUEUE, 32}, 10, 10, false},
	{"burst published, position not stored", {10, 10, HF_INTENT_DEQUEUE, 32}, 42, 42, false},
	{"half of the position stored", {42, 10, HF_INTENT_DEQUEUE, 32}, 42, 42, false},
	{"position stored, intent not cleared", {42, 42, HF_INTENT_ENQUEUE, 32}, 42, 42, false},
	{"burst across the wrap, not published",
	 {65530, 65530, HF_INTENT_ENQUEUE, 32},
	 65530,
	 65530,
	 false},
	{"burst across the wrap, published", {65530, 65530, HF_INTENT_ENQUEUE, 32}, 26, 26, false},
	{"a whole ring in one burst", {0, 0, HF_INTENT_DEQUEUE, SIZE}, SIZE, SIZE, false},
	{"the guest went back", {10, 10, HF_INTENT_DEQUEUE, 32}, 9, 10, false},
	{"the guest went ahead", {10, 10, HF_INTENT_DEQUEUE, 32}, 43, 10, false},
	{"the guest scribbles at rest", {10, 10, HF_INTENT_NONE, 0}, 500, 10, false},
	{"no guest memory", {10, 10, HF_INTENT_DEQUEUE, 32}, NO_GUEST, 10, false},
	{"more in flight than the ring has", {500, 10, HF_INTENT_NONE, 0}, 77, 77, true},
	{"fetched behind completed", {9, 10, HF_INTENT_NONE, 0}, 77, 77, true},
	{"an intent larger than the ring", {10, 10, HF_INTENT_DEQUEUE, SIZE + 1}, 77, 77, true},
	{"an intent that does not exist", {10, 10, 3, 1}, 77, 77, true},
	{"a lie, and no guest memory", {10, 10, 0xffff, 0xffff}, NO_GUEST, 5, true},
};

static void position_is_what_lane_and_guest_agree_on(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t guest = (uint16_t)cases[i].guest;
		struct recovered r = recover_split(&cases[i].lane, SIZE, 5,
						   cases[i].guest == NO_GUEST ? NULL : &guest);

		if (r.position != cases[i].position || r.lied != cases[i].lied)
			printf("\n    %s: ", cases[i].what);
		CHECK_EQ(r.position, cases[i].position);
		CHECK_EQ(r.lied, cases[i].lied);
	}
}

static void the_largest_ring_has_room_for_its_whole_window(void)
{
	struct recover_lane lane = {40000, 40000, HF_INTENT_DEQUEUE, 32768};

	for (uint32_t n = 0; n < 65536; n++) {
		uint16_t guest = (uint16_t)(40000 + n);
		struct recovered r = recover_split(&lane, 32768, 0, &guest);

		if (r.lied || r.position != (n <= 32768 ? guest : 40000)) {
			CHECK_EQ(n, 70000); /* says which */
			return;
		}
	}
}

/* Kill after each store of a burst: what was published stays so, what was not is done again. */
static void every_instant_of_publishing_has_one_answer(void)
{
	for (uint32_t from = 65500; from < 65536 + 40; from++) {
		uint16_t count = 32, old = (uint16_t)from, new = (uint16_t)(old + count);
		uint16_t guest = old;
		struct hf_lane_vring lane = {.avail = old, .used = old};

		for (unsigned int step = 0; step <= 6; step++) {
			struct recover_lane copy;

			if (step == 1)
				lane.intent_count = count;
			else if (step == 2)
				lane.intent = HF_INTENT_ENQUEUE;
			else if (step == 3)
				guest = new;
			else if (step == 4)
				lane.avail = new;
			else if (step == 5)
				lane.used = new;
			else if (step == 6)
				lane.intent = HF_INTENT_NONE;
			copy = recover_read_lane(&lane);
			CHECK_EQ(recover_split(&copy, SIZE, 0, &guest).position, guest);
			CHECK_EQ(recover_split(&copy, SIZE, 0, &guest).lied, false);
		}
	}
}

static const struct sentence sentences[] = {
	SENTENCE(position_is_what_lane_and_guest_agree_on),
	SENTENCE(the_largest_ring_has_room_for_its_whole_window),
	SENTENCE(every_instant_of_publishing_has_one_answer),
};
SUITE("recover", sentences)
