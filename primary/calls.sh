#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The system calls that the sources' tags name, as a table for the compiler.
# A tag is the rest of a comment, or what is before the next tag in it, behind "calls:", "calls of every
# program:" or "calls before the filter:" at its, or a line's, beginning, and has nothing but names in it.
# Usage: calls.sh SOURCE… >HEADER                all that the filter lets through
#        calls.sh --names KIND SOURCE… >NAMES    those of one kind, "calls:" and so on, one a line
set -eu

# names KIND[,KIND] SOURCE…
names() {
	kinds=$1
	shift
	awk -v kinds=",$kinds," '
		match($0, /^[\/ ]\*+ calls( of every program| before the filter)?:/) {
			said = substr($0, 1, RLENGTH)
			sub(/^[\/ ]\*+ /, "", said)
			on = index(kinds, "," said ",")
			$0 = substr($0, RLENGTH + 1)
		}
		on {
			end = sub(/\*\/.*/, "")
			gsub(/[^a-z0-9_ ]/, " ")
			n = split($0, words, " ")
			for (i = 1; i <= n; i++)
				print words[i]
			if (end)
				on = 0
		}' "$@" | sort -u
}

if [ "$1" = --names ]; then
	shift
	names "$@"
	exit
fi
echo '/* Made from the tags of the sources by calls.sh. X(name) */'
echo '#define CALLS(X) \'
names 'calls:,calls of every program:' "$@" | sed 's/.*/	X(&) \\/'
echo
