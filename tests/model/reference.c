/* SPDX-License-Identifier: Apache-2.0 */
#include "reference.h"

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"

#define F(bit)	     (1ull << (bit))
#define F_INDIRECT   F(28)
#define F_VERSION_1  F(32)
#define DROP(reason) (-(int)HF_COUNTER_DROP_##reason)
#define NO_BUFFER    1
#define SMALL	     2
#define BROKEN	     3

uint32_t reference_header_bytes(uint64_t features)
{
	return features & (F(VIRTIO_NET_F_MRG_RXBUF) | F_VERSION_1) ? 12 : 10;
}

/* ---- bytes of the image */

/* The image's byte at gpa; NULL: not mapped. */
static uint8_t *byte_at(const struct reference *r, uint64_t gpa)
{
	for (uint32_t i = 0; i < r->guest->nr_regions; i++) {
		const struct hf_shm_region *region = &r->guest->regions[i];

		if (gpa >= region->gpa && gpa - region->gpa < region->size)
			return r->image + region->file_offset + (gpa - region->gpa);
	}
	return NULL;
}

static uint16_t word_at(const struct reference *r, uint64_t gpa)
{
	return (uint16_t)(*byte_at(r, gpa) | *byte_at(r, gpa + 1) << 8);
}

static void put_number(struct reference *r, uint64_t gpa, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*byte_at(r, gpa + (uint64_t)i) = (uint8_t)(value >> (8 * i));
}

static bool in_rings(const struct reference *r, uint64_t gpa)
{
	if (r->packed)
		return gpa - r->desc < 16ull * r->size || gpa - r->avail < 4 || gpa - r->used < 4;
	return gpa - r->desc < 16ull * r->size || gpa - r->avail < 6 + 2ull * r->size ||
	       gpa - r->used < 6 + 8ull * r->size;
}

/* ---- the chain, descriptor by descriptor */

struct walk {
	uint64_t table;
	uint64_t entries;
	uint64_t index;
	uint32_t seen;
	bool indirect;
	bool over;
	/* Packed: the ring's part of the chain. */
	uint32_t first; /* descriptors in front of it, from r->next on */
	uint32_t descs; /* that it has taken so far */
	uint16_t id;
	uint16_t flags; /* of the first */
	bool goes_on;	/* with another descriptor in the ring */
};

struct step {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static bool read_step(const struct reference *r, uint64_t gpa, struct step *step)
{
	uint8_t raw[16];

