/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's bursts against the judge, on the same frozen memory image.
 *
 * Each image (model/images.h) is run by the reference once, and by the library once at each level:
 * the general path, which takes one chain at a time, and every level of instructions that the
 * processor has. Compared is everything: packets, metadata, counters, and the memories byte by
 * byte. Each way of the bursts is a sentence of its own.
 *
 * HF_TEST_ROUNDS (images of each way) and HF_TEST_SEED make a longer or another run; a failing
 * image prints its number, and runs alone with HF_TEST_ROUND.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <netinet/in.h>
#include <string.h>

#include "images.h"
#include "levels.h"
#include "net.h"
#include "reference.h"
#include "suite.h"

#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define ROUNDS	     4000ul
#define IN_A_RIG     8u /* images; a guest is dearer to make than an image */
#define MEMORY	     IMAGES_MEMORY
#define BURST	     32u
#define BURSTS	     2u /* of each image */
#define ROOM	     4000u
#define MAX_FAILURES 5u

#define any    images_any
#define chance images_chance

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* ---- one image */

static struct rig rig, sender; /* whose ring it is; who sends when packets hop to it */
static struct hf_hop *hop;
static uint8_t *frozen, *image; /* as the guest left it; as the reference left it */
static uint8_t ours[BURST][ROOM];
static struct hf_packet packets[BURST], second[BURST], *pointers[BURST];
static uint64_t seen[HF_NR_COUNTERS]; /* over all images */
static unsigned long compared;
static const struct hf_run_ops *levels[LEVELS_MOST];
static uint32_t nr_levels;

/* What both sides are asked to do, and what the reference says comes of it. */
static struct plan {
	uint16_t count; /* of the burst */
	uint32_t front; /* of a peek */
	uint32_t room[BURST], first[BURST];
	bool has_second[BURST];
	uint8_t bytes[BURST][ROOM];
	struct reference_packet packets[BURST];
	uint16_t must;
} plans[BURSTS];

static struct reference freeze(const struct driver *d)
{
	memcpy(frozen, rig.guest.bytes, MEMORY);
	memcpy(image, frozen, MEMORY);
	return rig_reference(&rig, d, image);
}

/* As if nobody had run a burst on it. */
static void thaw(uint16_t queue, const struct driver *d, const struct hf_run_ops *level)
{
	struct hf_vring *v = rig.device->vrings[queue];

	memcpy(rig.guest.bytes, frozen, MEMORY);
	rig.lanes[queue] = (struct hf_lane_vring){.avail = d->used_seen, .used = d->used_seen};
	v->run = level;
	hf_vring_grant(v, RIG_GRANT, d->used_seen, 0);
}

/* How to suppress kicks is the back-end's own affair. */
static void forget_notifications(const struct driver *d)
{
	uint64_t at[] = {d->used, d->packed ? d->used + 2 : d->used + 4 + 8ull * d->size};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		memcpy(guest_at(&rig.guest, at[i]), image + (at[i] - IMAGES_GPA), 2);
}

static bool same_counters(const struct reference *r, uint16_t queue)
{
	bool same = true;

	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);
		uint64_t got = rig_counter(&rig, queue, (enum hf_counter)i);

		if (strncmp(name, "drop_", 5) != 0 && strncmp(name, "break_", 6) != 0 &&
		    i != HF_COUNTER_GOOD_PACKETS && i != HF_COUNTER_GOOD_BYTES &&
		    i != HF_COUNTER_NO_GUEST_BUFFER)
			continue;
		if (got != r->counters[i]) {
			printf("    %s is %llu, must be %llu\n", name, (unsigned long long)got,
			       (unsigned long long)r->counters[i]);
			same = false;
		}
	}
	return same;
}

static bool same_memory(const struct driver *d)
{
	forget_notifications(d);
	if (!memcmp(image, rig.guest.bytes, MEMORY))
		return true;
	for (size_t i = 0; i < MEMORY; i++)
		if (image[i] != rig.guest.bytes[i]) {
			printf("    gpa %#llx (used ring at %#llx) is %#x, must be %#x\n",
			       (unsigned long long)(IMAGES_GPA + i), (unsigned long long)d->used,
			       rig.guest.bytes[i], image[i]);
			break;
		}
	return false;
}

