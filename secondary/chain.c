/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

int hf_chain_enter_indirect(struct hf_vring *v, struct hf_chain *c, const struct vring_desc *d)
{
	uint64_t piece = d->len;
	const uint8_t *table;

	/* virtio 1.1, 2.6.5.3.1: negotiated, not nested, not chained further, whole entries. Its
	 * WRITE flag is to be ignored. */
	if (!v->indirect || c->in_indirect || (d->flags & VRING_DESC_F_NEXT) || !d->len ||
	    d->len % sizeof(struct vring_desc))
		return HF_CHAIN_DROP(BAD_INDIRECT);
	table = hf_vring_piece(v, d->addr, &piece);
	if (!table)
		return HF_CHAIN_DROP(BAD_ADDRESS);
	c->table = piece == d->len ? table : NULL;
	c->table_gpa = d->addr;
	c->table_len = d->len / sizeof(struct vring_desc);
	c->index = 0;
	c->in_indirect = true;
	return 0;
}

int hf_chain_read_pieces(struct hf_vring *v, const struct hf_chain *c, struct vring_desc *ret_desc)
{
	uint64_t gpa = c->table_gpa + c->index * sizeof(struct vring_desc);
	uint8_t bytes[sizeof(struct vring_desc)];
	uint64_t have = 0;

	while (have < sizeof(bytes)) {
		uint64_t piece = sizeof(bytes) - have;
		const uint8_t *from = hf_vring_piece(v, gpa + have, &piece);

		if (!from)
			return HF_CHAIN_DROP(BAD_ADDRESS);
		memcpy(bytes + have, from, piece);
		have += piece;
	}
	/* From here on the compiler may not look at guest memory again. */
	hf_compiler_barrier();
	memcpy(ret_desc, bytes, sizeof(bytes));
	return 0;
}
