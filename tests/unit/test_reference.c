/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's bursts against the judge, on the same frozen memory image.
 *
 * Each round builds a valid ring of random shape, spoils a few of its fields, copies the memory,
 * lets the library run on the one and the reference on the other, and compares everything:
 * packets, metadata, counters, and the two memories byte by byte. HF_TEST_ROUNDS and HF_TEST_SEED
 * make a longer or another run; a failing round prints its number, and runs alone with
 * HF_TEST_ROUND.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <netinet/in.h>
#include <string.h>

#include "net.h"
#include "reference.h"
#include "rig.h"
#include "suite.h"

#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define ROUNDS	     2000u
#define MEMORY	     (512u << 10)
#define GPA_BASE     0x40000000ull
#define BURST	     32u
#define ROOM	     4000u
#define MAX_FAILURES 5u

static uint64_t state;

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 16) % below);
}

static bool chance(uint32_t percent)
{
	return any(100) < percent;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* Rings below, buffers above; regions that touch, one hole. */
static const struct guest_span spans[] = {
	{0, 192 << 10},
	{192 << 10, 64 << 10},
	{256 << 10, (64 << 10) + 1000},
	{(352 << 10) + 8, (160 << 10) - 8},
};

static struct rig rig;
static uint32_t plain_percent; /* of this round's chains: one descriptor, an ordinary frame */
static uint8_t *image;
static uint8_t ours[BURST][ROOM], theirs[BURST][ROOM];
static struct hf_packet packets[BURST], *pointers[BURST];
static struct reference_packet expected[BURST];
static uint64_t seen[HF_NR_COUNTERS]; /* over all rounds */

static uint64_t any_features(void)
{
	static const uint8_t bits[] = {VIRTIO_NET_F_CSUM,	VIRTIO_NET_F_HOST_TSO4,
				       VIRTIO_NET_F_HOST_TSO6,	VIRTIO_NET_F_HOST_UFO,
				       VIRTIO_NET_F_HOST_ECN,	VIRTIO_NET_F_MRG_RXBUF,
				       VIRTIO_NET_F_GUEST_CSUM, HF_F_INDIRECT_DESC,
				       HF_F_EVENT_IDX,		HF_F_VERSION_1};
	uint64_t features = RING;

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (chance(75))
			features |= HF_FEATURE(bits[i]);
	return features;
}

static uint64_t any_buffer(uint32_t len)
{
	return rig.buffers + any((uint32_t)(GPA_BASE + MEMORY - rig.buffers) - len);
}

/* An address that is worth trying. Never in the rings: then the order of stores would decide. */
static uint64_t any_bad_address(void)
{
	switch (any(6)) {
	case 0:
		return UINT64_MAX - any(64);
	case 1:
		return GPA_BASE + spans[2].offset + spans[2].size - any(64); /* the hole */
	case 2:
		return GPA_BASE + MEMORY - any(64);
	case 3:
		return any(1u << 20);
	case 4:
		return GPA_BASE + spans[any(4)].offset - any(32) + (64 << 10);
	default:
		return any_buffer(64);
	}
}

/* A virtio-net header and a frame that may fit it, for the guest to send. */
static uint32_t any_frame(uint8_t *bytes, uint32_t header_bytes)
{
	struct net_shape shape = {.ip = chance(50) ? 4 : 6,
				  .proto = chance(60) ? IPPROTO_TCP : IPPROTO_UDP,
				  .vlans = (uint8_t)any(4),
				  .options = (uint8_t)(4 * any(3)),
				  .extension = chance(20),
				  .payload = chance(70) ? any(200) : any(3000),
				  .seed = any(1000),
				  .partial = chance(70)};
	struct hf_offload o;
	uint32_t len;

	memset(bytes, 0, header_bytes);
	len = net_build(bytes + header_bytes, &shape, &o);
	if (chance(50))
		return header_bytes + len;
	bytes[0] = o.flags;
	if (chance(60))
		bytes[1] = shape.proto == IPPROTO_UDP ? 3 : shape.ip == 4 ? 1 : 4;
	memcpy(bytes + 2, &o.hdr_len, 2);
	bytes[4] = (uint8_t)any(3);
	bytes[5] = (uint8_t)any(6);
	memcpy(bytes + 6, &o.csum_start, 2);
	memcpy(bytes + 8, &o.csum_offset, 2);
	if (chance(15))
		bytes[any(10)] = (uint8_t)any(256);
	if (chance(10))
		bytes[1] |= 0x80;
	if (chance(10))
		bytes[header_bytes + any(len)] ^= (uint8_t)(1u << any(8));
	return header_bytes + (chance(10) ? any(len) : len);
}

/* Cut `len` bytes into pieces; how many. */
static uint32_t cut(struct piece *pieces, uint32_t most, uint32_t len, uint16_t flags)
{
	uint32_t n = 0;

	while (n < most && (len || !n)) {
		uint32_t take = n + 1 == most || chance(40) ? len : any(len + 1);

		pieces[n++] = (struct piece){any_buffer(take), take, flags};
		len -= take;
	}
	return n;
}

static void put_chain(struct driver *d, struct piece *pieces, uint32_t n)
{
	uint32_t share = n == 1 ? 40 * (100 - plain_percent) / 100 : 40;
	bool indirect = (rig.features & HF_FEATURE(HF_F_INDIRECT_DESC)) && chance(share);

	if (indirect)
		driver_put_indirect(d, any_buffer(16 * n), pieces, n);
	else
		driver_put(d, pieces, n);
}

static void post_to_send(struct driver *d)
{
	static uint8_t bytes[8192];
	uint32_t len = any_frame(bytes, reference_header_bytes(rig.features)), at = 0;
	struct piece pieces[6];
	bool plain = chance(plain_percent);
	uint32_t n = cut(pieces, plain ? 1 : 1 + any(ARRAY_SIZE(pieces)), len, 0);

	if (plain && chance(80))
		memset(bytes, 0, reference_header_bytes(rig.features));

	for (uint32_t i = 0; i < n; i++) {
		guest_write(&rig.guest, pieces[i].gpa, bytes + at, pieces[i].len);
		at += pieces[i].len;
	}
	put_chain(d, pieces, n);
}

static void post_to_fill(struct driver *d)
{
	struct piece pieces[6];
	bool plain = chance(plain_percent);
	uint32_t n = cut(pieces, plain ? 1 : 1 + any(ARRAY_SIZE(pieces)),
			 plain ? 300 + any(4000) : any(chance(50) ? 200 : 4000), DRIVER_WRITE);

	put_chain(d, pieces, n);
}

/* Spoil one field of a descriptor, wherever it stands. */
static void spoil_desc(struct driver *d, uint64_t at)
{
	static const uint32_t lengths[] = {0, 1, 10, 12, 17, 0xffff, 0x01000000, 0xffffffff};
	uint64_t address = any_bad_address();
	uint32_t len = lengths[any(ARRAY_SIZE(lengths))];

	switch (any(4)) {
	case 0:
		guest_write(d->guest, at, &address, 8);
		break;
	case 1:
		guest_write(d->guest, at + 8, &len, 4);
		break;
	case 2:
		guest_write16(d->guest, at + 12, (uint16_t)any(chance(80) ? 8 : 65536));
		break;
	default:
		guest_write16(d->guest, at + 14,
			      (uint16_t)(chance(70) ? any(d->size + 1u) : any(65536)));
	}
}

/* Of a packed ring: any descriptor, its id, and the bits that say whose it is. */
static void spoil_packed(struct driver *d)
{
	uint64_t desc = d->desc + 16ull * any(d->size), table;
	uint16_t flags = guest_read16(d->guest, desc + 14);

	if (chance(10)) {
		guest_write16(d->guest, desc + 12, (uint16_t)any(65536));
	} else if (chance(10)) {
		guest_write16(d->guest, desc + 14, flags ^ (chance(50) ? 0x80 : 0x8000));
	} else if (chance(30)) {
		guest_write16(d->guest, desc + 14, flags ^ (uint16_t)(1u << any(7)));
	} else if ((flags & DRIVER_INDIRECT) && chance(70)) {
		memcpy(&table, guest_at(d->guest, desc), 8);
		table += 16ull * any(3);
		if (table >= rig.buffers && guest_maps(d->guest, table, 16) && !(table & 1))
			spoil_desc(d, table);
	} else {
		/* Not its flags: they stand elsewhere. */
		uint64_t address = any_bad_address();
		uint32_t len = chance(50) ? any(70000) : any(20);

		if (chance(50))
			guest_write(d->guest, desc, &address, 8);
		else
			guest_write(d->guest, desc + 8, &len, 4);
	}
}

static void spoil_split(struct driver *d)
{
	uint16_t head = guest_read16(d->guest, d->avail + 4 + 2ull * any(d->size)) % d->size;
	uint64_t desc = d->desc + 16ull * head, table;
	uint16_t flags = guest_read16(d->guest, desc + 12);

	if (chance(3)) {
		guest_write16(d->guest, d->avail + 2, (uint16_t)(d->avail_idx + any(65536)));
	} else if (chance(3)) {
		guest_write16(d->guest, d->avail + 4 + 2ull * any(d->size), (uint16_t)any(65536));
	} else if ((flags & DRIVER_INDIRECT) && chance(70)) {
		memcpy(&table, guest_at(d->guest, desc), 8);
		table += 16ull * any(3);
		if (table >= rig.buffers && guest_maps(d->guest, table, 16) && !(table & 1))
			spoil_desc(d, table);
	} else {
		spoil_desc(d, d->desc + 16ull * (chance(60) ? head : any(d->size)));
	}
}

static void spoil(struct driver *d)
{
	if (d->packed) {
		spoil_packed(d);
		return;
	}
	spoil_split(d);
}

static void fill_ring(struct driver *d, void (*post)(struct driver *))
{
	uint32_t chains = any(40);

	for (uint32_t i = 0; i < chains; i++)
		post(d);
	driver_publish(d);
	for (uint32_t i = chance(40) ? 0 : any(6); i > 0; i--)
		spoil(d);
}

static struct reference freeze(const struct driver *d)
{
	memcpy(image, rig.guest.bytes, MEMORY);
	return (struct reference){.image = image,
				  .guest = &rig.guest,
				  .desc = d->desc,
				  .avail = d->avail,
				  .used = d->used,
				  .features = rig.features,
				  .size = d->size,
				  .next = d->packed ? d->used_seen & 0x7fff : d->used_seen,
				  .packed = d->packed,
				  .wrap = d->used_seen & 0x8000};
}

/* How to suppress kicks is the back-end's own affair. */
static void forget_notifications(const struct driver *d)
{
	uint64_t at[] = {d->used, d->packed ? d->used + 2 : d->used + 4 + 8ull * d->size};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		memcpy(image + (at[i] - GPA_BASE), guest_at(&rig.guest, at[i]), 2);
}

static bool same_counters(const struct reference *r, uint16_t queue)
{
	bool same = true;

	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);
		uint64_t got = rig_counter(&rig, queue, (enum hf_counter)i);

		seen[i] += r->counters[i];
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
	for (size_t i = 0; i < MEMORY; i++) {
		if (image[i] != rig.guest.bytes[i]) {
			printf("    gpa %#llx (used ring at %#llx) is %#x, must be %#x\n",
			       (unsigned long long)(GPA_BASE + i), (unsigned long long)d->used,
			       rig.guest.bytes[i], image[i]);
			return false;
		}
	}
	return true;
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

/* Every packet two segments or one, of any room; the reference gets the same room in one. */
static void make_room(struct hf_packet *second)
{
	for (uint32_t i = 0; i < BURST; i++) {
		uint32_t room = chance(80) ? ROOM : any(ROOM);
		uint32_t first = chance(70) ? room : any(room + 1);

		memset(&packets[i], 0, sizeof(packets[i]));
		packets[i].data = ours[i];
		packets[i].room = first;
		second[i] = (struct hf_packet){.data = ours[i] + first, .room = room - first};
		if (first != room || chance(10))
			packets[i].next = &second[i];
		pointers[i] = &packets[i];
		expected[i] = (struct reference_packet){.bytes = theirs[i], .room = room};
	}
}

static struct hf_hop *hop;

/* A peek of any front, copied out in any order, is a dequeue. */
static uint16_t hop_burst(uint16_t count)
{
	static const uint32_t fronts[] = {0, 20, 64, 128, 2000};
	uint16_t got = hf_hop_peek(hop, rig.device, 1, pointers, count, fronts[any(5)]);

	for (uint16_t i = 0; i < got; i += 2)
		hf_hop_copy(hop, &pointers[i], 1);
	hf_hop_copy(hop, pointers, got);
	hf_hop_complete(hop, got);
	return got;
}

static uint16_t dequeue_burst(uint16_t count)
{
	return hf_dequeue_burst(rig.device, 1, pointers, count);
}

static bool compare_taking(uint16_t (*take)(uint16_t count))
{
	static struct hf_packet second[BURST];
	struct reference r;
	bool same = true;

	fill_ring(&rig.tx, post_to_send);
	r = freeze(&rig.tx);
	for (int bursts = 0; bursts < 2; bursts++) {
		uint16_t count = (uint16_t)any(BURST + 1), got, must;

		make_room(second);
		got = take(count);
		must = reference_dequeue(&r, expected, count);
		if (got != must) {
			printf("    %u packets, must be %u\n", got, must);
			return false;
		}
		for (uint16_t i = 0; i < got; i++)
			same &= same_packet(&packets[i], &expected[i]);
	}
	return same_counters(&r, 1) & same_memory(&rig.tx) & same;
}

static bool compare_dequeue(void)
{
	return compare_taking(dequeue_burst);
}

static bool compare_hop(void)
{
	return compare_taking(hop_burst);
}

static void make_packets(void)
{
	bool offload = rig.features & HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM);

	for (uint32_t i = 0; i < BURST; i++) {
		struct net_shape shape = {.ip = 4,
					  .proto = IPPROTO_TCP,
					  .payload = chance(60) ? any(200) : any(3500),
					  .seed = i,
					  .partial = offload && chance(30)};
		struct hf_packet *p = &packets[i];

		*p = (struct hf_packet){.data = ours[i]};
		p->len = p->total = net_build(ours[i], &shape, &p->offload);
		if (!shape.partial)
			p->offload = (struct hf_offload){0};
		pointers[i] = p;
		expected[i] = (struct reference_packet){
			.bytes = ours[i], .len = p->total, .offload = p->offload};
	}
}

