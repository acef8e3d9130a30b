/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process whose user has no number in our user namespace comes with the overflow number (65534,
 * which is `nobody`): a rule for it would be one for all of them, so there is none.
 */
#include "allow.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "peer.h"

#define OVERFLOW_ID 65534u

static_assert(ALLOW_RULES < 32, "ALLOW_ANY_PORT is no set of rules");

static int number_of(const char *name, id_t *ret_id)
{
	unsigned long number;
	char *end;

	if (*name < '0' || *name > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(name, &end, 10);
	if (errno || *end || number >= UINT32_MAX)
		return -EINVAL;
	*ret_id = (id_t)number;
	return 0;
}

/* calls: socket connect poll ppoll sendto sendmsg recvfrom recvmsg */
int allow_find_user(const char *name, uid_t *ret_uid)
{
	const struct passwd *user = *name ? getpwnam(name) : NULL;
	int error = 0;

	if (user)
		*ret_uid = user->pw_uid;
	else
		error = number_of(name, ret_uid);
	if (!error && *ret_uid == OVERFLOW_ID)
		error = -EPERM;
	return error;
}

int allow_find_group(const char *name, gid_t *ret_gid)
{
	const struct group *group = *name ? getgrnam(name) : NULL;
	int error = 0;

	if (group)
		*ret_gid = group->gr_gid;
	else
		error = number_of(name, ret_gid);
	if (!error && *ret_gid == OVERFLOW_ID)
		error = -EPERM;
	return error;
}

/* Who, and a copy of what stands behind the '=', "" when nothing does. */
static int parse(const char *text, struct allow_rule *ret_rule, char *word, size_t room)
{
	char name[64];
	const char *colon = strchr(text, ':'), *equals = strchr(text, '=');
	size_t len;

	if (!colon || (equals && equals < colon))
		return -EINVAL;
	*ret_rule = (struct allow_rule){.group = strncmp(text, "group:", 6) == 0};
	if (!ret_rule->group && strncmp(text, "user:", 5) != 0)
		return -EINVAL;
	len = equals ? (size_t)(equals - colon - 1) : strlen(colon + 1);
	if (len >= sizeof(name) || (equals && (!equals[1] || strlen(equals + 1) >= room)))
		return -EINVAL;
	memcpy(name, colon + 1, len);
	name[len] = '\0';
	strcpy(word, equals ? equals + 1 : "");
	return ret_rule->group ? allow_find_group(name, &ret_rule->id)
			       : allow_find_user(name, &ret_rule->id);
}

static int add(struct allow_rules *rules, const struct allow_rule *rule)
{
	if (rules->count == ALLOW_RULES)
		return -EINVAL;
	rules->all[rules->count++] = *rule;
	return 0;
}

int allow_add_attach(struct allow_rules *rules, const char *text)
{
	struct allow_rule rule;
	char word[sizeof(rule.pattern)];
	int error = parse(text, &rule, word, sizeof(word));

	if (error)
		return error;
	strcpy(rule.pattern, *word ? word : "*");
	return add(rules, &rule);
}

int allow_add_control(struct allow_rules *rules, const char *text)
{
	struct allow_rule rule;
	char word[16];
	int error = parse(text, &rule, word, sizeof(word));

	if (error)
		return error;
	if (!*word || strcmp(word, "read") == 0)
		rule.level = ALLOW_READ;
	else if (strcmp(word, "operate") == 0)
		rule.level = ALLOW_OPERATE;
	else
		return -EINVAL;
	return add(rules, &rule);
}

static bool fits(const struct allow_rule *rule, const struct peer *peer)
{
	if (!peer->known)
		return false;
	return rule->group ? peer_is_in(peer, rule->id) : peer->uid == rule->id;
}

uint32_t allow_attach(const struct allow_rules *rules, const struct peer *peer)
{
	uint32_t set = 0;

	if (peer_is_own(peer))
		return ALLOW_ANY_PORT;
	for (uint32_t i = 0; i < rules->count; i++)
		if (fits(&rules->all[i], peer))
			set |= 1u << i;
	return set;
}

int allow_rule_of(const struct allow_rules *rules, const struct peer *peer)
{
	int found = -1;

	for (uint32_t i = 0; i < rules->count; i++) {
		const struct allow_rule *rule = &rules->all[i];

		if (fits(rule, peer) && (found < 0 || (rules->all[found].group && !rule->group)))
			found = (int)i;
	}
	return found;
}

bool allow_port(const struct allow_rules *rules, uint32_t set, const char *port_name)
{
	if (set == ALLOW_ANY_PORT)
		return true;
	for (uint32_t i = 0; i < rules->count; i++)
		if ((set & (1u << i)) && fnmatch(rules->all[i].pattern, port_name, 0) == 0)
			return true;
	return false;
}

enum allow_level allow_control(const struct allow_rules *rules, const struct peer *peer)
{
	enum allow_level level = ALLOW_NOTHING;

	if (peer_is_own(peer))
		return ALLOW_ALL;
	for (uint32_t i = 0; i < rules->count; i++)
		if (fits(&rules->all[i], peer) && rules->all[i].level > level)
			level = rules->all[i].level;
	return level;
}
