/* SPDX-License-Identifier: Apache-2.0 */
/* What the front-end, the log and the counters are told: replies and refusals. */
#include "session_answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "door.h"
#include "event.h"
#include "port.h"
#include "session.h"

enum vu_outcome session_refuse(struct session *session, enum refusal reason, const char *format,
			       ...)
{
	va_list args;

	session->refused = reason;
	va_start(args, format);
	vsnprintf(session->refused_detail, sizeof(session->refused_detail), format, args);
	va_end(args);
	return VU_REFUSED;
}

void session_report_refusal(struct session *session, const char *what)
{
	struct port *port = session->port;
	const char *name = refusal_name(session->refused);
	const char *detail = session->refused_detail;

	refusal_count(session->primary, session->refused);
	port->refused_messages++;
	snprintf(port->last_error, sizeof(port->last_error), "%s refused: %s", what, name);
	if (!hf_log_allowed(&session->log_limit))
		return;
	log_warning(session->device->tag, "%s refused: %s%s%s; %s", what, name, *detail ? ", " : "",
		    detail, refusal_remedy(session->refused));
	event_emit(session->primary, HOLDFAST__CONTROL__EVENT_KIND__MESSAGE_REFUSED, port->name,
		   NULL, -1, 0, "%s: %s", what, name);
}

static void reply(struct session *session, const void *payload, size_t size)
{
	struct vu_header header = {.request = session->msg.request,
				   .flags = VU_VERSION | VU_REPLY,
				   .size = (uint32_t)size};

	memcpy(session->reply.bytes, &header, sizeof(header));
	memcpy(session->reply.bytes + sizeof(header), payload, size);
	session->reply.len = sizeof(header) + size;
}

enum vu_outcome session_reply_u64(struct session *session, uint64_t value)
{
	reply(session, &value, sizeof(value));
	return VU_REPLIED;
}

enum vu_outcome session_reply_error(struct session *session, int error)
{
	uint64_t value = (uint64_t)-error;
	struct vu_header header;

	reply(session, &value, sizeof(value));
	memcpy(&header, session->reply.bytes, sizeof(header));
	header.flags |= VU_REPLY_ERROR;
	memcpy(session->reply.bytes, &header, sizeof(header));
	return VU_REPLIED;
}

enum vu_outcome session_reply_state(struct session *session, uint32_t index, uint32_t num)
{
	struct vu_vring_state state = {.index = index, .num = num};

	reply(session, &state, sizeof(state));
	return VU_REPLIED;
}

int session_flush(struct session *session)
{
	int error = session->port->door->send(session);

	if (!error)
		session->reply.len = 0;
	return error;
}
