/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define EVENT_BYTES 4u
#define FIRST_ID    7u
#define AVAILABLE   0x0080u
#define USED	    0x8000u
#define WRAP	    0x8000u

uint64_t driver_desc_bytes(uint16_t size)
{
	return 16ull * size;
}

uint64_t driver_avail_bytes(uint16_t size)
{
	return 6 + 2ull * size;
}

uint64_t driver_used_bytes(uint16_t size)
{
	return 6 + 8ull * size;
}

static void zero(struct guest *guest, uint64_t gpa, uint64_t len)
{
	memset(guest_at(guest, gpa), 0, len);
	guest_declare(guest, gpa, len, false);
}

uint64_t driver_create(struct driver *d, struct guest *guest, uint64_t gpa, uint16_t size,
		       bool event_idx, uint16_t base)
{
	*d = (struct driver){.guest = guest,
			     .size = size,
			     .event_idx = event_idx,
			     .avail_idx = base,
			     .used_seen = base,
			     .descs_free = size};
	d->chain_descs = calloc(size, sizeof(*d->chain_descs));
	if (!d->chain_descs)
		return 0;
	d->desc = align_up(gpa, 16);
	d->avail = d->desc + driver_desc_bytes(size);
	d->used = align_up(d->avail + driver_avail_bytes(size), 4);
	zero(guest, d->desc, driver_desc_bytes(size));
	zero(guest, d->avail, driver_avail_bytes(size));
	zero(guest, d->used, driver_used_bytes(size));
	guest_write16(guest, d->avail + 2, base);
	guest_write16(guest, d->used + 2, base);
	guest_declare(guest, d->used, driver_used_bytes(size), true);
	return d->used + driver_used_bytes(size);
}

uint64_t driver_create_packed(struct driver *d, struct guest *guest, uint64_t gpa, uint16_t size,
			      bool event_idx, uint16_t moved)
{
	uint16_t base = driver_index(&(struct driver){.packed = true, .size = size}, moved);

	*d = (struct driver){.guest = guest,
			     .size = size,
			     .event_idx = event_idx,
			     .packed = true,
			     .avail_idx = base,
			     .put_idx = base,
			     .used_seen = base,
			     /* Ids are not places. */
			     .next_desc = FIRST_ID % size,
			     .descs_free = size};
	d->chain_descs = calloc(size, sizeof(*d->chain_descs));
	d->heads = calloc(size, sizeof(*d->heads));
	d->head_of = calloc(size, sizeof(*d->head_of));
	if (!d->chain_descs || !d->heads || !d->head_of)
		return 0;
	d->desc = align_up(gpa, 16);
	d->avail = d->desc + driver_desc_bytes(size);
	d->used = d->avail + EVENT_BYTES;
	zero(guest, d->desc, driver_desc_bytes(size));
	zero(guest, d->avail, EVENT_BYTES);
	zero(guest, d->used, EVENT_BYTES);
	guest_declare(guest, d->used, EVENT_BYTES, true);
	/* What stands behind `base` was used in the lap before. */
	for (uint32_t i = 0; i < size; i++)
		if ((i < (base & ~WRAP)) == !!(base & WRAP))
			guest_write16(guest, d->desc + 16ull * i + 14, AVAILABLE | USED);
	return d->used + EVENT_BYTES;
}

void driver_destroy(struct driver *d)
{
	free(d->chain_descs);
	d->chain_descs = NULL;
	free(d->heads);
	free(d->head_of);
	d->heads = NULL;
	d->head_of = NULL;
}

bool driver_begin_again(struct driver *d)
{
	const size_t table = driver_desc_bytes(d->size), heads = 2ull * d->size;
	const uint64_t desc = d->desc;
	uint8_t *left = malloc(table + heads);
	bool done;

	if (!left)
		return false;
	memcpy(left, guest_at(d->guest, d->desc), table);
	memcpy(left + table, guest_at(d->guest, d->avail + 4), heads);
	driver_destroy(d);
	done = driver_create(d, d->guest, desc, d->size, d->event_idx, 0);
	guest_write(d->guest, d->desc, left, table);
	guest_write(d->guest, d->avail + 4, left + table, heads);
	free(left);
	return done;
}

void driver_write_desc(struct driver *d, uint64_t table, uint32_t index, uint64_t addr,
		       uint32_t len, uint16_t flags, uint16_t next)
{
	uint8_t bytes[16];

	memcpy(bytes, &addr, 8);
	memcpy(bytes + 8, &len, 4);
	memcpy(bytes + 12, &flags, 2);
	memcpy(bytes + 14, &next, 2);
	guest_write(d->guest, table + 16ull * index, bytes, sizeof(bytes));
}

uint16_t driver_available(uint16_t at)
{
	return at & WRAP ? AVAILABLE : USED;
}

uint16_t driver_after(const struct driver *d, uint16_t idx, uint32_t n)
{
	if (!d->packed)
		return (uint16_t)(idx + n);
	n += idx & ~WRAP;
	return (uint16_t)(((idx & WRAP) ^ (n / d->size % 2 ? WRAP : 0)) | n % d->size);
}

