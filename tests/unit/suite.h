/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One test program: a table of sentences, run by CUnit in verbose mode. Exit status 1 when one of
 * them is not true. Test functions are named by what they show; SENTENCE turns the name into the
 * sentence. CUnit's assertions are not thread-safe: threads count, the test function asserts.
 * A sentence after which the process has more descriptors or shared maps than before is not true.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd_ledger.h"

struct sentence {
	const char *name;
	void (*test)(void);
	const char *door; /* NULL: any */
};

#define SENTENCE(function)                                                                         \
	{                                                                                          \
#function, function, NULL                                                          \
	}
/* It speaks of what only that door has: "vhost-user" or "cuse". */
#define SENTENCE_OF(door, function)                                                                \
	{                                                                                          \
#function, function, door                                                          \
	}

/* The same for a case of the catalogue of hostile inputs: its ids in square brackets behind it. */
#define CATALOGUE(function, ids)                                                                   \
	{                                                                                          \
#function " " ids, function, NULL                                                  \
	}

/* Both. */
#define CATALOGUE_OF(door, function, ids)                                                          \
	{                                                                                          \
#function " " ids, function, door                                                  \
	}

/* As CU_ASSERT, but a failure shows both numbers. */
#define CHECK_EQ(actual, expected)                                                                 \
	suite_check_equal((long long)(actual), (long long)(expected), #actual, #expected,          \
			  __FILE__, __LINE__)
#define CHECK(condition)                                                                           \
	CU_assertImplementation(!!(condition), __LINE__, #condition, __FILE__, "", CU_FALSE)
/* Does this program run several times slower, and keep what was freed? */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUITE_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SUITE_SANITIZED true
#endif
#endif
#ifndef SUITE_SANITIZED
#define SUITE_SANITIZED false
#endif

/* What the rest of the test cannot go on without. */
#define REQUIRE(condition) CU_ASSERT_FATAL(condition)

static inline void suite_check_equal(long long actual, long long expected, const char *what,
				     const char *wanted, const char *file, unsigned int line)
{
	char text[384] = "equal";

	if (actual != expected)
		snprintf(text, sizeof(text), "%s is %lld (0x%llx), not %s = %lld (0x%llx)", what,
			 actual, (unsigned long long)actual, wanted, expected,
			 (unsigned long long)expected);
	CU_assertImplementation(actual == expected, line, text, file, "", CU_FALSE);
}

/* How front-ends come in, in this run of an end-to-end suite. */
static inline const char *suite_door(void)
{
	const char *door = getenv("HF_TEST_DOOR");

	return door ? door : "vhost-user";
}

/* All of a product, instead of a share of it. */
static inline bool suite_is_long(void)
{
	return getenv("HF_TEST_LONG") != NULL;
}

static inline int *suite_ledger(void)
{
	static int before[2];

	return before;
}

static inline void suite_before_each(void)
{
	suite_ledger()[0] = fds_open();
	suite_ledger()[1] = maps_shared();
}

static inline void suite_after_each(void)
{
	CHECK_EQ(fds_open(), suite_ledger()[0]);
	CHECK_EQ(maps_shared(), suite_ledger()[1]);
}

static inline int suite_run(const char *name, const struct sentence *sentences, size_t count)
{
	CU_pSuite suite;
	unsigned int failures, added = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	suite = CU_add_suite_with_setup_and_teardown(name, NULL, NULL, suite_before_each,
						     suite_after_each);
	for (size_t i = 0; suite && i < count; i++) {
		if (sentences[i].door && strcmp(sentences[i].door, suite_door()) != 0)
			continue;
		if (!CU_add_test(suite, sentences[i].name, sentences[i].test))
			suite = NULL;
		added++;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (!suite || CU_basic_run_tests() != CUE_SUCCESS || CU_get_number_of_tests_run() != added)
		return EXIT_FAILURE;
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The program's main(). */
#define SUITE(name, sentences)                                                                     \
	int main(void)                                                                             \
	{                                                                                          \
		return suite_run(name, sentences, sizeof(sentences) / sizeof((sentences)[0]));     \
	}

#endif
