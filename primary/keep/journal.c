/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the journal, and finding it again. What is written into it is in files of their own:
 * ports, messages, listeners, secondaries.
 */
#include "journal.h"

#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "fd.h"
#include "log.h"
#include "order.h"
#include "primary.h"
#include "store.h"

#define TAG "journal"

/* No journal has more; what is below cannot overflow. */
#define COUNT_MAX 65536u
#define LANE_MAX  (1u << 30)

/* --- making and finding it --- */

static uint64_t secondary_stride(uint32_t max_devices, uint64_t lane_bytes)
{
	return align_up(sizeof(struct journal_secondary) + max_devices * sizeof(uint64_t) +
				lane_bytes / sizeof(struct hf_lane_vring) *
					sizeof(struct journal_lane),
			HF_SHM_LINE);
}

/* The lane is rounded up to whole pages, hugepages at most. */
static uint64_t largest_lane(uint64_t lane_bytes)
{
	return align_up(lane_bytes, 2u << 20);
}

/* Where what is, by the three numbers that say how much there is of it. */
static void lay_out(struct journal_header *h)
{
	h->ports_offset = align_up(sizeof(*h), 4096);
	h->secondaries_offset =
		h->ports_offset + (uint64_t)h->max_devices * sizeof(struct journal_slot);
	h->secondary_stride = secondary_stride(h->max_devices, h->lane_bytes);
}

static void format(struct journal_header *h, const struct conf *conf, uint64_t size)
{
	h->version = JOURNAL_VERSION;
	h->abi_major = HF_ABI_MAJOR;
	h->size = size;
	h->port_bytes = sizeof(struct journal_slot);
	h->secondary_bytes = sizeof(struct journal_secondary);
	h->max_devices = conf->max_devices;
	h->max_secondaries = conf->max_secondaries;
	h->lane_bytes = largest_lane(conf->lane_bytes);
	lay_out(h);
	hf_store_release(&h->magic, JOURNAL_MAGIC);
}

static void write_numbers(struct journal_header *h, const struct primary *primary)
{
	hf_write_once(&h->next_grant, primary->next_grant);
	hf_write_once(&h->next_session, primary->next_session);
	hf_write_once(&h->next_secondary, primary->next_secondary);
	/* Last: what was numbered is used only after this returned. */
	hf_store_release(&h->features_enabled, primary->features_enabled);
}

static int store_pipes(struct journal *journal, struct store *store)
{
	const int fds[JOURNAL_PIPES] = {journal->once.answer[0],   journal->once.answer[1],
					journal->once.consumed[0], journal->once.consumed[1],
					journal->once.taken[0],	   journal->once.taken[1]};
	struct journal_header *h = journal->header;

	for (size_t i = 0; i < JOURNAL_PIPES; i++) {
		h->pipes[i] = store_add(store, 'o', fds[i]);
		if (!h->pipes[i])
			return -EMFILE;
		store_reference(store, h->pipes[i]);
	}
	hf_store_release(&h->pipes_stored, 1u);
	return 0;
}

static int make(struct primary *primary, struct journal *journal)
{
	const struct conf *conf = primary->conf;
	uint64_t size = align_up(sizeof(struct journal_header), 4096) +
			(uint64_t)conf->max_devices * sizeof(struct journal_slot) +
			conf->max_secondaries *
				secondary_stride(conf->max_devices, largest_lane(conf->lane_bytes));
	int error =
		hf_memory_create(&journal->memory, "holdfast-journal", size, HF_NODE_ANY, false);

	if (error)
		return error;
	journal->header = journal->memory.base;
	error = once_open(&journal->once);
	if (error)
		return error;
	journal->once.notes = &journal->header->once;
	error = store_pipes(journal, primary->store);
	if (error)
		return error;
	format(journal->header, conf, size);
	/* Before it is stored: from then on a successor believes them. */
	write_numbers(journal->header, primary);
	return store_put(primary->store, STORE_JOURNAL, 'j', journal->memory.fd);
}

static void destroy(struct journal *journal)
{
	once_close(&journal->once);
	hf_memory_destroy(&journal->memory);
	free(journal);
}

static struct journal *new_journal(void)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	journal->memory.fd = -1;
	journal->once = (struct once){
		.answer = {-1, -1}, .consumed = {-1, -1}, .taken = {-1, -1}, .look = {-1, -1}};
	return journal;
}

