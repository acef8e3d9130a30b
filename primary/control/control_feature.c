/* SPDX-License-Identifier: Apache-2.0 */
/* feature get, enable and disable. */
#include <errno.h>

#include "control_answer.h"
#include "feature.h"
#include "port.h"

int control_feature(struct answer *answer, Holdfast__Control__Response *response)
{
	const Holdfast__Control__FeatureRequest *request = answer->request->feature;
	Holdfast__Control__FeatureReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	const char *reason = NULL;
	int error = 0;

	holdfast__control__feature_reply__init(reply);
	switch (request->verb) {
	case HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__GET:
		break;
	case HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__ENABLE:
	case HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__DISABLE:
		error = feature_change(
			answer->primary, request->port, request->mask,
			request->verb == HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__ENABLE, &reason);
		break;
	default:
		return answer_refuse(response, -EINVAL,
				     "no such verb; use the holdfast command that came with "
				     "holdfastd");
	}
	if (!error)
		error = feature_get(answer->primary, request->port, &reply->features, &reason);
	if (error)
		return answer_refuse(response, error, reason);
	reply->supported = port_supported_features();
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_FEATURE;
	response->feature = reply;
	return 0;
}
