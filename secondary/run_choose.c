/* SPDX-License-Identifier: Apache-2.0 */
/* Which level of instructions: asked of the processor once, and of the environment. */
#include <holdfast/burst.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "log.h"
#include "run.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct hf_run_ops *chosen = &hf_run_plain;

bool hf_run_has(const struct hf_run_ops *level)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	/* What run_avx512.c and run_avx2.c are compiled for (meson.build). */
	if (level == &hf_run_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2");
	if (level == &hf_run_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#endif
	return level == &hf_run_plain;
}

/* From the highest to the lowest; what the processor and the kernel both have. */
static size_t levels(const struct hf_run_ops *ret[3])
{
	static const struct hf_run_ops *const all[] = {
#if defined(__x86_64__)
		&hf_run_avx512,
		&hf_run_avx2,
#endif
		&hf_run_plain,
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (hf_run_has(all[i]))
			ret[n++] = all[i];
	return n;
}

static void choose(void)
{
	const char *wanted = getenv("HOLDFAST_SIMD");
	const struct hf_run_ops *found[3];
	size_t n = levels(found);

	chosen = found[0];
	if (!wanted || !*wanted)
		return;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(found[i]->name, wanted)) {
			chosen = found[i];
			return;
		}
	log_warning("service",
		    "HOLDFAST_SIMD=%s: not a level of this processor (plain, avx2, avx512); bursts "
		    "run %s",
		    wanted, chosen->name);
}

const struct hf_run_ops *hf_run_choose(void)
{
	(void)pthread_once(&once, choose);
	return chosen;
}

const char *hf_burst_level(void)
{
	return hf_run_choose()->name;
}
