/* SPDX-License-Identifier: Apache-2.0 */
#include "share.h"

/* What `walked` descriptors are beyond `needed`, and what the bytes of `nr` packets need. */
static uint64_t beyond(struct hf_packet *const *packets, uint16_t nr, uint64_t needed,
		       uint64_t walked)
{
	for (uint16_t i = 0; i < nr && needed < walked; i++)
		needed += packets[i]->total / SHARE_PIECE;
	return needed < walked ? walked - needed : 0;
}

uint64_t share_waste(struct hf_packet *const *packets, uint16_t nr, uint64_t walked)
{
	return beyond(packets, nr, (uint64_t)nr * SHARE_DESCS, walked) * SHARE_WASTED;
}

/* Relaxed, see share_is_spent(). What another worker adds just now is forgotten: at worst a burst
 * more. */
static void add(_Atomic uint64_t *count, uint32_t now, uint64_t nr)
{
	const uint64_t second = (uint64_t)now << 32;
	uint64_t had = atomic_load_explicit(count, memory_order_relaxed);

	/* The seconds are above: none of the numbers may reach there. */
	if (nr > SHARE_CUTS)
		nr = SHARE_CUTS;
	atomic_store_explicit(count, (had < second ? second : had) + nr, memory_order_relaxed);
}

uint64_t share_mincing(const struct hf_packet *packet)
{
	/* Fragments are of whole eights. */
	uint32_t size = packet->offload.gso_size & ~7u;

	return (uint64_t)packet->total * SHARE_CUT / (size ? size : 1) - packet->total;
}

bool share_may_cut(struct port *port, uint32_t now, const struct hf_packet *packet)
{
	if (share_is_spent(&port->cuts, now, SHARE_CUTS))
		return false;
	add(&port->cuts, now, share_mincing(packet) / SHARE_CUT);
	return true;
}

void share_walked(struct port *port, uint32_t now, struct hf_packet *const *packets, uint16_t nr,
		  uint32_t cut, uint32_t walked)
{
	/* A packed ring's are walked twice for a frame that is cut: counted, and filled. */
	const uint64_t needed = (nr + 2 * (uint64_t)cut) * SHARE_BUFFER;
	const uint64_t wasted = beyond(packets, nr, needed, walked);

	if (wasted)
		add(&port->crumbs, now, wasted);
}

void share_owe(struct source *source, uint32_t budget, uint64_t spent, uint16_t taken)
{
	uint64_t owed = spent - budget;
	/* As many as would have been within the share, and one at least. */
	uint64_t want = taken * (uint64_t)budget / spent;

	source->owed = owed < UINT32_MAX ? (uint32_t)owed : UINT32_MAX;
	source->want = (uint8_t)(want ? want : 1);
	source->busy = taken != 0;
}
