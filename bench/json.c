/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <errno.h>
#include <string.h>

int json_rows(const char *path, size_t n, void (*row)(FILE *file, const void *context, size_t i),
	      const void *context)
{
	FILE *file = fopen(path, "w");
	int error = 0;

	if (file) {
		fputs("[\n", file);
		for (size_t i = 0; i < n; i++) {
			row(file, context, i);
			fputs(i + 1 < n ? ",\n" : "\n", file);
		}
		fputs("]\n", file);
		if (ferror(file))
			error = -EIO;
	}
	if (!file || fclose(file))
		error = -errno;
	if (error)
		fprintf(stderr, "%s: %s\n", path, strerror(-error));
	return error;
}
