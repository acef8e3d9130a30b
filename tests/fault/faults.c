/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

/* Only where the shim is linked in. */
__attribute__((weak)) void fault_shim_use(struct fault_page *own);

static struct fault_page *page;
static int page_fd = -1;

void faults_open(void)
{
	char path[64];

	page_fd = memfd_create("faults", 0);
	REQUIRE(page_fd >= 0 && ftruncate(page_fd, FAULT_PAGE_BYTES) == 0);
	page = mmap(NULL, FAULT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	REQUIRE(page != MAP_FAILED);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), page_fd);
	setenv("FAULT_PAGE", path, 1);
	if (fault_shim_use)
		fault_shim_use(page);
}

void faults_close(void)
{
	unsetenv("FAULT_PAGE");
	if (fault_shim_use)
		fault_shim_use(NULL);
	munmap(page, FAULT_PAGE_BYTES);
	close(page_fd);
}

void faults_begin(void)
{
	const char *shim = getenv("FAULT_SHIM");

	if (shim)
		setenv("LD_PRELOAD", shim, 1);
}

void faults_end(void)
{
	unsetenv("LD_PRELOAD");
}

static void arm(const struct fault_page *as)
{
	*page = *as;
	__atomic_store_n(&page->armed, 1, __ATOMIC_RELEASE);
}

void faults_arm(pid_t pid, uint32_t kinds, uint32_t how, uint32_t nth, uint32_t times)
{
	const struct fault_page as = {
		.pid = (uint32_t)pid, .kinds = kinds, .how = how, .nth = nth, .times = times};

	arm(&as);
}

void faults_arm_but(pid_t but, uint32_t kinds, uint32_t how, uint32_t nth)
{
	const struct fault_page as = {
		.but = (uint32_t)but, .kinds = kinds, .how = how, .nth = nth, .times = 1};

	arm(&as);
}

void faults_arm_error(pid_t pid, uint32_t kinds, int error, uint32_t nth)
{
	const struct fault_page as = {.pid = (uint32_t)pid,
				      .kinds = kinds,
				      .nth = nth,
				      .times = 1,
				      .error = (uint32_t)error};

	arm(&as);
}

void faults_arm_error_but(pid_t but, uint32_t kinds, int error, uint32_t nth)
{
	const struct fault_page as = {.but = (uint32_t)but,
				      .kinds = kinds,
				      .nth = nth,
				      .times = 1,
				      .error = (uint32_t)error};

	arm(&as);
}

void faults_arm_every(pid_t pid, uint32_t kinds, uint32_t how, uint32_t every)
{
	const struct fault_page as = {
		.pid = (uint32_t)pid, .kinds = kinds, .how = how, .every = every};

	arm(&as);
}

uint32_t faults_disarm(uint32_t *ret_hit)
{
	__atomic_store_n(&page->armed, 0, __ATOMIC_RELEASE);
	if (ret_hit)
		*ret_hit = page->hit;
	return page->seen;
}

const char *faults_where(void)
{
	static char text[160];

	if (!page->hit)
		return "none failed";
	snprintf(text, sizeof(text), "%s at %s+0x%llx", page->name, page->object,
		 (unsigned long long)page->from);
	return text;
}

struct sweep sweep_over(uint32_t of, uint32_t most)
{
	const char *seed = getenv("HF_TEST_SEED");
	struct sweep sweep = {.of = of, .step = 1};

	if (!getenv("HF_TEST_LONG") && of > most)
		sweep.step = (of + most - 1) / most;
	sweep.at =
		(uint32_t)(seed ? strtoul(seed, NULL, 10) : (unsigned long)time(NULL)) % sweep.step;
	printf("\n    %u calls, each %u. of them from %u\n", of, sweep.step, sweep.at + 1);
	sweep.at += 1 - sweep.step; /* wraps: the first step brings it back */
	return sweep;
}

bool sweep_next(struct sweep *sweep)
{
	sweep->at += sweep->step;
	return sweep->at <= sweep->of;
}
