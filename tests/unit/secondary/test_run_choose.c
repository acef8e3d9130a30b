/* SPDX-License-Identifier: Apache-2.0 */
/* Which level of instructions is run, and what is said when another was asked for. The choice is
 * made once in a process, so each case is a process of its own. */
#include <holdfast/burst.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "levels.h"
#include "log.h"
#include "run.h"
#include "suite.h"

static struct answer {
	char name[16];
	uint32_t lines;
	char line[256];
} answer;

static void take_line(void *context, int priority, const char *tag, const char *line)
{
	(void)context;
	(void)tag;
	answer.lines += priority == HF_LOG_WARNING;
	snprintf(answer.line, sizeof(answer.line), "%s", line);
}

/* What a process chooses with HOLDFAST_SIMD=wanted; NULL: unset. */
static void ask(const char *wanted)
{
	int fds[2], status;
	pid_t pid;

	memset(&answer, 0, sizeof(answer));
	REQUIRE(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		unsetenv("HOLDFAST_SIMD");
		if (wanted)
			setenv("HOLDFAST_SIMD", wanted, 1);
		hf_log_set_sink(take_line, NULL);
		(void)hf_run_choose();
		snprintf(answer.name, sizeof(answer.name), "%s", hf_burst_level());
		_exit(write(fds[1], &answer, sizeof(answer)) != sizeof(answer));
	}
	REQUIRE(pid > 0);
	REQUIRE(read(fds[0], &answer, sizeof(answer)) == sizeof(answer));
	REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
	close(fds[0]);
	close(fds[1]);
}

/* The kernel's word for it, not the library's: the flags of the first processor. */
static const char *flags_of_processor(void)
{
	static char line[16384];
	FILE *file = fopen("/proc/cpuinfo", "re");
	bool found = false;

	REQUIRE(file != NULL);
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "flags\t", 6);
	(void)fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return found ? line : "";
}

static bool has_flag(const char *flag)
{
	size_t len = strlen(flag);

	for (const char *at = flags_of_processor(); (at = strchr(at, ' ')); at++)
		if (!strncmp(at + 1, flag, len) && (at[len + 1] == ' ' || !at[len + 1]))
			return true;
	return false;
}

static bool has(const char *level)
{
	if (!strcmp(level, "avx2"))
		return has_flag("avx2") && has_flag("bmi2");
	if (!strcmp(level, "avx512"))
		return has_flag("avx512f") && has_flag("avx512bw") && has_flag("avx512vl") &&
		       has_flag("bmi2");
	return !strcmp(level, "plain");
}

/* By it other tests find what they run. */
static void the_levels_of_the_processor_are_there_and_no_others(void)
{
	static const struct hf_run_ops *const levels[] = {
#if defined(__x86_64__)
		&hf_run_avx2,
		&hf_run_avx512,
#endif
		&hf_run_plain,
	};
	const struct hf_run_ops *found[LEVELS_MOST];
	uint32_t n = levels_find(found);

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		bool is_found = false;

		for (uint32_t at = 0; at < n; at++)
			is_found |= found[at] == levels[i];
		CHECK_EQ(hf_run_has(levels[i]), has(levels[i]->name));
		CHECK_EQ(is_found, has(levels[i]->name));
	}
}

static void without_a_word_the_best_level_is_run(void)
{
	ask(NULL);
	CHECK_EQ(answer.lines, 0);
	CHECK(!strcmp(answer.name, has("avx512") ? "avx512" : has("avx2") ? "avx2" : "plain"));
	ask("");
	CHECK_EQ(answer.lines, 0);
}

static void a_level_is_run_when_asked_for_or_refused_in_one_line(void)
{
	static const char *const levels[] = {"plain", "avx2", "avx512"};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		ask(levels[i]);
		CHECK_EQ(!strcmp(answer.name, levels[i]), has(levels[i]));
		CHECK_EQ(answer.lines, !has(levels[i]));
	}
}

static void a_word_that_is_no_level_is_refused_in_one_line(void)
{
	char best[16];

	ask(NULL);
	memcpy(best, answer.name, sizeof(best));
	ask("sse9");
	CHECK_EQ(answer.lines, 1);
	CHECK(strstr(answer.line, "HOLDFAST_SIMD=sse9") != NULL);
	CHECK(strstr(answer.line, best) != NULL);
	CHECK(!strcmp(answer.name, best));
}

static const struct sentence sentences[] = {
	SENTENCE(the_levels_of_the_processor_are_there_and_no_others),
	SENTENCE(without_a_word_the_best_level_is_run),
	SENTENCE(a_level_is_run_when_asked_for_or_refused_in_one_line),
	SENTENCE(a_word_that_is_no_level_is_refused_in_one_line),
};
SUITE("run_choose", sentences)
