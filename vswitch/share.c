/* SPDX-License-Identifier: Apache-2.0 */
#include "share.h"

uint64_t share_waste(struct hf_packet *const *packets, uint16_t nr, uint64_t walked)
{
	uint64_t needed = (uint64_t)nr * SHARE_DESCS;

	for (uint16_t i = 0; i < nr && needed < walked; i++)
		needed += packets[i]->total / SHARE_PIECE;
	return needed < walked ? (walked - needed) * SHARE_WASTED : 0;
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
