#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is each case of the catalogue of hostile inputs (catalogue.txt) in the name of a test? The names
# are sentences with ids in square brackets behind them: CATALOGUE(sentence, "[27] [R-1]").
# Prints which cases have no test, and which only for a part.
# Usage: catalogue.sh [TREE]. Exit 1 and one line per case without a test, or tag without a case.
set -eu
cd "${1:-$(dirname "$0")/..}"

table=tests/catalogue.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The tags: all in brackets between CATALOGUE( and its end, which may be some lines below.
find tests -name '*.c' -exec awk '
	/CATALOGUE(_OF)?\(/ { on = 1 }
	on {
		rest = $0
		while (match(rest, /\[[0-9A-Z-]+\]/)) {
			print substr(rest, RSTART + 1, RLENGTH - 2)
			rest = substr(rest, RSTART + RLENGTH)
		}
		if (/\)/)
			on = 0
	}' {} + | sort -u >"$work/tags"
grep -v '^#' "$table" | cut -d' ' -f1 | sort >"$work/ids"
grep -v '^#' "$table" | grep -E '^[^ ]+ (skip|missing): ' | cut -d' ' -f1 | sort >"$work/without"
grep -v '^#' "$table" | grep -E '^[^ ]+ missing: ' >"$work/missing" || true
grep -v '^#' "$table" | grep -F '; partly: ' >"$work/partly" || true

{
	uniq -d "$work/ids" | sed 's/.*/& is twice in the table/'
	comm -23 "$work/tags" "$work/ids" | sed 's/.*/[&] is in the name of a test and not in the table/'
	comm -23 "$work/ids" "$work/tags" | comm -23 - "$work/without" | sed 's/.*/no test has [&] in its name/'
	cut -d' ' -f1 "$work/partly" | sort | comm -23 - "$work/tags" | sed 's/.*/[&] has a part without a test, and no test/'
	comm -12 "$work/without" "$work/tags" | sed 's/.*/[&] has a test: say so in the table/'
} >"$work/wrong"

sed 's/^/without a test: /' "$work/missing"
sed -E 's/^([^ ]+) .*; partly: /without a test in part: \1 /' "$work/partly"
echo "$(wc -l <"$work/ids") cases, $(comm -12 "$work/ids" "$work/tags" | wc -l) with tests," \
	"$(grep -cE '^[^ ]+ skip: ' "$table") skipped, $(wc -l <"$work/missing") missing, $(wc -l <"$work/partly") in part"
cat "$work/wrong"
[ ! -s "$work/wrong" ]