	for (uint64_t i = 0; i < 16; i++) {
		const uint8_t *byte = byte_at(r, gpa + i);

		if (!byte)
			return false;
		raw[i] = *byte;
	}
	memcpy(&step->addr, raw, 8);
	memcpy(&step->len, raw + 8, 4);
	memcpy(&step->flags, raw + 12, 2);
	memcpy(&step->next, raw + 14, 2);
	return true;
}

static int enter_table(const struct reference *r, struct walk *walk, const struct step *step)
{
	if (!(r->features & F_INDIRECT))
		return DROP(BAD_INDIRECT);
	if (walk->indirect)
		return DROP(BAD_INDIRECT);
	if (step->flags & VRING_DESC_F_NEXT)
		return DROP(BAD_INDIRECT);
	if (step->len == 0 || step->len % 16 != 0)
		return DROP(BAD_INDIRECT);
	walk->indirect = true;
	walk->table = step->addr;
	walk->entries = step->len / 16;
	walk->index = 0;
	return 0;
}

/* ---- packed: a descriptor is available when its two bits say so in this lap */

static bool packed_available(const struct reference *r, uint32_t ahead)
{
	uint32_t place = (r->next + ahead) % r->size;
	bool lap = (r->next + ahead) / r->size % 2, wrap = r->wrap != lap;
	uint16_t flags = word_at(r, r->desc + 16ull * place + 14);

	/* What this burst has used already is not looked at again. */
	return r->moved + ahead < r->size && !!(flags & 0x80) == wrap && !!(flags & 0x8000) != wrap;
}

static void break_ring(struct reference *r, enum hf_counter reason);

/* The next descriptor of the ring's part. False: it broke the ring. */
static bool packed_step(struct reference *r, struct walk *walk, struct step *step)
{
	uint32_t ahead = walk->first + walk->descs;

	if (!packed_available(r, ahead)) {
		break_ring(r, HF_COUNTER_BREAK_BAD_CHAIN);
		return false;
	}
	(void)read_step(r, r->desc + 16ull * ((r->next + ahead) % r->size), step);
	walk->id = step->flags; /* where a split descriptor has its flags */
	step->flags = step->next;
	if (!walk->descs++)
		walk->flags = step->flags;
	walk->goes_on = step->flags & VRING_DESC_F_NEXT;
	return true;
}

static int packed_walk_on(struct reference *r, struct walk *walk, struct step *step)
{
	if (!walk->indirect) {
		if (walk->descs && !walk->goes_on)
			return 0;
		if (!packed_step(r, walk, step))
			return BROKEN;
		if (!(step->flags & VRING_DESC_F_INDIRECT))
			return ++walk->seen > r->size ? DROP(LOOP) : 1;
		if (!(r->features & F_INDIRECT) || walk->descs > 1 || walk->goes_on || !step->len ||
		    step->len % 16)
			return DROP(BAD_INDIRECT);
		walk->indirect = true;
		walk->table = step->addr;
		walk->entries = step->len / 16;
	}
	if (walk->index == walk->entries)
		return 0;
	if (!byte_at(r, walk->table) && !walk->index)
		return DROP(BAD_ADDRESS);
	if (!read_step(r, walk->table + 16 * walk->index++, step))
		return DROP(BAD_ADDRESS);
	step->flags = step->next & VRING_DESC_F_WRITE;
	return ++walk->seen > r->size ? DROP(LOOP) : 1;
}

/* To the end of the ring's part. False: it broke the ring. */
static bool packed_finish(struct reference *r, struct walk *walk)
{
	struct step step;

	while (walk->goes_on)
		if (!packed_step(r, walk, &step))
			return false;
	return true;
}

static void packed_use(struct reference *r, const struct walk *walk, uint32_t len, uint16_t keep)
{
	uint32_t place = (r->next + walk->first) % r->size;
	bool wrap = r->wrap != (r->next + walk->first) / r->size % 2;
	uint64_t at = r->desc + 16ull * place;

	put_number(r, at + 8, len, 4);
	put_number(r, at + 12, walk->id, 2);
	put_number(r, at + 14,
		   (wrap ? 0x8080u : 0) | (len ? VRING_DESC_F_WRITE : 0) | (walk->flags & keep), 2);
}

static void packed_move(struct reference *r, uint32_t descs)
{
	r->wrap = r->wrap != (r->next + descs) / r->size % 2;
	r->next = (uint16_t)((r->next + descs) % r->size);
	r->moved += descs;
}

/* 1: a descriptor; 0: the chain is over; negative: why the chain is dropped; BROKEN. */
static int walk_on(struct reference *r, struct walk *walk, struct step *step)
{
	int result;

	r->ambiguous |= ++r->steps > REFERENCE_BUDGET;
	if (r->packed)
		return packed_walk_on(r, walk, step);
	if (walk->over)
		return 0;
	if (walk->index >= walk->entries)
		return DROP(BAD_NEXT);
	if (!read_step(r, walk->table + 16 * walk->index, step))
		return DROP(BAD_ADDRESS);
	if (step->flags & VRING_DESC_F_INDIRECT) {
		result = enter_table(r, walk, step);
		return result < 0 ? result : walk_on(r, walk, step);
	}
	walk->seen++;
	if (walk->seen > r->size)
		return DROP(LOOP);
	walk->over = !(step->flags & VRING_DESC_F_NEXT);
	walk->index = step->next;
	return 1;
}

static struct walk walk_from(const struct reference *r, uint16_t head)
{
	return (struct walk){.table = r->desc, .entries = r->size, .index = head};
}

/* ---- the rings */

static void count(struct reference *r, enum hf_counter counter)
{
	r->counters[counter]++;
}

static void break_ring(struct reference *r, enum hf_counter reason)
{
	r->broken = true;
	count(r, reason);
}

/* Chains that are available; the ring breaks when there are more than it has entries. */
static uint16_t available(struct reference *r)
{
	uint16_t ready = (uint16_t)(word_at(r, r->avail + 2) - r->next);

	if (ready <= r->size)
		return ready;
	if (!r->broken)
		break_ring(r, HF_COUNTER_BREAK_AVAIL_IDX);
	return 0;
}

static bool head_at(struct reference *r, uint16_t ahead, uint16_t *head)
{
	uint16_t place = (uint16_t)(r->next + ahead) % r->size;

	*head = word_at(r, r->avail + 4 + 2ull * place);
	if (*head < r->size)
		return true;
	if (!r->broken)
		break_ring(r, HF_COUNTER_BREAK_BAD_HEAD);
	return false;
}

static void use(struct reference *r, uint16_t ahead, uint16_t head, uint32_t len)
{
	uint64_t place = (uint16_t)(r->next + ahead) % r->size;

	put_number(r, r->used + 4 + 8 * place, head, 4);
	put_number(r, r->used + 8 + 8 * place, len, 4);
}

static void publish(struct reference *r, uint16_t n)
{
	r->next = (uint16_t)(r->next + n);
	if (n)
		put_number(r, r->used + 2, r->next, 2);
}

/* ---- what a frame is */

struct headers {
	int ip;	   /* 4, 6, or 0: something else */
	int proto; /* IPPROTO_TCP, IPPROTO_UDP, or -1: none that is whole */
	uint32_t l4;
};

static uint32_t be16_at(const uint8_t *p)
{
	return (uint32_t)p[0] * 256 + p[1];
}

static int transport(const uint8_t *f, uint32_t len, uint32_t at, int proto)
{
	if (proto == IPPROTO_UDP)
		return at + 8 <= len ? proto : -1;
	if (proto != IPPROTO_TCP || at + 20 > len)
		return -1;
	if (f[at + 12] / 16 < 5 || at + f[at + 12] / 16 * 4u > len)
		return -1;
	return proto;
}

static struct headers look_at_ipv4(const uint8_t *f, uint32_t len, uint32_t at)
{
	struct headers h = {.ip = 4, .proto = -1};

