/* SPDX-License-Identifier: Apache-2.0 */
#include "page_watch.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#define MAX_RANGES 8u
#define TRAP_FLAG  0x100
#define FOR_WRITE  0x2 /* in the error code of a page fault */

static struct range {
	uintptr_t start, end;
} ranges[MAX_RANGES];
static size_t nr_ranges;
static int allowed;
static void (*told)(const struct access *access);

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

static void on_fault(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at_fault = context;
	greg_t *registers = at_fault->uc_mcontext.gregs;
	struct access access = {.at = (uintptr_t)info->si_addr,
				.by = (uintptr_t)registers[REG_RIP],
				.writes = registers[REG_ERR] & FOR_WRITE};

	(void)signal;
	if (!is_watched(access.at))
		abort();
	told(&access);
	protect(PROT_READ | PROT_WRITE);
	registers[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *after = context;

	(void)signal;
	(void)info;
	after->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	protect(allowed);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_flags = SA_SIGINFO};

	action.sa_sigaction = handler;
	if (!handler)
		action = (struct sigaction){.sa_handler = SIG_DFL};
	sigaction(signal, &action, NULL);
}

void watch_add(void *start, size_t bytes)
{
	uintptr_t page = (uintptr_t)getpagesize();

	if (nr_ranges == MAX_RANGES)
		abort();
	ranges[nr_ranges++] = (struct range){align_down((uintptr_t)start, page),
					     align_up((uintptr_t)start + bytes, page)};
}

void watch_begin(int prot, void (*note)(const struct access *access))
{
	allowed = prot;
	told = note;
	handle(SIGSEGV, on_fault);
	handle(SIGTRAP, on_step);
	protect(prot);
}

void watch_end(void)
{
	protect(PROT_READ | PROT_WRITE);
	handle(SIGSEGV, NULL);
	handle(SIGTRAP, NULL);
	nr_ranges = 0;
}
