/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: a guest that keeps the rules until it lies, bursts of all kinds, and the judge
 * (model/reference.h) on a copy of the same memory. Built once for each kind of ring.
 *
 * The judge looks at the order of stores in one way only, so he is heard as long as no buffer lies
 * in a ring or in an indirect table; behind that the sanitizers, the guard pages around guest
 * memory, and what is true of any burst are left.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fuzz.h"
#include "net.h"
#include "reference.h"
#include "rig.h"

#ifdef RING_PACKED
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define MEMORY	   (64u << 10)
#define GPA_BASE   0x40000000ull
#define TABLES	   (8ull << 10) /* indirect tables lie here, buffers above */
#define BUFFERS	   (16ull << 10)
#define BURST	   32u
#define ROOM	   3000u
#define MOST_SIZE  128u
#define MAX_BURSTS 24u

static const struct guest_span spans[] = {
	{0, 24 << 10},
	{24 << 10, 8 << 10},
	{32 << 10, (8 << 10) + 1000},
	{(44 << 10) + 8, (20 << 10) - 8},
};

static struct rig rig;
static struct hf_hop *hop;
static uint8_t *pattern, *image;
static struct hf_packet packets[BURST], seconds[BURST], *pointers[BURST];
static struct reference_packet expected[BURST];
static uint8_t *rooms[2][BURST], *theirs[BURST];

/* Of this input. */
static struct reference judges[2]; /* by vring */
static bool judged;
static bool index_lies; /* avail->idx */
static unsigned int bursts;

static void set_up_once(void)
{
	struct rig_shape shape = {.features = RING,
				  .size = MOST_SIZE,
				  .memory = MEMORY,
				  .spans = spans,
				  .nr_spans = ARRAY_SIZE(spans),
				  .gpa = GPA_BASE};

	FUZZ_HOLDS(rig_create(&rig, &shape));
	hop = hf_hop_create();
	image = malloc(MEMORY);
	pattern = malloc(MEMORY);
	FUZZ_HOLDS(hop && image && pattern);
	for (uint32_t i = 0; i < MEMORY; i++)
		pattern[i] = (uint8_t)(0xa5 ^ (i * 7) ^ (i >> 9));
	for (uint32_t i = 0; i < BURST; i++) {
		rooms[0][i] = malloc(ROOM);
		rooms[1][i] = malloc(ROOM);
		theirs[i] = malloc(ROOM);
		FUZZ_HOLDS(rooms[0][i] && rooms[1][i] && theirs[i]);
	}
}

static uint64_t features_of(uint16_t b)
{
	static const uint8_t bits[] = {VIRTIO_NET_F_CSUM,	VIRTIO_NET_F_HOST_TSO4,
				       VIRTIO_NET_F_HOST_TSO6,	VIRTIO_NET_F_HOST_UFO,
				       VIRTIO_NET_F_HOST_ECN,	VIRTIO_NET_F_MRG_RXBUF,
				       VIRTIO_NET_F_GUEST_CSUM, HF_F_INDIRECT_DESC,
				       HF_F_EVENT_IDX,		HF_F_VERSION_1};
	uint64_t features = RING;

	/* Inverted: an input of zeros has all. */
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!(b & 1u << i))
			features |= HF_FEATURE(bits[i]);
	return features;
}

static void set_up_vring(uint16_t queue, const struct driver *d)
{
	struct hf_vring *v = hf_device_get_vring(rig.device, queue);
	struct hf_vring_setup setup = {.grant = RIG_GRANT,
				       .grant_word = &rig.grants[queue],
				       .lane = &rig.lanes[queue],
				       .map = rig.device->map,
				       .features = rig.features,
				       .desc_gpa = d->desc,
				       .avail_gpa = d->avail,
				       .used_gpa = d->used,
				       .size = d->size,
				       .next = d->used_seen};

	rig.lanes[queue] = (struct hf_lane_vring){.avail = d->used_seen, .used = d->used_seen};
	rig.grants[queue] = RIG_GRANT | HF_GRANT_ENABLED;
	FUZZ_HOLDS(hf_vring_setup(v, &setup) == 0);
	judges[queue] = rig_reference(&rig, d, image);
}

