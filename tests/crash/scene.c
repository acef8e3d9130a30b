/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <holdfast/burst.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../../primary/grant/recover.h"
#include "packed.h"

#define OWNER_GRANT RIG_GRANT
#define MEMORY	    65536u
#define SLOT	    256u
#define BUFFER	    48u /* mergeable: a short packet fits */
#define SHORT_FRAME 30u
#define LONG_FRAME  60u
#define FRAME_ROOM  128u
#define NUMBER_AT   14u /* in the frame */
#define BEFORE_WRAP 10u /* chains of the burst */

static struct {
	uint8_t data[SCENE_BURST][FRAME_ROOM];
	struct hf_packet packets[SCENE_BURST];
	struct hf_packet *pointers[SCENE_BURST];
} burst;

void scene_expect(struct scene *s, bool good, const char *what)
{
	if (!good && !s->faults++)
		printf("    fault: %s\n", what);
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

static uint32_t chains_of(const struct scene *s, uint32_t number)
{
	return !s->shape->dequeue && s->shape->mergeable && is_long(number) ? 2 : 1;
}

static uint16_t chains_between(const struct scene *s, uint32_t from, uint32_t to)
{
	uint16_t chains = 0;

	for (; from < to; from++)
		chains = (uint16_t)(chains + chains_of(s, from));
	return chains;
}

/* Entries of the ring: packed: descriptors. */
static uint32_t entries_between(const struct scene *s, uint32_t from, uint32_t to)
{
	uint32_t entries = chains_between(s, from, to);

	for (; s->shape->packed && chains_of(s, 0) == chains_of(s, 7) && from < to; from++)
		entries += is_long(from);
	return entries;
}

int scene_packets_at(const struct scene *s, uint16_t index)
{
	for (uint32_t n = 0; n <= SCENE_BURST; n++)
		if (index == driver_after(s->driver, s->start,
					  entries_between(s, SCENE_BURST, SCENE_BURST + n)))
			return (int)n;
	return -1;
}

static void build_frame(uint8_t *frame, uint32_t number)
{
	for (uint32_t i = 0; i < frame_len(number); i++)
		frame[i] = (uint8_t)(2 * (number + i));
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
}

/* A whole frame has arrived somewhere: which? */
static uint32_t look_at(struct scene *s, const uint8_t *frame, uint32_t len)
{
	uint8_t expected[LONG_FRAME];
	uint32_t number = UINT32_MAX;

	if (len >= NUMBER_AT + sizeof(number))
		memcpy(&number, frame + NUMBER_AT, sizeof(number));
	scene_expect(s, number < SCENE_PACKETS, "a frame without a number");
	if (number >= SCENE_PACKETS)
		return 0;
	build_frame(expected, number);
	scene_expect(s, len == frame_len(number) && !memcmp(frame, expected, len),
		     "a frame that is not whole");
	return number;
}

static void arrived(struct scene *s, uint32_t number)
{
	scene_expect(s, !s->seen[number]++, "a packet came twice");
}

/* ---- the guest */

static uint64_t new_slot(struct scene *s)
{
	return s->rig.buffers + (uint64_t)SLOT * s->next_slot++;
}

static void send_one(struct scene *s, uint32_t number)
{
	uint64_t slot = new_slot(s);
	uint8_t bytes[HF_NET_HEADER_MAX + LONG_FRAME] = {0};
	uint32_t header = s->header_bytes, len = frame_len(number);
	struct piece one = {slot, header + len, 0};
	struct piece two[] = {{slot, header, 0}, {slot + header, len, 0}};

	build_frame(bytes + header, number);
	guest_write(&s->rig.guest, slot, bytes, header + len);
	scene_expect(s,
		     driver_put(s->driver, is_long(number) ? two : &one, is_long(number) ? 2 : 1) >=
			     0,
		     "the guest's table is full");
}

static void offer_room_for(struct scene *s, uint32_t number)
{
	uint32_t header = s->header_bytes;

	for (uint32_t i = 0; i < chains_of(s, number); i++) {
		uint64_t slot = new_slot(s);
		struct piece one = {slot, s->shape->mergeable ? BUFFER : header + LONG_FRAME,
				    DRIVER_WRITE};
		struct piece two[] = {{slot, header, DRIVER_WRITE},
				      {slot + header, LONG_FRAME, DRIVER_WRITE}};
		bool split = !s->shape->mergeable && is_long(number);
		int head = driver_put(s->driver, split ? two : &one, split ? 2 : 1);

		scene_expect(s, head >= 0, "the guest's table is full");
		if (head >= 0)
			s->slots[head] = slot;
	}
}

static void guest_posts(struct scene *s, uint32_t until)
{
	for (; s->posted < until; s->posted++) {
		if (s->shape->dequeue)
			send_one(s, s->posted);
		else
			offer_room_for(s, s->posted);
	}
	driver_publish(s->driver);
}

/* How many chains the packet that begins at `slot` says it has. */
static uint32_t num_buffers(const struct scene *s, uint64_t slot)
{
	return s->shape->mergeable ? guest_read16(&s->rig.guest, slot + 10) : 1;
}

/* The chains of one packet, the first of which is `used`. */
static void receive_one(struct scene *s, struct driver_used used)
{
	uint8_t bytes[2 * SLOT];
	uint32_t len = 0, left = num_buffers(s, s->slots[used.id % SCENE_RING]), n = 0, number;

	for (;;) {
		if (used.len > SLOT || len + used.len > sizeof(bytes)) {
			scene_expect(s, false, "a used length beyond its buffer");
			return;
		}
		memcpy(bytes + len, guest_at(&s->rig.guest, s->slots[used.id % SCENE_RING]),
		       used.len);
		len += used.len;
		n++;
		if (n >= left || !driver_consume(s->driver, &used))
			break;
	}
	scene_expect(s, n == left, "num_buffers is not the number of chains published");
	scene_expect(s, len > s->header_bytes, "a chain without a frame");
	if (len <= s->header_bytes)
		return;
	number = look_at(s, bytes + s->header_bytes, len - s->header_bytes);
	scene_expect(s, n == chains_of(s, number), "a packet has taken more chains than it needs");
	scene_expect(s, number == s->next_seen, "a packet is missing or not in order");
	s->next_seen = number + 1;
	arrived(s, number);
}

static uint16_t queue_of(const struct scene *s)
{
	return s->shape->dequeue ? 1 : 0;
}

/* The guest takes all there is, and wants to be called for the next; asleep, it has to be called
 * for this. */
static void guest_takes(struct scene *s)
{
	struct driver_used used;
	bool called = rig_calls(&s->rig, queue_of(s)) != 0;

	s->called |= called;
	if (s->sleeps && !called)
		return;
	if (s->shape->dequeue)
		driver_consume_all(s->driver);
	else
		while (driver_consume(s->driver, &used))
			receive_one(s, used);
	driver_set_used_event(s->driver, s->driver->used_seen);
}

/* ---- the owner and the heir */

/* As the primary grants a vring: a fresh lane entry, the grant's word. */
static bool grant(struct scene *s, uint32_t lane, uint64_t number, struct recovered from)
{
	struct hf_vring *v = hf_device_get_vring(s->rig.device, queue_of(s));
	struct hf_vring_setup setup = {.grant = number,
				       .grant_word = &s->shared->grant,
				       .lane = &s->shared->lanes[lane],
				       .map = s->rig.device->map,
				       .features = s->rig.features,
				       .desc_gpa = s->driver->desc,
				       .avail_gpa = s->driver->avail,
				       .used_gpa = s->driver->used,
				       .size = s->driver->size,
				       .next = from.position,
				       .leftovers = from.leftovers};

	s->shared->lanes[lane] = (struct hf_lane_vring){
		.avail = from.position,
		.used = from.position,
		.intent = from.leftovers ? HF_INTENT_PACKED_GROUP : HF_INTENT_NONE,
		.intent_count = from.leftovers,
		.grant = number};
	s->shared->grant = number | HF_GRANT_ENABLED;
	return v && hf_vring_setup(v, &setup) == 0;
}

static void prepare_packets(const struct scene *s, uint32_t first)
{
	for (uint32_t i = 0; i < SCENE_BURST; i++) {
		struct hf_packet *p = &burst.packets[i];

		*p = (struct hf_packet){.data = burst.data[i], .room = FRAME_ROOM};
		burst.pointers[i] = p;
		if (s->shape->dequeue)
			continue;
		build_frame(p->data, first + i);
		p->len = p->total = frame_len(first + i);
	}
}

static uint16_t run_burst(struct scene *s, uint32_t count)
{
	if (s->shape->dequeue)
		return hf_dequeue_burst(s->rig.device, 1, burst.pointers, (uint16_t)count);
	return hf_enqueue_burst(s->rig.device, 0, burst.pointers, (uint16_t)count);
}

static void take_dequeued(struct scene *s, uint32_t n)
{
	for (uint32_t i = 0; s->shape->dequeue && i < n; i++)
		arrived(s, look_at(s, burst.data[i], burst.packets[i].len));
}

void scene_burst(struct scene *s)
{
	uint16_t n = run_burst(s, SCENE_BURST);

	hf_write_once(&s->shared->returned, n);
	for (uint32_t i = 0; s->shape->dequeue && i < n; i++) {
		memcpy(&s->shared->numbers[i], burst.data[i] + NUMBER_AT, sizeof(uint32_t));
		hf_store_release(&s->shared->forwarded, i + 1);
	}
}

/* The packet of the burst whose chain number `i` is; *ret_second: its second one. */
static uint32_t packet_of(const struct scene *s, uint32_t i, bool *ret_second)
{
	uint32_t number = SCENE_BURST;

	for (; i >= chains_of(s, number); number++)
		i -= chains_of(s, number);
	*ret_second = i;
	return number;
}

static uint16_t index_of(const struct scene *s, uint32_t i)
{
	bool second;
	uint32_t packet = packet_of(s, i, &second);

	return driver_after(s->driver, s->start, entries_between(s, SCENE_BURST, packet) + second);
}

static struct hf_packed_slot *slot_of(const struct scene *s, uint32_t i)
{
	return hf_packed_slot(s->rig.device->vrings[queue_of(s)], index_of(s, i));
}

bool scene_element_is_stored(const struct scene *s, uint32_t i)
{
	if (!s->shape->packed)
		return *scene_used_element(s, i);
	return (hf_packed_flags(slot_of(s, i)->state) & HF_PACKED_OWNER) ==
	       hf_packed_used_flags(index_of(s, i));
}

uint32_t *scene_used_element(const struct scene *s, uint32_t i)
{
	uint16_t place = (uint16_t)(s->start + i) % SCENE_RING;

	if (s->shape->packed)
		return (uint32_t *)(void *)&slot_of(s, i)->state + 1;
	return &s->rig.device->vrings[queue_of(s)]->used->ring[place].id;
}

/* ---- the story */

/* The library keeps guest memory out of children; but the owner is one here. */
static bool share_guest_memory(const struct scene *s)
{
	const struct hf_guestmap *map = s->rig.device->map;

	for (uint32_t i = 0; i < map->count; i++)
		if (madvise(map->regions[i].base, map->regions[i].mapped, MADV_DOFORK) < 0)
			return false;
	return true;
}

static bool first_burst(struct scene *s)
{
	guest_posts(s, 2 * SCENE_BURST);
	prepare_packets(s, 0);
	if (run_burst(s, SCENE_BURST) != SCENE_BURST)
		return false;
	take_dequeued(s, SCENE_BURST);
	guest_takes(s);
	s->start = driver_used_idx(s->driver);
	s->chains = chains_between(s, SCENE_BURST, 2 * SCENE_BURST);
	prepare_packets(s, SCENE_BURST);
	return s->start == driver_after(s->driver, s->first, entries_between(s, 0, SCENE_BURST)) &&
	       !s->faults;
}

bool scene_open(struct scene *s, const struct scene_shape *shape)
{
	/* A ring without mergeable buffers is an old one here: its header is shorter, too. */
	struct rig_shape rig = {
		.features = HF_FEATURE(HF_F_EVENT_IDX), .size = SCENE_RING, .memory = MEMORY};

	if (shape->mergeable)
		rig.features |= HF_FEATURE(HF_F_VERSION_1) | HF_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	if (shape->packed)
		rig.features |= HF_FEATURE(HF_F_RING_PACKED);
	*s = (struct scene){.shape = shape, .header_bytes = shape->mergeable ? 12 : 10};
	s->base = 1000;
	if (shape->wraps)
		s->base = (uint16_t)(0 - BEFORE_WRAP - entries_between(s, 0, SCENE_BURST));
	rig.base = s->base;
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->shared == MAP_FAILED || !rig_create(&s->rig, &rig) || !share_guest_memory(s))
		return false;
	s->driver = shape->dequeue ? &s->rig.tx : &s->rig.rx;
	s->first = s->driver->used_seen;
	return grant(s, 0, OWNER_GRANT, (struct recovered){.position = s->first}) && first_burst(s);
}

