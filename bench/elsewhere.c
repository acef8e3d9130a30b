/* SPDX-License-Identifier: Apache-2.0 */
#include "elsewhere.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

/* The measuring thread writes `work` and `arg`, then posts `begin`; the other one posts `end`. */
static struct {
	pthread_t thread;
	bool started;
	sem_t begin, end;
	void (*work)(void *arg); /* NULL: over */
	void *arg;
} other;

static void *serve(void *unused)
{
	(void)unused;
	for (;;) {
		while (sem_wait(&other.begin) < 0)
			;
		if (!other.work)
			return NULL;
		other.work(other.arg);
		sem_post(&other.end);
	}
}

int elsewhere_start(uint32_t cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sem_init(&other.begin, 0, 0);
	sem_init(&other.end, 0, 0);
	pthread_attr_init(&attr);
	error = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!error)
		error = pthread_create(&other.thread, &attr, serve, NULL);
	pthread_attr_destroy(&attr);
	if (error)
		fprintf(stderr, "no front-end on CPU %u: %s; see --front-cpu\n", cpu,
			strerror(error));
	other.started = !error;
	return -error;
}

void elsewhere_stop(void)
{
	if (!other.started)
		return;
	other.work = NULL;
	sem_post(&other.begin);
	(void)pthread_join(other.thread, NULL);
	other.started = false;
}

void elsewhere_do(bool elsewhere, void (*work)(void *arg), void *arg)
{
	if (!elsewhere) {
		work(arg);
		return;
	}
	other.work = work;
	other.arg = arg;
	sem_post(&other.begin);
	while (sem_wait(&other.end) < 0)
		;
}
