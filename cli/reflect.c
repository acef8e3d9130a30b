/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c describes each message at run time: name, type and offset of every field. A column
 * that names a field therefore needs no code; only derived values have getters.
 */
#include "reflect.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static const void *member(const ProtobufCMessage *message, unsigned int offset)
{
	return (const char *)message + offset;
}

static void enumerator(const ProtobufCFieldDescriptor *field, int value, struct cell *ret)
{
	const ProtobufCEnumValue *known =
		protobuf_c_enum_descriptor_get_value(field->descriptor, value);
	char *name;

	if (!known) { /* a newer primary */
		cell_text(ret, "unknown_%d", value);
		return;
	}
	name = text_copy(known->name);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	cell_text(ret, "%s", name);
	free(name);
}

static void list(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		 struct cell *ret)
{
	size_t n = *(const size_t *)member(message, field->quantifier_offset);
	char *const *items = *(char *const *const *)member(message, field->offset);

	if (field->type != PROTOBUF_C_TYPE_STRING)
		return;
	cell_list(ret);
	for (size_t i = 0; i < n; i++)
		cell_list_add(ret, items[i]);
}

static void text(const char *value, struct cell *ret)
{
	if (value && *value)
		cell_text(ret, "%s", value);
}

void reflect_field(const ProtobufCMessage *message, const char *name, struct cell *ret)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
	const void *value;

	if (!field)
		return;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		list(message, field, ret);
		return;
	}
	value = member(message, field->offset);
	switch (field->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		cell_number(ret, *(const uint32_t *)value);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		cell_number(ret, *(const uint64_t *)value);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		cell_signed(ret, *(const int32_t *)value);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		cell_signed(ret, *(const int64_t *)value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		cell_bool(ret, *(const protobuf_c_boolean *)value);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		enumerator(field, *(const int *)value, ret);
		break;
	case PROTOBUF_C_TYPE_STRING:
		text(*(char *const *)value, ret);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
}
