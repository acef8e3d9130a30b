/* SPDX-License-Identifier: Apache-2.0 */
#include "bar.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "check.h"

#define ATTRIBUTE "system.posix_acl_access"
#define LIST_MOST 256u /* entries of a list that is there */
#define MODE_BITS 7u
#define NO_ID	  ((uint32_t)ACL_UNDEFINED_ID)
/* Our entries are known by it: nobody else lets a user execute a socket, and do nothing else. */
#define OURS ACL_EXECUTE

struct list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[LIST_MOST + BAR_MOST + 1];
	size_t n;
};

static unsigned int tag_of(const struct posix_acl_xattr_entry *entry)
{
	return le16toh(entry->e_tag);
}

static unsigned int bits_of(const struct posix_acl_xattr_entry *entry)
{
	return le16toh(entry->e_perm);
}

static bool is_ours(const struct posix_acl_xattr_entry *entry)
{
	return tag_of(entry) == ACL_USER && bits_of(entry) == OURS;
}

static void add(struct list *list, int tag, unsigned int bits, uint32_t id)
{
	list->entries[list->n++] =
		(struct posix_acl_xattr_entry){.e_tag = htole16((uint16_t)tag),
					       .e_perm = htole16((uint16_t)(bits & MODE_BITS)),
					       .e_id = htole32(id)};
}

/* The only one of a class; NULL: there is none. */
static const struct posix_acl_xattr_entry *find(const struct list *list, unsigned int tag)
{
	for (size_t i = 0; i < list->n; i++)
		if (tag_of(&list->entries[i]) == tag)
			return &list->entries[i];
	return NULL;
}

/* --- the list that is there --- */

static int from_mode(const char *path, struct list *list)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	list->n = 0;
	add(list, ACL_USER_OBJ, st.st_mode >> 6, NO_ID);
	add(list, ACL_GROUP_OBJ, st.st_mode >> 3, NO_ID);
	add(list, ACL_OTHER, st.st_mode, NO_ID);
	return 0;
}

/* calls: lgetxattr */
static int from_file(const char *path, struct list *list)
{
	const size_t head = offsetof(struct list, entries);
	ssize_t size =
		lgetxattr(path, ATTRIBUTE, list, head + LIST_MOST * sizeof(list->entries[0]));

	if (size < 0)
		return errno == ENODATA ? from_mode(path, list) : -errno;
	if ((size_t)size < head || list->header.a_version != htole32(POSIX_ACL_XATTR_VERSION))
		return -EINVAL;
	list->n = ((size_t)size - head) / sizeof(list->entries[0]);
	return 0;
}

/* --- the list that is to be --- */

static bool names(const struct list *list, uid_t user)
{
	for (size_t i = 0; i < list->n; i++)
		if (tag_of(&list->entries[i]) == ACL_USER && !is_ours(&list->entries[i]) &&
		    le32toh(list->entries[i].e_id) == user)
			return true;
	return false;
}

static void add_bars(struct list *to, const struct list *from, const uid_t *users, size_t n)
{
	for (size_t i = 0; i < n && i < BAR_MOST; i++)
		if (!names(from, users[i]))
			add(to, ACL_USER, OURS, users[i]);
}

/* The kernel wants them in this order: owner, users, group, groups, mask, others. The mask, which
 * there has to be beside users, is what stat(2) shows as the group's bits. */
static void merge(struct list *to, const struct list *from, const uid_t *users, size_t n)
{
	const bool masked = find(from, ACL_MASK);

	*to = (struct list){.header.a_version = htole32(POSIX_ACL_XATTR_VERSION)};
	for (size_t i = 0; i < from->n; i++) {
		const struct posix_acl_xattr_entry *entry = &from->entries[i];

		if (is_ours(entry))
			continue;
		if (tag_of(entry) == ACL_GROUP_OBJ)
			add_bars(to, from, users, n);
		if (tag_of(entry) == ACL_OTHER && !masked && find(to, ACL_USER))
			add(to, ACL_MASK, bits_of(find(from, ACL_GROUP_OBJ)), NO_ID);
		to->entries[to->n++] = *entry;
	}
}

static bool is_same(const struct list *a, const struct list *b)
{
	return a->n == b->n && !memcmp(a->entries, b->entries, a->n * sizeof(a->entries[0]));
}

/* It says no more than a mode does: nobody is named, and the mask takes nothing from the group nor
 * hides what the group may not. */
static bool is_mode(const struct list *list)
{
	const struct posix_acl_xattr_entry *mask = find(list, ACL_MASK);

	return !find(list, ACL_USER) && !find(list, ACL_GROUP) &&
	       (!mask || bits_of(mask) == bits_of(find(list, ACL_GROUP_OBJ)));
}

/* calls: lremovexattr lsetxattr */
int bar_users(const char *path, const uid_t *users, size_t n)
{
	struct list there, list;
	size_t size;
	int error = from_file(path, &there);

	if (error)
		return n || (error != -EOPNOTSUPP && error != -ENOENT) ? error : 0;
	if (!find(&there, ACL_GROUP_OBJ))
		return -EINVAL;
	merge(&list, &there, users, n);
	if (is_same(&list, &there))
		return 0;
	size = offsetof(struct list, entries) + list.n * sizeof(list.entries[0]);
	if (is_mode(&list))
		error = lremovexattr(path, ATTRIBUTE);
	else
		error = lsetxattr(path, ATTRIBUTE, &list, size, 0);
	return error < 0 ? -errno : 0;
}
