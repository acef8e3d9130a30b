/* SPDX-License-Identifier: Apache-2.0 */
#include "switches.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "log.h"

#define TAG "supervisor"

/* The same command twice, and no two secondaries have one name: the library reads which this is. */
static void become_switch(const struct child *child)
{
	const struct one_switch *one = container_of(child, const struct one_switch, child);
	char line[CONF_RUN_BYTES + 8], instance[24];

	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	snprintf(instance, sizeof(instance), "%zu", one->instance);
	(void)setenv("HOLDFAST_INSTANCE", instance, 1);
	snprintf(line, sizeof(line), "exec %s", one->command);
	execl("/bin/sh", "sh", "-c", line, NULL);
}

static void switch_died(struct child *child, int status)
{
	const struct one_switch *one = container_of(child, const struct one_switch, child);

	if (one->all->ending)
		return;
	child_back_off(child, hf_now_ns());
	log_warning(TAG, "%s ended (%s %d): starting it again in %llu ms", one->command,
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    (unsigned long long)(child->backoff_ns / NS_PER_MS));
}

void switches_make(struct switches *switches, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nr_runs; i++)
		for (size_t n = 0; n < SWITCHES_EACH; n++)
			switches->of[switches->count++] = (struct one_switch){
				.child = {.become = become_switch, .died = switch_died},
				.all = switches,
				.command = conf->runs[i],
				.instance = n + 1};
}

void switches_begin(struct switches *switches)
{
	for (size_t i = 0; i < switches->count; i++)
		switches->of[i].child.start_at_ns = hf_now_ns();
}

void switches_end(struct switches *switches)
{
	switches->ending = true;
	for (size_t i = 0; i < switches->count; i++)
		switches->of[i].child.start_at_ns = 0;
}