	if (at + 20 > len || f[at] / 16 != 4 || f[at] % 16 < 5)
		return h;
	if (be16_at(f + at + 6) & 0x3fff) /* a fragment */
		return h;
	h.l4 = at + f[at] % 16 * 4u;
	h.proto = transport(f, len, h.l4, f[at + 9]);
	return h;
}

static struct headers look_at_ipv6(const uint8_t *f, uint32_t len, uint32_t at)
{
	struct headers h = {.ip = 6, .proto = -1};
	int type;

	if (at + 40 > len || f[at] / 16 != 6)
		return h;
	type = f[at + 6];
	at += 40;
	while (type == 0 || type == 43 || type == 60) { /* RFC 8200 options and routing */
		if (at + 8 > len)
			return h;
		type = f[at];
		at += 8u + f[at + 1] * 8u;
	}
	h.l4 = at;
	h.proto = transport(f, len, at, type);
	return h;
}

static struct headers look_at(const uint8_t *f, uint32_t len)
{
	struct headers none = {.proto = -1};
	uint32_t at = 12;

	len = (uint32_t)min_u64(len, REFERENCE_HEADERS_WITHIN);
	for (int tags = 0; tags < 3; tags++) {
		if (at + 2 > len)
			return none;
		switch (be16_at(f + at)) {
		case 0x0800:
			return look_at_ipv4(f, len, at + 2);
		case 0x86dd:
			return look_at_ipv6(f, len, at + 2);
		case 0x8100:
		case 0x88a8:
			at += 4;
			break;
		default:
			return none;
		}
	}
	return none;
}

/* Which feature allows the type, and is the frame of that type? */
static bool gso_type_ok(uint8_t type, uint64_t features, struct headers h)
{
	bool ecn = type & VIRTIO_NET_HDR_GSO_ECN;

	if (ecn && !(features & F(VIRTIO_NET_F_HOST_ECN)))
		return false;
	switch (type & 0x7f) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return (features & F(VIRTIO_NET_F_HOST_TSO4)) && h.ip == 4 &&
		       h.proto == IPPROTO_TCP;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return (features & F(VIRTIO_NET_F_HOST_TSO6)) && h.ip == 6 &&
		       h.proto == IPPROTO_TCP;
	case VIRTIO_NET_HDR_GSO_UDP:
		return (features & F(VIRTIO_NET_F_HOST_UFO)) && !ecn && h.proto == IPPROTO_UDP;
	default:
		return false;
	}
}

