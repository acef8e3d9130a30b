/* SPDX-License-Identifier: Apache-2.0 */
#include "cuse_error.h"

#include <errno.h>

int cuse_error(enum refusal reason)
{
	switch (reason) {
	case REFUSED_UNKNOWN_REQUEST:
		return -ENOTTY;
	case REFUSED_UNSUPPORTED_REQUEST:
	case REFUSED_UNSUPPORTED_FEATURE:
		return -EOPNOTSUPP;
	case REFUSED_NO_OWNER:
	case REFUSED_NOT_THE_OWNER:
	case REFUSED_MEMORY_HIDDEN:
		return -EPERM;
	case REFUSED_VRING_INDEX:
		return -ENOBUFS;
	case REFUSED_VRING_STATE:
	case REFUSED_SECOND_CLIENT:
	case REFUSED_LOOKS_BUSY:
		return -EBUSY;
	case REFUSED_REGION_TABLE_FULL:
		return -E2BIG;
	case REFUSED_REGION_MAP:
	case REFUSED_RING_ADDRESS:
		return -EFAULT;
	case REFUSED_EVENT_FD:
		return -EBADF;
	case REFUSED_NO_RESOURCES:
		return -ENOMEM;
	case REFUSED_LOOK_DEADLINE:
		return -ETIMEDOUT;
	case REFUSED_CALLER:
		return -EOWNERDEAD;
	default:
		return -EINVAL;
	}
}