int journal_create(struct primary *primary)
{
	struct journal *journal = primary->store ? new_journal() : NULL;
	int error;

	if (!primary->store)
		return 0;
	error = journal ? make(primary, journal) : -ENOMEM;
	if (error) {
		if (journal)
			destroy(journal);
		return error;
	}
	primary->journal = journal;
	return 0;
}

static bool is_ours(const struct journal_header *h, uint64_t size)
{
	return h->magic == JOURNAL_MAGIC && h->version == JOURNAL_VERSION &&
	       h->abi_major == HF_ABI_MAJOR && h->size <= size &&
	       h->port_bytes == sizeof(struct journal_slot) &&
	       h->secondary_bytes == sizeof(struct journal_secondary);
}

/* Every table where it has to be, and whole in `size` bytes. */
static bool is_laid_out(const struct journal_header *h, uint64_t size)
{
	struct journal_header must = *h;

	if (!h->max_devices || h->max_devices > COUNT_MAX || !h->max_secondaries ||
	    h->max_secondaries > COUNT_MAX || h->lane_bytes > LANE_MAX)
		return false;
	lay_out(&must);
	return h->ports_offset == must.ports_offset &&
	       h->secondaries_offset == must.secondaries_offset &&
	       h->secondary_stride == must.secondary_stride &&
	       range_inside(h->secondaries_offset, h->max_secondaries * h->secondary_stride, 0,
			    size);
}

static int take_pipes(struct primary *primary, struct journal *journal)
{
	struct journal_header *h = journal->header;
	int *const fds[JOURNAL_PIPES] = {&journal->once.answer[0],   &journal->once.answer[1],
					 &journal->once.consumed[0], &journal->once.consumed[1],
					 &journal->once.taken[0],    &journal->once.taken[1]};

	journal->once.notes = &h->once;
	for (size_t i = 0; i < JOURNAL_PIPES; i++) {
		*fds[i] = store_get(primary->store, h->pipes[i]);
		/* Not -ENOENT: there is a journal, and what it names is not given up for this. */
		if (*fds[i] < 0)
			return -EBADF;
		store_reference(primary->store, h->pipes[i]);
	}
	return once_open_rest(&journal->once);
}

int journal_adopt(struct primary *primary)
{
	int fd = primary->store ? store_get(primary->store, STORE_JOURNAL) : -ENOENT;
	struct journal *journal;
	int error;

	if (fd < 0)
		return fd;
	journal = new_journal();
	error = journal ? hf_memory_adopt(&journal->memory, fd) : -ENOMEM;
	if (error) {
		if (journal)
			destroy(journal);
		else
			hf_fd_close(&fd);
		return error;
	}
	journal->header = journal->memory.base;
	if (!is_ours(journal->header, journal->memory.size)) {
		log_error(TAG,
			  "an earlier holdfastd left a journal of version %u for shared memory %u, "
			  "this one has %u for %u: start the release that wrote it, or end the "
			  "supervisor to give up its sessions",
			  journal->header->version, journal->header->abi_major, JOURNAL_VERSION,
			  HF_ABI_MAJOR);
		destroy(journal);
		return -EPROTO;
	}
	if (!is_laid_out(journal->header, journal->memory.size)) {
		log_error(TAG, "the journal of an earlier holdfastd is damaged: end the supervisor "
			       "to give up its sessions");
		destroy(journal);
		return -EINVAL;
	}
	error = take_pipes(primary, journal);
	if (error) {
		destroy(journal);
		return error;
	}
	store_reference(primary->store, STORE_JOURNAL);
	journal->header->lives++;
	primary->journal = journal;
	return 0;
}

void journal_close(struct primary *primary)
{
	if (primary->journal)
		destroy(primary->journal);
	primary->journal = NULL;
}

uint64_t journal_life(const struct primary *primary)
{
	return primary->journal ? primary->journal->header->lives : 0;
}

struct once *journal_once(struct primary *primary)
{
	return primary->journal ? &primary->journal->once : NULL;
}

struct journal_slot *journal_slot(const struct primary *primary, uint32_t device)
{
	const struct journal_header *h = primary->journal->header;

	return (void *)((char *)primary->journal->memory.base + h->ports_offset +
			device * sizeof(struct journal_slot));
}

const struct journal_port *journal_valid_port(const struct primary *primary, uint32_t device)
{
	const struct journal_slot *slot = journal_slot(primary, device);
	uint32_t valid = hf_load_acquire(&slot->valid);

	return valid == 1 || valid == 2 ? &slot->copies[valid - 1] : NULL;
}

/* --- the words --- */

void journal_numbers(struct primary *primary)
{
	if (primary->journal)
		write_numbers(primary->journal->header, primary);
}
