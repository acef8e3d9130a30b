/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <string.h>

#include "check.h"

struct pen {
	uint8_t *at;
	size_t left;
};

static void put(struct pen *pen, const void *bytes, size_t len)
{
	len = min_u64(len, pen->left);
	memcpy(pen->at, bytes, len);
	pen->at += len;
	pen->left -= len;
}

static void put_varint(struct pen *pen, uint64_t value)
{
	uint8_t byte;

	do {
		byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		put(pen, &byte, 1);
		value >>= 7;
	} while (value);
}

static void put_tag(struct pen *pen, const ProtobufCFieldDescriptor *f, unsigned int kind)
{
	put_varint(pen, (uint64_t)f->id << 3 | kind);
}

static bool is_text(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES;
}

static void put_text(struct pen *pen, const ProtobufCFieldDescriptor *f, const char *text,
		     size_t len)
{
	put_tag(pen, f, 2);
	put_varint(pen, len);
	put(pen, text, len);
}

static void put_number(struct pen *pen, const ProtobufCFieldDescriptor *f, uint64_t value)
{
	put_tag(pen, f, 0);
	put_varint(pen, value);
}

/* Texts that are worth trying. */
static void put_lying_text(struct pen *pen, const ProtobufCFieldDescriptor *f, uint32_t c)
{
	static const char *const texts[] = {"",	    "*",    "p",    "q",	"a b",
					    "../x", "x\ny", "%s%n", "[a-",	"vsw?",
					    "-1",   "all",  "\xff", "holdfast", "p*"};
	static char longest[300];

	memset(longest, 'x', sizeof(longest));
	if (c % 8 == 0)
		put_text(pen, f, longest, (c >> 3) % sizeof(longest));
	else
		put_text(pen, f, texts[(c >> 3) % ARRAY_SIZE(texts)],
			 strlen(texts[(c >> 3) % ARRAY_SIZE(texts)]));
}

static const struct wire_value *known(const struct wire_value *good,
				      const ProtobufCFieldDescriptor *f)
{
	for (; good->field; good++)
		if (strcmp(good->field, f->name) == 0)
			return good;
	return NULL;
}

static void put_field(struct pen *pen, const ProtobufCFieldDescriptor *f, bool lies, uint32_t c,
		      const struct wire_value *good)
{
	const struct wire_value *value = known(good, f);
	uint32_t times = f->label == PROTOBUF_C_LABEL_REPEATED && lies ? c % 80 : 1;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return;
	for (uint32_t i = 0; lies && i < times; i++) {
		if (is_text(f))
			put_lying_text(pen, f, c + i);
		else
			put_number(pen, f, fuzz_number(c));
	}
	if (lies || !value)
		return;
	if (is_text(f))
		put_text(pen, f, value->text, strlen(value->text));
	else
		put_number(pen, f, value->number);
}

static bool is_member(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_MESSAGE && (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
}

uint32_t wire_members(const ProtobufCMessageDescriptor *type)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < type->n_fields; i++)
		n += is_member(&type->fields[i]);
	return n;
}

static size_t build_member(uint8_t *room, size_t size, const ProtobufCMessageDescriptor *type,
			   const struct record *r, const struct wire_value *good)
{
	struct pen pen = {room, size};
	uint32_t seed = r->c;

	for (unsigned int i = 0; i < type->n_fields; i++) {
		uint32_t c = seed;

		put_field(&pen, &type->fields[i], r->b >> i % 16 & 1, c, good);
		fuzz_any(&seed, 2);
	}
	return size - pen.left;
}

size_t wire_build(uint8_t *room, size_t size, const ProtobufCMessageDescriptor *type,
		  const struct record *r, const struct wire_value *good)
{
	static uint8_t body[32768];
	struct pen pen = {room, size};
	uint32_t member = r->a % wire_members(type);

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &type->fields[i];

		if (!is_member(f)) {
			put_field(&pen, f, false, 0, good);
		} else if (!member--) {
			size_t len = build_member(body, sizeof(body), f->descriptor, r, good);

			put_tag(&pen, f, 2);
			put_varint(&pen, len);
			put(&pen, body, len);
		}
	}
	return size - pen.left;
}
