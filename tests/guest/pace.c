/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each answer to a ping came, so that it can be said afterwards how long the longest silence was around any event, and
 * which answers never came. Runs inside the test guests (static), and on the host side of an uplink.
 *
 *   ping -i 0.01 ADDRESS | pace record FILE
 *   pace gaps FILE FROM
 *
 * record appends to FILE as the answers come, and passes on every other line of ping's. gaps looks at the answers from record
 * FROM on (0: the first there is), and prints one line of name=value words; next= is the FROM of the next window, so that
 * windows leave nothing out and count nothing twice.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct answer {
	uint64_t us;
	uint64_t number;
};

struct window {
	uint64_t answers, lost, late, longest_gap_us;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ping's own number has 16 bits: `newest` says which of those that end so it is. */
static uint64_t widen(uint16_t seen, uint64_t newest)
{
	return newest + (uint64_t)(int64_t)(int16_t)(uint16_t)(seen - (uint16_t)newest);
}

static int record(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	uint64_t newest = 0;
	char line[256];

	if (fd < 0) {
		fprintf(stderr, "pace: cannot write %s: %m\n", path);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		const char *at = strstr(line, "seq=");
		struct answer answer = {.us = now_us()};

		if (!at) {
			fputs(line, stdout);
			fflush(stdout);
			continue;
		}
		answer.number = widen((uint16_t)strtoul(at + 4, NULL, 10), newest);
		newest = answer.number > newest ? answer.number : newest;
		if (write(fd, &answer, sizeof(answer)) != sizeof(answer))
			return 1;
	}
	return 0;
}

/* `all[from - 1]` is the last answer of the window before. */
static struct window look(const struct answer *all, size_t from, size_t count)
{
	uint64_t before = 0, newest, fresh = 0;
	struct window w = {0};

	for (size_t i = 0; i < from; i++)
		before = all[i].number > before ? all[i].number : before;
	/* Numbers begin with 0. */
	newest = from ? before : UINT64_MAX;
	for (size_t i = from; i < count; i++) {
		uint64_t gap = i ? all[i].us - all[i - 1].us : 0;

		w.answers++;
		w.longest_gap_us = gap > w.longest_gap_us ? gap : w.longest_gap_us;
		if (from && all[i].number <= before)
			w.late++;
		else
			fresh++;
		if (newest == UINT64_MAX || all[i].number > newest)
			newest = all[i].number;
	}
	/* An answer that came twice would make this one too few: UINT64_MAX in print is seen. */
	w.lost = count > from ? newest - (from ? before : UINT64_MAX) - fresh : 0;
	return w;
}

static int gaps(const char *path, size_t from)
{
	int fd = open(path, O_RDONLY);
	struct stat status;
	struct answer *all;
	struct window w;
	size_t count;

	if (fd < 0 || fstat(fd, &status) < 0) {
		fprintf(stderr, "pace: cannot read %s: %m\n", path);
		return 1;
	}
	count = (size_t)status.st_size / sizeof(*all);
	all = calloc(count + 1, sizeof(*all));
	if (!all || from > count || read(fd, all, count * sizeof(*all)) != (ssize_t)(count * sizeof(*all))) {
		fprintf(stderr, "pace: %s has %zu answers\n", path, count);
		return 1;
	}
	w = look(all, from, count);
	printf("answers=%llu lost=%lld late=%llu longest_gap_us=%llu next=%zu\n", (unsigned long long)w.answers,
	       (long long)w.lost, (unsigned long long)w.late, (unsigned long long)w.longest_gap_us, count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "record") == 0)
		return record(argv[2]);
	if (argc == 4 && strcmp(argv[1], "gaps") == 0)
		return gaps(argv[2], strtoul(argv[3], NULL, 10));
	fprintf(stderr, "usage: pace record FILE | pace gaps FILE FROM\n");
	return 2;
}