static bool compare_enqueue(void)
{
	struct reference r;

	fill_ring(&rig.rx, post_to_fill);
	r = freeze(&rig.rx);
	for (int bursts = 0; bursts < 2; bursts++) {
		uint16_t count = (uint16_t)any(BURST + 1), got, must;

		make_packets();
		got = hf_enqueue_burst(rig.device, 0, pointers, count);
		must = reference_enqueue(&r, expected, count);
		if (r.ambiguous)
			return true;
		if (got != must) {
			printf("    %u packets, must be %u\n", got, must);
			return false;
		}
	}
	return same_counters(&r, 0) & same_memory(&rig.rx);
}

static bool run_round(unsigned long round, bool (*compare)(void))
{
	struct rig_shape shape = {
		.memory = MEMORY, .spans = spans, .nr_spans = ARRAY_SIZE(spans), .gpa = GPA_BASE};
	bool same;

	state = 0x9e3779b97f4a7c15ull * (round + 1 + setting("HF_TEST_SEED", 0) * 1000003);
	for (int i = 0; i < 8; i++)
		any(2);
	shape.features = any_features();
	plain_percent = chance(50) ? 0 : any(101);
	shape.size = (uint16_t)(RING ? 1 + any(chance(50) ? 20 : 600) : 1u << any(10));
	shape.base = (uint16_t)(chance(30) ? 65536 - any(20) : any(65536));
	if (!rig_create(&rig, &shape))
		return false;
	same = compare();
	rig_destroy(&rig);
	if (!same)
		printf("    round %lu (ring of %u, features %#llx): HF_TEST_ROUND=%lu\n", round,
		       shape.size, (unsigned long long)shape.features, round);
	return same;
}

