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

void share_walked(struct port *port, uint32_t now, struct hf_packet *const *packets, uint16_t nr,
		  uint32_t cut, uint32_t walked)
{
	const uint64_t second = (uint64_t)now << 32;
	uint64_t crumbs = atomic_load_explicit(&port->crumbs, memory_order_relaxed);

	walked = (uint32_t)beyond(packets, nr, ((uint64_t)nr + cut) * SHARE_BUFFER, walked);
	if (!walked)
		return;
	/* What another worker adds just now is forgotten: at worst a burst more. */
	crumbs = (crumbs < second ? second : crumbs) + walked;
	atomic_store_explicit(&port->crumbs, crumbs, memory_order_relaxed);
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
