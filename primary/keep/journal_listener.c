/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets in the journal: the attach and the control socket, and ports'. */
#include "journal.h"

#include "fd.h"
#include "order.h"
#include "primary.h"
#include "store.h"
#include "stream.h"

static struct journal_listener *listener_of(const struct primary *primary, bool control)
{
	struct journal_header *h = primary->journal->header;

	return control ? &h->control_listener : &h->attach_listener;
}

void journal_listener(struct primary *primary, bool control, int fd)
{
	struct journal_listener *record;
	uint32_t old;

	if (!primary->journal)
		return;
	record = listener_of(primary, control);
	old = record->number;
	hf_store_release(&record->number, 0u);
	(void)stream_file(fd, &record->dev, &record->ino);
	hf_store_release(&record->number, store_add(primary->store, STORE_LISTENER, fd));
	store_reference(primary->store, record->number);
	store_release(primary->store, old);
}

int journal_take_listener(struct primary *primary, bool control)
{
	struct journal_listener *record;
	int fd;

	if (!primary->journal)
		return -1;
	record = listener_of(primary, control);
	fd = store_get(primary->store, record->number);
	if (fd < 0)
		return -1;
	store_reference(primary->store, record->number);
	if (stream_listens(fd, record->dev, record->ino))
		return fd;
	/* Nobody can reach it: its file is gone, or an orderly end had begun. */
	hf_fd_close(&fd);
	store_release(primary->store, record->number);
	record->number = 0;
	return -1;
}

static bool is_named(const void *context, uint32_t number)
{
	const struct primary *primary = context;

	if (number == listener_of(primary, false)->number ||
	    number == listener_of(primary, true)->number)
		return true;
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct journal_port *port = journal_valid_port(primary, i);

		if (port && port->listener == number)
			return true;
	}
	return false;
}

void journal_drop_listeners(struct primary *primary)
{
	store_drop_listeners(primary->store, is_named, primary);
}
