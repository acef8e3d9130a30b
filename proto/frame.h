/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One protobuf message per SOCK_SEQPACKET packet, descriptors by SCM_RIGHTS.
 *
 * The kernel keeps packet boundaries, so there is no length field to lie in: a packet larger than
 * the cap, or with more descriptors than allowed, is refused whole. Its descriptors are not closed
 * here, whatever it is: to close one of a stranger's can hang (primary/io/foreign.h), and only the
 * caller knows who sent it.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HF_FRAME_MAX_BYTES  (64u * 1024u)
#define HF_FRAME_MAX_FDS    200u
#define HF_FRAME_KERNEL_FDS 253u	   /* the most that a packet can bring */
#define HF_UNPACK_BUDGET    (512u * 1024u) /* bytes of heap one received message may cost */
#define HF_CONTROL_PROTOCOL 1u

struct hf_frame {
	uint8_t *bytes; /* HF_FRAME_MAX_BYTES of room, owned by the caller of hf_frame_receive */
	size_t len;
	int fds[HF_FRAME_KERNEL_FDS]; /* owned by the frame until taken; -1 when taken */
	size_t nr_fds;
};

/* A socket file whose process died may go: who connects by `connect_to` is refused. One that
 * answers may not (-EADDRINUSE), nor may any other file (-EEXIST). 0, also when there is none, or
 * -errno. */
int hf_socket_clear_stale(const char *path, int (*connect_to)(const char *path));

/* A listening SOCK_SEQPACKET socket at `path` with `mode`; a stale socket file is replaced, a live
 * one is -EADDRINUSE. fd or -errno. Non-blocking, CLOEXEC. */
int hf_seqpacket_listen(const char *path, mode_t mode);
/* Connect, without waiting; the socket is a blocking one. fd; -EAGAIN: its backlog is full; -errno.
 */
int hf_seqpacket_connect(const char *path);

/*
 * Receive one packet into frame->bytes. Bytes received; 0: the peer closed, or sent no bytes;
 * -EAGAIN; -EMSGSIZE: too large, cut or too many descriptors (the packet is gone); -errno. Whatever
 * it returns, the descriptors that came are in the frame, and the caller's to close.
 */
ssize_t hf_frame_receive(int fd, struct hf_frame *frame);
/* Close the descriptors nobody took. */
void hf_frame_close_fds(struct hf_frame *frame);

/* Pack and send one message, never blocking on a non-blocking socket. fds stay the caller's. 0;
 * -EAGAIN: the peer's buffer is full; -EMSGSIZE: over the cap; -errno. */
int hf_frame_send(int fd, const ProtobufCMessage *message, const int *fds, size_t nr_fds);

/* The same in two steps, for those who queue: packed bytes on the heap. */
int hf_frame_pack(const ProtobufCMessage *message, uint8_t **ret_bytes, size_t *ret_len);
int hf_frame_send_packed(int fd, const uint8_t *bytes, size_t len, const int *fds, size_t nr_fds);

/*
 * Unpack with a budget: a small packet must not be able to cost a lot of heap. NULL when it does
 * not parse or costs more than HF_UNPACK_BUDGET. Free with hf_frame_free_unpacked.
 */
ProtobufCMessage *hf_frame_unpack(const ProtobufCMessageDescriptor *descriptor,
				  const uint8_t *bytes, size_t len);
void hf_frame_free_unpacked(ProtobufCMessage *message);

#endif
