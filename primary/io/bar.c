/* SPDX-License-Identifier: Apache-2.0 */
#include "bar.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "check.h"

#define ATTRIBUTE "system.posix_acl_access"
#define CLASSES	  4u /* owner, group, mask, others */
#define MODE_BITS 7u
#define NO_ID	  ((uint32_t)ACL_UNDEFINED_ID)

struct list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[BAR_MOST + CLASSES];
	size_t n;
};

static void add(struct list *list, int tag, unsigned int bits, uint32_t id)
{
	list->entries[list->n++] =
		(struct posix_acl_xattr_entry){.e_tag = htole16((uint16_t)tag),
					       .e_perm = htole16((uint16_t)(bits & MODE_BITS)),
					       .e_id = htole32(id)};
}

/* The kernel wants them in this order. The mask is what stat(2) shows as the group's bits. */
static void fill(struct list *list, mode_t mode, const uid_t *users, size_t n)
{
	add(list, ACL_USER_OBJ, mode >> 6, NO_ID);
	for (size_t i = 0; i < n && i < BAR_MOST; i++)
		add(list, ACL_USER, 0, users[i]);
	add(list, ACL_GROUP_OBJ, mode >> 3, NO_ID);
	add(list, ACL_MASK, mode >> 3, NO_ID);
	add(list, ACL_OTHER, mode, NO_ID);
}

/* calls: lremovexattr */
static int unbar(const char *path)
{
	if (lremovexattr(path, ATTRIBUTE) < 0 && errno != ENODATA)
		return -errno;
	return 0;
}

/* calls: lsetxattr */
int bar_users(const char *path, const uid_t *users, size_t n)
{
	struct list list = {.header.a_version = htole32(POSIX_ACL_XATTR_VERSION)};
	struct stat st;
	size_t size;

	if (!n)
		return unbar(path);
	if (lstat(path, &st) < 0)
		return -errno;
	fill(&list, st.st_mode, users, n);
	size = offsetof(struct list, entries) + list.n * sizeof(list.entries[0]);
	return lsetxattr(path, ATTRIBUTE, &list, size, 0) < 0 ? -errno : 0;
}
