/* SPDX-License-Identifier: Apache-2.0 */
#include "packed_chain.h"

/* The next descriptor in the ring; false: the ring is broken. */
static bool next_in_ring(struct hf_vring *v, struct hf_packed_chain *c, struct vring_desc *d)
{
	uint64_t state = c->state;

	if (c->descs) {
		/* The driver shows the first one last: it has written all the others before. */
		if (c->descs < c->most)
			state = hf_packed_look(v, c->at);
		if (c->descs >= c->most || !hf_packed_is_available(state, c->at)) {
			hf_vring_break(v, HF_COUNTER_BREAK_BAD_CHAIN);
			return false;
		}
	}
	d->addr = hf_read_once(&hf_packed_slot(v, c->at)->addr);
	d->len = (uint32_t)state;
	d->flags = hf_packed_flags(state);
	c->id = (uint16_t)(state >> 32);
	c->more = d->flags & VRING_DESC_F_NEXT;
	c->at = hf_packed_after(v, c->at, 1);
	c->descs++;
	v->budget--;
	return true;
}

/* virtio 1.1, 2.7.7: negotiated, alone in its list, whole entries. Its WRITE flag is ignored. */
static int enter_indirect(struct hf_vring *v, struct hf_packed_chain *c, const struct vring_desc *d)
{
	if (c->descs > 1)
		return HF_CHAIN_DROP(BAD_INDIRECT);
	c->indirect.in_indirect = false;
	return hf_chain_enter_indirect(v, &c->indirect, d);
}

/* All entries of a table are its chain, in order; only WRITE means anything in their flags. */
static int next_in_table(struct hf_vring *v, struct hf_packed_chain *c, struct vring_desc *d)
{
	struct hf_chain *table = &c->indirect;
	int reason;

	if (table->table)
		hf_desc_read(d, table->table + table->index * sizeof(*d));
	else if ((reason = hf_chain_read_pieces(v, table, d)) < 0)
		return reason;
	/* Where a split ring has `next` there is the id, where it has flags as well: swapped. */
	d->flags = d->next & VRING_DESC_F_WRITE;
	v->budget--;
	table->more = ++table->index < table->table_len;
	return 1;
}

int hf_packed_chain_next(struct hf_vring *v, struct hf_packed_chain *c, struct vring_desc *d)
{
	int result;

	if (!c->indirect.more) {
		if (!c->more)
			return 0;
		if (!next_in_ring(v, c, d))
			return HF_PACKED_BROKEN;
		if (d->flags & VRING_DESC_F_INDIRECT) {
			result = enter_indirect(v, c, d);
			if (result < 0)
				return result;
			c->indirect.more = true;
		}
	}
	if (c->indirect.more && (result = next_in_table(v, c, d)) < 0)
		return result;
	return ++c->seen > v->size ? HF_CHAIN_DROP(LOOP) : 1;
}

bool hf_packed_chain_finish(struct hf_vring *v, struct hf_packed_chain *c)
{
	struct vring_desc unused;

	while (c->more)
		if (!next_in_ring(v, c, &unused))
			return false;
	return true;
}
