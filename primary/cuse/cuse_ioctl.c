/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every ioctl comes in phases. First without any data: the answer tells the kernel what to copy in
 * and out, and it asks again. A memory table takes three: its head says how many regions there are.
 * Nothing is remembered between phases, everything is in each request: so callers cannot mix, and
 * what changed between two is seen, because the lengths that were asked for are those of the
 * earlier phase.
 *
 * The owner is the process that said SET_OWNER; all that concerns memory and rings is its alone, as
 * in the kernel's vhost.
 */
#include "cuse_ioctl.h"

#include <errno.h>
#include <string.h>

#include "check.h"
#include "cuse_error.h"
#include "cuse_fill.h"
#include "handlers.h"
#include "port.h"
#include "primary.h"
#include "session.h"
#include "session_answer.h"
#include "vu_msg.h"
#include "vu_recv.h"
#include "vu_rule.h"

/* What the caller gets back. */
enum out { OUT_NOTHING, OUT_U64, OUT_STATE };

struct row {
	uint32_t cmd;
	const char *name;
	uint32_t request; /* of vhost-user; 0: none, see `own` */
	bool owner;	  /* the owner's alone */
	enum out out;
	fill_raw *fill;		   /* NULL: known, and not served */
	const struct vu_rule *own; /* a rule that vhost-user has not */
};

/* --- the table --- */

static const struct vu_rule net_set_backend = {.name = "NET_SET_BACKEND",
					       .payload = VU_PAYLOAD_STATE,
					       .gate = VU_NO_GATE,
					       .flags = VU_RULE_GREETED,
					       .handle = vu_net_set_backend};

#define ROW(word, vu, whose, gives, filler)                                                        \
	{                                                                                          \
		.cmd = VH_##word, .name = #word, .request = vu, .owner = whose,                    \
		.out = OUT_##gives, .fill = filler                                                 \
	}
#define ANYBODY false
#define OWNER	true
#define DECLINED(word)                                                                             \
	{                                                                                          \
		.cmd = VH_##word, .name = #word                                                    \
	}

static const struct row rows[] = {
	ROW(GET_FEATURES, VU_GET_FEATURES, ANYBODY, U64, fill_nothing),
	ROW(SET_FEATURES, VU_SET_FEATURES, ANYBODY, NOTHING, fill_features),
	ROW(SET_OWNER, VU_SET_OWNER, ANYBODY, NOTHING, fill_owner),
	ROW(RESET_OWNER, VU_RESET_OWNER, OWNER, NOTHING, fill_nothing),
	ROW(SET_MEM_TABLE, VU_SET_MEM_TABLE, OWNER, NOTHING, fill_memory),
	DECLINED(SET_LOG_BASE),
	DECLINED(SET_LOG_FD),
	ROW(SET_VRING_NUM, VU_SET_VRING_NUM, OWNER, NOTHING, fill_same),
	ROW(SET_VRING_ADDR, VU_SET_VRING_ADDR, OWNER, NOTHING, fill_same),
	ROW(SET_VRING_BASE, VU_SET_VRING_BASE, OWNER, NOTHING, fill_same),
	ROW(GET_VRING_BASE, VU_GET_VRING_BASE, OWNER, STATE, fill_same),
	DECLINED(SET_VRING_ENDIAN),
	DECLINED(GET_VRING_ENDIAN),
	ROW(SET_VRING_KICK, VU_SET_VRING_KICK, OWNER, NOTHING, fill_event),
	ROW(SET_VRING_CALL, VU_SET_VRING_CALL, OWNER, NOTHING, fill_event),
	ROW(SET_VRING_ERR, VU_SET_VRING_ERR, OWNER, NOTHING, fill_event),
	DECLINED(SET_VRING_BUSYLOOP_TIMEOUT),
	DECLINED(GET_VRING_BUSYLOOP_TIMEOUT),
	{.cmd = VH_NET_SET_BACKEND,
	 .name = "NET_SET_BACKEND",
	 .owner = true,
	 .fill = fill_backend,
	 .own = &net_set_backend},
};

