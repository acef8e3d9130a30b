/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for the parts of one Response: taken one after the other, all given back at once when the
 * Response is packed. What a step takes is bounded by its own constants, not by a client.
 */
#include "control_answer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

void *answer_alloc(struct answer *answer, size_t count, size_t size)
{
	size_t bytes = align_up(count * size, 16);
	void *at = answer->arena + answer->arena_used;

	assert(bytes <= ANSWER_ARENA_BYTES - answer->arena_used);
	answer->arena_used += bytes;
	return memset(at, 0, bytes);
}

char *answer_text(struct answer *answer, const char *format, ...)
{
	char text[256];
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = strlen(text) + 1;
	return memcpy(answer_alloc(answer, len, 1), text, len);
}

char *answer_borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

int answer_refuse(Holdfast__Control__Response *response, int error, const char *reason)
{
	response->reason = answer_borrow(reason);
	return error;
}

const char control_no_port[] = "no such port; holdfast port list shows those there are";
