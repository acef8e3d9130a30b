/* SPDX-License-Identifier: Apache-2.0 */
/* A name is one secondary's: who has it, and who takes it from whom. */
#include <errno.h>

#include "attach.h"
#include "attach_client.h"
#include "fd.h"
#include "grant.h"
#include "holder.h"
#include "refusal.h"
#include "store.h"
#include "suite.h"

static void a_name_is_given_once(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;
	int fd, s;

	open_attach(&rig);
	(void)rig_secondary(&rig, "vsw", ROLE(VSWITCH), NULL, &s);
	CHECK_EQ(refused(&rig, &hello, "a secondary named vsw is attached"), -EEXIST);
	hf_fd_close(&s); /* it goes: the name is free at once */
	fd = dial(&rig);
	send_hello(fd, &hello);
	rig_until(&rig, NULL, NULL, 20);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_NAME], 1);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void a_name_that_a_rule_let_in_keeps_nobody_out_who_may_all(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct secondary *stranger;
	Answer *answer;
	struct rig rig;
	int s[2];

	open_attach(&rig);
	stranger = rig_secondary(&rig, "vsw", ROLE(VSWITCH), "a*", &s[0]);
	stranger->allowed = 1;
	s[1] = dial(&rig);
	send_hello(s[1], &hello);
	answer = answer_on(&rig, s[1]);
	CHECK(answer && answer->body_case == TO_SECONDARY(WELCOME));
	rig_message_free(answer);
	CHECK(is_closed(&rig, s[0]) || stranger->leaving);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_NAME], 1);
	/* And one of its kind does not take it back: it is another's. */
	CHECK_EQ(refused(&rig, &hello, "a secondary named vsw is attached"), -EEXIST);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static bool is_second_there(void *context)
{
	return ((struct rig *)context)->primary.secondaries[1] != NULL;
}

/* What is to be stored of it waits for a holder that does not read. */
static void who_outranks_a_name_takes_its_place_when_it_may_run_something(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct secondary *stranger;
	struct holder holder;
	struct port *port;
	struct rig rig;
	Answer *answer;
	int s[2];

	open_attach(&rig);
	holder_open(&holder);
	REQUIRE(store_open(rig.primary.loop, &rig.primary.store) == 0);
	stranger = rig_secondary(&rig, "vsw", ROLE(VSWITCH), "a*", &s[0]);
	stranger->allowed = 1;
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711=a*") == 0);
	port = rig_port(&rig, "a0", 2);
	grant_offer_all(&rig.primary);
	REQUIRE(port->device.owner == stranger);
	for (int i = 0; i < 2000 && !store_pending(rig.primary.store); i++)
		store_notify(rig.primary.store, "STATUS=much");
	s[1] = dial(&rig);
	send_hello(s[1], &hello);
	REQUIRE(rig_until(&rig, is_second_there, &rig, 20000));
	REQUIRE(rig.primary.secondaries[1]->storing);
	CHECK(rig.primary.secondaries[0] == stranger && secondary_usable(stranger));
	CHECK(port->device.owner == stranger && port->device.vrings[0].owner == stranger);
	/* One name is not given to three. */
	CHECK_EQ(refused(&rig, &hello, "a secondary named vsw is attached"), -EEXIST);
	attach_stored_all(&rig.primary);
	answer = answer_on(&rig, s[1]);
	CHECK(answer && answer->body_case == TO_SECONDARY(WELCOME));
	rig_message_free(answer);
	CHECK(port->device.owner == rig.primary.secondaries[1]);
	CHECK(port->device.vrings[0].owner == rig.primary.secondaries[1]);
	CHECK_EQ(rig_events(&rig, HOLDFAST__CONTROL__EVENT_KIND__PORT_ORPHANED, NULL), 0);
	hf_fd_close_all(s, 2);
	attach_close(&rig.primary);
	store_close(rig.primary.store);
	rig.primary.store = NULL;
	holder_close(&holder);
	rig_close(&rig);
}

/* Or its ports would be with nobody. */
static void who_is_not_let_in_leaves_the_one_of_its_name_alone(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct secondary *stranger;
	int fds[RIG_SECONDARIES];
	struct rig rig;
	char name[32];

	open_attach(&rig);
	stranger = rig_secondary(&rig, "vsw", ROLE(VSWITCH), "a*", &fds[0]);
	stranger->allowed = 1;
	for (uint32_t i = 1; i < RIG_SECONDARIES; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		(void)rig_secondary(&rig, name, ROLE(VSWITCH), NULL, &fds[i]);
	}
	CHECK_EQ(refused(&rig, &hello, "places for secondaries are taken"), -EBUSY);
	CHECK(!stranger->leaving);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_NAME], 0);
	hf_fd_close_all(fds, RIG_SECONDARIES);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_name_is_given_once, "[C-4]"),
	CATALOGUE(a_name_that_a_rule_let_in_keeps_nobody_out_who_may_all, "[C-4]"),
	SENTENCE(who_outranks_a_name_takes_its_place_when_it_may_run_something),
	SENTENCE(who_is_not_let_in_leaves_the_one_of_its_name_alone),
};
SUITE("attach names", sentences)
