/* SPDX-License-Identifier: Apache-2.0 */
/* A change of feature bits in words, for events. */
#ifndef PRIMARY_FEATURE_WORDS_H
#define PRIMARY_FEATURE_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* What was lost and gained from `before` to `after`, and the header's length if it changes; as far
 * as it goes into `size`; returns `room`. */
const char *feature_change_words(uint64_t before, uint64_t after, char *room, size_t size);

#endif
