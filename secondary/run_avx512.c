/* SPDX-License-Identifier: Apache-2.0 */
#include "run_core.h"

const struct hf_run_ops hf_run_avx512 = RUN_OPS("avx512");