void scene_close(struct scene *s)
{
	rig_destroy(&s->rig);
	munmap(s->shared, sizeof(*s->shared));
}

static bool flags_at(void *context, uint16_t place, uint16_t *ret_flags)
{
	const struct scene *s = context;

	*ret_flags = guest_read16(&s->rig.guest, s->driver->desc + 16ull * place + 14);
	return true;
}

/* Where the heir begins: as read_position() of the primary finds out. */
static struct recovered recover(struct scene *s)
{
	struct recover_lane lane = recover_read_lane(&s->shared->lanes[s->lane]);
	uint16_t guest_used = driver_used_idx(s->driver);
	struct recover_ring ring = {flags_at, s};
	struct recovered r;
	int packets;

	if (s->shape->packed)
		r = recover_packed(&lane, SCENE_RING, s->first, &ring);
	else
		r = recover_split(&lane, SCENE_RING, s->first, &guest_used);
	packets = scene_packets_at(s, r.position);
	scene_expect(s, !r.lied, "an honest lane was not believed");
	scene_expect(s, r.position == guest_used, "the position is not what the guest was shown");
	scene_expect(s, packets >= 0, "a packet was published in part");
	s->packets = packets > 0 ? (uint32_t)packets : 0;
	s->published = s->packets == SCENE_BURST;
	scene_expect(s, s->shape->packed || s->published || !s->packets,
		     "a burst was published in part");
	scene_expect(s, s->published || !s->shared->returned,
		     "a burst returned that was not published");
	return r;
}

