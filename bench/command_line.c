/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int line_parse(int argc, char **argv, const struct option *options, void (*help)(void),
	       int (*take)(void *context, int option, const char *name, const char *value),
	       void *context)
{
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
		if (option == 'h') {
			help();
			return 1;
		}
		if (option == '?' || take(context, option, options[index].name, optarg))
			return -EINVAL;
	}
	if (optind != argc)
		fprintf(stderr, "%s: %s: see --help\n", program_invocation_short_name,
			argv[optind]);
	return optind == argc ? 0 : -EINVAL;
}

int line_number(const char *text, long min, long max, const char *name, long *ret)
{
	char *end;

	*ret = strtol(text, &end, 10);
	if (end != text && !*end && *ret >= min && *ret <= max)
		return 0;
	fprintf(stderr, "%s: --%s %s: give a number from %ld to %ld\n",
		program_invocation_short_name, name, text, min, max);
	return -EINVAL;
}

int line_power_of_two(const char *text, long min, long max, const char *name, long *ret)
{
	int error = line_number(text, min, max, name, ret);

	if (!error && (*ret & (*ret - 1))) {
		fprintf(stderr, "%s: --%s %s: give a power of two\n", program_invocation_short_name,
			name, text);
		error = -EINVAL;
	}
	return error;
}

int line_directory(char *dir, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	int error;

	if (!tmp || strlen(tmp) > size / 2)
		tmp = "/tmp";
	snprintf(dir, size, "%s/%s.XXXXXX", tmp, program_invocation_short_name);
	if (mkdtemp(dir))
		return 0;
	error = -errno;
	perror(dir);
	dir[0] = '\0';
	return error;
}