/* Where what a checksum may cover begins: behind addresses, up to two tags, and type. */
static uint32_t behind_tags(const uint8_t *frame, uint32_t len)
{
	uint32_t at = 12;

	for (int i = 0; i < 2 && at + 2 <= len; i++)
		if ((frame[at] == 0x81 && frame[at + 1] == 0) ||
		    (frame[at] == 0x88 && frame[at + 1] == 0xa8))
			at += 4;
		else
			break;
	return at + 2;
}

static bool checksum_ok(uint32_t start, uint32_t offset, const uint8_t *frame, uint32_t len)
{
	return start + offset + 2 <= len && start >= behind_tags(frame, len);
}

bool reference_header(const uint8_t *b, uint64_t features, const uint8_t *frame, uint32_t len,
		      struct hf_offload *ret)
{
	uint32_t hdr_len = b[2] + b[3] * 256u, gso_size = b[4] + b[5] * 256u;
	uint32_t start = b[6] + b[7] * 256u, offset = b[8] + b[9] * 256u;
	bool csum = b[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	uint8_t type = b[1];

	*ret = (struct hf_offload){0};
	if (!csum && type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	if (csum && (!(features & F(VIRTIO_NET_F_CSUM)) || !checksum_ok(start, offset, frame, len)))
		return false;
	if (type != VIRTIO_NET_HDR_GSO_NONE) {
		struct headers h = look_at(frame, len);

		if (gso_size == 0 || !csum || !gso_type_ok(type, features, h))
			return false;
		if (start != h.l4 || offset != (h.proto == IPPROTO_TCP ? 16 : 6))
			return false;
	}
	*ret = (struct hf_offload){.flags = csum ? HF_OFFLOAD_NEEDS_CSUM : 0,
				   .gso_type = type,
				   .hdr_len = (uint16_t)min_u64(hdr_len, len),
				   .gso_size = (uint16_t)gso_size,
				   .csum_start = (uint16_t)start,
				   .csum_offset = (uint16_t)offset};
	return true;
}

/* ---- dequeue */

static int take_step(const struct reference *r, const struct step *step, uint32_t header_bytes,
		     uint8_t *header, uint32_t *seen, struct reference_packet *packet)
{
	if (step->flags & VRING_DESC_F_WRITE)
		return DROP(BAD_DIRECTION);
	if (step->addr + step->len < step->addr)
		return DROP(BAD_ADDRESS);
	for (uint64_t i = 0; i < step->len; i++) {
		const uint8_t *byte = byte_at(r, step->addr + i);

		if (!byte)
			return DROP(BAD_ADDRESS);
		if (*seen < header_bytes)
			header[*seen] = *byte;
		else if (packet->len == packet->room)
			return DROP(TOO_BIG);
		else
			packet->bytes[packet->len++] = *byte;
		if (*seen < header_bytes)
			(*seen)++;
	}
	return 0;
}

static int take_chain(struct reference *r, struct walk *walk, struct reference_packet *packet)
{
	uint32_t header_bytes = reference_header_bytes(r->features), seen = 0;
	uint8_t header[12] = {0};
	struct step step;
	int result;

	packet->len = 0;
	while ((result = walk_on(r, walk, &step)) == 1) {
		if (r->packed && walk->indirect) /* a fixed rule, for drivers that are wrong */
			step.flags = 0;
		result = take_step(r, &step, header_bytes, header, &seen, packet);
		if (result < 0)
			return result;
	}
	if (result)
		return result;
	if (packet->len == 0)
		return DROP(SHORT_CHAIN);
	if (!reference_header(header, r->features, packet->bytes, packet->len, &packet->offload))
		return DROP(BAD_HEADER);
	return 0;
}

static void count_good(struct reference *r, uint32_t len)
{
	r->counters[HF_COUNTER_GOOD_PACKETS]++;
	r->counters[HF_COUNTER_GOOD_BYTES] += len;
}

/* What a disabled ring's guest sends goes back unread. */
static int discard_chain(struct reference *r, struct walk *walk)
{
	struct step step;

	if (r->packed && !packed_step(r, walk, &step))
		return BROKEN;
	return DROP(DISABLED);
}

static uint16_t packed_dequeue(struct reference *r, struct reference_packet *packets,
			       uint16_t wanted)
{
	uint16_t got = 0, most = r->disabled ? wanted : UINT16_MAX;

	for (; got < wanted && most && packed_available(r, 0); most--) {
		struct walk walk = {0};
		int result =
			r->disabled ? discard_chain(r, &walk) : take_chain(r, &walk, &packets[got]);

		if (result == BROKEN || !packed_finish(r, &walk))
			break;
		packed_use(r, &walk, 0, 0);
		packed_move(r, walk.descs);
		if (result) {
			count(r, (enum hf_counter) - result);
			continue;
		}
		count_good(r, packets[got].len);
		got++;
	}
	return got;
}

uint16_t reference_dequeue(struct reference *r, struct reference_packet *packets, uint16_t wanted)
{
	uint16_t ready, n = 0, got = 0, head;

	r->steps = 0;
	if (r->broken || !wanted)
		return 0;
	if (r->packed) {
		r->moved = 0;
		return packed_dequeue(r, packets, wanted);
	}
	ready = available(r);
	for (; n < ready && n < wanted && head_at(r, n, &head); n++) {
		struct walk walk = walk_from(r, head);
		int result =
			r->disabled ? discard_chain(r, &walk) : take_chain(r, &walk, &packets[got]);

		use(r, n, head, 0);
		if (result < 0) {
			count(r, (enum hf_counter) - result);
			continue;
		}
		count_good(r, packets[got].len);
		got++;
	}
	publish(r, n);
	return got;
}

/* ---- enqueue */

struct pen {
	struct walk walk;
	struct step step; /* what is left of the descriptor */
	uint16_t head;
	uint16_t place;	 /* of the chain that is written or comes next; packed: descriptors ahead */
	uint16_t chains; /* packed: the packet's and those given back, in `closed` */
	uint32_t written;
	bool open;
};

/* Packed: chains that are filled, and not yet published. */
static struct {
	struct walk walk;
	uint32_t len;
} closed[32768];

static int open_chain(struct reference *r, struct pen *pen)
{
	if (r->packed) {
		if (!packed_available(r, pen->place))
			return NO_BUFFER;
		pen->walk = (struct walk){.first = pen->place};
		pen->step.len = 0;
		pen->written = 0;
		pen->open = true;
		return 0;
	}
	if (available(r) <= pen->place || !head_at(r, pen->place, &pen->head))
		return NO_BUFFER;
	pen->walk = walk_from(r, pen->head);
	pen->step.len = 0;
	pen->written = 0;
	pen->open = true;
	return 0;
}

/* False: the ring is broken. */
static bool close_chain(struct reference *r, struct pen *pen)
{
	pen->open = false;
	if (!r->packed) {
		use(r, pen->place++, pen->head, pen->written);
		return true;
	}
	if (!packed_finish(r, &pen->walk))
		return false;
	closed[pen->chains].walk = pen->walk;
	closed[pen->chains++].len = pen->written;
	pen->place = (uint16_t)(pen->place + pen->walk.descs);
	return true;
}

/* Move to a descriptor with room. 0, NO_BUFFER, SMALL or the DROP reason. */
static int find_room(struct reference *r, struct pen *pen)
{
	while (!pen->open || pen->step.len == 0) {
		int result = pen->open ? 0 : open_chain(r, pen);

		if (result)
			return result;
		result = walk_on(r, &pen->walk, &pen->step);
		if (result < 0)
			return result;
		if (result == BROKEN)
			return NO_BUFFER;
		if (result == 0) {
			if (!(r->features & F(VIRTIO_NET_F_MRG_RXBUF)))
				return SMALL;
			if (!pen->written)
				return DROP(SHORT_CHAIN);
			if (!close_chain(r, pen))
				return NO_BUFFER;
			continue;
		}
		if (!(pen->step.flags & VRING_DESC_F_WRITE))
			return DROP(BAD_DIRECTION);
		if (pen->step.addr + pen->step.len < pen->step.addr)
			return DROP(BAD_ADDRESS);
	}
	return 0;
}

static int put_byte(struct reference *r, struct pen *pen, uint8_t value, uint8_t **ret_place)
{
	int result = find_room(r, pen);
	uint8_t *to;

	if (result)
		return result;
	to = byte_at(r, pen->step.addr);
	if (!to)
		return DROP(BAD_ADDRESS);
	r->ambiguous |= in_rings(r, pen->step.addr);
	*to = value;
	*ret_place = to;
	pen->step.addr++;
	pen->step.len--;
	pen->written++;
	return 0;
}

static void make_header(const struct reference_packet *packet, uint8_t header[12])
{
	const struct hf_offload *o = &packet->offload;
	const uint16_t words[] = {o->hdr_len, o->gso_size, o->csum_start, o->csum_offset, 1};

	header[0] = o->flags;
	header[1] = o->gso_type;
	for (int i = 0; i < 5; i++) {
		header[2 + 2 * i] = (uint8_t)words[i];
		header[3 + 2 * i] = (uint8_t)(words[i] >> 8);
	}
}

static int write_packet(struct reference *r, struct pen *pen, const struct reference_packet *packet,
			uint16_t first)
{
	uint32_t header_bytes = reference_header_bytes(r->features);
	uint8_t header[12], *place, *number[2] = {NULL, NULL};
	int result;

	make_header(packet, header);
	for (uint32_t i = 0; i < header_bytes; i++) {
		result = put_byte(r, pen, header[i], &place);
		if (result)
			return result;
		if (i >= 10)
			number[i - 10] = place;
	}
	for (uint32_t i = 0; i < packet->len; i++) {
		result = put_byte(r, pen, packet->bytes[i], &place);
		if (result)
			return result;
	}
	if (!close_chain(r, pen))
		return NO_BUFFER;
	if (r->features & F(VIRTIO_NET_F_MRG_RXBUF)) {
		uint16_t chains = r->packed ? pen->chains : pen->place;

		*number[0] = (uint8_t)(chains - first);
		*number[1] = (uint8_t)((chains - first) >> 8);
	}
	return 0;
}

/* All chains from `first` to the one that broke a rule go back empty. */
static bool give_back(struct reference *r, struct pen *pen, uint16_t first, int reason)
{
	count(r, (enum hf_counter) - reason);
	if (!close_chain(r, pen))
		return false;
	for (uint16_t i = first; r->packed && i != pen->chains; i++)
		closed[i].len = 0;
	for (uint16_t i = first; !r->packed && i != pen->place; i++)
		put_number(r, r->used + 8 + 8ull * ((uint16_t)(r->next + i) % r->size), 0, 4);
	return true;
}

/* The order of stores is not to be seen in a frozen image. What is published at once keeps what it
 * was, but for the first one. */
static void packed_publish(struct reference *r, uint16_t chains)
{
	uint32_t descs = 0;

	for (uint16_t i = 0; i < chains; i++) {
		bool keeps = i && (r->features & F(VIRTIO_NET_F_MRG_RXBUF));

		packed_use(r, &closed[i].walk, closed[i].len,
			   keeps ? VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT : 0);
		descs += closed[i].walk.descs;
	}
	packed_move(r, descs);
}

static bool metadata_ok(struct reference *r, const struct reference_packet *packet)
{
	const struct hf_offload *o = &packet->offload;

	if (!(o->flags & HF_OFFLOAD_NEEDS_CSUM) ||
	    checksum_ok(o->csum_start, o->csum_offset, packet->bytes, packet->len))
		return true;
	count(r, HF_COUNTER_DROP_BAD_METADATA);
	return false;
}

/* 0: taken, delivered or dropped; NO_BUFFER: not. */
static int put_packet(struct reference *r, const struct reference_packet *packet, uint16_t *used)
{
	struct pen pen;
	int result;

	if (!metadata_ok(r, packet))
		return 0;
	for (;;) {
		pen = (struct pen){.place = *used};
		result = write_packet(r, &pen, packet, *used);
		if (result >= 0)
			break;
		(void)give_back(r, &pen, *used, result);
		*used = pen.place;
	}
	if (result == SMALL) {
		count(r, HF_COUNTER_DROP_GUEST_BUFFER_SMALL);
		return 0;
	}
	if (result == NO_BUFFER) {
		if (*used == 0 && pen.place == r->size) {
			count(r, HF_COUNTER_DROP_TOO_BIG);
			return 0;
		}
		count(r, HF_COUNTER_NO_GUEST_BUFFER);
		return NO_BUFFER;
	}
	count_good(r, packet->len);
	*used = pen.place;
	return 0;
}

static int packed_put_packet(struct reference *r, const struct reference_packet *packet)
{
	struct pen pen = {0};
	uint16_t first;
	int result;

	if (!metadata_ok(r, packet))
		return 0;
	for (;;) {
		first = pen.chains;
		result = write_packet(r, &pen, packet, first);
		if (result >= 0)
			break;
		if (!give_back(r, &pen, first, result)) {
			result = NO_BUFFER;
			break;
		}
		pen = (struct pen){.place = pen.place, .chains = pen.chains};
	}
	if (result == NO_BUFFER && !r->broken && !first && !r->moved && pen.place == r->size) {
		count(r, HF_COUNTER_DROP_TOO_BIG);
		return 0;
	}
	packed_publish(r, result ? first : pen.chains);
	if (!result)
		count_good(r, packet->len);
	else
		count(r, result == SMALL ? HF_COUNTER_DROP_GUEST_BUFFER_SMALL
					 : HF_COUNTER_NO_GUEST_BUFFER);
	return result == NO_BUFFER ? NO_BUFFER : 0;
}

uint16_t reference_enqueue(struct reference *r, const struct reference_packet *packets,
			   uint16_t wanted)
{
	uint16_t used = 0, taken = 0;

	r->steps = 0;
	if (r->broken || r->disabled || !wanted)
		return 0;
	r->moved = 0;
	while (r->packed && taken < wanted && packed_put_packet(r, &packets[taken]) == 0)
		taken++;
	if (r->packed)
		return taken;
	(void)available(r);
	while (taken < wanted && put_packet(r, &packets[taken], &used) == 0)
		taken++;
	publish(r, used);
	return taken;
}
