/* SPDX-License-Identifier: Apache-2.0 */
#include "headroom.h"

#include <sys/resource.h>

#include "check.h"
#include "primary.h"
#include "store.h"

/* What a session with eight regions and a few queue pairs needs, and a few more. */
#define RESERVE 64u
/* Of so few, not more than this share. */
#define SHARE 4u

static bool is_short(enum newcomer_kind kind, uint64_t left, uint64_t of)
{
	uint64_t reserve = min_u64(RESERVE, of / SHARE);

	return left < (kind == NEW_SECONDARY ? reserve / 2 : reserve);
}

bool headroom_for_new(const struct primary *primary, enum newcomer_kind kind, int fd)
{
	struct rlimit limit;
	uint64_t used = (uint64_t)fd + 1;

	if (is_short(kind, store_room(primary->store), store_max(primary->store)))
		return false;
	return getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < used ||
	       !is_short(kind, limit.rlim_cur - used, limit.rlim_cur);
}
