/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chain that is not like its neighbours, at each place of a run: looks take several at once
 * (look_wide.h), and each lane of them must see what one that stands alone would. And four like it
 * in a row.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

#define HEADER	 12u
#define FRAME	 60u
#define CHAIN	 (HEADER + FRAME)
#define CHAINS	 19u /* two groups of the widest look, and three more */
#define DISTANCE 1024u

/* The first region has the rings; all chains but one are in the second, between holes. */
#define FIRST	   0x250000ull
#define FIRST_END  0x260000ull
#define SECOND	   0x270000ull
#define SECOND_END 0x280000ull

enum odd {
	AT_THE_END,
	ELSEWHERE,
	LONG, /* to write: more than is needed, and more than there is */
	THE_LAST_GOOD = LONG,
	STARTS_BEFORE,
	ENDS_BEHIND,
	STARTS_BEHIND,
	WRAPS,
	FAR,
	WRONG_WAY,
	SHORT, /* to read */
	TOO_LONG,
	FAR_AND_LONG,
	NOTHING_NOWHERE, /* its length asks for no byte, and its address is no place */
	ONE_BYTE_NOWHERE,
	NOWHERE,
};

static struct rig rig;
static uint8_t data[CHAINS][128];
static struct hf_packet packets[CHAINS], *pointers[CHAINS];
static const uint64_t rings[] = {V1, V1 | PACKED};
static uint32_t nr_odd = 1; /* in a row, from the place on */

static uint8_t byte_of(uint32_t number, uint32_t at)
{
	return (uint8_t)(at ? number * 37 + at * 11 : number * 2);
}

static bool is_frame(const uint8_t *bytes, uint32_t number)
{
	uint32_t i = 0;

	while (i < FRAME && bytes[i] == byte_of(number, i))
		i++;
	return i == FRAME;
}

static void open_rig(uint64_t features, uint16_t base)
{
	static const struct guest_span spans[] = {{0, FIRST_END - FIRST},
						  {SECOND - FIRST, SECOND_END - SECOND}};
	struct rig_shape shape = {.features = features,
				  .size = 64,
				  .base = base,
				  .memory = SECOND_END - FIRST,
				  .gpa = FIRST,
				  .spans = spans,
				  .nr_spans = 2};

	REQUIRE(rig_create(&rig, &shape));
	for (uint32_t i = 0; i < CHAINS; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = sizeof(data[i])};
		pointers[i] = &packets[i];
	}
}

static void close_rig(void)
{
	CHECK_EQ(driver_check(&rig.tx), 0);
	CHECK_EQ(driver_check(&rig.rx), 0);
	rig_destroy(&rig);
}

static bool is_odd(uint32_t i, uint32_t place)
{
	return i - place < nr_odd;
}

static uint32_t lost_of(enum odd odd)
{
	return odd > THE_LAST_GOOD ? nr_odd : 0;
}

static struct piece piece_of(uint32_t i, enum odd odd, uint16_t flags)
{
	struct piece piece = {SECOND + (i + 1) * DISTANCE, CHAIN, flags};

	switch (odd) {
	case AT_THE_END:
		piece.gpa = SECOND_END - CHAIN;
		break;
	case ELSEWHERE:
		piece.gpa = FIRST_END - CHAIN;
		break;
	case LONG:
		piece.len = flags ? UINT32_MAX : CHAIN;
		break;
	case STARTS_BEFORE:
		piece.gpa = SECOND - 1;
		break;
	case ENDS_BEHIND:
		piece.gpa = SECOND_END - CHAIN + 1;
		break;
	case STARTS_BEHIND:
		piece.gpa = SECOND_END;
		break;
	case WRAPS:
		piece.gpa = UINT64_MAX - 7;
		break;
	case FAR:
		piece.gpa += 1ull << 63;
		break;
	case WRONG_WAY:
		piece.flags ^= DRIVER_WRITE;
		break;
	case SHORT:
		piece.len = HEADER;
		break;
	case FAR_AND_LONG: /* what is left of the region, less this length, is a sum that wraps */
		piece.gpa = SECOND + INT64_MAX;
		piece.len = UINT32_MAX;
		break;
	case NOTHING_NOWHERE:
	case ONE_BYTE_NOWHERE:
	case NOWHERE:
		piece.gpa = SECOND_END + 4096;
		piece.len = odd == NOWHERE ? CHAIN : odd - NOTHING_NOWHERE;
		break;
	case TOO_LONG:
		piece.len = 1u << 31;
	}
	return piece;
}

