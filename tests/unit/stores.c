/* SPDX-License-Identifier: Apache-2.0 */
#include "stores.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"
#include "page_watch.h"

#define MAX_LINES 65536u
#define LINE	  64u

static uintptr_t lines[MAX_LINES]; /* each once */
static size_t nr_lines;

static bool is_known(uintptr_t line)
{
	for (size_t i = 0; i < nr_lines; i++)
		if (lines[i] == line)
			return true;
	return false;
}

static void note(const struct access *access)
{
	uintptr_t line = align_down(access->at, LINE);

	if (nr_lines == MAX_LINES)
		abort();
	if (!is_known(line))
		lines[nr_lines++] = line;
}

void stores_watch(void *start, size_t bytes)
{
	watch_add(start, bytes);
}

void stores_begin(void)
{
	nr_lines = 0;
	watch_begin(PROT_READ, note);
}

void stores_end(void)
{
	watch_end();
}

size_t stores_lines(const void *start, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < nr_lines; i++)
		n += lines[i] >= (uintptr_t)start && lines[i] < (uintptr_t)start + bytes;
	return n;
}

bool stores_hit(const void *at)
{
	return is_known(align_down((uintptr_t)at, LINE));
}
