/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind an option. 0 or -EINVAL. */
#ifndef PRIMARY_CONF_VALUE_H
#define PRIMARY_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A whole decimal number within bounds. */
int conf_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);
int conf_u32(uint32_t *to, const char *argument, uint64_t min, uint64_t max);
/* Not empty, and no longer than there is room. */
int conf_text(char *to, size_t room, const char *text);
int conf_mode(mode_t *to, const char *argument);
/* A number or a name; false: there is none. */
bool conf_user(const char *text, uid_t *ret);
bool conf_group(const char *text, gid_t *ret);

#endif