static bool same_packet(const struct hf_packet *p, const struct reference_packet *e)
{
	uint32_t at = 0;

	if (p->total != e->len || memcmp(&p->offload, &e->offload, sizeof(e->offload)) != 0) {
		printf("    packet of %u bytes, must be %u, or its metadata differs\n", p->total,
		       e->len);
		return false;
	}
	for (const struct hf_packet *s = p; s; s = s->next) {
		if (memcmp(s->data, e->bytes + at, s->len) != 0)
			return false;
		at += s->len;
	}
	return at == e->len;
}

/* ---- from the guest */

/* Every packet two segments or one, of any room; the reference gets the same room in one. */
static void plan_rooms(struct plan *plan)
{
	static const uint32_t fronts[] = {0, 20, 64, 128, 2000};

	plan->count = (uint16_t)any(BURST + 1);
	plan->front = fronts[any(ARRAY_SIZE(fronts))];
	for (uint32_t i = 0; i < BURST; i++) {
		uint32_t room = chance(80) ? ROOM : any(ROOM);

		plan->room[i] = room;
		plan->first[i] = chance(70) ? room : any(room + 1);
		plan->has_second[i] = plan->first[i] != room || chance(10);
		plan->packets[i] = (struct reference_packet){.bytes = plan->bytes[i], .room = room};
	}
}

static void make_room(const struct plan *plan)
{
	for (uint32_t i = 0; i < BURST; i++) {
		uint32_t first = plan->first[i];

		packets[i] = (struct hf_packet){.data = ours[i], .room = first};
		second[i] =
			(struct hf_packet){.data = ours[i] + first, .room = plan->room[i] - first};
		if (plan->has_second[i])
			packets[i].next = &second[i];
		pointers[i] = &packets[i];
	}
}

/* A peek of any front, copied out in any order, is a dequeue. */
static uint16_t take_by_hop(const struct plan *plan)
{
	uint16_t got = hf_hop_peek(hop, rig.device, 1, pointers, plan->count, plan->front);

	for (uint16_t i = 0; i < got; i += 2)
		hf_hop_copy(hop, &pointers[i], 1);
	hf_hop_copy(hop, pointers, got);
	hf_hop_complete(hop, got);
	return got;
}

static uint16_t take_by_dequeue(const struct plan *plan)
{
	return hf_dequeue_burst(rig.device, 1, pointers, plan->count);
}

static bool same_taking(uint16_t (*take)(const struct plan *plan))
{
	bool same = true;

	for (uint32_t b = 0; b < BURSTS; b++) {
		uint16_t got;

		make_room(&plans[b]);
		got = take(&plans[b]);
		if (got != plans[b].must) {
			printf("    %u packets, must be %u\n", got, plans[b].must);
			return false;
		}
		for (uint16_t i = 0; i < got; i++)
			same &= same_packet(&packets[i], &plans[b].packets[i]);
	}
	return same;
}

/* Those that the reference says are ambiguous are not counted. */
static bool agree(const struct reference *r, uint16_t queue, const struct driver *d,
		  bool (*same_bursts)(void))
{
	for (uint32_t i = 0; i < nr_levels; i++) {
		thaw(queue, d, levels[i]);
		if (same_bursts() & same_counters(r, queue) & same_memory(d))
			continue;
		printf("    at level %s\n", levels[i]->name);
		return false;
	}
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++)
		seen[i] += r->counters[i];
	compared++;
	return true;
}

static bool compare_taking(bool (*same_bursts)(void))
{
	struct reference r;

	images_fill(&rig, false);
	rig.grants[1] = RIG_GRANT | (chance(2) ? 0 : HF_GRANT_ENABLED);
	r = freeze(&rig.tx);
	for (uint32_t b = 0; b < BURSTS; b++) {
		plan_rooms(&plans[b]);
		plans[b].must = reference_dequeue(&r, plans[b].packets, plans[b].count);
	}
	return r.ambiguous || agree(&r, 1, &rig.tx, same_bursts);
}

static bool same_dequeues(void)
{
	return same_taking(take_by_dequeue);
}

static bool same_peeks(void)
{
	return same_taking(take_by_hop);
}

static bool compare_dequeue(void)
{
	return compare_taking(same_dequeues);
}