/* The first record: a: size of the rings, b: features, c: how far they have moved. */
static void begin(const struct record *shape)
{
	bool event_idx;
	uint16_t size, base = (uint16_t)shape->c;
	uint64_t end;

	memcpy(rig.guest.bytes, pattern, MEMORY);
	memcpy(rig.guest.known, pattern, MEMORY);
	memset(rig.guest.writable, 0, MEMORY);
	driver_destroy(&rig.rx);
	driver_destroy(&rig.tx);
	rig.features = rig.device->features = features_of(shape->b);
	event_idx = rig.features & HF_FEATURE(HF_F_EVENT_IDX);
	size = (uint16_t)(RING ? 1 + shape->a % MOST_SIZE : 1u << shape->a % 8);
	end = (RING ? driver_create_packed : driver_create)(&rig.rx, &rig.guest, GPA_BASE + 0x100,
							    size, event_idx, base);
	end = (RING ? driver_create_packed : driver_create)(&rig.tx, &rig.guest, end, size,
							    event_idx, base);
	FUZZ_HOLDS(end && end < GPA_BASE + TABLES);
	set_up_vring(0, &rig.rx);
	set_up_vring(1, &rig.tx);
	judged = true;
	index_lies = false;
	bursts = 0;
}

/* ---- what the guest does */

static uint64_t buffer(uint32_t *seed, uint32_t len)
{
	return GPA_BASE + BUFFERS + fuzz_any(seed, MEMORY - (uint32_t)BUFFERS - len);
}

/* An address that is worth trying. */
static uint64_t lie_address(uint32_t c)
{
	const struct guest_span *span = &spans[c % ARRAY_SIZE(spans)];
	uint32_t near = (c >> 8) % 64;

	switch (c >> 28) {
	case 0:
		return UINT64_MAX - near;
	case 1:
	case 2:
		return GPA_BASE + span->offset + span->size - near;
	case 3:
		return GPA_BASE + span->offset - near + 32;
	case 4:
		return GPA_BASE + MEMORY - near;
	case 5:
		return c & 0xffff;
	case 6: /* in the rings, or the tables */
		judged = false;
		return GPA_BASE + c % BUFFERS;
	case 7:
		judged = false;
		return fuzz_number(c << 4);
	default:
		return GPA_BASE + BUFFERS + c % (MEMORY - BUFFERS);
	}
}

/* Cut `len` bytes into at most `most` pieces; how many. */
static uint32_t cut(struct piece *pieces, uint32_t most, uint32_t len, uint16_t flags,
		    uint32_t *seed)
{
	uint32_t n = 0;

	while (n < most && (len || !n)) {
		uint32_t take =
			n + 1 == most || fuzz_any(seed, 5) < 2 ? len : fuzz_any(seed, len + 1);

		pieces[n++] = (struct piece){buffer(seed, take), take, flags};
		len -= take;
	}
	return n;
}

static void put(struct driver *d, const struct piece *pieces, uint32_t n, bool indirect,
		uint32_t *seed)
{
	if (indirect)
		driver_put_indirect(d, GPA_BASE + TABLES + 2 * fuzz_any(seed, 3800), pieces, n);
	else
		driver_put(d, pieces, n);
}

/* A frame with a header that fits it. a: its kind, b: payload. */
static uint32_t make_frame(uint8_t *bytes, const struct record *r, uint32_t header)
{
	struct net_shape shape = {.ip = r->a & 1 ? 6 : 4,
				  .proto = r->a & 2 ? IPPROTO_UDP : IPPROTO_TCP,
				  .vlans = r->a >> 2 & 3,
				  .options = (uint8_t)(r->a & 16 ? 8 : 0),
				  .extension = r->a & 32,
				  .payload = r->b % 1500,
				  .seed = r->b,
				  .partial = r->a & 64};
	struct hf_offload o;
	uint32_t len = net_build(bytes + header, &shape, &o);

	memset(bytes, 0, header);
	if (r->a & 64) {
		bytes[0] = o.flags;
		memcpy(bytes + 6, &o.csum_start, 2);
		memcpy(bytes + 8, &o.csum_offset, 2);
	}
	if (r->a & 128) {
		uint16_t segment = (uint16_t)(r->b >> 4);

		bytes[1] = r->a & 2 ? 3 : r->a & 1 ? 4 : 1;
		memcpy(bytes + 2, &o.hdr_len, 2);
		memcpy(bytes + 4, &segment, 2);
	}
	return header + len;
}

