/* SPDX-License-Identifier: Apache-2.0 */
/* Text that may have been chosen by a stranger, and numbers as people read them. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_NUMBER_MAX 32 /* room for what text_size and text_age write */

/* Memory or the end of the program: a command that ran out has nothing sensible left to do, and
 * what it would print is not what is. */
_Noreturn void text_no_memory(void);
void *text_alloc(size_t n, size_t size);
void *text_grow(void *old, size_t n, size_t size);
char *text_copy(const char *text);
__attribute__((format(printf, 1, 2))) char *text_format(const char *format, ...);
__attribute__((format(printf, 1, 0))) char *text_formatv(const char *format, va_list args);

/* Length of the UTF-8 character at `text` and its code point; 0 when it is not one. */
size_t text_utf8(const char *text, uint32_t *ret_code);
/* A copy in which whatever could move a cursor, change a title or turn the direction of writing is
 * a question mark. Caller frees. */
char *text_safe(const char *text);
/* The same, straight to a stream. */
void text_put_safe(FILE *stream, const char *text);

/* "256 MiB", "4 KiB", "123 B": exact or with one digit behind the point. */
const char *text_size(uint64_t bytes, char *buffer);
/* "1.5 s", "12 ms", "3 d 4 h" */
const char *text_age(uint64_t ns, char *buffer);

/* How many single-letter edits lie between two words; words beyond 31 letters count as far. */
size_t text_distance(const char *a, const char *b);

#endif
