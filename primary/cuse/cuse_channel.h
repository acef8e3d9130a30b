/* SPDX-License-Identifier: Apache-2.0 */
/* Answers into /dev/cuse. One that nobody waits for any more is no error. */
#ifndef PRIMARY_CUSE_CHANNEL_H
#define PRIMARY_CUSE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

/* In the place of a request's number: nothing is said. The kernel uses no such number. */
#define CUSE_NOBODY 0u

/* `error` is 0 or -errno. */
void cuse_say_error(int channel, uint64_t unique, int error);
void cuse_say_open(int channel, uint64_t unique, uint64_t handle);
void cuse_say_ioctl(int channel, uint64_t unique, const void *bytes, size_t len);
/* Ask once more: with `in` bytes from `arg`, and room for `out` bytes there. */
void cuse_say_retry(int channel, uint64_t unique, uint64_t arg, uint32_t in, uint32_t out);

#endif
