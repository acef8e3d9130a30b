/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of cuse_looker.c: who looks is this process, when the primary hears. A process for
 * each table would be all that a fuzzer has time for.
 */
#ifndef FUZZ_LOOKER_H
#define FUZZ_LOOKER_H

#include <stdbool.h>

/* Those that begin from now on say nothing, as one that hangs. */
void looker_hang(bool hang);

#endif