static void heir_bursts(struct scene *s)
{
	uint32_t next = SCENE_BURST + s->packets;

	/* One more than are needed: the last finds nothing. */
	for (int round = 0; round < 4; round++) {
		uint32_t count = SCENE_BURST, n;

		if (!s->shape->dequeue && SCENE_PACKETS - next < count)
			count = SCENE_PACKETS - next;
		prepare_packets(s, next);
		n = run_burst(s, count);
		next += n;
		take_dequeued(s, n);
		guest_takes(s);
		scene_expect(s, s->called, "the heir's first burst did not call");
	}
	scene_expect(s, next == SCENE_PACKETS, "packets are stuck");
}

/* What the owner had forwarded counts; what it took with it is lost. */
static void judge_dequeue(struct scene *s)
{
	uint32_t forwarded = hf_load_acquire(&s->shared->forwarded), lost = 0;

	for (uint32_t i = 0; i < forwarded; i++) {
		uint32_t number = s->shared->numbers[i];

		scene_expect(s, number == SCENE_BURST + i, "a forwarded packet is another");
		if (number < SCENE_PACKETS)
			arrived(s, number);
	}
	for (uint32_t i = 0; i < SCENE_PACKETS; i++)
		if (!s->seen[i]) {
			lost++;
			scene_expect(s, i >= SCENE_BURST && i < 2 * SCENE_BURST,
				     "a packet of another burst is lost");
		}
	scene_expect(s, lost == s->packets - forwarded,
		     "lost is not what was published and not forwarded");
	s->lost = lost != 0;
}