uint16_t driver_index(const struct driver *d, uint32_t n)
{
	return driver_after(d, d->packed ? WRAP : 0, n);
}

static uint64_t slot_of(const struct driver *d, uint16_t at)
{
	return d->desc + 16ull * (at & ~WRAP);
}

static void write_packed_but_flags(struct driver *d, uint16_t at, uint64_t addr, uint32_t len,
				   uint16_t id)
{
	guest_write(d->guest, slot_of(d, at), &addr, 8);
	guest_write(d->guest, slot_of(d, at) + 8, &len, 4);
	guest_write(d->guest, slot_of(d, at) + 12, &id, 2);
}

void driver_write_packed(struct driver *d, uint16_t at, uint64_t addr, uint32_t len, uint16_t id,
			 uint16_t flags)
{
	write_packed_but_flags(d, at, addr, len, id);
	guest_write16(d->guest, slot_of(d, at) + 14, flags);
}

static void declare(struct driver *d, const struct piece *pieces, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (pieces[i].flags & DRIVER_WRITE)
			guest_declare(d->guest, pieces[i].gpa, pieces[i].len, true);
}

/* `n` descriptors in a row of the table, wrapping: the back-end completes in order. */
static int take_descs(struct driver *d, uint32_t n)
{
	uint16_t head = d->next_desc;

	if (n > d->descs_free || d->chain_descs[head])
		return -1;
	d->descs_free -= n;
	d->chain_descs[head] = n;
	d->next_desc = (uint16_t)((head + n) % d->size);
	return head;
}

void driver_put_head(struct driver *d, uint16_t head)
{
	guest_write16(d->guest, d->avail + 4 + 2ull * (d->avail_idx % d->size), head);
	d->avail_idx++;
}

/* Only the first descriptor's second half is the back-end's to write. */
static int put_packed(struct driver *d, const struct piece *pieces, uint32_t n, uint16_t more)
{
	uint16_t id = d->next_desc;

	if (!n || n > d->descs_free || d->chain_descs[id])
		return -1;
	d->descs_free -= n;
	d->chain_descs[id] = n;
	d->next_desc = (uint16_t)((id + 1u) % d->size);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t at = driver_after(d, d->put_idx, i);
		uint16_t flags = pieces[i].flags | more | driver_available(at);

		if (i + 1 < n)
			flags |= DRIVER_NEXT;
		/* Only the last one's id means anything. */
		write_packed_but_flags(d, at, pieces[i].gpa, pieces[i].len,
				       i + 1 < n ? (uint16_t)(0xdead + i) : id);
		if (i)
			guest_write16(d->guest, slot_of(d, at) + 14, flags);
		else
			d->heads[d->nr_heads++] = (struct driver_head){slot_of(d, at) + 14, flags};
	}
	d->head_of[id] = d->put_idx;
	guest_declare(d->guest, slot_of(d, d->put_idx) + 8, 8, true);
	d->put_idx = driver_after(d, d->put_idx, n);
	return id;
}

int driver_put(struct driver *d, const struct piece *pieces, uint32_t n)
{
	int head;

	if (d->packed) {
		head = put_packed(d, pieces, n, 0);
		if (head >= 0)
			declare(d, pieces, n);
		return head;
	}
	head = take_descs(d, n);
	if (head < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t at = (uint16_t)(((uint32_t)head + i) % d->size);
		uint16_t flags = pieces[i].flags;

		if (i + 1 < n)
			flags |= DRIVER_NEXT;
		driver_write_desc(d, d->desc, at, pieces[i].gpa, pieces[i].len, flags,
				  (uint16_t)((at + 1u) % d->size));
	}
	declare(d, pieces, n);
	driver_put_head(d, (uint16_t)head);
	return head;
}

static int put_packed_indirect(struct driver *d, uint64_t table, const struct piece *pieces,
			       uint32_t n)
{
	struct piece whole = {table, 16 * n, 0};
	int id;

	/* Id and all flags but WRITE mean nothing there. */
	for (uint32_t i = 0; i < n; i++)
		driver_write_desc(d, table, i, pieces[i].gpa, pieces[i].len, (uint16_t)(0xbeef + i),
				  pieces[i].flags | (i % 2 ? DRIVER_NEXT : DRIVER_INDIRECT));
	id = put_packed(d, &whole, 1, DRIVER_INDIRECT);
	if (id >= 0)
		declare(d, pieces, n);
	return id;
}

int driver_put_indirect(struct driver *d, uint64_t table, const struct piece *pieces, uint32_t n)
{
	int head;

	if (d->packed)
		return put_packed_indirect(d, table, pieces, n);
	head = take_descs(d, 1);
	if (head < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t flags = pieces[i].flags;

		if (i + 1 < n)
			flags |= DRIVER_NEXT;
		driver_write_desc(d, table, i, pieces[i].gpa, pieces[i].len, flags,
				  (uint16_t)(i + 1));
	}
	declare(d, pieces, n);
	driver_write_desc(d, d->desc, (uint32_t)head, table, 16 * n, DRIVER_INDIRECT, 0);
	driver_put_head(d, (uint16_t)head);
	return head;
}