/* A chain with a frame. c: pieces, indirect or not, places. */
static void put_frame(const struct record *r)
{
	static uint8_t bytes[8192];
	struct piece pieces[6];
	uint32_t seed = r->c, at = 0;
	uint32_t len = make_frame(bytes, r, reference_header_bytes(rig.features));
	uint32_t n = cut(pieces, 1 + r->c % 8 % 6, len, 0, &seed);

	for (uint32_t i = 0; i < n; i++) {
		guest_write(&rig.guest, pieces[i].gpa, bytes + at, pieces[i].len);
		at += pieces[i].len;
	}
	put(&rig.tx, pieces, n, (r->c & 8) != 0, &seed);
}

/* Chains to be filled. a: how many, b: bytes of each. */
static void put_room(const struct record *r)
{
	struct piece pieces[6];
	uint32_t seed = r->c;

	for (uint32_t i = 0; i <= r->a % 8u; i++) {
		uint32_t n = cut(pieces, 1 + r->c % 8 % 6, r->b % 4000, DRIVER_WRITE, &seed);

		put(&rig.rx, pieces, n, (r->c & 8) != 0, &seed);
	}
}

static void publish(const struct record *r)
{
	(void)r;
	/* Taking a lie back is another one. */
	judged &= !index_lies || !bursts;
	driver_publish(&rig.tx);
	driver_publish(&rig.rx);
}

static struct driver *ring_of(const struct record *r)
{
	return r->b & 0x8000 ? &rig.rx : &rig.tx;
}

/* One field of the 16 bytes at `gpa`. a: which, c: what. */
static void spoil_at(struct driver *d, uint64_t gpa, const struct record *r)
{
	uint64_t address = lie_address(r->c);
	uint32_t len = (uint32_t)fuzz_number(r->c);

	switch (r->a % 4) {
	case 0:
		guest_write(d->guest, gpa, &address, 8);
		break;
	case 1:
		guest_write(d->guest, gpa + 8, &len, 4);
		break;
	case 2:
		guest_write16(d->guest, gpa + 12, (uint16_t)(r->c >> 16 & 1 ? r->c & 7 : r->c));
		break;
	default:
		guest_write16(d->guest, gpa + 14,
			      (uint16_t)(r->c >> 16 & 1 ? r->c % (d->size + 1u) : r->c));
	}
}

/* A descriptor of the ring. */
static void spoil_desc(const struct record *r)
{
	struct driver *d = ring_of(r);

	spoil_at(d, d->desc + 16ull * ((r->b & 0x7fff) % d->size), r);
}

/* An entry of the indirect table that a descriptor refers to. */
static void spoil_table(const struct record *r)
{
	struct driver *d = ring_of(r);
	uint64_t table;

	memcpy(&table, guest_at(d->guest, d->desc + 16ull * ((r->b & 0x7fff) % d->size)), 8);
	table += 16ull * (r->a >> 4);
	if (range_inside(table, 16, GPA_BASE + TABLES, BUFFERS - TABLES) && !(table & 1))
		spoil_at(d, table, r);
}

/* A word of what the driver writes beside descriptors: a: which, c: what. */
static void spoil_word(const struct record *r)
{
	struct driver *d = ring_of(r);
	uint64_t words[] = {d->avail, d->avail + 2, d->used, d->used + 2,
			    d->packed ? d->avail : d->avail + 4 + 2ull * (r->a >> 3) % d->size};

	uint64_t at = words[r->a % 8 % ARRAY_SIZE(words)];

	/* What the device writes the judge writes, too, but not how it suppresses kicks. */
	judged &= at < d->used;
	/* The library looks at avail->idx when it knows of nothing more to do, the judge always. */
	index_lies |= at == d->avail + 2;
	judged &= !index_lies || !bursts;
	guest_write16(d->guest, at,
		      (uint16_t)(r->c >> 16 & 1 ? d->avail_idx + (r->c & 0xff) : r->c));
}

