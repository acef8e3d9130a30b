/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>

#include "run.h"

int main(int argc, char **argv)
{
	/* libsmartcols measures characters, not bytes. Numbers stay as C writes them: JSON. */
	setlocale(LC_CTYPE, "");
	/* `holdfast events -f | head -1` ends like any filter. */
	signal(SIGPIPE, SIG_DFL);
	return cli_run(argc, argv, stdout, stderr);
}
