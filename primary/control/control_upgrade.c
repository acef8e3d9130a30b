/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: answered when the program was looked at; what came of it, another life is asked. */
#include "check.h"
#include "control_answer.h"
#include "primary.h"
#include "upgrade.h"

enum phase { BEGIN, UNDER_WAY };

static void on_checked(struct upgrade_waiter *waiter, int error, const char *reason)
{
	struct answer *answer = container_of(waiter, struct answer, upgrade);

	answer->error = error;
	answer->reason = reason;
	answer->wake(answer);
}

int control_upgrade_status(struct answer *answer, Holdfast__Control__Response *response)
{
	Holdfast__Control__UpgradeReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	const struct primary *primary = answer->primary;
	struct upgrade_status status;

	upgrade_status(primary, &status);
	holdfast__control__upgrade_reply__init(reply);
	reply->version = answer_borrow(HOLDFAST_VERSION);
	reply->binary = answer_borrow(status.binary);
	reply->life = primary->resumed.life;
	reply->under_way = status.under_way;
	reply->from_version = answer_borrow(status.from_version);
	reply->pause_ns = status.pause_ns;
	reply->sessions = primary->resumed.sessions;
	reply->secondaries = primary->resumed.secondaries;
	reply->error = status.error;
	reply->reason = answer_borrow(status.reason);
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_UPGRADE;
	response->upgrade = reply;
	return 0;
}

int control_upgrade(struct answer *answer, Holdfast__Control__Response *response)
{
	const char *reason;
	int error;

	if (answer->phase == BEGIN) {
		answer->upgrade = (struct upgrade_waiter){.checked = on_checked};
		answer->phase = UNDER_WAY;
		error = upgrade_start(answer->primary, answer->request->upgrade->binary,
				      &answer->upgrade, &reason);
		return error ? answer_refuse(response, error, reason) : ANSWER_WAIT;
	}
	if (answer->upgrade.upgrade)
		return ANSWER_WAIT;
	if (answer->error)
		return answer_refuse(response, answer->error, answer->reason);
	return control_upgrade_status(answer, response);
}
