/* SPDX-License-Identifier: Apache-2.0 */
#include "levels.h"

#include "check.h"

static void no_run(struct hf_vring *v, struct hf_packet *const *packets, uint16_t ready,
		   uint16_t *used, uint16_t *got, struct hf_tally *tally)
{
	(void)v, (void)packets, (void)ready, (void)used, (void)got, (void)tally;
}

static uint16_t no_enqueue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			   uint16_t used, struct hf_tally *tally)
{
	(void)v, (void)packets, (void)count, (void)used, (void)tally;
	return 0;
}

static void no_peek(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready,
		    uint32_t front)
{
	(void)hop, (void)packets, (void)ready, (void)front;
}

static uint16_t no_forward(const struct hf_hop *hop, struct hf_vring *v,
			   struct hf_packet *const *packets, uint16_t count, uint16_t used,
			   struct hf_tally *tally)
{
	(void)hop, (void)v, (void)packets, (void)count, (void)used, (void)tally;
	return 0;
}

static uint16_t no_packed_dequeue(struct hf_vring *v, struct hf_packet *const *packets,
				  uint16_t room, struct hf_tally *tally, bool *ret_ended)
{
	(void)v, (void)packets, (void)room, (void)tally;
	*ret_ended = true;
	return 0;
}

static uint16_t no_packed_enqueue(struct hf_vring *v, struct hf_packet *const *packets,
				  uint16_t count, struct hf_tally *tally)
{
	(void)v, (void)packets, (void)count, (void)tally;
	return 0;
}

static uint16_t no_packed_forward(const struct hf_hop *hop, struct hf_vring *v,
				  struct hf_packet *const *packets, uint16_t count,
				  struct hf_tally *tally)
{
	(void)hop, (void)v, (void)packets, (void)count, (void)tally;
	return 0;
}

const struct hf_run_ops level_general = {.name = "general",
					 .dequeue = no_run,
					 .enqueue = no_enqueue,
					 .peek = no_peek,
					 .packed_peek = no_peek,
					 .forward = no_forward,
					 .packed_dequeue = no_packed_dequeue,
					 .packed_forward = no_packed_forward,
					 .packed_enqueue = no_packed_enqueue};

uint32_t levels_find(const struct hf_run_ops *ret[LEVELS_MOST])
{
	static const struct hf_run_ops *const levels[] = {
		&hf_run_plain,
#if defined(__x86_64__)
		&hf_run_avx2,
		&hf_run_avx512,
#endif
	};
	uint32_t n = 0;

	ret[n++] = &level_general;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (hf_run_has(levels[i]))
			ret[n++] = levels[i];
	return n;
}
