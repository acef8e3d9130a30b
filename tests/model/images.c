/* SPDX-License-Identifier: Apache-2.0 */
#include "images.h"

#include <netinet/in.h>
#include <string.h>

#include "net.h"
#include "reference.h"

/* Rings below, buffers above; regions that touch, one hole. */
static const struct guest_span spans[] = {
	{0, 96 << 10},
	{96 << 10, 32 << 10},
	{128 << 10, (32 << 10) + 1000},
	{(176 << 10) + 8, (80 << 10) - 8},
};

static uint64_t state;
static struct rig *rig;
static uint32_t plain_percent; /* of this guest's chains: one descriptor, an ordinary frame */

void images_seed(uint64_t seed)
{
	state = 0x9e3779b97f4a7c15ull * (seed + 1);
	for (int i = 0; i < 8; i++)
		(void)images_any(2);
}

uint32_t images_any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 16) % below);
}

bool images_chance(uint32_t percent)
{
	return images_any(100) < percent;
}

#define any    images_any
#define chance images_chance

static uint64_t any_features(uint64_t features)
{
	static const uint8_t bits[] = {VIRTIO_NET_F_CSUM,	VIRTIO_NET_F_HOST_TSO4,
				       VIRTIO_NET_F_HOST_TSO6,	VIRTIO_NET_F_HOST_UFO,
				       VIRTIO_NET_F_HOST_ECN,	VIRTIO_NET_F_MRG_RXBUF,
				       VIRTIO_NET_F_GUEST_CSUM, HF_F_INDIRECT_DESC,
				       HF_F_EVENT_IDX,		HF_F_VERSION_1};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (chance(75))
			features |= HF_FEATURE(bits[i]);
	return features;
}

static uint64_t any_buffer(uint32_t len)
{
	return rig->buffers + any((uint32_t)(IMAGES_GPA + IMAGES_MEMORY - rig->buffers) - len);
}

/* An address that is worth trying. Never in the rings: then the order of stores would decide. */
static uint64_t any_bad_address(void)
{
	switch (any(6)) {
	case 0:
		return UINT64_MAX - any(64);
	case 1:
		return IMAGES_GPA + spans[2].offset + spans[2].size - any(64); /* the hole */
	case 2:
		return IMAGES_GPA + IMAGES_MEMORY - any(64);
	case 3:
		return any(1u << 20);
	case 4:
		return IMAGES_GPA + spans[any(4)].offset - any(32) + (32 << 10);
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
	bool indirect = (rig->features & HF_FEATURE(HF_F_INDIRECT_DESC)) && chance(share);

	if (indirect)
		driver_put_indirect(d, any_buffer(16 * n), pieces, n);
	else
		driver_put(d, pieces, n);
}

static void post_to_send(struct driver *d)
{
	static uint8_t bytes[8192];
	uint32_t len = any_frame(bytes, reference_header_bytes(rig->features)), at = 0;
	struct piece pieces[6];
	bool plain = chance(plain_percent);
	uint32_t n = cut(pieces, plain ? 1 : 1 + any(ARRAY_SIZE(pieces)), len, 0);

	if (plain && chance(80))
		memset(bytes, 0, reference_header_bytes(rig->features));

	for (uint32_t i = 0; i < n; i++) {
		guest_write(&rig->guest, pieces[i].gpa, bytes + at, pieces[i].len);
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
		if (table >= rig->buffers && guest_maps(d->guest, table, 16) && !(table & 1))
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
		if (table >= rig->buffers && guest_maps(d->guest, table, 16) && !(table & 1))
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

bool images_create(struct rig *r, uint64_t ring)
{
	struct rig_shape shape = {.memory = IMAGES_MEMORY,
				  .spans = spans,
				  .nr_spans = ARRAY_SIZE(spans),
				  .gpa = IMAGES_GPA};

	rig = r;
	shape.features = any_features(ring);
	plain_percent = chance(50) ? 0 : any(101);
	shape.size = (uint16_t)(ring ? 1 + any(chance(50) ? 20 : 600) : 1u << any(10));
	shape.base = (uint16_t)(chance(30) ? 65536 - any(20) : any(65536));
	return rig_create(rig, &shape);
}

static bool reset_ring(struct driver *d, uint16_t base)
{
	uint64_t gpa = d->desc;
	uint16_t size = d->size;
	bool event_idx = d->event_idx, packed = d->packed;

	driver_destroy(d);
	return (packed ? driver_create_packed : driver_create)(d, &rig->guest, gpa, size, event_idx,
							       base) != 0;
}

bool images_reset(struct rig *r)
{
	uint16_t base = (uint16_t)(chance(30) ? 65536 - any(20) : any(65536));

	rig = r;
	return reset_ring(&r->rx, base) && reset_ring(&r->tx, base);
}

void images_fill(struct rig *r, bool to_guest)
{
	struct driver *d = to_guest ? &r->rx : &r->tx;
	uint32_t chains = any(40);

	rig = r;
	for (uint32_t i = 0; i < chains; i++) {
		if (to_guest)
			post_to_fill(d);
		else
			post_to_send(d);
	}
	driver_publish(d);
	for (uint32_t i = chance(40) ? 0 : any(6); i > 0; i--)
		spoil(d);
}
