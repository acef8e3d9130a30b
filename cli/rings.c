/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that people debug a vring from: region table, sizes, indices, flags, descriptors. */
#include "rings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "text.h"

static const struct column region_columns[] = {
	{"gpa", "GPA", CELL_NUMBER, .show = SHOW_HEX},
	{"size", "SIZE", CELL_NUMBER, .show = SHOW_SIZE},
	{"user_addr", "USER ADDR", CELL_NUMBER, .show = SHOW_HEX},
	{"file_offset", "OFFSET", CELL_NUMBER, .show = SHOW_HEX},
	{"fd", "FD", CELL_SIGNED},
	{"page_bytes", "PAGE", CELL_NUMBER, .show = SHOW_SIZE},
	{"node", "NODE", CELL_SIGNED},
};
static const struct table region_table = TABLE("regions", region_columns, "no memory regions");

static void get_direction(const void *row, struct cell *ret)
{
	const pb_vring *vring = row;

	cell_text(ret, "%s", vring->index % 2 ? "dequeue" : "enqueue");
}

static void get_flags(const void *row, struct cell *ret)
{
	const pb_vring *vring = row;

	cell_list(ret);
	if (!vring->configured)
		return;
	cell_list_add(ret, vring->started ? "started" : "stopped");
	cell_list_add(ret, vring->enabled ? "enabled" : "disabled");
	if (vring->packed)
		cell_list_add(ret, "packed");
	if (vring->running)
		cell_list_add(ret, "running");
	if (vring->busy)
		cell_list_add(ret, "busy");
	if (vring->broken) {
		cell_list_add(ret, "broken");
		ret->tone = TONE_BAD;
	}
}

/* The wrap counters of LAST_AVAIL and LAST_USED; a split ring has none. */
static void get_wrap(const void *row, struct cell *ret)
{
	const pb_vring *vring = row;

	if (vring->packed)
		cell_text(ret, "%d %d", vring->avail_wrap, vring->used_wrap);
}

/* What is in guest memory can be shown only where it is mapped. */
#define GUEST_NUMBER(field)                                                                        \
	static void get_##field(const void *row, struct cell *ret)                                 \
	{                                                                                          \
		const pb_vring *vring = row;                                                       \
                                                                                                   \
		if (vring->mapped)                                                                 \
			cell_number(ret, vring->field);                                            \
	}
GUEST_NUMBER(avail_flags)
GUEST_NUMBER(avail_idx)
GUEST_NUMBER(used_flags)
GUEST_NUMBER(used_idx)

static const struct column vring_columns[] = {
	{"index", "VRING", CELL_NUMBER},
	{"direction", "DIRECTION", CELL_TEXT, get_direction},
	{"size", "SIZE", CELL_NUMBER},
	{"flags", "STATE", CELL_LIST, get_flags},
	{"last_avail", "LAST_AVAIL", CELL_NUMBER},
	{"last_used", "LAST_USED", CELL_NUMBER},
	{"wrap", "WRAP", CELL_TEXT, get_wrap},
	{"avail_flags", "AVAIL.FLAGS", CELL_NUMBER, get_avail_flags, .show = SHOW_HEX},
	{"avail_idx", "AVAIL.IDX", CELL_NUMBER, get_avail_idx},
	{"used_flags", "USED.FLAGS", CELL_NUMBER, get_used_flags, .show = SHOW_HEX},
	{"used_idx", "USED.IDX", CELL_NUMBER, get_used_idx},
	{"kick_fd", "KICK", CELL_SIGNED},
	{"call_fd", "CALL", CELL_SIGNED},
	{"err_fd", "ERR", CELL_SIGNED},
	{"owner", "OWNER", CELL_TEXT},
	{"desc_gpa", "DESC", CELL_NUMBER, .show = SHOW_HEX},
	{"avail_gpa", "AVAIL", CELL_NUMBER, .show = SHOW_HEX},
	{"used_gpa", "USED", CELL_NUMBER, .show = SHOW_HEX},
	{"grant", NULL, CELL_NUMBER},
	{"vring_base", NULL, CELL_NUMBER},
	{"configured", NULL, CELL_BOOL},
	{"started", NULL, CELL_BOOL},
	{"enabled", NULL, CELL_BOOL},
	{"broken", NULL, CELL_BOOL},
	{"packed", NULL, CELL_BOOL},
	{"avail_wrap", NULL, CELL_BOOL},
	{"used_wrap", NULL, CELL_BOOL},
	{"mapped", NULL, CELL_BOOL},
	{"running", NULL, CELL_BOOL},
	{"busy", NULL, CELL_BOOL},
};
static const struct table vring_table = TABLE("vrings", vring_columns, "no vrings set up");