static const struct row *find_row(uint32_t cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

/* --- phases --- */

static void refuse(struct session *session, const char *name, struct cuse_next *next)
{
	session_report_refusal(session, name);
	next->step = CUSE_STEP_REFUSE;
	next->error = cuse_error(session->refused);
}

static void ask_again(struct cuse_next *next, uint32_t in_bytes, uint32_t out_bytes)
{
	next->step = CUSE_STEP_RETRY;
	next->in_bytes = in_bytes;
	next->out_bytes = out_bytes;
}

/* How many bytes each way, by the number. */
static uint32_t in_bytes_of(uint32_t cmd)
{
	return _IOC_DIR(cmd) & _IOC_WRITE ? _IOC_SIZE(cmd) : 0;
}

static uint32_t out_bytes_of(uint32_t cmd)
{
	return _IOC_DIR(cmd) & _IOC_READ ? _IOC_SIZE(cmd) : 0;
}

/* True: all data is there. Else *next says what is wanted, or session_refuse was called. */
static bool sized_whole(struct session *session, const struct cuse_call *call,
			struct cuse_next *next)
{
	uint32_t in = in_bytes_of(call->in.cmd), out = out_bytes_of(call->in.cmd);

	if (call->in.in_size == in && call->in.out_size == out)
		return true;
	if (!call->in.in_size && !call->in.out_size)
		ask_again(next, in, out);
	else
		(void)session_refuse(session, REFUSED_PAYLOAD_SIZE, "%u bytes in, %u out",
				     call->in.in_size, call->in.out_size);
	return false;
}

/* The head, then all of it. */
static bool memory_whole(struct session *session, const struct cuse_call *call,
			 struct cuse_next *next)
{
	const uint32_t head_bytes = sizeof(struct vh_memory), given = call->in.in_size;
	struct vh_memory head;

	if (!given && !call->in.out_size) {
		ask_again(next, head_bytes, 0);
		return false;
	}
	if (given < head_bytes || call->in.out_size) {
		(void)session_refuse(session, REFUSED_PAYLOAD_SIZE, "%u bytes", given);
		return false;
	}
	memcpy(&head, call->data, sizeof(head));
	if (head.padding || !head.count)
		(void)session_refuse(session, REFUSED_PAYLOAD_VALUE, "%u regions, padding %u",
				     head.count, head.padding);
	else if (head.count > CUSE_MAX_REGIONS)
		(void)session_refuse(session, REFUSED_REGION_TABLE_FULL, "%u regions", head.count);
	else if (given == CUSE_MEMORY_BYTES(head.count))
		return true;
	else if (given == head_bytes)
		ask_again(next, (uint32_t)CUSE_MEMORY_BYTES(head.count), 0);
	else
		(void)session_refuse(session, REFUSED_RACED, "%u bytes, and %u regions", given,
				     head.count);
	return false;
}

/* It, or nobody yet. */
static bool is_owner(const struct session *session, const struct cuse_caller *caller)
{
	return session->socket >= 0 && session->port->peer_pid == caller->pid &&
	       session->owner_start == caller->start;
}

static bool check_caller(struct session *session, const struct row *row,
			 const struct cuse_caller *caller)
{
	enum refusal reason = REFUSED_NOT_THE_OWNER;

	if (!row->owner || is_owner(session, caller))
		return true;
	if (session->socket < 0)
		reason = REFUSED_NO_OWNER;
	(void)session_refuse(session, reason, "process %d", caller->pid);
	return false;
}

static void fill_header(struct session *session, const struct row *row)
{
	vu_raw_reset(&session->raw);
	session->raw.header =
		(struct vu_header){.request = row->own ? VU_NR_REQUESTS : row->request,
				   .flags = VU_VERSION | VU_NEED_REPLY};
}

/* All data is there: make a message of it. False: session_refuse was called. */
static bool fill(struct session *session, const struct row *row, const struct cuse_call *call,
		 struct cuse_caller *caller)
{
	bool done;

	fill_header(session, row);
	done = row->fill(session, call, caller);
	if (!done)
		vu_raw_reset(&session->raw);
	return done;
}

/* The same, or a look comes first. */
static bool fill_or_look(struct session *session, const struct row *row,
			 const struct cuse_call *call, struct cuse_next *next)
{
	struct cuse_caller caller;
	bool good;

	if (cuse_caller_open(call->thread, &caller) < 0) {
		(void)session_refuse(session, REFUSED_CALLER, "thread %u", call->thread);
		return false;
	}
	good = check_caller(session, row, &caller);
	if (good && row->fill == fill_memory && cuse_table_wants_look(call)) {
		next->step = CUSE_STEP_LOOK;
		next->caller = caller;
		return true;
	}
	good = good && fill(session, row, call, &caller);
	cuse_caller_close(&caller);
	return good;
}

/* Features of vhost's own (IOTLB messages): there are none. */
static bool backend_features(struct session *session, const struct cuse_call *call,
			     struct cuse_next *next)
{
	uint64_t features = 0;

	if (!sized_whole(session, call, next))
		return false;
	if (call->in.cmd == VH_SET_BACKEND_FEATURES)
		memcpy(&features, call->data, sizeof(features));
	if (features) {
		(void)session_refuse(session, REFUSED_UNSUPPORTED_FEATURE, "bits 0x%llx",
				     (unsigned long long)features);
		return false;
	}
	next->step = CUSE_STEP_ANSWER;
	return true;
}

static bool begin(struct session *session, const struct cuse_call *call, const struct row *row,
		  struct cuse_next *next)
{
	bool memory = call->in.cmd == VH_SET_MEM_TABLE;

	if (!(memory ? memory_whole : sized_whole)(session, call, next))
		return false;
	next->step = CUSE_STEP_HANDLE;
	next->rule = row->own ? row->own : vu_rule(row->request);
	return fill_or_look(session, row, call, next);
}

void cuse_ioctl_begin(struct session *session, const struct cuse_call *call, struct cuse_next *next)
{
	const struct row *row = find_row(call->in.cmd);
	const char *name = row ? row->name : "ioctl";
	bool whole;

	*next = (struct cuse_next){.step = CUSE_STEP_REFUSE};
	if (call->in.flags & FUSE_IOCTL_COMPAT) {
		(void)session_refuse(session, REFUSED_HEADER_FLAGS, "%s", "of a 32-bit program");
		whole = false;
	} else if (call->in.cmd == VH_GET_BACKEND_FEATURES ||
		   call->in.cmd == VH_SET_BACKEND_FEATURES) {
		name = "BACKEND_FEATURES";
		whole = backend_features(session, call, next);
	} else if (!row) {
		(void)session_refuse(session, REFUSED_UNKNOWN_REQUEST, "0x%x", call->in.cmd);
		whole = false;
	} else if (!row->fill) {
		(void)session_refuse(session, REFUSED_UNSUPPORTED_REQUEST, "%s", "");
		whole = false;
	} else {
		whole = begin(session, call, row, next);
	}
	if (!whole && next->step != CUSE_STEP_RETRY)
		refuse(session, name, next);
}

void cuse_ioctl_looked(struct session *session, const struct cuse_call *call,
		       const struct cuse_look *look, int error, const int *fds,
		       struct cuse_next *next)
{
	const struct row *row = find_row(call->in.cmd);

	*next = (struct cuse_next){.step = CUSE_STEP_HANDLE, .rule = vu_rule(row->request)};
	if (error) {
		(void)session_refuse(session, look->fault.reason, "%s", look->fault.what);
		refuse(session, row->name, next);
		return;
	}
	fill_header(session, row);
	fill_memory_found(session, call, look->regions, fds, look->count);
}

/* --- the answer --- */

int cuse_ioctl_answer(struct session *session, uint32_t cmd, void *bytes)
{
	const struct row *row = find_row(cmd);
	struct vu_header header;
	uint64_t value;

	memcpy(&header, session->reply.bytes, sizeof(header));
	memcpy(&value, session->reply.bytes + sizeof(header), sizeof(value));
	if (!row || (header.flags & VU_REPLY_ERROR))
		return row ? -(int)value : -EINVAL;
	if (cmd == VH_GET_FEATURES)
		value &= ~CUSE_NOT_OFFERED;
	memcpy(bytes, &value, sizeof(value));
	return row->out == OUT_NOTHING ? 0 : sizeof(value);
}
