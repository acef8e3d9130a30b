/* SPDX-License-Identifier: Apache-2.0 */
/* Facts from files and from replies. Nothing here judges. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "fd.h"

#define MOST_NODES 64

/* A whole small file as text; "" when it cannot be read. /proc files of processes that go away
 * under our hands are a normal case. */
static void slurp(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);

	buffer[n > 0 ? n : 0] = '\0';
	hf_fd_close(&fd);
}

static void look_at_directory(const char *path, gid_t group, struct path_facts *ret)
{
	const char *end = strrchr(path, '/');
	struct stat st;

	if (!end || end == path || (size_t)(end - path) >= sizeof(ret->dir))
		return;
	memcpy(ret->dir, path, (size_t)(end - path));
	if (stat(ret->dir, &st) < 0) {
		ret->dir[0] = '\0';
		return;
	}
	ret->dir_mode = st.st_mode;
	ret->dir_group = st.st_gid == group;
}

void doctor_look_at_path(const char *path, struct path_facts *ret)
{
	const struct passwd *user;
	const struct group *group;
	struct stat st;

	*ret = (struct path_facts){0};
	if (lstat(path, &st) < 0) {
		ret->error = errno;
		return;
	}
	ret->mode = st.st_mode;
	look_at_directory(path, st.st_gid, ret);
	user = getpwuid(st.st_uid);
	group = getgrgid(st.st_gid);
	if (user)
		snprintf(ret->owner, sizeof(ret->owner), "%s", user->pw_name);
	else
		snprintf(ret->owner, sizeof(ret->owner), "%u", st.st_uid);
	if (group)
		snprintf(ret->group, sizeof(ret->group), "%s", group->gr_name);
	else
		snprintf(ret->group, sizeof(ret->group), "%u", st.st_gid);
}

static int node_of_processor(unsigned processor)
{
	for (int node = 0; node < MOST_NODES; node++) {
		char path[96];

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%d", processor,
			 node);
		if (access(path, F_OK) == 0)
			return node;
	}
	return -1;
}

/* "pid (name) S ..." : the name may hold anything, so count from the last parenthesis. The
 * processor is field 39, the state field 3. */
static void parse_stat(const char *stat, struct process_facts *ret)
{
	const char *at = strrchr(stat, ')');

	if (!at || at[1] != ' ' || !at[2])
		return;
	at += 2;
	ret->state = *at;
	for (int field = 3; field < 39; field++) {
		at = strchr(at, ' ');
		if (!at)
			return;
		at++;
	}
	ret->node = node_of_processor((unsigned)strtoul(at, NULL, 10));
}

void doctor_look_at_process(int pid, struct process_facts *ret)
{
	char path[64], text[1024];

	*ret = (struct process_facts){.state = '?', .node = -1};
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	slurp(path, text, sizeof(text));
	parse_stat(text, ret);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	slurp(path, text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	snprintf(ret->name, sizeof(ret->name), "%.31s", text);
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void count_one(const pb_counter *counter, struct counter_facts *ret)
{
	if (!strcmp(counter->name, "guest_notifications_error"))
		ret->notification_errors += counter->value;
	if (!strcmp(counter->name, "no_guest_buffer"))
		ret->no_buffer += counter->value;
	if (!starts_with(counter->name, "drop_") && !starts_with(counter->name, "break_"))
		return;
	ret->dropped += counter->value;
	if (counter->value > ret->worst_value) {
		ret->worst_value = counter->value;
		snprintf(ret->worst, sizeof(ret->worst), "%s", counter->name);
	}
}

void doctor_count(const struct reply *stats, const char *port, struct counter_facts *ret)
{
	*ret = (struct counter_facts){0};
	for (size_t i = 0; i < stats->nr_parts; i++) {
		const Holdfast__Control__StatsReply *part = stats->parts[i]->stats;

		for (size_t v = 0; v < part->n_vrings; v++) {
			if (strcmp(part->vrings[v]->port, port) != 0)
				continue;
			for (size_t c = 0; c < part->vrings[v]->n_counters; c++)
				count_one(part->vrings[v]->counters[c], ret);
		}
	}
}

/* The number behind "Key:" in a file of such lines. */
static uint64_t number_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void look_at_huge_pages(struct host_facts *ret)
{
	char text[4096];

	slurp("/proc/meminfo", text, sizeof(text));
	ret->huge_total = number_of(text, "HugePages_Total:");
	ret->huge_free = number_of(text, "HugePages_Free:");
	ret->huge_bytes = number_of(text, "Hugepagesize:") * 1024;
}

static uint64_t limit_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	if (!at)
		return 0;
	at += strlen(key);
	at += strspn(at, " ");
	return starts_with(at, "unlimited") ? UINT64_MAX : strtoull(at, NULL, 10);
}

static void look_at_limits(int pid, struct host_facts *ret)
{
	char path[64], text[4096];

	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	slurp(path, text, sizeof(text));
	if (!text[0])
		return;
	ret->have_limits = true;
	ret->memlock = limit_of(text, "Max locked memory");
	ret->open_files = limit_of(text, "Max open files");
}

void doctor_look_at_host(int primary_pid, struct host_facts *ret)
{
	look_at_huge_pages(ret);
	look_at_limits(primary_pid, ret);
	ret->have_kvm = access("/dev/kvm", F_OK) == 0;
	ret->kvm_usable = access("/dev/kvm", R_OK | W_OK) == 0;
}
