/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a ring that one side stores while the other looks: the library's own bursts, as the
 * compiler made them, touch each by one instruction of its width, and no oftener than they say. So
 * an index is never put together of two bytes, and what was checked is what is used.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>

#include "check.h"
#include "packed.h"
#include "rig.h"
#include "suite.h"
#include "words.h"

#define EVENT_IDX HF_FEATURE(HF_F_EVENT_IDX)
#define BURST	  20u /* whole groups of the widest look, and some more */
#define SLOT	  2048u
#define FRAME	  200u
#define TX	  1u
#define RX	  0u

static struct rig from, to;
static struct hf_hop *hop;
static uint8_t data[BURST][SLOT];
static struct hf_packet packets[BURST], *pointers[BURST];

static void open_rigs(uint64_t features)
{
	struct rig_shape shape = {.features = V1 | features, .memory = 1u << 20};

	REQUIRE(rig_create(&from, &shape) && rig_create(&to, &shape));
	hop = hf_hop_create();
	REQUIRE(hop != NULL);
	for (uint32_t i = 0; i < BURST; i++)
		pointers[i] = &packets[i];
	/* So that none is a grant's first. */
	REQUIRE(hf_dequeue_burst(from.device, TX, pointers, BURST) == 0);
	REQUIRE(hf_enqueue_burst(to.device, RX, pointers, 0) == 0);
}

static void close_rigs(void)
{
	hf_hop_destroy(hop);
	rig_destroy(&from);
	rig_destroy(&to);
}

/* Frames to take, and room for as many. */
static void post(void)
{
	uint8_t bytes[12 + FRAME] = {[12] = 2};

	for (uint32_t i = 0; i < BURST; i++) {
		struct piece sent = {.gpa = from.buffers + i * SLOT, .len = sizeof(bytes)},
			     room = {to.buffers + i * SLOT, SLOT, DRIVER_WRITE};

		guest_write(&from.guest, sent.gpa, bytes, sizeof(bytes));
		driver_post(&from.tx, &sent, 1);
		driver_post(&to.rx, &room, 1);
	}
}

/* ---- what is done with a ring: first what is not watched, then what is */

static void nothing(void)
{
}

static void post_to_take(void)
{
	post();
	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = (struct hf_packet){.data = data[i], .room = SLOT};
}

static void post_to_give(void)
{
	post();
	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = (struct hf_packet){
			.data = data[i], .room = SLOT, .len = FRAME, .total = FRAME};
}

static uint16_t dequeue(void)
{
	return hf_dequeue_burst(from.device, TX, pointers, BURST);
}

static uint16_t enqueue(void)
{
	return hf_enqueue_burst(to.device, RX, pointers, BURST);
}

static uint16_t peek(void)
{
	return hf_hop_peek(hop, from.device, TX, pointers, BURST, 64);
}

static void post_and_peek(void)
{
	post_to_take();
	REQUIRE(peek() == BURST);
}

static uint16_t forward(void)
{
	return hf_hop_forward(hop, to.device, RX, pointers, BURST);
}

static uint16_t complete(void)
{
	hf_hop_complete(hop, BURST);
	return BURST;
}

static uint16_t kicks_on(void)
{
	return (uint16_t)hf_enable_guest_notification(from.device, TX, true);
}

static void turn_on(void)
{
	REQUIRE(kicks_on() == 0);
}

static uint16_t kicks_off(void)
{
	return (uint16_t)hf_enable_guest_notification(from.device, TX, false);
}

static const struct act {
	const char *name;
	void (*before)(void);
	uint16_t (*watched)(void);
	uint16_t result;
	uint16_t queue;
	/* How often it reads the available index, and what says whether to call; and writes the
	 * used index, and what says whether to kick. */
	unsigned int index, call, used, kick;
} acts[] = {
	/* A burst on a ring that may be empty has one look more, which it believes only if there is
	 * nothing. */
	{"an empty dequeue", nothing, dequeue, 0, TX, 1, 0, 0, 0},
	{"a dequeue", post_to_take, dequeue, BURST, TX, 2, 1, 1, 0},
	{"an enqueue", post_to_give, enqueue, BURST, RX, 1, 1, 1, 0},
	{"a peek", post_to_take, peek, BURST, TX, 2, 0, 0, 0},
	{"a forward", post_and_peek, forward, BURST, RX, 1, 1, 1, 0},
	{"a peek's end", post_and_peek, complete, BURST, TX, 0, 1, 1, 0},
	{"asking for kicks", nothing, kicks_on, 0, TX, 1, 0, 0, 1},
	{"asking for none", turn_on, kicks_off, 0, TX, 0, 0, 0, 1},
};

