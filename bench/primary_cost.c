/* SPDX-License-Identifier: Apache-2.0 */
#include "primary_cost.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "control_ask.h"

#define IDLE_SECONDS 3
#define REQUESTS     101u

static uint32_t files_of(pid_t pid)
{
	char path[64];
	uint32_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 2 ? n - 2 : 0; /* "." and ".." */
}

/* Time on a processor, of its only thread. */
static uint64_t busy_ns(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	if (file)
		fclose(file);
	return ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool list_is(const char *run_dir, uint32_t ports)
{
	return control_list(run_dir) == (int)ports;
}

static bool version_is(const char *run_dir, uint32_t pid)
{
	return control_pid(run_dir) == (pid_t)pid;
}

/* Median of so many requests, in microseconds; negative: one was not answered as it should be. */
static double time_requests(bool (*ask)(const char *run_dir, uint32_t expected),
			    const char *run_dir, uint32_t expected)
{
	static uint64_t took[REQUESTS];

	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint64_t begin = hf_now_ns();

		if (!ask(run_dir, expected))
			return -1;
		took[i] = hf_now_ns() - begin;
	}
	qsort(took, REQUESTS, sizeof(took[0]), compare);
	return (double)took[REQUESTS / 2] / 1000;
}

int primary_cost(pid_t pid, const char *run_dir, uint32_t ports, struct bench_cost *ret)
{
	const struct timespec idle = {.tv_sec = IDLE_SECONDS};
	uint64_t before, begin;

	ret->files = files_of(pid);
	before = busy_ns(pid);
	begin = hf_now_ns();
	(void)nanosleep(&idle, NULL);
	ret->idle_us = (double)(busy_ns(pid) - before) * 1e6 / (double)(hf_now_ns() - begin);
	ret->version_us = time_requests(version_is, run_dir, (uint32_t)pid);
	ret->list_us = time_requests(list_is, run_dir, ports);
	return ret->version_us < 0 || ret->list_us < 0 ? -EPROTO : 0;
}
