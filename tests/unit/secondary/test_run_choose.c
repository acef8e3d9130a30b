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

static bool has(const char *level)
{
	const struct hf_run_ops *levels[LEVELS_MOST];
	uint32_t n = levels_find(levels);

	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(levels[i]->name, level))
			return true;
	return false;
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
	SENTENCE(without_a_word_the_best_level_is_run),
	SENTENCE(a_level_is_run_when_asked_for_or_refused_in_one_line),
	SENTENCE(a_word_that_is_no_level_is_refused_in_one_line),
};
SUITE("run_choose", sentences)
