/* SPDX-License-Identifier: Apache-2.0 */
/* Feature bits in words, for events. */
#ifndef PRIMARY_FEATURE_WORDS_H
#define PRIMARY_FEATURE_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* The names of the bits that are set, in a row, as far as they go into `size`; returns `room`. */
const char *feature_words(uint64_t features, char *room, size_t size);
/* What was lost and gained from `before` to `after`, and the header's length if it changes. */
const char *feature_change_words(uint64_t before, uint64_t after, char *room, size_t size);

#endif