void driver_publish(struct driver *d)
{
	if (!d->packed) {
		guest_write16(d->guest, d->avail + 2, d->avail_idx);
		return;
	}
	for (uint32_t i = 0; i < d->nr_heads; i++)
		guest_write16(d->guest, d->heads[i].gpa, d->heads[i].flags);
	d->nr_heads = 0;
	d->avail_idx = d->put_idx;
}

int driver_post(struct driver *d, const struct piece *pieces, uint32_t n)
{
	int head = driver_put(d, pieces, n);

	if (head >= 0)
		driver_publish(d);
	return head;
}

void driver_declare(struct driver *d)
{
	guest_declare(d->guest, d->used, d->packed ? EVENT_BYTES : driver_used_bytes(d->size),
		      true);
	for (uint32_t id = 0; d->packed && id < d->size; id++)
		if (d->chain_descs[id])
			guest_declare(d->guest, slot_of(d, d->head_of[id]) + 8, 8, true);
}

static void breach(struct driver *d, const char *what, uint32_t number)
{
	if (!d->breaches++)
		printf("    breach: %s (%u)\n", what, number);
}

/* The used descriptor at `at`; false: it is none. */
static bool packed_used(const struct driver *d, uint16_t at, struct driver_used *ret)
{
	uint16_t flags = guest_read16(d->guest, slot_of(d, at) + 14);

	if ((flags & (AVAILABLE | USED)) != (at & WRAP ? AVAILABLE | USED : 0))
		return false;
	memcpy(&ret->len, guest_at(d->guest, slot_of(d, at) + 8), 4);
	ret->id = guest_read16(d->guest, slot_of(d, at) + 12);
	/* Without the flag the length means nothing. */
	if (!(flags & DRIVER_WRITE))
		ret->len = 0;
	return true;
}

/* Of a ring that is empty the bits look used: a zeroed ring in its second lap. */
static bool consume_packed(struct driver *d, struct driver_used *ret)
{
	uint32_t n;

	if (d->used_seen == d->avail_idx || !packed_used(d, d->used_seen, ret))
		return false;
	n = ret->id < d->size ? d->chain_descs[ret->id] : 0;
	if (!n) {
		breach(d, "a used id that was not available", ret->id);
		d->used_seen = driver_after(d, d->used_seen, 1);
		return true;
	}
	guest_declare(d->guest, slot_of(d, d->used_seen) + 8, 8, false);
	d->descs_free += n;
	d->chain_descs[ret->id] = 0;
	d->used_seen = driver_after(d, d->used_seen, n);
	return true;
}

bool driver_consume(struct driver *d, struct driver_used *ret)
{
	uint16_t idx, ready;

	if (d->packed)
		return consume_packed(d, ret);
	idx = driver_used_idx(d);
	ready = (uint16_t)(idx - d->used_seen);
	if ((uint16_t)(d->avail_idx - d->used_seen) < ready) {
		breach(d, "used->idx went back or beyond what was available", idx);
		return false;
	}
	if (!ready)
		return false;
	memcpy(ret, guest_at(d->guest, d->used + 4 + 8ull * (d->used_seen % d->size)), 8);
	d->used_seen++;
	if (ret->id >= d->size || !d->chain_descs[ret->id]) {
		breach(d, "a used id that was not available", ret->id);
		return true;
	}
	d->descs_free += d->chain_descs[ret->id];
	d->chain_descs[ret->id] = 0;
	return true;
}

uint32_t driver_consume_all(struct driver *d)
{
	struct driver_used used;
	uint32_t n = 0;

	while (driver_consume(d, &used))
		n++;
	return n;
}

uint32_t driver_check(struct driver *d)
{
	size_t strays = guest_strays(d->guest);

	if (strays)
		breach(d, "bytes changed without right", (uint32_t)strays);
	return d->breaches;
}

void driver_set_used_event(struct driver *d, uint16_t used_event)
{
	if (d->packed) {
		guest_write16(d->guest, d->avail, used_event);
		guest_write16(d->guest, d->avail + 2, 2);
		return;
	}
	guest_write16(d->guest, d->avail + 4 + 2ull * d->size, used_event);
}

void driver_set_avail_flags(struct driver *d, uint16_t flags)
{
	guest_write16(d->guest, d->packed ? d->avail + 2 : d->avail, flags);
}

uint16_t driver_used_flags(const struct driver *d)
{
	return guest_read16(d->guest, d->packed ? d->used + 2 : d->used);
}

uint16_t driver_avail_event(const struct driver *d)
{
	return guest_read16(d->guest, d->packed ? d->used : d->used + 4 + 8ull * d->size);
}

uint16_t driver_used_idx(const struct driver *d)
{
	struct driver_used used;
	uint16_t at = d->used_seen;

	if (!d->packed)
		return guest_read16(d->guest, d->used + 2);
	/* As far as the descriptors say; nothing is consumed. */
	while (at != d->avail_idx && packed_used(d, at, &used) && used.id < d->size &&
	       d->chain_descs[used.id])
		at = driver_after(d, at, d->chain_descs[used.id]);
	return at;
}