static bool compare_peek(void)
{
	return compare_taking(same_peeks);
}

/* ---- to the guest */

/* What hops was checked when it came. */
static void plan_packets(struct plan *plan, bool may_be_wrong)
{
	bool offload = rig.features & HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM);

	plan->count = (uint16_t)any(BURST + 1);
	plan->front = 14 + any(200);
	for (uint32_t i = 0; i < BURST; i++) {
		struct net_shape shape = {.ip = 4,
					  .proto = IPPROTO_TCP,
					  .payload = chance(60) ? any(200) : any(3500),
					  .seed = i,
					  .partial = offload && chance(30)};
		struct reference_packet *p = &plan->packets[i];

		*p = (struct reference_packet){.bytes = plan->bytes[i]};
		p->len = net_build(p->bytes, &shape, &p->offload);
		if (!shape.partial)
			p->offload = (struct hf_offload){0};
		else if (may_be_wrong && chance(3))
			p->offload.csum_offset = (uint16_t)(p->len - p->offload.csum_start - 1);
	}
}

static uint16_t give_by_enqueue(const struct plan *plan)
{
	for (uint32_t i = 0; i < BURST; i++) {
		const struct reference_packet *p = &plan->packets[i];

		packets[i] = (struct hf_packet){
			.data = p->bytes, .len = p->len, .total = p->len, .offload = p->offload};
		pointers[i] = &packets[i];
	}
	return hf_enqueue_burst(rig.device, 0, pointers, plan->count);
}

/* The same packets, sent by another guest, each in one piece or cut behind the header. */
static uint16_t give_by_hop(const struct plan *plan)
{
	uint16_t got, n = 0;

	for (uint32_t i = 0; i < plan->count; i++) {
		const struct reference_packet *p = &plan->packets[i];
		uint64_t at = sender.buffers + 4096ull * i;
		struct piece pieces[] = {{at, 12, 0}, {at + 12, p->len, 0}};
		uint8_t header[12] = {0};

		memcpy(header, &p->offload, sizeof(p->offload));
		guest_write(&sender.guest, at, header, sizeof(header));
		guest_write(&sender.guest, at + 12, p->bytes, p->len);
		if (i % 3) {
			pieces[0].len += p->len;
			REQUIRE(driver_put(&sender.tx, pieces, 1) >= 0);
		} else {
			REQUIRE(driver_put(&sender.tx, pieces, 2) >= 0);
		}
		packets[i] = (struct hf_packet){.data = ours[i], .room = ROOM};
		pointers[i] = &packets[i];
	}
	driver_publish(&sender.tx);
	got = hf_hop_peek(hop, sender.device, 1, pointers, plan->count, plan->front);
	if (got)
		n = hf_hop_forward(hop, rig.device, 0, pointers, got);
	hf_hop_complete(hop, got);
	REQUIRE(got == plan->count && driver_consume_all(&sender.tx) == got);
	return n;
}

static bool same_giving(uint16_t (*give)(const struct plan *plan))
{
	for (uint32_t b = 0; b < BURSTS; b++) {
		uint16_t got = give(&plans[b]);

		if (got == plans[b].must)
			continue;
		printf("    %u packets, must be %u\n", got, plans[b].must);
		return false;
	}
	return true;
}

static bool compare_giving(bool (*same_bursts)(void), bool may_be_wrong)
{
	struct reference r;

	images_fill(&rig, true);
	r = freeze(&rig.rx);
	for (uint32_t b = 0; b < BURSTS; b++) {
		plan_packets(&plans[b], may_be_wrong);
		plans[b].must = reference_enqueue(&r, plans[b].packets, plans[b].count);
	}
	return r.ambiguous || agree(&r, 0, &rig.rx, same_bursts);
}

static bool same_enqueues(void)
{
	return same_giving(give_by_enqueue);
}

static bool same_forwards(void)
{
	return same_giving(give_by_hop);
}

static bool compare_enqueue(void)
{
	return compare_giving(same_enqueues, true);
}

static bool compare_forward(void)
{
	return compare_giving(same_forwards, false);
}

/* ---- many */

