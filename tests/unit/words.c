/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page_watch.h"

#define MAX_ACCESSES 65536u
#define MAX_PLACES   256u /* instructions */

static struct access accesses[MAX_ACCESSES];
static size_t nr_accesses;

static struct place {
	uintptr_t at;
	size_t width; /* of its operand in memory; 0: not known */
	char text[128];
} places[MAX_PLACES];
static size_t nr_places;

static void note(const struct access *access)
{
	if (nr_accesses == MAX_ACCESSES)
		abort();
	accesses[nr_accesses++] = *access;
}

void words_begin(void *start, size_t bytes)
{
	nr_accesses = 0;
	watch_add(start, bytes);
	watch_begin(PROT_NONE, note);
}

void words_end(void)
{
	watch_end();
}

/* The program itself is the first object; what it was moved by. */
static int first_object(struct dl_phdr_info *info, size_t size, void *bias)
{
	(void)size;
	*(uintptr_t *)bias = info->dlpi_addr;
	return 1;
}

/* "movzx eax,WORD PTR [rdx+0x2]" */
static size_t width_of(const char *text)
{
	static const char *const names[] = {"BYTE",    "WORD",	  "DWORD",  "QWORD",
					    "XMMWORD", "YMMWORD", "ZMMWORD"};
	const char *end = strstr(text, " PTR "), *name = end;

	while (name && name > text && name[-1] >= 'A' && name[-1] <= 'Z')
		name--;
	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == (size_t)(end - name) &&
		    !strncmp(names[i], name, (size_t)(end - name)))
			return (size_t)1 << i;
	return 0;
}

/* In Intel's syntax each operand in memory says its size. */
static void disassemble(struct place *place)
{
	char command[256], line[sizeof(place->text)];
	uintptr_t bias = 0;
	FILE *out;

	(void)dl_iterate_phdr(first_object, &bias);
	snprintf(command, sizeof(command),
		 "objdump -d -w -M intel --no-show-raw-insn --start-address=%#lx "
		 "--stop-address=%#lx /proc/%ld/exe",
		 (unsigned long)(place->at - bias), (unsigned long)(place->at - bias + 15),
		 (long)getpid());
	out = popen(command, "re");
	while (out && fgets(line, sizeof(line), out))
		if (strchr(line, '\t') && !*place->text)
			snprintf(place->text, sizeof(place->text), "%s", strchr(line, '\t') + 1);
	if (out)
		(void)pclose(out);
	place->width = width_of(place->text);
}

static const struct place *place_of(uintptr_t at)
{
	for (size_t i = 0; i < nr_places; i++)
		if (places[i].at == at)
			return &places[i];
	if (nr_places == MAX_PLACES)
		abort();
	places[nr_places] = (struct place){.at = at};
	disassemble(&places[nr_places]);
	return &places[nr_places++];
}

static void say(const struct access *access, const struct place *place, uintptr_t word)
{
	fprintf(stderr, "%s of %zu bytes, %ld behind the word's first: %s",
		access->writes ? "write" : "read", place->width, (long)(access->at - word),
		*place->text ? place->text : "(not in this program)\n");
}

struct word words_look_all(const void *area, size_t bytes, size_t each)
{
	uintptr_t start = (uintptr_t)area, end = start + bytes;
	struct word found = {0};

	for (size_t i = 0; i < nr_accesses; i++) {
		const struct access *a = &accesses[i];
		const struct place *place;

		/* The widest instruction that there is begins no farther before. */
		if (a->at >= end || a->at + 64 <= start)
			continue;
		place = place_of(a->by);
		if (a->at < start && a->at + place->width <= start)
			continue;
		if (a->writes)
			found.writes++;
		else
			found.reads++;
		if (a->at >= start && (a->at - start) % each == 0 && place->width &&
		    place->width % each == 0 && a->at + place->width <= end)
			continue;
		found.odd++;
		say(a, place, start);
	}
	return found;
}

struct word words_look(const void *word, size_t bytes)
{
	return words_look_all(word, bytes, bytes);
}