/* The header of a frame that was put: a: which byte, b: which descriptor, c: what. */
static void spoil_header(const struct record *r)
{
	const struct driver *d = &rig.tx;
	uint64_t gpa;

	memcpy(&gpa, guest_at(d->guest, d->desc + 16ull * (r->b % d->size)), 8);
	gpa += r->a % 64;
	if (range_inside(gpa, 2, GPA_BASE + BUFFERS, MEMORY - BUFFERS))
		guest_write(d->guest, gpa, &r->c, r->c >> 31 ? 2 : 1);
}

static void consume(const struct record *r)
{
	(void)r;
	/* Not told and not looked at: after a lie the driver's own books are wrong. */
	rig.tx.breaches = rig.rx.breaches = 1;
	driver_consume_all(&rig.tx);
	driver_consume_all(&rig.rx);
}

/* ---- bursts, and what must be true of them */

static bool may_burst(void)
{
	if (++bursts > MAX_BURSTS)
		return false;
	if (judged)
		memcpy(image, rig.guest.bytes, MEMORY);
	return true;
}

/* How kicks are suppressed is the back-end's own affair. */
static void forget_notifications(const struct driver *d)
{
	uint64_t at[] = {d->used, d->packed ? d->used + 2 : d->used + 4 + 8ull * d->size};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		memcpy(image + (at[i] - GPA_BASE), guest_at(&rig.guest, at[i]), 2);
}

static void check_counter(const char *name, uint64_t is, uint64_t must_be)
{
	if (is != must_be)
		fprintf(stderr, "%s is %llu, must be %llu\n", name, (unsigned long long)is,
			(unsigned long long)must_be);
	FUZZ_HOLDS(is == must_be);
}

static void check_counters(uint16_t queue)
{
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);

		if (strncmp(name, "drop_", 5) == 0 || strncmp(name, "break_", 6) == 0 ||
		    i == HF_COUNTER_GOOD_PACKETS || i == HF_COUNTER_GOOD_BYTES)
			check_counter(name, rig_counter(&rig, queue, (enum hf_counter)i),
				      judges[queue].counters[i]);
	}
}

static void check_memory(uint16_t queue)
{
	if (!judged)
		return;
	check_counters(queue);
	forget_notifications(&rig.rx);
	forget_notifications(&rig.tx);
	FUZZ_HOLDS(memcmp(image, rig.guest.bytes, MEMORY) == 0);
}

/* Each ends where its memory does, so that the sanitizer sees who writes too far. */
static void make_room(const struct record *r)
{
	uint32_t seed = r->c;

	for (uint32_t i = 0; i < BURST; i++) {
		uint32_t room = r->c & 1 ? ROOM : fuzz_any(&seed, ROOM);
		uint32_t first = r->c & 2 ? room : fuzz_any(&seed, room + 1);
		uint32_t second = room - first;

		packets[i] = (struct hf_packet){.data = rooms[0][i] + ROOM - first, .room = first};
		/* What a burst before this one left in `len` says nothing. */
		seconds[i] = (struct hf_packet){
			.data = rooms[1][i] + ROOM - second, .room = second, .len = second};
		if (second)
			packets[i].next = &seconds[i];
		pointers[i] = &packets[i];
		expected[i] = (struct reference_packet){.bytes = theirs[i], .room = room};
	}
}

static void check_packet(const struct hf_packet *p, const struct reference_packet *e)
{
	uint32_t at = 0;

	for (const struct hf_packet *s = p; s; s = s->next) {
		FUZZ_HOLDS(s->len <= s->room);
		if (judged)
			FUZZ_HOLDS(at + s->len <= e->len &&
				   memcmp(s->data, e->bytes + at, s->len) == 0);
		at += s->len;
	}
	FUZZ_HOLDS(at == p->total);
	if (judged)
		FUZZ_HOLDS(at == e->len &&
			   memcmp(&p->offload, &e->offload, sizeof(e->offload)) == 0);
}

/* budget: descriptors after which the library may begin no further chain; the judge goes on. */
static void check_taken(uint16_t got, uint16_t count, uint32_t budget)
{
	uint16_t must = judged ? reference_dequeue(&judges[1], expected, count) : 0;

	FUZZ_HOLDS(got <= count);
	judged &= judges[1].steps <= budget;
	if (judged)
		FUZZ_HOLDS(got == must);
	for (uint16_t i = 0; i < got; i++)
		check_packet(&packets[i], &expected[i]);
	check_memory(1);
}

