/* SPDX-License-Identifier: Apache-2.0 */
#include "secondary_publish.h"

#include "directory.h"
#include "journal.h"
#include "primary.h"
#include "secondary.h"
#include "seq.h"

void secondary_publish(const struct secondary *secondary, uint32_t state)
{
	struct hf_shm_secondary *slot =
		hf_directory_secondary(&secondary->primary->directory, secondary->slot);

	hf_write_once(&slot->role, secondary->role);
	hf_write_once(&slot->pid, secondary->pid);
	hf_write_once(&slot->uid, secondary->uid);
	hf_write_once(&slot->id, secondary->id);
	hf_write_once(&slot->attached_ns, secondary->attached_ns);
	hf_write_once(&slot->lane_entries, secondary->lane_entries);
	hf_write_once(&slot->priority, secondary->priority);
	hf_words_write(slot->name, secondary->name, sizeof(slot->name));
	/* Last: who reads a state other than free reads whose it is. */
	hf_store_release(&slot->state, state);
}

void secondary_set_draining(struct secondary *s, bool draining)
{
	s->draining = draining;
	journal_secondary_words(s);
	secondary_publish(s, draining ? HF_SECONDARY_DRAINING : HF_SECONDARY_ATTACHED);
}
