/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/seq.h: a copy is whole or is thrown away, and nobody hangs on a writer that died.
 *
 * The thread test checks a relation between the fields, not a value: any mixture of two writes
 * breaks it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "seq.h"
#include "suite.h"

static void count_is_odd_exactly_while_written(void)
{
	uint32_t seq = 0;

	hf_seq_write_begin(&seq);
	CHECK_EQ(seq, 1);
	hf_seq_write_end(&seq);
	CHECK_EQ(seq, 2);
}

static void a_copy_between_two_equal_even_counts_is_kept(void)
{
	uint32_t seq = 4;
	uint32_t begun = hf_seq_read_begin(&seq);

	CHECK(!hf_seq_read_retry(&seq, begun));
}

static void a_copy_begun_while_odd_is_thrown_away(void)
{
	uint32_t seq = 5;

	CHECK(hf_seq_read_retry(&seq, hf_seq_read_begin(&seq)));
}

static void a_copy_over_a_whole_write_is_thrown_away(void)
{
	uint32_t seq = 4;
	uint32_t begun = hf_seq_read_begin(&seq);

	hf_seq_write_begin(&seq);
	CHECK(hf_seq_read_retry(&seq, begun));
	hf_seq_write_end(&seq);
	CHECK(hf_seq_read_retry(&seq, begun));
}

static void a_writer_after_a_dead_writer_ends_even_and_new(void)
{
	uint32_t seq = 7; /* died in the middle */

	hf_seq_write_begin(&seq);
	CHECK_EQ(seq, 7);
	hf_seq_write_end(&seq);
	CHECK_EQ(seq, 8);
}

static void the_count_wraps_without_losing_its_parity(void)
{
	uint32_t seq = UINT32_MAX - 1;
	uint32_t begun = hf_seq_read_begin(&seq);

	hf_seq_write_begin(&seq);
	CHECK_EQ(seq, UINT32_MAX);
	CHECK(hf_seq_read_retry(&seq, begun));
	hf_seq_write_end(&seq);
	CHECK_EQ(seq, 0);
	CHECK(!hf_seq_read_retry(&seq, hf_seq_read_begin(&seq)));
}

static void words_are_copied_exactly_as_many_as_asked(void)
{
	uint64_t from[4] = {1, 2, 3, 4}, to[4] = {9, 9, 9, 9};

	hf_words_read(to, from, 24);
	CHECK_EQ(to[0] + to[1] + to[2], 6);
	CHECK_EQ(to[3], 9);
	hf_words_write(from, to + 3, 8);
	CHECK_EQ(from[0], 9);
	CHECK_EQ(from[1], 2);
}

#define FIELDS	   16
#define WRITES	   200000
#define NR_READERS 2

struct shared {
	uint32_t seq;
	uint64_t fields[FIELDS]; /* fields[i] == fields[0] * (i + 1) */
	atomic_bool over;
};

struct reader {
	struct shared *shared;
	uint64_t accepted, thrown_away, torn, backwards;
};

static void *write_many(void *argument)
{
	struct shared *shared = argument;
	uint64_t draft[FIELDS];

	for (uint64_t n = 1; n <= WRITES; n++) {
		for (uint64_t i = 0; i < FIELDS; i++)
			draft[i] = n * (i + 1);
		hf_seq_write_begin(&shared->seq);
		hf_words_write(shared->fields, draft, sizeof(draft));
		hf_seq_write_end(&shared->seq);
	}
	atomic_store(&shared->over, true);
	return NULL;
}

static void read_one(struct reader *reader, uint64_t *last)
{
	uint64_t copy[FIELDS];
	uint32_t begun = hf_seq_read_begin(&reader->shared->seq);

	hf_words_read(copy, reader->shared->fields, sizeof(copy));
	if (hf_seq_read_retry(&reader->shared->seq, begun)) {
		reader->thrown_away++;
		return;
	}
	reader->accepted++;
	for (uint64_t i = 0; i < FIELDS; i++)
		reader->torn += copy[i] != copy[0] * (i + 1);
	reader->backwards += copy[0] < *last;
	*last = copy[0];
}

static void *read_many(void *argument)
{
	struct reader *reader = argument;
	uint64_t last = 0;

	do {
		read_one(reader, &last);
	} while (!atomic_load(&reader->shared->over));
	read_one(reader, &last); /* nobody writes any more: must be the last write */
	reader->backwards += last != WRITES;
	return NULL;
}

static void a_torn_copy_is_never_accepted_under_real_threads(void)
{
	static struct shared shared;
	struct reader readers[NR_READERS] = {{.shared = &shared}, {.shared = &shared}};
	pthread_t writer, threads[NR_READERS];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(pthread_create(&threads[i], NULL, read_many, &readers[i]) == 0);
	REQUIRE(pthread_create(&writer, NULL, write_many, &shared) == 0);
	pthread_join(writer, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], NULL);
		CHECK(readers[i].accepted > 0);
		CHECK_EQ(readers[i].torn, 0);
		CHECK_EQ(readers[i].backwards, 0);
	}
	CHECK_EQ(shared.seq, 2 * WRITES);
}

static const struct sentence sentences[] = {
	SENTENCE(count_is_odd_exactly_while_written),
	SENTENCE(a_copy_between_two_equal_even_counts_is_kept),
	SENTENCE(a_copy_begun_while_odd_is_thrown_away),
	SENTENCE(a_copy_over_a_whole_write_is_thrown_away),
	SENTENCE(a_writer_after_a_dead_writer_ends_even_and_new),
	SENTENCE(the_count_wraps_without_losing_its_parity),
	SENTENCE(words_are_copied_exactly_as_many_as_asked),
	SENTENCE(a_torn_copy_is_never_accepted_under_real_threads),
};
SUITE("seq", sentences)
