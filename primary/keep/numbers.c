/* SPDX-License-Identifier: Apache-2.0 */
#include "numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

/* Of the 128 KiB that one string of the environment may have. */
#define NAMES_BYTES (120u * 1024)
/* What one takes, about. */
#define USUAL_NAME_BYTES 8u

void numbers_init(struct numbers *numbers, uint32_t first, bool names_bounded)
{
	*numbers = (struct numbers){.first = first,
				    .hint = first,
				    .names_room = names_bounded ? NAMES_BYTES : SIZE_MAX};
}

void numbers_destroy(struct numbers *numbers)
{
	for (uint32_t i = 0; i < numbers->count; i++)
		hf_fd_close(&numbers->of[i].fd);
	free(numbers->of);
	open_files_free(&numbers->files);
}

bool numbers_has(const struct numbers *numbers, uint32_t number)
{
	return number && number < numbers->count && numbers->of[number].fd >= 0;
}

/* So many names fit into so many bytes. */
static uint64_t names_in(size_t bytes)
{
	return bytes > NUMBERS_NAME_ROOM ? (bytes - NUMBERS_NAME_ROOM) / USUAL_NAME_BYTES : 0;
}

uint64_t numbers_room(const struct numbers *numbers)
{
	return names_in(numbers->names_room - numbers->names_bytes);
}

uint64_t numbers_most(const struct numbers *numbers)
{
	return names_in(numbers->names_room);
}

void numbers_name(const struct numbers *numbers, uint32_t number, char *room)
{
	snprintf(room, NUMBERS_NAME_ROOM, "%c%u", numbers->of[number].kind, number);
}

/* In the environment, with the colon behind it. */
static size_t name_bytes(const struct numbers *numbers, uint32_t number)
{
	char name[NUMBERS_NAME_ROOM];

	numbers_name(numbers, number, name);
	return strlen(name) + 1;
}

static bool is_free(const struct numbers *numbers, uint32_t number)
{
	const struct number *n = &numbers->of[number];

	return n->fd < 0 && !n->references && !n->there && !n->owed;
}

static void look_here_first(struct numbers *numbers, uint32_t number)
{
	if (number >= numbers->first && number < numbers->hint && is_free(numbers, number))
		numbers->hint = number;
}

uint32_t numbers_free(const struct numbers *numbers)
{
	uint32_t i = numbers->hint;

	while (i < numbers->count && !is_free(numbers, i))
		i++;
	return i;
}

static int make_room(struct numbers *numbers, uint32_t number)
{
	uint32_t wanted = numbers->count ? numbers->count : 64;
	struct number *bigger;

	if (number < numbers->count)
		return 0;
	while (wanted <= number)
		wanted *= 2;
	bigger = reallocarray(numbers->of, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	for (uint32_t i = numbers->count; i < wanted; i++)
		bigger[i] = (struct number){.fd = -1};
	numbers->of = bigger;
	numbers->count = wanted;
	return 0;
}

int numbers_enter(struct numbers *numbers, uint32_t number, char kind, int fd)
{
	int error = number < NUMBERS_MAX ? make_room(numbers, number) : -ENOSPC;

	if (!error && numbers->of[number].fd >= 0)
		error = -EEXIST;
	if (!error && numbers->names_bytes + NUMBERS_NAME_ROOM > numbers->names_room)
		error = -ENOSPC;
	if (!error)
		error = open_files_add(&numbers->files, fd, number);
	if (error) {
		hf_fd_close(&fd);
		return error;
	}
	numbers->of[number].fd = fd;
	numbers->of[number].kind = kind;
	numbers->names_bytes += name_bytes(numbers, number);
	return 0;
}

void numbers_leave(struct numbers *numbers, uint32_t number)
{
	open_files_remove(&numbers->files, number);
	numbers->names_bytes -= name_bytes(numbers, number);
	hf_fd_close(&numbers->of[number].fd);
	look_here_first(numbers, number);
}

void numbers_reference(struct numbers *numbers, uint32_t number)
{
	if (number && number < NUMBERS_MAX && make_room(numbers, number) == 0)
		numbers->of[number].references++;
}

void numbers_there(struct numbers *numbers, uint32_t number, bool there)
{
	numbers->of[number].there = there;
	look_here_first(numbers, number);
}