static void judge_enqueue(struct scene *s)
{
	for (uint32_t i = 0; i < SCENE_PACKETS; i++)
		scene_expect(s, s->seen[i] == 1, "a packet did not come exactly once");
}

static void guest_goes_on(struct scene *s)
{
	guest_takes(s);
	guest_posts(s, SCENE_PACKETS);
}

/* A lane of its own, a number of its own. */
static bool grant_next(struct scene *s, struct recovered from)
{
	s->lane++;
	return grant(s, s->lane, OWNER_GRANT + 2ull * s->lane, from);
}

int scene_inherit(struct scene *s)
{
	struct recovered from = recover(s);

	return grant_next(s, from) ? from.leftovers : -1;
}

void scene_empty_burst(struct scene *s)
{
	(void)run_burst(s, 0);
}

void scene_take_over(struct scene *s)
{
	uint32_t all = entries_between(s, 0, SCENE_PACKETS);
	struct recovered from;

	if (s->is_first)
		guest_goes_on(s);
	from = recover(s);
	if (!s->is_first)
		guest_goes_on(s);
	s->called = false;
	scene_expect(s, grant_next(s, from), "the heir's ring can't be set up");
	heir_bursts(s);
	if (s->shape->dequeue)
		judge_dequeue(s);
	else
		judge_enqueue(s);
	scene_expect(s, driver_used_idx(s->driver) == driver_after(s->driver, s->first, all),
		     "the used index is not behind all chains");
	scene_expect(s, s->driver->descs_free == SCENE_RING, "chains are stuck");
	scene_expect(s, !driver_check(s->driver), "a rule of the ring was broken");
}
