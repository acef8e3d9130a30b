/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What enqueue of one packet into any chains is on both kinds of ring. enqueue_one.c and
 * packed_enqueue_one.c include this below their `struct writer`, which has at least
 *
 *	struct vring_desc desc;   what is left of the current descriptor
 *	uint32_t written;         into the current chain
 *
 * and have a writer_place; nothing else includes it.
 */
#include "copy.h"
#include "enqueue.h"
#include "header.h"

enum { WRITE_OK = 0, WRITE_NO_BUFFER = 1, WRITE_SMALL = 2 }; /* negative: DROP reason */

/* A place to write: *len (in: wanted) bytes at *to. */
static int writer_place(struct hf_vring *v, struct writer *w, uint64_t *len, uint8_t **to);

static void writer_advance(struct writer *w, uint64_t n)
{
	w->desc.addr += n;
	w->desc.len -= (uint32_t)n;
	w->written += (uint32_t)n;
}

static int writer_put(struct hf_vring *v, struct writer *w, const uint8_t *from, uint64_t len)
{
	while (len) {
		uint64_t n = len;
		uint8_t *to;
		int result = writer_place(v, w, &n, &to);

		if (result != WRITE_OK)
			return result;
		hf_copy(to, from, n);
		writer_advance(w, n);
		from += n;
		len -= n;
	}
	return WRITE_OK;
}

/* The header; where the two bytes of num_buffers went is kept for later. */
static int put_header(struct hf_vring *v, struct writer *w, const struct hf_offload *offload,
		      uint8_t *num_buffers[2])
{
	uint8_t header[HF_NET_HEADER_MAX];
	int result;

	hf_offload_to_header(offload, header, v->header_bytes);
	result = writer_put(v, w, header, 10);
	for (int i = 0; result == WRITE_OK && i < v->header_bytes - 10; i++) {
		uint64_t one = 1;

		result = writer_place(v, w, &one, &num_buffers[i]);
		if (result != WRITE_OK)
			break;
		*num_buffers[i] = header[10 + i];
		writer_advance(w, 1);
	}
	return result;
}

static int put_packet(struct hf_vring *v, struct writer *w, const struct hf_packet *packet)
{
	int result = WRITE_OK;

	for (const struct hf_packet *s = packet; s && result == WRITE_OK; s = s->next)
		if (s->len)
			result = writer_put(v, w, s->data, s->len);
	return result;
}

static enum hf_enqueue_result drop(struct hf_vring *v, enum hf_counter reason)
{
	hf_count(v, reason, 1);
	return HF_ENQUEUE_DROPPED;
}
