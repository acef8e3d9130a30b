/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the scene's primary (primary_scene.h), whose loop runs while it waits. */
#ifndef TESTS_CONTROL_CLIENT_H
#define TESTS_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.pb-c.h"

#define ASK(name)    HOLDFAST__CONTROL__REQUEST__BODY_##name
#define ANSWER(name) HOLDFAST__CONTROL__RESPONSE__BODY_##name
#define REQUEST_INIT HOLDFAST__CONTROL__REQUEST__INIT
#define MAX_PARTS    2000u
#define TEXT(s)	     ((char *)(uintptr_t)(s))

typedef Holdfast__Control__Request Request;
typedef Holdfast__Control__Response Response;

struct answer {
	Response *parts[MAX_PARTS];
	size_t nr_parts;
};

/* From now on the scene's primary answers. */
void control_serve(void);

int dial(void);
void ask(int fd, Request *request);
/* Is there something to read, or the end? For rig_until: of an int. */
bool is_readable(void *context);
/* The next Response; NULL: closed, or nothing in time. */
Response *response_on(int fd, unsigned int ms);
void free_response(Response *response);
/* All parts of the next answer. */
void collect(int fd, struct answer *ret);
void free_answer(struct answer *answer);

/* Ask on a connection of its own; the whole answer, of this kind. */
struct answer *call(Request *request, Holdfast__Control__Response__BodyCase body);
/* The error of a request that is refused with a reason. */
int call_error(Request *request);
/* The counters of a port, "": of all. */
struct answer *stats(const char *port);

#endif
