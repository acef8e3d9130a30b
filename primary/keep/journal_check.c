/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what stands in the journal something that a primary can have written? Only primaries map it,
 * so nobody is suspected; but what kills a primary may have damaged it, and what is read wrong here
 * would kill each one that follows.
 */
#include <string.h>

#include "attach.pb-c.h"
#include "journal.h"
#include "session.h"

#define RING_MAX 32768u

static bool is_text(const char *text, size_t room)
{
	return memchr(text, 0, room) != NULL;
}

bool journal_port_sound(const struct journal_port *record)
{
	const struct session *session = NULL;

	if (!is_text(record->name, sizeof(record->name)) ||
	    !is_text(record->path, sizeof(record->path)) ||
	    record->queue_pairs > HF_SHM_MAX_VRINGS / 2)
		return false;
	if (!record->session)
		return true;
	if (record->nr_regions > HF_SHM_MAX_REGIONS || record->nr_vrings > HF_SHM_MAX_VRINGS ||
	    record->message.bytes > sizeof(struct vu_header) + VU_MAX_PAYLOAD ||
	    record->message.reply_bytes > sizeof(session->reply.bytes))
		return false;
	for (uint32_t i = 0; i < record->nr_vrings; i++)
		if (record->vrings[i].size > RING_MAX)
			return false;
	return true;
}

bool journal_secondary_sound(const struct journal_secondary *record)
{
	if (!is_text(record->name, sizeof(record->name)) ||
	    !is_text(record->version, sizeof(record->version)) ||
	    record->role > HOLDFAST__ATTACH__ROLE__OBSERVER || record->nr_globs > JOURNAL_GLOBS)
		return false;
	for (uint32_t i = 0; i < record->nr_globs; i++)
		if (!is_text(record->globs[i], sizeof(record->globs[i])))
			return false;
	return true;
}
