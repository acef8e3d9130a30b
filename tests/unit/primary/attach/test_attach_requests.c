/* SPDX-License-Identifier: Apache-2.0 */
/* What an attached secondary asks for: ports and features. */
#include <errno.h>

#include "attach_client.h"
#include "fd.h"
#include "port.h"
#include "ports.h"
#include "suite.h"

/* The Reply to a request, by error; *ret_value if asked. */
static int reply_to(struct rig *rig, int fd, Request *request, uint64_t *ret_value)
{
	static uint64_t number = 100;
	Answer *answer;
	int error;

	request->request = ++number;
	REQUIRE(hf_frame_send(fd, &request->base, NULL, 0) == 0);
	answer = answer_on(rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REPLY));
	CHECK_EQ(answer->reply->request, number);
	CHECK(!answer->reply->error == !*answer->reply->reason);
	error = answer->reply->error;
	if (ret_value)
		*ret_value = answer->reply->value;
	rig_message_free(answer);
	return error;
}

static int add_port(struct rig *rig, int fd, const char *name, Holdfast__Attach__PortKind kind)
{
	Holdfast__Attach__PortAdd add = HOLDFAST__ATTACH__PORT_ADD__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	add.name = (char *)(uintptr_t)name;
	add.kind = kind;
	request.body_case = TO_PRIMARY(PORT_ADD);
	request.port_add = &add;
	return reply_to(rig, fd, &request, NULL);
}

static int del_port(struct rig *rig, int fd, const char *name)
{
	Holdfast__Attach__PortDel del = HOLDFAST__ATTACH__PORT_DEL__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	del.name = (char *)(uintptr_t)name;
	request.body_case = TO_PRIMARY(PORT_DEL);
	request.port_del = &del;
	return reply_to(rig, fd, &request, NULL);
}

static void a_secondary_adds_and_removes_ports(void)
{
	struct rig rig;
	int fd, observer;

	open_attach(&rig);
	fd = attached(&rig, ROLE(VSWITCH));
	observer = attached(&rig, ROLE(OBSERVER));
	CHECK_EQ(add_port(&rig, fd, "vm0", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), 0);
	CHECK(port_find(&rig.primary, "vm0") != NULL);
	CHECK_EQ(add_port(&rig, fd, "vm0", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), -EEXIST);
	CHECK_EQ(add_port(&rig, fd, "a/b", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), -EINVAL);
	CHECK_EQ(add_port(&rig, fd, "c!0", HOLDFAST__ATTACH__PORT_KIND__VHOST_CUSE), -EINVAL);
	CHECK_EQ(add_port(&rig, fd, "k2", (Holdfast__Attach__PortKind)2), -EOPNOTSUPP);
	CHECK_EQ(add_port(&rig, fd, "k-", (Holdfast__Attach__PortKind)-1), -EOPNOTSUPP);
	CHECK_EQ(del_port(&rig, observer, "vm0"), -EPERM);
	CHECK_EQ(del_port(&rig, fd, "vm1"), -ENOENT);
	CHECK_EQ(del_port(&rig, fd, "vm0"), 0);
	CHECK(port_find(&rig.primary, "vm0") == NULL);
	hf_fd_close(&fd);
	hf_fd_close(&observer);
	rig_close(&rig);
}

static int change_feature(struct rig *rig, int fd, const char *port, uint64_t mask, bool enable)
{
	Holdfast__Attach__FeatureChange change = HOLDFAST__ATTACH__FEATURE_CHANGE__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	change.port = (char *)(uintptr_t)port;
	change.mask = mask;
	change.enable = enable;
	request.body_case = TO_PRIMARY(FEATURE_CHANGE);
	request.feature_change = &change;
	return reply_to(rig, fd, &request, NULL);
}

static uint64_t features_of(struct rig *rig, int fd, const char *port)
{
	Holdfast__Attach__FeatureGet get = HOLDFAST__ATTACH__FEATURE_GET__INIT;
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	uint64_t features = 0;

	get.port = (char *)(uintptr_t)port;
	request.body_case = TO_PRIMARY(FEATURE_GET);
	request.feature_get = &get;
	CHECK_EQ(reply_to(rig, fd, &request, &features), 0);
	return features;
}

static void features_are_switched_for_one_port_or_all(void)
{
	const uint64_t csum = 1, indirect = 1ull << 28;
	struct rig rig;
	int fd;

	open_attach(&rig);
	fd = attached(&rig, ROLE(VSWITCH));
	CHECK_EQ(add_port(&rig, fd, "vm0", HOLDFAST__ATTACH__PORT_KIND__VHOST_USER), 0);
	CHECK_EQ(change_feature(&rig, fd, "vm0", csum, false), 0);
	CHECK_EQ(features_of(&rig, fd, "vm0") & csum, 0);
	CHECK_EQ(features_of(&rig, fd, "") & csum, csum);
	CHECK_EQ(change_feature(&rig, fd, "", indirect, false), 0);
	CHECK_EQ(features_of(&rig, fd, "vm0") & indirect, 0);
	CHECK_EQ(change_feature(&rig, fd, "vm0", indirect, true), -EINVAL);
	CHECK_EQ(change_feature(&rig, fd, "", indirect | csum, true), 0);
	CHECK_EQ(features_of(&rig, fd, "vm0") & (indirect | csum), indirect | csum);
	CHECK_EQ(change_feature(&rig, fd, "", 1ull << 62, true), -EINVAL);
	CHECK_EQ(change_feature(&rig, fd, "vm9", csum, true), -ENOENT);
	CHECK_EQ(del_port(&rig, fd, "vm0"), 0);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(a_secondary_adds_and_removes_ports),
	SENTENCE(features_are_switched_for_one_port_or_all),
};
SUITE("attach requests", sentences)