static void run_rounds(bool (*compare)(void))
{
	unsigned long first = setting("HF_TEST_ROUND", 0);
	unsigned long rounds = getenv("HF_TEST_ROUND") ? 1 : setting("HF_TEST_ROUNDS", ROUNDS);
	unsigned int failures = 0;

	image = malloc(MEMORY);
	REQUIRE(image != NULL);
	memset(seen, 0, sizeof(seen));
	for (unsigned long i = 0; i < rounds && failures < MAX_FAILURES; i++)
		failures += !run_round(first + i, compare);
	free(image);
	CHECK_EQ(failures, 0);
}

/* A run in which nothing, or only nonsense, happened shows nothing. */
static void check_was_met(const enum hf_counter *reasons, size_t n)
{
	if (getenv("HF_TEST_ROUND"))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!seen[reasons[i]])
			printf("    never met: %s\n", hf_shm_counter_name(reasons[i]));
		CHECK(seen[reasons[i]] > 0);
	}
	CHECK(seen[HF_COUNTER_GOOD_PACKETS] > setting("HF_TEST_ROUNDS", ROUNDS));
}

/* What only one kind of ring can have. */
#ifdef RING_PACKED
static const enum hf_counter of_this_ring[] = {HF_COUNTER_BREAK_BAD_CHAIN};
#else
static const enum hf_counter of_this_ring[] = {HF_COUNTER_DROP_BAD_NEXT, HF_COUNTER_BREAK_AVAIL_IDX,
					       HF_COUNTER_BREAK_BAD_HEAD};
