/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control command, and each call in turn that it makes fails. It says what it says otherwise,
 * whole, or ends with another status and a line that says why.
 */
#include <ctype.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "program.h"
#include "suite.h"
#include "world.h"

#define MOST   60u /* of one command, without HF_TEST_LONG */
#define BROKEN 3u  /* so many that are wrong say enough */
#define ROOM   65536u
#define WORDS  6u

static struct world world;
static char expected[ROOM], said[ROOM], complaint[ROOM];
static int expected_status;

static const char *const commands[][WORDS] = {
	{"version"},
	{"port", "list"},
	{"port", "list", "-o", "json"},
	{"port", "show", "p0"},
	{"secondary", "list"},
	{"feature", "get"},
	{"health"},
};

/* Times and numbers of processes are others each time, and so is a time's unit. */
static void mask_numbers(char *text)
{
	const char *from = text;
	char *to = text;

	while (*from) {
		bool number = isdigit((unsigned char)*from);

		if (!number && *from != ' ' && *from != '.')
			*to++ = *from;
		from++;
		if (!number)
			continue;
		from += strspn(from, "0123456789. ");
		from += strspn(from, "abcdefghijklmnopqrstuvwxyz");
	}
	*to = '\0';
}

static void run(struct program *program, const char *const *words)
{
	const char *argv[WORDS + 4] = {getenv("HOLDFAST"), "--run-dir", world.dir};

	REQUIRE(argv[0] != NULL);
	for (size_t i = 0; i < WORDS && words[i]; i++)
		argv[3 + i] = words[i];
	faults_begin();
	program_start(program, argv);
	faults_end();
	if (!program_ended(program, 20000))
		program_end(program, SIGKILL);
	(void)program_said(program->out, said, sizeof(said));
	mask_numbers(said);
	(void)program_said(program->err, complaint, sizeof(complaint));
}

static uint32_t run_undisturbed(const char *const *words)
{
	struct program program;
	uint32_t of;

	faults_arm(0, FAULT_ALL, FAULT_ERROR, 0, 0);
	run(&program, words);
	of = faults_disarm(NULL);
	CHECK(WIFEXITED(program.status) && *said);
	expected_status = WEXITSTATUS(program.status);
	strcpy(expected, said);
	program_forget(&program);
	return of;
}

static bool is_right(const struct program *program)
{
	/* What it cannot get while it prints, libsmartcols leaves out, and says nothing. */
	if (strstr(faults_where(), "libsmartcols"))
		return WIFEXITED(program->status);
	if (program_exited_with(program, expected_status) && !*complaint)
		return strcmp(said, expected) == 0;
	return WIFEXITED(program->status) && strchr(complaint, '\n');
}

static void sweep_command(const char *const *words)
{
	struct sweep sweep = sweep_over(run_undisturbed(words), MOST);
	uint32_t wrong = 0;

	CHECK(sweep.of > 0);
	while (wrong < BROKEN && sweep_next(&sweep)) {
		struct program program;
		bool right;

		faults_arm(0, FAULT_ALL, FAULT_ERROR, sweep.at, 1);
		run(&program, words);
		faults_disarm(NULL);
		right = is_right(&program);
		if (!right)
			printf("    %s %s, call %u: %s; status 0x%x, and said:\n%s%s\n", words[0],
			       words[1] ? words[1] : "", sweep.at, faults_where(),
			       (unsigned int)program.status, said, complaint);
		wrong += !right;
		CHECK(right);
		program_forget(&program);
	}
}

static void a_command_says_all_or_why_not(void)
{
	static const char *const arguments[] = {"--port",	   "p0", "--port", "p1",
						"--no-huge-pages", NULL};

	faults_open();
	world_open(&world, arguments);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		sweep_command(commands[i]);
	world_close(&world);
	faults_close();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_command_says_all_or_why_not, "[F-7]"),
};
SUITE("sweep_control", sentences)