static void dequeue(const struct record *r)
{
	uint16_t count = 1 + r->a % BURST;

	if (!may_burst())
		return;
	make_room(r);
	check_taken(hf_dequeue_burst(rig.device, 1, pointers, count), count, REFERENCE_BUDGET);
}

/* A peek that is copied out is a dequeue. b: bytes of the front. */
static void peek(const struct record *r)
{
	uint16_t count = 1 + r->a % BURST, got;

	if (!may_burst())
		return;
	make_room(r);
	got = hf_hop_peek(hop, rig.device, 1, pointers, count, r->b % 2100);
	for (uint16_t i = 0; i < got; i += 2)
		hf_hop_copy(hop, &pointers[i], 1);
	hf_hop_copy(hop, pointers, got);
	hf_hop_complete(hop, got);
	check_taken(got, count, REFERENCE_PEEK_BUDGET);
}

/* From the one ring into the other, in two parts, and maybe not all of it completed. */
static void forward(const struct record *r)
{
	uint16_t count = 1 + r->a % BURST, got, half, sent;

	if (!may_burst())
		return;
	judged = false;
	make_room(r);
	got = hf_hop_peek(hop, rig.device, 1, pointers, count, r->b % 2100);
	FUZZ_HOLDS(got <= count);
	half = got / 2;
	sent = hf_hop_forward(hop, rig.device, 0, pointers, half);
	FUZZ_HOLDS(sent <= half);
	sent = hf_hop_forward(hop, rig.device, 0, pointers + half, got - half);
	FUZZ_HOLDS(sent <= got - half);
	hf_hop_complete(hop, r->c & 4 ? got : half);
}

/* a: how many, b: how large, c: of what kind. */
static void enqueue(const struct record *r)
{
	bool offload = rig.features & HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	uint16_t count = 1 + r->a % BURST, got, must;
	uint32_t seed = r->c;

	if (!may_burst())
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct net_shape shape = {
			.ip = r->c & 1 ? 6 : 4,
			.proto = r->c & 2 ? IPPROTO_UDP : IPPROTO_TCP,
			.payload =
				fuzz_any(&seed, 1 + (r->c & 8 ? r->b % (ROOM - 200) : r->b % 200)),
			.seed = i,
			.partial = offload && (r->c & 4)};
		struct hf_packet *p = &packets[i];

		*p = (struct hf_packet){.data = theirs[i]};
		p->len = p->total = net_build(theirs[i], &shape, &p->offload);
		if (!shape.partial)
			p->offload = (struct hf_offload){0};
		pointers[i] = p;
		expected[i] = (struct reference_packet){
			.bytes = theirs[i], .len = p->total, .offload = p->offload};
	}
	got = hf_enqueue_burst(rig.device, 0, pointers, count);
	FUZZ_HOLDS(got <= count);
	if (!judged)
		return;
	must = reference_enqueue(&judges[0], expected, count);
	if (judges[0].ambiguous)
		judged = false;
	if (judged)
		FUZZ_HOLDS(got == must);
	check_memory(0);
}

/* The ring is given to another owner, who starts where the last one stopped. a: leftovers. */
static void regrant(const struct record *r)
{
	uint16_t queue = r->b & 1;
	struct hf_vring *v = hf_device_get_vring(rig.device, queue);

	if (r->a)
		judged = false;
	hf_vring_grant(v, RIG_GRANT, r->b & 2 ? (uint16_t)r->c : v->next, r->a);
	judged &= !(r->b & 2);
	judges[queue].broken = false;
}

static void (*const ops[])(const struct record *r) = {
	put_frame,   put_room,	   publish, dequeue, enqueue, peek,	  spoil_desc,
	spoil_table, spoil_header, consume, forward, regrant, spoil_word,
};
const uint8_t fuzz_nr_ops = ARRAY_SIZE(ops);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!hop)
		set_up_once();
	if (!fuzz_next(&input, &r))
		return 0;
	begin(&r);
	while (fuzz_next(&input, &r))
		ops[r.op % ARRAY_SIZE(ops)](&r);
	(void)rig_calls(&rig, 0);
	(void)rig_calls(&rig, 1);
	(void)rig_errors(&rig, 0);
	(void)rig_errors(&rig, 1);
	return 0;
}