#endif

static const enum hf_counter taking_reasons[] = {
	HF_COUNTER_DROP_TOO_BIG,      HF_COUNTER_DROP_BAD_ADDRESS,   HF_COUNTER_DROP_LOOP,
	HF_COUNTER_DROP_BAD_INDIRECT, HF_COUNTER_DROP_BAD_DIRECTION, HF_COUNTER_DROP_SHORT_CHAIN,
	HF_COUNTER_DROP_BAD_HEADER};

static void dequeue_equals_the_reference_on_the_same_image(void)
{
	run_rounds(compare_dequeue);
	check_was_met(taking_reasons, ARRAY_SIZE(taking_reasons));
	check_was_met(of_this_ring, ARRAY_SIZE(of_this_ring));
}

static void a_hop_equals_the_reference_on_the_same_image(void)
{
	hop = hf_hop_create();
	REQUIRE(hop != NULL);
	run_rounds(compare_hop);
	check_was_met(taking_reasons, ARRAY_SIZE(taking_reasons));
	check_was_met(of_this_ring, ARRAY_SIZE(of_this_ring));
	hf_hop_destroy(hop);
}

static void enqueue_equals_the_reference_on_the_same_image(void)
{
	static const enum hf_counter reasons[] = {
		HF_COUNTER_DROP_TOO_BIG,      HF_COUNTER_DROP_GUEST_BUFFER_SMALL,
		HF_COUNTER_DROP_BAD_ADDRESS,  HF_COUNTER_DROP_LOOP,
		HF_COUNTER_DROP_BAD_INDIRECT, HF_COUNTER_DROP_BAD_DIRECTION,
		HF_COUNTER_DROP_SHORT_CHAIN,  HF_COUNTER_NO_GUEST_BUFFER};

	run_rounds(compare_enqueue);
	check_was_met(reasons, ARRAY_SIZE(reasons));
	check_was_met(of_this_ring, ARRAY_SIZE(of_this_ring));
}

static const struct sentence sentences[] = {
	SENTENCE(dequeue_equals_the_reference_on_the_same_image),
	SENTENCE(a_hop_equals_the_reference_on_the_same_image),
	SENTENCE(enqueue_equals_the_reference_on_the_same_image),
};
SUITE("reference", sentences)
