/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often, and how wide, a piece of code reads and writes single words of memory: each access to
 * watched pages (page_watch.h), and what objdump says of the instruction that made it. So it is
 * what the compiler really made of the source.
 */
#ifndef TESTS_WORDS_H
#define TESTS_WORDS_H

#include <stddef.h>

/* Watch these pages; from here on … */
void words_begin(void *start, size_t bytes);
/* … to here. The accesses in between are kept until the next begin. */
void words_end(void);

/* What became of one word. */
struct word {
	unsigned int reads;
	unsigned int writes;
	unsigned int odd; /* that were of a part, or of more; said on stderr */
};
struct word words_look(const void *word, size_t bytes);

/* The same of the aligned words of so many bytes that an area is made of. One access may take
 * several of them; odd is one that cuts a word. */
struct word words_look_all(const void *area, size_t bytes, size_t each);

#endif