static enum hf_counter drop_of(enum odd odd)
{
	return odd == WRONG_WAY				? HF_COUNTER_DROP_BAD_DIRECTION
	       : odd == SHORT || odd == NOTHING_NOWHERE ? HF_COUNTER_DROP_SHORT_CHAIN
	       : odd == TOO_LONG			? HF_COUNTER_DROP_TOO_BIG
							: HF_COUNTER_DROP_BAD_ADDRESS;
}

static void send_all(uint32_t place, enum odd odd)
{
	for (uint32_t i = 0; i < CHAINS; i++) {
		struct piece piece = {SECOND + (i + 1) * DISTANCE, CHAIN, 0};
		uint8_t bytes[CHAIN] = {0};

		if (is_odd(i, place))
			piece = piece_of(i, odd, 0);
		for (uint32_t k = 0; k < FRAME; k++)
			bytes[HEADER + k] = byte_of(i, k);
		if (!is_odd(i, place) || odd <= THE_LAST_GOOD || odd == SHORT)
			guest_write(&rig.guest, piece.gpa, bytes, CHAIN);
		REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
	}
	driver_publish(&rig.tx);
}

/* All came that should, in order. */
static uint32_t wrong_among(uint32_t n, uint32_t place, enum odd odd)
{
	const uint32_t lost = lost_of(odd);
	uint32_t wrong = n != CHAINS - lost;

	for (uint32_t i = 0; i < n; i++)
		wrong += packets[i].total != FRAME || !is_frame(data[i], i + (i >= place) * lost);
	return wrong + (lost && rig_counter(&rig, 1, drop_of(odd)) != lost);
}

static uint32_t dequeue_wrong(uint32_t place, enum odd odd)
{
	uint32_t n;

	send_all(place, odd);
	n = hf_dequeue_burst(rig.device, 1, pointers, CHAINS);
	return wrong_among(n, place, odd) + (driver_consume_all(&rig.tx) != CHAINS);
}

static uint32_t peek_wrong(uint32_t place, enum odd odd)
{
	struct hf_hop *hop = hf_hop_create();
	uint32_t n, wrong;

	REQUIRE(hop != NULL);
	send_all(place, odd);
	n = hf_hop_peek(hop, rig.device, 1, pointers, CHAINS, FRAME);
	hf_hop_complete(hop, (uint16_t)n);
	wrong = wrong_among(n, place, odd) + (driver_consume_all(&rig.tx) != CHAINS);
	hf_hop_destroy(hop);
	return wrong;
}

/* A bad chain goes back, and its packet goes into the next one. */
static uint32_t enqueue_wrong(uint32_t place, enum odd odd)
{
	struct piece pieces[CHAINS];
	const uint32_t lost = lost_of(odd), nr = CHAINS - nr_odd;
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < CHAINS; i++) {
		pieces[i] = (struct piece){SECOND + (i + 1) * DISTANCE, CHAIN, DRIVER_WRITE};
		if (is_odd(i, place))
			pieces[i] = piece_of(i, odd, DRIVER_WRITE);
		REQUIRE(driver_put(&rig.rx, &pieces[i], 1) >= 0);
		for (uint32_t k = 0; k < FRAME; k++)
			data[i][k] = byte_of(i, k);
		packets[i].len = packets[i].total = FRAME;
	}
	driver_publish(&rig.rx);
	wrong += hf_enqueue_burst(rig.device, 0, pointers, (uint16_t)nr) != nr;
	for (uint32_t i = 0; i < nr; i++)
		wrong += !is_frame(
			guest_at(&rig.guest, pieces[i + (i >= place) * lost].gpa + HEADER), i);
	wrong += lost && rig_counter(&rig, 0, drop_of(odd)) != lost;
	return wrong + (driver_consume_all(&rig.rx) != nr + lost);
}

static void try_all(uint32_t (*burst_wrong)(uint32_t place, enum odd odd), enum odd first,
		    enum odd last, uint64_t features)
{
	for (size_t k = 0; k < ARRAY_SIZE(rings); k++)
		for (int odd = (int)first; odd <= (int)last; odd++)
			for (uint32_t place = 0; place < CHAINS - nr_odd; place++) {
				uint32_t wrong;

				open_rig(rings[k] | features, (uint16_t)place);
				wrong = burst_wrong(place, (enum odd)odd);
				CHECK_EQ(wrong, 0);
				if (wrong)
					printf("    ring %zu, odd %d, place %u\n", k, odd, place);
				close_rig();
			}
}

static void an_odd_chain_at_any_place_is_dequeued_or_dropped_alone(void)
{
	try_all(dequeue_wrong, AT_THE_END, NOWHERE, 0);
}

static void an_odd_chain_at_any_place_is_peeked_or_dropped_alone(void)
{
	try_all(peek_wrong, AT_THE_END, NOWHERE, 0);
}

