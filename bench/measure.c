/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A measurement is made of slices that alternate: Holdfast, DPDK, Holdfast, DPDK …
 *
 * Theory of operation. A machine's speed drifts within seconds, by more than the difference we
 * look for, and other work takes the core away now and then. A slice is short, so its two
 * neighbours saw the same machine, and the ratio of neighbours is free of drift. Within a slice
 * the median of its rounds is free of interruptions; of the ratios the median is taken again.
 * Which side goes first changes from pair to pair.
 */
#include "measure.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "cycles.h"
#include "median.h"

#define MAX_ROUNDS 4096u
#define WARM_UP	   8u

/* Median cost of one packet (or poll) over `ns` of rounds; then a round that compares. */
static int run_slice(struct side *side, const struct bench_case *c, uint64_t ns, double *ret)
{
	static double costs[MAX_ROUNDS];
	uint64_t end = hf_now_ns() + ns;
	uint32_t n = 0;

	for (uint32_t i = 0; i < WARM_UP || (n < MAX_ROUNDS && hf_now_ns() < end); i++) {
		struct round round = {0};
		int error = c->op->round(side, c, &round);

		if (error)
			return error;
		if (i >= WARM_UP)
			costs[n++] = (double)round.cycles / round.done;
		else if (i == WARM_UP - 1)
			costs[0] = (double)round.cycles / round.done;
	}
	*ret = median(costs, n ? n : 1);
	return c->op->verify ? c->op->verify(side, c) : 0;
}

/* Contents first, on both sides: it also writes every buffer once. */
static int verify_both(struct side sides[2], const struct bench_case *c)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < 2 && c->op->verify; i++)
		error = c->op->verify(&sides[i], c);
	return error;
}

int measure(struct side sides[2], const struct bench_case *c, uint32_t slices, uint32_t slice_ms,
	    struct result *ret)
{
	double *costs[2] = {calloc(slices, sizeof(double)), calloc(slices, sizeof(double))};
	double *ratios = calloc(slices, sizeof(double));
	int error = costs[0] && costs[1] && ratios ? verify_both(sides, c) : -ENOMEM;

	for (uint32_t i = 0; !error && i < slices; i++) {
		uint32_t first = i % 2;

		error = run_slice(&sides[first], c, slice_ms * NS_PER_MS, &costs[first][i]);
		if (!error)
			error = run_slice(&sides[!first], c, slice_ms * NS_PER_MS,
					  &costs[!first][i]);
		if (!error)
			ratios[i] = costs[1][i] / costs[0][i];
	}
	if (!error)
		*ret = (struct result){*c, median(costs[0], slices), median(costs[1], slices),
				       median(ratios, slices)};
	free(costs[0]);
	free(costs[1]);
	free(ratios);
	return error;
}

double cycles_per_second(void)
{
	uint64_t ns = hf_now_ns(), cycles = cycles_now();

	while (hf_now_ns() - ns < 50 * NS_PER_MS)
		;
	cycles = cycles_now() - cycles;
	return (double)cycles * NS_PER_S / (double)(hf_now_ns() - ns);
}