struct descriptor_row {
	uint32_t vring;
	const pb_descriptor *descriptor;
};

static void get_vring(const void *row, struct cell *ret)
{
	const struct descriptor_row *d = row;

	cell_number(ret, d->vring);
}

#define DESCRIPTOR_NUMBER(field)                                                                   \
	static void get_descriptor_##field(const void *row, struct cell *ret)                      \
	{                                                                                          \
		const struct descriptor_row *d = row;                                              \
                                                                                                   \
		cell_number(ret, d->descriptor->field);                                            \
	}
DESCRIPTOR_NUMBER(index)
DESCRIPTOR_NUMBER(addr)
DESCRIPTOR_NUMBER(len)
DESCRIPTOR_NUMBER(flags)
DESCRIPTOR_NUMBER(next)
DESCRIPTOR_NUMBER(id)

static void get_descriptor_flag_names(const void *row, struct cell *ret)
{
	const struct descriptor_row *d = row;

	bits_to_list(&descriptor_flags, d->descriptor->flags, ret);
}

static const struct column descriptor_columns[] = {
	{"vring", "VRING", CELL_NUMBER, get_vring},
	{"index", "INDEX", CELL_NUMBER, get_descriptor_index},
	{"addr", "ADDR", CELL_NUMBER, get_descriptor_addr, .show = SHOW_HEX},
	{"len", "LEN", CELL_NUMBER, get_descriptor_len},
	{"flags", "FLAGS", CELL_NUMBER, get_descriptor_flags, .show = SHOW_HEX},
	{"flag_names", "NAMES", CELL_LIST, get_descriptor_flag_names},
	{"next", "NEXT", CELL_NUMBER, get_descriptor_next},
	{"id", "ID", CELL_NUMBER, get_descriptor_id},
};
static const struct table descriptor_table =
	TABLE("descriptors", descriptor_columns, "no descriptors to show");

static void print_descriptors(struct output *out, const struct port_view *view)
{
	size_t n = view->nr_descriptors;
	struct descriptor_row *rows = text_alloc(n, sizeof(*rows));
	const void **pointers = text_alloc(n, sizeof(*pointers));

	for (size_t i = 0; i < n; i++) {
		rows[i] = (struct descriptor_row){view->descriptor_vrings[i], view->descriptors[i]};
		pointers[i] = &rows[i];
	}
	output_table(out, &descriptor_table, pointers, n);
	free(pointers);
	free(rows);
}

/* 256 rows of a guest that set up two help nobody; JSON has them all. */
static size_t worth_showing(const struct output *out, const struct port_view *view,
			    const void **ret_rows)
{
	size_t n = 0;

	for (size_t i = 0; i < view->nr_vrings; i++)
		if (out->format != OUTPUT_TABLE || view->vrings[i]->configured)
			ret_rows[n++] = view->vrings[i];
	return n;
}

void rings_print(struct output *out, const struct port_view *view, bool descriptors)
{
	const void **rows = text_alloc(view->nr_vrings, sizeof(*rows));
	size_t n = worth_showing(out, view, rows);

	output_table(out, &region_table, (const void *const *)view->regions, view->nr_regions);
	output_table(out, &vring_table, rows, n);
	free(rows);
	if (descriptors)
		print_descriptors(out, view);
}
