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

/* ---- packed */

#define WRAP	   0x8000u
#define PACKED_MAX 32768u

/* A ring's flags, by place. */
static struct packed_ring {
	uint16_t flags[PACKED_MAX];
	bool away;
} ring;

static bool flags_at(void *context, uint16_t place, uint16_t *ret_flags)
{
	struct packed_ring *r = context;

	CHECK(place < PACKED_MAX);
	*ret_flags = r->flags[place % PACKED_MAX];
	return !r->away;
}

static const struct recover_ring looks = {flags_at, &ring};

static uint16_t after(uint16_t position, uint32_t n, uint16_t size)
{
	uint32_t place = position & 0x7fffu, wrap = position & WRAP;

	for (; n; n--)
		if (++place == size) {
			place = 0;
			wrap ^= WRAP;
		}
	return (uint16_t)(wrap | place);
}

static uint16_t available(uint16_t position)
{
	return position & WRAP ? 0x0080 : 0x8000;
}

static uint16_t used(uint16_t position)
{
	return position & WRAP ? 0x8080 : 0;
}

/* From `from` on: `done` used ones, then `left` that are available. */
static void lay_out(uint16_t from, uint32_t done, uint32_t left, uint16_t size)
{
	for (uint32_t i = 0; i < done + left; i++) {
		uint16_t at = after(from, i, size);

		ring.flags[at & 0x7fff] = i < done ? used(at) : available(at);
	}
}

static struct recovered packed(uint16_t from, uint16_t intent, uint16_t count, uint16_t size)
{
	struct recover_lane lane = {from, from, intent, count};

	return recover_packed(&lane, size, WRAP | 3, &looks);
}

/* In rings of odd sizes, and across their ends. */
static void as_many_single_buffers_are_published_as_are_not_available_any_more(void)
{
	static const uint16_t sizes[] = {1, 2, 31, 33, 100, 255, 32767, 32768};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (uint32_t back = 1; back < 40 && back <= sizes[i]; back++) {
			uint16_t from = (uint16_t)(WRAP | (sizes[i] - back));
			uint16_t n = sizes[i] < 32 ? sizes[i] : 32;

			for (uint16_t done = 0; done <= n; done++) {
				struct recovered r;

				lay_out(from, done, n - done, sizes[i]);
				r = packed(from, HF_INTENT_PACKED_SINGLES, n, sizes[i]);
				CHECK_EQ(r.position, after(from, done, sizes[i]));
				CHECK_EQ(r.lied | r.leftovers, 0);
			}
		}
}

static void a_group_is_published_with_its_first_descriptor(void)
{
	uint16_t from = WRAP | 250, size = 255;
	struct recovered r;

	/* The others first: nothing is visible, and they are left over. */
	lay_out(from, 0, 1, size);
	lay_out(after(from, 1, size), 9, 0, size);
	r = packed(from, HF_INTENT_PACKED_GROUP, 10, size);
	CHECK_EQ(r.position, from);
	CHECK_EQ(r.leftovers, 10);
	lay_out(from, 10, 0, size);
	r = packed(from, HF_INTENT_PACKED_GROUP, 10, size);
	CHECK_EQ(r.position, 5); /* of the next lap */
	CHECK_EQ(r.leftovers, 0);
	/* The guest has seen it, and made it available for the next lap. */
	ring.flags[250] = available(250);
	CHECK_EQ(packed(from, HF_INTENT_PACKED_GROUP, 10, size).position, 5);
	CHECK_EQ(packed(from, HF_INTENT_PACKED_GROUP, size, size).position, 250);
}

static void at_rest_the_lane_alone_tells(void)
{
	lay_out(WRAP, 20, 20, 255);
	CHECK_EQ(packed(WRAP | 20, HF_INTENT_NONE, 0, 255).position, WRAP | 20);
	/* Whatever the guest has there. */
	CHECK_EQ(packed(WRAP | 7, HF_INTENT_NONE, 9, 255).position, WRAP | 7);
	CHECK_EQ(packed(200, HF_INTENT_NONE, 0, 255).position, 200);
}

static void without_guest_memory_nothing_was_published(void)
{
	struct recovered r;

	lay_out(WRAP, 32, 0, 255);
	ring.away = true;
	r = packed(WRAP, HF_INTENT_PACKED_SINGLES, 32, 255);
	CHECK_EQ(r.position, WRAP);
	r = packed(WRAP, HF_INTENT_PACKED_GROUP, 32, 255);
	CHECK_EQ(r.position, WRAP);
	CHECK_EQ(r.leftovers, 32);
	ring.away = false;
}

static void a_lane_that_lies_about_a_packed_ring_is_not_believed(void)
{
	static const struct recover_lane lies[] = {
		{WRAP | 255, WRAP | 255, HF_INTENT_NONE, 0}, /* behind the ring's end */
		{0x7fff, 0x7fff, HF_INTENT_NONE, 0},
		{WRAP | 5, WRAP | 4, HF_INTENT_NONE, 0}, /* something in flight at rest */
		{5, WRAP | 5, HF_INTENT_NONE, 0},
		{5, 5, HF_INTENT_DEQUEUE, 1}, /* a split ring's */
		{5, 5, HF_INTENT_ENQUEUE, 1},
		{5, 5, 5, 1},
		{5, 5, 0xffff, 0xffff},
		{5, 5, HF_INTENT_PACKED_SINGLES, HF_PACKED_RUN + 1},
		{5, 5, HF_INTENT_PACKED_GROUP, 256},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct recovered r = recover_packed(&lies[i], 255, WRAP | 3, &looks);

		CHECK_EQ(r.lied, true);
		CHECK_EQ(r.position, WRAP | 3);
		CHECK_EQ(r.leftovers, 0);
	}
	/* A run no longer than the ring. */
	CHECK_EQ(packed(5, HF_INTENT_PACKED_SINGLES, 17, 16).lied, true);
	/* A split ring's lane that claims what only a packed one has. */
	CHECK_EQ(recover_split(&(struct recover_lane){5, 5, HF_INTENT_PACKED_GROUP, 1}, SIZE, 7,
			       NULL)
			 .lied,
		 true);
}

static const struct sentence sentences[] = {
	SENTENCE(position_is_what_lane_and_guest_agree_on),
	SENTENCE(the_largest_ring_has_room_for_its_whole_window),
	SENTENCE(every_instant_of_publishing_has_one_answer),
	SENTENCE(as_many_single_buffers_are_published_as_are_not_available_any_more),
	SENTENCE(a_group_is_published_with_its_first_descriptor),
	SENTENCE(at_rest_the_lane_alone_tells),
	SENTENCE(without_guest_memory_nothing_was_published),
	SENTENCE(a_lane_that_lies_about_a_packed_ring_is_not_believed),
};
SUITE("recover", sentences)
