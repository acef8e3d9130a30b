#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The system calls that the sources' tags name, as a table for the compiler.
# A tag is the rest of a comment behind "calls:" or "calls of every program:" at its, or a line's,
# beginning, and has nothing but names in it.
# Usage: calls.sh SOURCE… >HEADER
set -eu
echo '/* Made from the tags of the sources by calls.sh. X(name) */'
echo '#define CALLS(X) \'
awk '
	match($0, /^[\/ ]\*+ calls( of every program)?:/) { on = 1; $0 = substr($0, RSTART + RLENGTH) }
	on {
		end = sub(/\*\/.*/, "")
		gsub(/[^a-z0-9_ ]/, " ")
		n = split($0, names, " ")
		for (i = 1; i <= n; i++)
			print names[i]
		if (end)
			on = 0
	}' "$@" | sort -u | sed 's/.*/	X(&) \\/'
echo
