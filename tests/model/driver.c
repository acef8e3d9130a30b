/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

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

void driver_destroy(struct driver *d)
{
	free(d->chain_descs);
	d->chain_descs = NULL;
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

int driver_put(struct driver *d, const struct piece *pieces, uint32_t n)
{
	int head = take_descs(d, n);

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

int driver_put_indirect(struct driver *d, uint64_t table, const struct piece *pieces, uint32_t n)
{
	int head = take_descs(d, 1);

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
	guest_write16(d->guest, d->avail + 2, d->avail_idx);
}

int driver_post(struct driver *d, const struct piece *pieces, uint32_t n)
{
	int head = driver_put(d, pieces, n);

	if (head >= 0)
		driver_publish(d);
	return head;
}

static void breach(struct driver *d, const char *what, uint32_t number)
{
	if (!d->breaches++)
		printf("    breach: %s (%u)\n", what, number);
}

bool driver_consume(struct driver *d, struct driver_used *ret)
{
	uint16_t idx = driver_used_idx(d);
	uint16_t ready = (uint16_t)(idx - d->used_seen);

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
	guest_write16(d->guest, d->avail + 4 + 2ull * d->size, used_event);
}

void driver_set_avail_flags(struct driver *d, uint16_t flags)
{
	guest_write16(d->guest, d->avail, flags);
}

uint16_t driver_used_flags(const struct driver *d)
{
	return guest_read16(d->guest, d->used);
}

uint16_t driver_avail_event(const struct driver *d)
{
	return guest_read16(d->guest, d->used + 4 + 8ull * d->size);
}

uint16_t driver_used_idx(const struct driver *d)
{
	return guest_read16(d->guest, d->used + 2);
}