/* Images first … first + n - 1 of those that begin with a guest of their own every IN_A_RIG. */
static uint32_t run_rig(unsigned long number, unsigned long n, bool (*compare)(void))
{
	uint32_t failures = 0;

	images_seed(number + setting("HF_TEST_SEED", 0) * 1000003);
	if (!images_create(&rig, RING))
		return 1;
	for (unsigned long i = 0; i < n && !failures; i++) {
		if ((i && !images_reset(&rig)) || !compare())
			failures++;
		if (failures)
			printf("    image %lu of guest %lu (ring of %u, features %#llx): "
			       "HF_TEST_ROUND=%lu\n",
			       i, number, rig.tx.size, (unsigned long long)rig.features, number);
	}
	rig_destroy(&rig);
	return failures;
}

static void run_images(bool (*compare)(void))
{
	struct rig_shape shape = {.features = HF_FEATURE(HF_F_VERSION_1) | RING |
					      HF_FEATURE(VIRTIO_NET_F_CSUM),
				  .size = 64,
				  .memory = 256 << 10};
	unsigned long images = setting("HF_TEST_ROUNDS", ROUNDS), ran = 0;
	unsigned long guest = setting("HF_TEST_ROUND", 0);
	uint32_t failures = 0;

	nr_levels = levels_find(levels);
	compared = 0;
	frozen = malloc(MEMORY);
	image = malloc(MEMORY);
	hop = hf_hop_create();
	REQUIRE(frozen && image && hop && rig_create(&sender, &shape));
	if (getenv("HF_TEST_ROUND"))
		images = IN_A_RIG;
	for (; ran < images && failures < MAX_FAILURES; ran += IN_A_RIG)
		failures += run_rig(guest++, IN_A_RIG, compare);
	printf("\n    %lu of %lu images compared at %u levels ... ", compared, ran, nr_levels);
	CHECK(compared > ran / 2);
	hf_hop_destroy(hop);
	rig_destroy(&sender);
	free(frozen);
	free(image);
	CHECK_EQ(failures, 0);
}

static void dequeue_equals_the_reference_on_the_same_image(void)
{
	run_images(compare_dequeue);
}

static void a_peek_equals_the_reference_on_the_same_image(void)
{
	run_images(compare_peek);
}

static void enqueue_equals_the_reference_on_the_same_image(void)
{
	run_images(compare_enqueue);
}

static void a_forward_equals_the_reference_on_the_same_image(void)
{
	run_images(compare_forward);
}

/* What only the other kind of ring can have. */
static bool is_of_the_other_ring(unsigned int reason)
{
	return RING ? reason == HF_COUNTER_DROP_BAD_NEXT || reason == HF_COUNTER_BREAK_AVAIL_IDX ||
			       reason == HF_COUNTER_BREAK_BAD_HEAD
		    : reason == HF_COUNTER_BREAK_BAD_CHAIN;
}

/* No image can have it: the front-end takes its memory away. */
static bool is_of_no_image(unsigned int reason)
{
	return reason == HF_COUNTER_BREAK_MEMORY_GONE;
}

/* A run in which nothing, or only nonsense, happened shows nothing. */
static void every_reason_was_met_and_packets_came(void)
{
	if (getenv("HF_TEST_ROUND"))
		return;
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);

		if ((strncmp(name, "drop_", 5) && strncmp(name, "break_", 6)) ||
		    is_of_the_other_ring(i) || is_of_no_image(i))
			continue;
		if (!seen[i])
			printf("    never met: %s\n", name);
		CHECK(seen[i] > 0);
	}
	CHECK(seen[HF_COUNTER_NO_GUEST_BUFFER] > 0);
	CHECK(seen[HF_COUNTER_GOOD_PACKETS] > 4 * setting("HF_TEST_ROUNDS", ROUNDS));
}

static const struct sentence sentences[] = {
	CATALOGUE(dequeue_equals_the_reference_on_the_same_image, "[P-8]"),
	CATALOGUE(a_peek_equals_the_reference_on_the_same_image, "[P-8]"),
	CATALOGUE(enqueue_equals_the_reference_on_the_same_image, "[P-8]"),
	CATALOGUE(a_forward_equals_the_reference_on_the_same_image, "[P-8]"),
	SENTENCE(every_reason_was_met_and_packets_came),
};
SUITE(RING ? "reference, packed rings" : "reference, split rings", sentences)
