/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's command line for a guest on a port. */
#ifndef CLI_QEMU_H
#define CLI_QEMU_H

#include "guest.h"

#define QEMU_MAX_ARGS 24

struct qemu_version {
	unsigned major, minor; /* 0.0: not known */
};

struct qemu_choice {
	const char *program;
	struct qemu_version version;
	const char *mem;
	bool tcg;
};

struct qemu_args {
	char *args[QEMU_MAX_ARGS];
	size_t nr_args;
	char *redirect; /* for the shell, NULL: none */
};

/* "QEMU emulator version 7.2.22 (Debian …)". False: no version in there. */
bool qemu_parse_version(const char *text, struct qemu_version *ret);
/* Runs `program --version`; 0.0 when that does not work. */
struct qemu_version qemu_probe(const char *program);

/* Pure; free with qemu_args_free. */
void qemu_build(const struct guest *guest, const struct qemu_choice *choice, struct qemu_args *ret);
void qemu_args_free(struct qemu_args *args);
/* One line that a shell splits into the same words again. Caller frees. */
char *qemu_line(const struct qemu_choice *choice, const struct qemu_args *args);

#endif
