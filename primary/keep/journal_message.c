/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the journal: begun, acted on, answered, consumed; and a device's requests. */
#include "journal.h"

#include <string.h>

#include "device.h"
#include "journal_port.h"
#include "order.h"
#include "port.h"
#include "primary.h"
#include "session.h"
#include "store.h"

void journal_ending(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->ending,
				 session->number);
}

void journal_handling(struct primary *primary, uint64_t session)
{
	if (primary->journal)
		hf_store_release(&primary->journal->header->handling, session);
}

uint32_t journal_count_deaths(struct session *session)
{
	struct journal_slot *slot = journal_slot(session->primary, session->device->slot);

	if (session->primary->journal->header->handling == session->number)
		hf_write_once(&slot->deaths, slot->deaths + 1);
	return slot->deaths;
}

void journal_begin(struct session *session)
{
	struct primary *primary = session->primary;

	session->in_hand = true;
	if (!primary->journal)
		return;
	session->message_id = ++primary->journal->header->next_message;
	hf_store_release(&journal_slot(primary, session->device->slot)->dirty, 1u);
}

bool journal_store(struct session *session)
{
	struct primary *primary = session->primary;

	if (!primary->journal)
		return true;
	journal_keep(session->port);
	return !store_pending(primary->store);
}

void journal_acted(struct session *session)
{
	struct primary *primary = session->primary;

	session->in_hand = false;
	if (!primary->journal)
		return;
	journal_commit(session->port);
	hf_store_release(&journal_slot(primary, session->device->slot)->dirty, 0u);
	hf_write_once(&journal_slot(primary, session->device->slot)->deaths, 0u);
}

void journal_clean(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->dirty, 0u);
}

void journal_answered(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->answered,
				 session->message_id);
}

void journal_consumed(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->consumed,
				 session->message_id);
}

/* NULL: nobody would read it. */
static struct journal_request *request_record(struct port *port, uint32_t at)
{
	struct journal_slot *slot;

	if (!port->primary->journal)
		return NULL;
	slot = journal_slot(port->primary, port->device.slot);
	return slot->valid ? &slot->requests[at] : NULL;
}

void journal_request(struct port *port, uint32_t at, uint64_t unique, const void *bytes,
		     uint32_t len)
{
	struct journal_request *record = request_record(port, at);

	if (!record)
		return;
	hf_store_release(&record->unique, (uint64_t)0);
	if (!len)
		return;
	record->len = len;
	record->interrupted = 0;
	memcpy(record->bytes, bytes, len);
	hf_store_release(&record->unique, unique);
}

void journal_interrupted(struct port *port, uint32_t at)
{
	struct journal_request *record = request_record(port, at);

	if (record)
		hf_write_once(&record->interrupted, (uint32_t)record->unique);
}

/* A release that does not know of the word leaves it to the next request in that place. */
bool journal_was_interrupted(const struct journal_request *record)
{
	uint32_t number = hf_read_once(&record->interrupted);

	return number && number == (uint32_t)record->unique;
}
