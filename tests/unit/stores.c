/* SPDX-License-Identifier: Apache-2.0 */
#include "stores.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#define MAX_RANGES 8u
#define MAX_LINES  65536u
#define LINE	   64u
#define TRAP_FLAG  0x100

static struct range {
	uintptr_t start, end;
} ranges[MAX_RANGES];
static size_t nr_ranges;
static uintptr_t lines[MAX_LINES]; /* each once */
static size_t nr_lines;

static void protect(int prot)
{
	for (size_t i = 0; i < nr_ranges; i++)
		if (mprotect((void *)ranges[i].start, ranges[i].end - ranges[i].start, prot))
			abort();
}

static bool is_watched(uintptr_t at)
{
	for (size_t i = 0; i < nr_ranges; i++)
		if (at >= ranges[i].start && at < ranges[i].end)
			return true;
	return false;
}

static bool is_known(uintptr_t line)
{
	for (size_t i = 0; i < nr_lines; i++)
		if (lines[i] == line)
			return true;
	return false;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, line = align_down(at, LINE);
	ucontext_t *at_fault = context;

	(void)signal;
	if (!is_watched(at) || nr_lines == MAX_LINES)
		abort();
	if (!is_known(line))
		lines[nr_lines++] = line;
	protect(PROT_READ | PROT_WRITE);
	at_fault->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *after = context;

	(void)signal;
	(void)info;
	after->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	protect(PROT_READ);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_flags = SA_SIGINFO};

	action.sa_sigaction = handler;
	if (!handler)
		action = (struct sigaction){.sa_handler = SIG_DFL};
	sigaction(signal, &action, NULL);
}

void stores_watch(void *start, size_t bytes)
{
	uintptr_t page = (uintptr_t)getpagesize();

	if (nr_ranges == MAX_RANGES)
		abort();
	ranges[nr_ranges++] = (struct range){align_down((uintptr_t)start, page),
					     align_up((uintptr_t)start + bytes, page)};
}

void stores_begin(void)
{
	nr_lines = 0;
	handle(SIGSEGV, on_fault);
	handle(SIGTRAP, on_step);
	protect(PROT_READ);
}

void stores_end(void)
{
	protect(PROT_READ | PROT_WRITE);
	handle(SIGSEGV, NULL);
	handle(SIGTRAP, NULL);
	nr_ranges = 0;
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
