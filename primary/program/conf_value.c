/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_value.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

int conf_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	char *end;
	unsigned long long number;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || *end || number < min || number > max)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

int conf_text(char *to, size_t room, const char *text)
{
	if (!*text || strlen(text) >= room)
		return -EINVAL;
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

/* calls: socket connect poll ppoll sendto sendmsg recvfrom recvmsg */
bool conf_user(const char *text, uid_t *ret)
{
	const struct passwd *user = getpwnam(text);
	uint64_t number;

	if (conf_number(text, 0, UINT32_MAX - 1, &number) == 0)
		*ret = (uid_t)number;
	else if (user)
		*ret = user->pw_uid;
	else
		return false;
	return true;
}

bool conf_group(const char *text, gid_t *ret)
{
	const struct group *group = getgrnam(text);
	uint64_t number;

	if (conf_number(text, 0, UINT32_MAX - 1, &number) == 0)
		*ret = (gid_t)number;
	else if (group)
		*ret = group->gr_gid;
	else
		return false;
	return true;
}

int conf_u32(uint32_t *to, const char *argument, uint64_t min, uint64_t max)
{
	uint64_t number;
	int error = conf_number(argument, min, max, &number);

	if (!error)
		*to = (uint32_t)number;
	return error;
}

int conf_mode(mode_t *to, const char *argument)
{
	char *end;
	unsigned long mode = strtoul(argument, &end, 8);

	if (*argument < '0' || *argument > '7' || *end || mode > 0777)
		return -EINVAL;
	*to = (mode_t)mode;
	return 0;
}