/* Everything that act does to the guest's memory. */
static const struct hf_vring *watch(const struct act *act, uint64_t features)
{
	const struct hf_mapped_region *r;
	const struct hf_device *device;
	uint16_t result;

	open_rigs(features);
	act->before();
	device = act->queue == RX ? to.device : from.device;
	r = &device->map->regions[0];
	words_begin(r->address, r->size);
	result = act->watched();
	words_end();
	CHECK_EQ(result, act->result);
	return device->vrings[act->queue];
}

static void check(const char *name, struct word word, unsigned int reads, unsigned int writes)
{
	CHECK_EQ(word.odd, 0);
	CHECK_EQ(word.reads, reads);
	CHECK_EQ(word.writes, writes);
	if (word.odd || word.reads != reads || word.writes != writes)
		printf("    %s\n", name);
}

static void each_index_and_flag_of_a_split_ring_is_one_access_of_16_bits(void)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(acts); i++) {
		const struct act *act = &acts[i / 2];
		bool events = i & 1;
		const struct hf_vring *v = watch(act, events ? EVENT_IDX : 0);
		const void *used_event = &v->avail->ring[v->size],
			   *avail_event = &v->used->ring[v->size];

		printf("\n    %s%s ...", act->name, events ? ", event indices" : "");
		check("available index", words_look(&v->avail->idx, 2), act->index, 0);
		check("available flags", words_look(&v->avail->flags, 2), events ? 0 : act->call,
		      0);
		check("used event", words_look(used_event, 2), events ? act->call : 0, 0);
		check("used index", words_look(&v->used->idx, 2), 0, act->used);
		check("used flags", words_look(&v->used->flags, 2), 0, events ? 0 : act->kick);
		check("available event", words_look(avail_event, 2), 0, events ? act->kick : 0);
		close_rigs();
	}
}

/* Several at once or one after the other: none is cut, and none is read twice. */
static void heads_and_descriptors_are_read_once_in_whole_words(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		const struct act *act = &acts[i];
		const struct hf_vring *v = watch(act, 0);
		struct word heads = words_look_all(v->avail->ring, 2u * v->size, 2);
		struct word halves = words_look_all(v->desc, 16u * v->size, 8);
		unsigned int most = act->index ? act->result : 0;

		CHECK_EQ(heads.odd + halves.odd, 0);
		CHECK_EQ(heads.writes + halves.writes, 0);
		CHECK(heads.reads <= most && halves.reads <= 2 * most);
		CHECK(!most || (heads.reads && halves.reads));
		close_rigs();
	}
}

/* Flags, id and length together, 64 bits; and each event structure, 32. */
static void each_half_of_a_packed_descriptor_is_one_access(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		const struct act *act = &acts[i];
		const struct hf_vring *v = watch(act, PACKED);
		struct word halves = words_look_all(v->slots, 16u * v->size, 8);
		unsigned int most = act->index ? 2u * act->result : 0;

		printf("\n    %s ...", act->name);
		/* A look before is at flags that are read again. */
		if (act->index > (most ? 1 : 0))
			most++;
		CHECK_EQ(halves.odd, 0);
		CHECK(halves.reads <= most && !halves.reads == !most);
		CHECK_EQ(halves.writes, act->used ? BURST : 0);
		check("driver's event structure", words_look(v->driver_event, 4), act->call, 0);
		check("our event structure", words_look(v->device_event, 4), 0, act->kick);
		close_rigs();
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(each_index_and_flag_of_a_split_ring_is_one_access_of_16_bits, "[8]"),
	CATALOGUE(heads_and_descriptors_are_read_once_in_whole_words, "[8]"),
	CATALOGUE(each_half_of_a_packed_descriptor_is_one_access, "[8]"),
};
SUITE("words of a ring", sentences)