static void an_odd_chain_at_any_place_is_filled_or_given_back_alone(void)
{
	try_all(enqueue_wrong, AT_THE_END, WRONG_WAY, 0);
	/* Without mergeable buffers what is too short for the packet is another reason. */
	try_all(enqueue_wrong, NOTHING_NOWHERE, NOWHERE, MRG);
}

/* At each place, so they are the first, the second or all of a group. */
static void four_in_a_row_that_lie_nowhere_are_dropped_and_all_around_them_arrives(void)
{
	nr_odd = 4;
	try_all(dequeue_wrong, NOTHING_NOWHERE, NOWHERE, MRG);
	try_all(peek_wrong, NOTHING_NOWHERE, NOWHERE, MRG);
	try_all(enqueue_wrong, NOTHING_NOWHERE, NOWHERE, MRG);
	nr_odd = 1;
}

/* ---- heads of a split ring */

/* Behind the table stands the available ring, which here reads like a descriptor of the second
 * region that nothing is wrong with: an index of BASE + CHAINS is the upper half of its address. */
static void a_head_out_of_range_at_any_place_ends_the_burst_there(void)
{
	enum { BASE = 20, SIZE = 64 };

	for (uint16_t queue = 0; queue < 2; queue++)
		for (uint32_t place = 0; place < CHAINS; place++) {
			const uint16_t flags = queue ? 0 : DRIVER_WRITE;
			const uint16_t lookalike[] = {0, 0, 200, 0, flags, 0};
			const uint8_t header[HEADER] = {0};
			struct driver *d;

			open_rig(V1, BASE);
			d = queue ? &rig.tx : &rig.rx;
			REQUIRE(d->avail == d->desc + SIZE * 16);
			for (uint32_t i = 0; i < CHAINS; i++) {
				struct piece piece = {SECOND + (i + 1) * DISTANCE, CHAIN, flags};

				if (queue)
					guest_write(&rig.guest, piece.gpa, header, HEADER);
				REQUIRE(driver_put(d, &piece, 1) >= 0);
				packets[i].len = packets[i].total = queue ? 0 : FRAME;
			}
			guest_write(&rig.guest, (BASE + CHAINS) << 16, header, HEADER);
			for (uint32_t i = 0; i < ARRAY_SIZE(lookalike); i++)
				guest_write16(&rig.guest, d->avail + 4 + 2 * i, lookalike[i]);
			guest_write16(&rig.guest, d->avail + 4 + 2 * (BASE + place), SIZE);
			driver_publish(d);
			CHECK_EQ(queue ? hf_dequeue_burst(rig.device, 1, pointers, CHAINS)
				       : hf_enqueue_burst(rig.device, 0, pointers, CHAINS),
				 place);
			CHECK_EQ(rig_counter(&rig, queue, HF_COUNTER_BREAK_BAD_HEAD), 1);
			CHECK_EQ(driver_consume_all(d), place);
			close_rig();
		}
}

/* ---- a packed ring of which only so many are there */

static void chains_of_a_packed_ring_that_are_not_there_yet_are_left(void)
{
	for (uint32_t there = 1; there < CHAINS; there++) {
		uint32_t wrong = 0;

		open_rig(V1 | PACKED, (uint16_t)(64 - there / 2));
		for (uint32_t i = 0; i < there; i++) {
			struct piece piece = {SECOND + (i + 1) * DISTANCE, CHAIN, 0};
			uint8_t bytes[CHAIN] = {0};

			for (uint32_t k = 0; k < FRAME; k++)
				bytes[HEADER + k] = byte_of(i, k);
			guest_write(&rig.guest, piece.gpa, bytes, CHAIN);
			REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
		}
		driver_publish(&rig.tx);
		CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, CHAINS), there);
		for (uint32_t i = 0; i < there; i++)
			wrong += !is_frame(data[i], i);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(driver_consume_all(&rig.tx), there);
		close_rig();
	}
}

static const struct sentence sentences[] = {
	SENTENCE(an_odd_chain_at_any_place_is_dequeued_or_dropped_alone),
	SENTENCE(an_odd_chain_at_any_place_is_peeked_or_dropped_alone),
	SENTENCE(an_odd_chain_at_any_place_is_filled_or_given_back_alone),
	CATALOGUE(four_in_a_row_that_lie_nowhere_are_dropped_and_all_around_them_arrives, "[28]"),
	SENTENCE(a_head_out_of_range_at_any_place_ends_the_burst_there),
	SENTENCE(chains_of_a_packed_ring_that_are_not_there_yet_are_left),
};
SUITE("looks", sentences)
