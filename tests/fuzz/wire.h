/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of protocol buffers out of records: fields that make sense, and some that lie. */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "fuzz.h"

/* What makes sense in fields of this name. */
struct wire_value {
	const char *field;
	uint64_t number;
	const char *text;
};

/*
 * `r->a` chooses which member of the union `type` has, `r->b` has a bit for each field of it that
 * lies, `r->c` says how. Fields without a value in `good` (ends with a NULL field) are left out
 * when they do not lie. How many bytes.
 */
size_t wire_build(uint8_t *room, size_t size, const ProtobufCMessageDescriptor *type,
		  const struct record *r, const struct wire_value *good);
/* How many members the union has. */
uint32_t wire_members(const ProtobufCMessageDescriptor *type);

#endif
