/* SPDX-License-Identifier: Apache-2.0 */
/* handover and drain: begun by the first call of the step, answered when all has moved. */
#include "check.h"
#include "control_answer.h"
#include "handover.h"
#include "primary.h"

static void on_done(struct handover_waiter *waiter, const struct handover_result *result)
{
	struct answer *answer = container_of(waiter, struct answer, waiter);

	answer->result = *result;
	answer->wake(answer);
}

enum phase { BEGIN, UNDER_WAY };

static int begin(struct answer *answer, const char **ret_reason)
{
	const Holdfast__Control__Request *request = answer->request;
	struct primary *primary = answer->primary;
	struct secondary *from;
	int error;

	answer->waiter = (struct handover_waiter){.done = on_done};
	answer->phase = UNDER_WAY;
	if (request->body_case == HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER)
		return handover_start(primary, request->handover->port, request->handover->to,
				      &answer->waiter, ret_reason);
	error = handover_find(primary, request->drain->name, &from, ret_reason);
	if (error)
		return error;
	return handover_drain(primary, from, request->drain->force, &answer->waiter, ret_reason);
}

int control_handover(struct answer *answer, Holdfast__Control__Response *response)
{
	Holdfast__Control__HandoverReply *reply;
	const char *reason;
	int error;

	if (answer->phase == BEGIN) {
		error = begin(answer, &reason);
		return error ? answer_refuse(response, error, reason) : ANSWER_WAIT;
	}
	if (answer->waiter.handover)
		return ANSWER_WAIT;
	reply = answer_alloc(answer, 1, sizeof(*reply));
	holdfast__control__handover_reply__init(reply);
	reply->moved = answer->result.moved;
	reply->failed = answer->result.failed;
	reply->longest_pause_ns = answer->result.longest_ns;
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_HANDOVER;
	response->handover = reply;
	return 0;
}
